//! Front matter: YAML 1.2 with scalars, lists and maps alone. Anchors, aliases, tags, merge keys,
//! second documents and repeated keys are faults that do not hide the others.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::fault::{Faults, Invalid, Reason, Spot, clipped, quoted};
use super::node::{Entries, Node, Value};

const MAX_LEVELS: usize = 6;
const MAX_NODES: usize = 512;

/// The keys of the front matter, which begins below line `above` of the file.
///
/// # Errors
/// It is no YAML, or nests or holds more than a manifest may.
pub(crate) fn read(front: &str, above: usize, faults: &mut Faults) -> Result<Entries, Invalid> {
    let events = Parser::new_from_str(front);
    Reader { events, above, faults, nodes: 0, path: Vec::new() }.document()
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    above: usize,
    faults: &'a mut Faults,
    nodes: usize,
    /// The keys down to where the reader is.
    path: Vec<String>,
}

type Marked<'a> = (Event<'a>, usize);

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Entries, Invalid> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamStart | Event::Nothing | Event::DocumentEnd => {}
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self.refuse(line, "the front matter holds a second document"));
                }
                Event::DocumentStart(_) => {
                    let first = self.next()?;
                    root = Some(self.node(first, 1)?);
                }
                Event::StreamEnd => break,
                Event::Alias(_)
                | Event::Scalar(..)
                | Event::SequenceStart(..)
                | Event::SequenceEnd
                | Event::MappingStart(..)
                | Event::MappingEnd => {
                    return Err(self.refuse(line, "the front matter is no list of keys"));
                }
            }
        }
        match root {
            None => Ok(Entries::default()),
            Some(Node { value: Value::Map(entries), .. }) => Ok(entries),
            Some(Node { value: Value::Nothing, .. }) => Ok(Entries::default()),
            Some(other) => {
                let message = format!("the front matter is {}, not keys", other.what());
                let fault = Spot::new("", other.line).fault(Reason::Malformed, message);
                Err(self.faults.end_with(fault.hint("write one key: value on each line")))
            }
        }
    }

    fn next(&mut self) -> Result<Marked<'a>, Invalid> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.line_of(&span))),
            Some(Err(error)) => Err(self.unreadable(&error)),
            None => Ok((Event::StreamEnd, self.above)),
        }
    }

    fn node(&mut self, (event, line): Marked<'a>, level: usize) -> Result<Node, Invalid> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let message = format!("more than {MAX_NODES} values in one front matter");
            return Err(self.refuse(line, &message));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.mark(line, anchor, tag.is_some());
                scalar(&text, style)
            }
            Event::SequenceStart(anchor, tag) => {
                self.mark(line, anchor, tag.is_some());
                self.list(line, level)?
            }
            Event::MappingStart(anchor, tag) => {
                self.mark(line, anchor, tag.is_some());
                self.map(line, level)?
            }
            Event::Alias(_) => {
                self.fault(line, "an alias (*name) is not taken", "write the value again");
                Value::Nothing
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.refuse(line, "a value is missing")),
        };
        Ok(Node::new(Some(line), value))
    }

    fn list(&mut self, line: usize, level: usize) -> Result<Value, Invalid> {
        self.bound(line, level)?;
        let mut items = Vec::new();
        loop {
            let next = self.next()?;
            if next.0 == Event::SequenceEnd {
                return Ok(Value::List(items));
            }
            items.push(self.node(next, level + 1)?);
        }
    }

    fn map(&mut self, line: usize, level: usize) -> Result<Value, Invalid> {
        self.bound(line, level)?;
        let mut entries = Entries::default();
        loop {
            let next = self.next()?;
            if next.0 == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let key_line = next.1;
            let key = self.key(next, level)?;
            self.path.push(clipped(key.as_deref().unwrap_or("?")));
            let first = self.next()?;
            let mut node = self.node(first, level + 1)?;
            // A fault of the value is looked for where its key stands.
            node.line = Some(key_line);
            if let Some(key) = key {
                self.add(&mut entries, key, node);
            }
            self.path.pop();
        }
    }

    fn key(&mut self, next: Marked<'a>, level: usize) -> Result<Option<String>, Invalid> {
        let line = next.1;
        if let (Event::Scalar(text, _, anchor, tag), _) = &next {
            self.mark(line, *anchor, tag.is_some());
            return Ok(Some(text.clone().into_owned()));
        }
        // Read over, so that what follows is still looked at.
        self.node(next, level + 1)?;
        self.fault(line, "a key is text", "write key: value");
        Ok(None)
    }

    fn add(&mut self, entries: &mut Entries, key: String, node: Node) {
        let line = node.line.unwrap_or(self.above);
        if key == "<<" {
            self.fault(line, "a merge key (<<) is not taken", "write the keys out");
            return;
        }
        let named = quoted(&key);
        if !entries.add(key, node) {
            self.fault(line, &format!("the key {named} stands here twice"), "keep one of them");
        }
    }

    fn mark(&mut self, line: usize, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.fault(line, "an anchor (&name) is not taken", "leave it out");
        }
        if tagged {
            self.fault(line, "a tag (!name) is not taken", "leave it out; quotes make text");
        }
    }

    fn bound(&mut self, line: usize, level: usize) -> Result<(), Invalid> {
        if level <= MAX_LEVELS {
            return Ok(());
        }
        Err(self.refuse(line, &format!("nested deeper than {MAX_LEVELS} levels")))
    }

    fn fault(&mut self, line: usize, message: &str, hint: &str) {
        let fault = self.spot(line).fault(Reason::Malformed, message);
        self.faults.push(fault.hint(hint));
    }

    fn refuse(&mut self, line: usize, message: &str) -> Invalid {
        self.faults.end_with(self.spot(line).fault(Reason::Malformed, message))
    }

    fn spot(&self, line: usize) -> Spot {
        Spot::new(self.path.join("."), Some(line))
    }

    fn unreadable(&mut self, error: &ScanError) -> Invalid {
        let line = self.above + error.marker().line();
        let message = format!("the front matter is no YAML: {}", error.info());
        self.faults.end_with(self.spot(line).fault(Reason::Malformed, message))
    }

    fn line_of(&self, span: &Span) -> usize {
        self.above + span.start.line()
    }
}

/// The core schema: only what is not quoted may be something else than text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    match style {
        ScalarStyle::Plain => plain(text),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => Value::Text(text.into()),
    }
}

fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Nothing,
        "true" | "True" | "TRUE" => Value::Flag(true),
        "false" | "False" | "FALSE" => Value::Flag(false),
        ".nan" | ".NaN" | ".NAN" => Value::Decimal(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Decimal(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Decimal(f64::NEG_INFINITY),
        other => number(other).unwrap_or_else(|| Value::Text(other.into())),
    }
}

fn number(text: &str) -> Option<Value> {
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let begins = digits.strip_prefix('.').unwrap_or(digits);
    let looks = begins.bytes().next().is_some_and(|byte| byte.is_ascii_digit())
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !looks {
        return None;
    }
    match text.parse::<i128>() {
        Ok(whole) => Some(Value::Whole(whole)),
        Err(_) => text.parse::<f64>().ok().map(Value::Decimal),
    }
}

fn based(digits: &str, radix: u32) -> Option<Value> {
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    i128::from_str_radix(digits, radix).ok().map(Value::Whole)
}
