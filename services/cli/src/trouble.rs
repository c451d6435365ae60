//! What went wrong, told in three parts: what, why, and what to type next. Prints nothing itself.

use std::io;

use client::CallError;
use protocol::{Code, Detail, Problem};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::exit::Exit;

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Trouble {
    pub exit: Exit,
    pub(crate) what: String,
    pub why: Vec<String>,
    pub(crate) next: Option<String>,
    pub(crate) problem: Option<Box<Problem>>,
    /// The file or the job that it is about, for those who read JSON.
    about: Option<String>,
}

/// The parts of an answer or of a file that an error speaks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Trouble {
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), why: Vec::new(), next: None, problem: None, about: None }
    }

    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// Every cause behind it, from the nearest on.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let said = error.to_string();
            if self.why.last() != Some(&said) {
                self.why.push(said);
            }
            cause = error.source();
        }
        self
    }

    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// A call that came to nothing. `url` is where the fleet was looked for, `credential` says
    /// where the token came from.
    pub(crate) fn of_call(error: CallError, changes: bool, at: &At<'_>) -> Self {
        match error {
            CallError::Refused(problem) => Self::refused(problem, at),
            error @ CallError::Bus(_) => {
                let why = error.to_string();
                let mut problem = error.problem(changes, at.request_id);
                let why = why.strip_prefix("the bus is away: ").unwrap_or(&why).to_owned();
                let next = if why.starts_with("cannot connect") {
                    "start one: gigamesh dev, or name another with --url"
                } else if changes {
                    "it may have been carried out: look with gigamesh list, then repeat"
                } else {
                    "repeat it, or wait longer with --timeout"
                };
                let what = format!("the fleet at {} does not answer", at.url);
                problem.message = format!("{what}: {why}");
                let exit = Exit::of(problem.code);
                Self { problem: Some(problem), ..Self::new(exit, what) }.because(why).next(next)
            }
            error @ CallError::Garbled(_) => {
                let problem = error.problem(changes, at.request_id);
                let what = format!("what answers at {} is no fleet of this version", at.url);
                Self {
                    exit: Exit::Unknown,
                    problem: Some(problem),
                    ..Self::new(Exit::Unknown, what)
                }
                .because("the answer cannot be read")
                .next("look at the address: gigamesh config explain url")
            }
        }
    }

    fn refused(problem: Box<Problem>, at: &At<'_>) -> Self {
        let next = remedy(&problem).or_else(|| suggestion(problem.code, at));
        let mut why: Vec<String> = problem.details.iter().map(|fault| told(fault, None)).collect();
        if let Some(current) = &problem.current {
            let stage = serde_json::to_value(current.stage).unwrap_or_default();
            why.push(format!("the job is {} now", stage.as_str().unwrap_or_default()));
        }
        if let (Some(actual), Some(limit)) = (problem.actual, problem.limit) {
            why.push(format!("{actual} of at most {limit} bytes"));
        }
        if why.is_empty() {
            why.push(reason(&problem));
        }
        let (exit, what) = (Exit::of(problem.code), problem.message.clone());
        Self { why, next, problem: Some(problem), ..Self::new(exit, what) }
    }

    /// What was not found is called by its name.
    #[must_use]
    pub(crate) fn naming(mut self, kind: &str, named: &str, next: &str) -> Self {
        if let (Exit::NotFound, Some(problem)) = (self.exit, &mut self.problem) {
            self.what = format!("there is no {kind} {named:?}");
            problem.message.clone_from(&self.what);
            self.next = Some(next.to_owned());
        }
        self
    }

    /// One of several that were named.
    #[must_use]
    pub(crate) fn of(mut self, named: &str) -> Self {
        self.what = format!("{named}: {}", self.what);
        self.about = Some(named.to_owned());
        self
    }

    /// The same, with the lines of the file that it is about.
    pub(crate) fn about(mut self, file: Passage<'_>) -> Self {
        let Some(problem) = &self.problem else { return self };
        if problem.details.is_empty() {
            return self.of(file.name);
        }
        self.about = Some(file.name.to_owned());
        self.why = problem.details.iter().map(|fault| told(fault, Some(file))).collect();
        self.what = format!("{} is not taken", file.name);
        self
    }

    pub(crate) fn json(&self) -> Value {
        let mut error = match &self.problem {
            Some(problem) => json!(problem),
            None => {
                let mut error = json!({ "code": self.word(), "message": self.what });
                if !self.why.is_empty() {
                    error["details"] = json!(self.why);
                }
                error
            }
        };
        if let Some(next) = &self.next {
            error["hint"] = json!(next);
        }
        if let Some(about) = &self.about {
            error["about"] = json!(about);
        }
        json!({ "apiVersion": "fleet/v1", "error": error })
    }

    fn word(&self) -> &'static str {
        match self.exit {
            Exit::Done => "DONE",
            Exit::Error => "ERROR",
            Exit::NothingCanRunIt => "NOTHING_CAN_RUN_IT",
            Exit::Conflict => "CONFLICT",
            Exit::Fenced => "FENCED",
            Exit::Refused => "THROTTLED",
            Exit::NotFound => "NOT_FOUND",
            Exit::NotAllowed => "UNAUTHENTICATED",
            Exit::Unknown => "UNAVAILABLE",
            Exit::Failed => "FAILED",
            Exit::Usage => "USAGE",
            Exit::TimedOut => "TIMED_OUT",
            Exit::Interrupted => "INTERRUPTED",
        }
    }
}

/// Where and how a call was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) url: &'a str,
    /// Where the token came from.
    pub(crate) credential: &'a str,
    pub(crate) request_id: Uuid,
}

/// Nobody reads what is written any more, or it cannot be written.
impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        // As with `gigamesh list | head`: the reader has what it wanted.
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Exit::Done, "");
        }
        Self::new(Exit::Error, "the output cannot be written").because(error.to_string())
    }
}

/// What the fleet itself advises. Of an unknown key it names the nearest known one, for programs.
fn remedy(problem: &Problem) -> Option<String> {
    let hint = problem.hint.clone()?;
    let is_key = problem.reason.as_deref() == Some("unknown_key") && !hint.contains(' ');
    Some(if is_key { format!("write {hint} instead") } else { hint })
}

fn suggestion(code: Code, at: &At<'_>) -> Option<String> {
    let next = match code {
        Code::NotFound => "gigamesh list".to_owned(),
        Code::Unauthenticated => {
            format!("the token came from {}; name another with --token-file", at.credential)
        }
        Code::Forbidden | Code::OutOfScope => {
            "ask for a token of that role, or name another with --token-file".to_owned()
        }
        Code::Unavailable | Code::Throttled | Code::ConcurrentUpdate | Code::CommitUnknown => {
            "repeat it in a moment".to_owned()
        }
        Code::InvalidTransition
        | Code::AlreadyFinished
        | Code::Fenced
        | Code::EpochUnknown
        | Code::LeaseNotHeld
        | Code::LeaseLost
        | Code::RunClosed => "see where it stands: gigamesh why JOB".to_owned(),
        Code::IdempotencyConflict => "see what stands: gigamesh get KEY; or use another key".into(),
        Code::Conflict => "look again: gigamesh get JOB".to_owned(),
        Code::Internal => format!("quote the request id {}", at.request_id),
        Code::Validation
        | Code::DependencyCycle
        | Code::UnknownAction
        | Code::MethodNotAllowed
        | Code::TooLarge
        | Code::UnsupportedMedia => return None,
    };
    Some(next)
}

fn reason(problem: &Problem) -> String {
    let code = problem.code.as_str();
    let reason = problem.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    if problem.path.is_empty() {
        format!("{code}{reason}")
    } else {
        format!("{code}{reason}: {}", problem.path.join(" → "))
    }
}

/// One fault, with the line that it is about where that is known.
fn told(fault: &Detail, file: Option<Passage<'_>>) -> String {
    let (Some(line), Some(file)) = (fault.line, file) else {
        let field = if fault.field.is_empty() { "" } else { ": " };
        return format!("{}{field}{}", fault.field, fault.message);
    };
    let mut text = format!("{}:{line}: {}", file.name, fault.message);
    let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    if let Some(said) = file.text.lines().nth(at) {
        let last = fault.field.rsplit('.').next().unwrap_or_default();
        let last = last.split('[').next().unwrap_or_default();
        let column = column(said, last);
        text.push_str(&format!("\n    {said}\n    {}^", " ".repeat(column)));
    }
    text
}

/// Where in the line the key stands, else its first letter.
fn column(line: &str, key: &str) -> usize {
    let first = line.chars().take_while(|letter| letter.is_whitespace()).count();
    if key.is_empty() {
        return first;
    }
    line.find(key).and_then(|at| line.get(..at)).map_or(first, |before| before.chars().count())
}
