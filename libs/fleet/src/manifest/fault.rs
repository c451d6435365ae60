//! What is wrong with a submission: every fault of it, each with its field, line and remedy.

use std::fmt;

use crate::id::Key;

/// A submission that cannot be taken, with every fault that was found, in the order of the lines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", Summary(faults))]
pub struct Invalid {
    /// Never empty; the first one leads.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Such as `retry.on[0]`; empty for the submission as a whole.
    pub field: String,
    /// Counted from 1 in the file; a JSON submission has lines only for what is no JSON.
    pub line: Option<usize>,
    pub reason: Reason,
    pub message: String,
    /// What to do or write instead.
    pub hint: Option<String>,
}

/// The kind of a fault: what a program may branch on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not UTF-8, not YAML or JSON, or more of either than a manifest may use.
    Malformed,
    /// Front matter that is never closed.
    FrontMatter,
    UnknownKey,
    /// One key in two spellings.
    DuplicateKey,
    /// Text where a number belongs, and the like.
    BadType,
    BadEnum,
    /// The right type and not the key's grammar.
    BadValue,
    OutOfRange,
    TooMany,
    Missing,
    /// Two keys that cannot both hold.
    Disagrees,
    UnknownProfile,
    /// The keys or ids along the cycle, the job itself first.
    DependencyCycle {
        path: Vec<String>,
    },
    /// `yolo` without the grant to ask for it.
    Yolo,
    /// Bytes.
    TooLarge {
        limit: usize,
        actual: usize,
    },
}

impl Reason {
    /// The word for it on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::FrontMatter => "front_matter",
            Self::UnknownKey => "unknown_key",
            Self::DuplicateKey => "duplicate_key",
            Self::BadType => "bad_type",
            Self::BadEnum => "bad_enum",
            Self::BadValue => "bad_value",
            Self::OutOfRange => "out_of_range",
            Self::TooMany => "too_many",
            Self::Missing => "missing",
            Self::Disagrees => "disagrees",
            Self::UnknownProfile => "unknown_profile",
            Self::DependencyCycle { .. } => "dependency_cycle",
            Self::Yolo => "yolo",
            Self::TooLarge { .. } => "too_large",
        }
    }
}

impl Invalid {
    pub(crate) fn one(fault: Fault) -> Self {
        Self { faults: vec![fault] }
    }

    /// The fault whose reason decides the answer.
    #[must_use]
    pub fn leading(&self) -> &Fault {
        self.faults.first().expect("an Invalid is made of at least one fault")
    }
}

/// Where in a submission something stands.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) field: String,
    pub(crate) line: Option<usize>,
}

impl Spot {
    pub(crate) fn new(field: impl Into<String>, line: Option<usize>) -> Self {
        Self { field: field.into(), line }
    }

    /// The field below `prefix`.
    pub(crate) fn below(prefix: &str, key: &str, line: Option<usize>) -> Self {
        if prefix.is_empty() {
            Self::new(key, line)
        } else {
            Self::new(format!("{prefix}.{key}"), line)
        }
    }

    pub(crate) fn item(&self, index: usize, line: Option<usize>) -> Self {
        Self::new(format!("{}[{index}]", self.field), line.or(self.line))
    }

    pub(crate) fn fault(&self, reason: Reason, message: impl Into<String>) -> Fault {
        let message = message.into();
        Fault { field: self.field.clone(), line: self.line, reason, message, hint: None }
    }

    pub(crate) fn too_large(&self, limit: usize, actual: usize) -> Fault {
        let message = format!("{} has {actual} bytes; {limit} is the most", self.field);
        self.fault(Reason::TooLarge { limit, actual }, message)
    }
}

impl Fault {
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// Collects until everything has been looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The value, or `None` with its fault kept.
    pub(crate) fn keep<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.0.push(fault)).ok()
    }

    /// What cannot be read further ends the list of what was found before.
    pub(crate) fn end_with(&mut self, last: Fault) -> Invalid {
        let mut faults = std::mem::take(self);
        faults.push(last.clone());
        faults.verdict().err().unwrap_or_else(|| Invalid::one(last))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// `Err` with the faults in the order of their lines, those without a line last. Beyond what
    /// a person reads they are only counted.
    pub(crate) fn verdict(mut self) -> Result<(), Invalid> {
        const SHOWN: usize = 128;
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        if let Some(more) = self.0.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.0.truncate(SHOWN);
            let message = format!("{more} more faults are not shown");
            self.0.push(Spot::new("", None).fault(Reason::TooMany, message));
        }
        Err(Invalid { faults: self.0 })
    }
}

/// What a person wrote, quoted, escaped and cut to a length that a message can carry.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}", format!("{}…", text.get(..end).unwrap_or(""))),
        None => format!("{text:?}"),
    }
}

/// Enough of a key to find it again: a field of an answer is short and printable.
pub(crate) fn clipped(key: &str) -> String {
    key.chars().filter(|letter| !letter.is_control()).take(64).collect()
}

struct Summary<'a>(&'a [Fault]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                out.write_str("\n")?;
            }
            write!(out, "{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(out, "line {line}: ")?;
        }
        out.write_str(&self.message)
    }
}

/// The path of one: a job that waits for itself.
pub(crate) fn cycle_through(path: &[&Key]) -> Reason {
    Reason::DependencyCycle { path: path.iter().map(ToString::to_string).collect() }
}
