//! Data to standard output, talk to standard error, each in the form that was asked for. Asks a
//! fleet nothing.

use std::io::{BufRead, BufReader, Read as _};
use std::process::{Command, Stdio};

use fleet::Timestamp;
use serde_json::{Map, Value, json};

use crate::args::Output;
use crate::clean;
use crate::shape::{self, Column, Read, Shape};
use crate::table;
use crate::terminal::Terminal;
use crate::trouble::Trouble;

const API: &str = "fleet/v1";
/// Longer than any password or token.
const LONGEST_SECRET: u64 = 16 << 10;

#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) terminal: Terminal,
    /// What was asked for; otherwise it depends on what is printed, and where.
    output: Option<Output>,
    fields: Option<Vec<String>>,
    quiet: bool,
    colour: bool,
    /// Lines that stand on the terminal and are drawn over, the cursor hidden meanwhile.
    drawn: Option<usize>,
    /// A line of progress stands on the terminal.
    progressing: bool,
}

impl Printer {
    pub(crate) fn new(terminal: Terminal, colour: bool, quiet: bool) -> Self {
        let colour = colour && terminal.colour && terminal.out.is_terminal;
        Self {
            terminal,
            output: None,
            fields: None,
            quiet,
            colour,
            drawn: None,
            progressing: false,
        }
    }

    pub(crate) fn ask_for(
        &mut self,
        output: Option<Output>,
        fields: Option<Vec<String>>,
    ) -> Result<(), Trouble> {
        let json = matches!(output, None | Some(Output::Json | Output::Jsonl));
        if fields.is_some() && !json {
            return Err(Trouble::usage(
                "--json FIELDS prints JSON, --output asks for something else",
            )
            .next("leave one of them out"));
        }
        (self.output, self.fields) = (output, fields);
        Ok(())
    }

    /// Whether people read it as it comes.
    pub(crate) fn is_for_people(&self) -> bool {
        matches!(self.form(true), Output::Table | Output::Wide)
    }

    fn form(&self, list: bool) -> Output {
        match (self.output, &self.fields) {
            (Some(output), _) => output,
            (None, None) if self.terminal.out.is_terminal => Output::Table,
            (None, _) if list => Output::Jsonl,
            (None, _) => Output::Json,
        }
    }

    pub(crate) fn list(
        &mut self,
        shape: &Shape,
        items: &[Value],
        now: Timestamp,
    ) -> Result<(), Trouble> {
        match self.form(true) {
            form @ (Output::Table | Output::Wide) => {
                for line in self.table(shape, items, form == Output::Wide, now) {
                    self.terminal.out.line(&line)?;
                }
            }
            Output::Json => {
                let items: Result<Vec<_>, _> =
                    items.iter().map(|item| self.picked(shape, item)).collect();
                let whole = json!({ "apiVersion": API, "items": items? });
                self.json(&whole)?;
            }
            Output::Jsonl => {
                self.picked(shape, &json!({}))?;
                for item in items {
                    self.line_of(shape, item)?;
                }
            }
            Output::Name => items.iter().try_for_each(|item| self.name(shape, item))?,
            Output::None => {}
        }
        Ok(())
    }

    pub(crate) fn one(
        &mut self,
        shape: &Shape,
        item: &Value,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        match self.form(false) {
            Output::Table | Output::Wide => {
                for line in self.facts(shape, item, now) {
                    self.terminal.out.line(&line)?;
                }
            }
            Output::Json => {
                let picked = versioned(self.picked(shape, item)?);
                self.json(&picked)?;
            }
            Output::Jsonl => self.line_of(shape, item)?,
            Output::Name => self.name(shape, item)?,
            Output::None => {}
        }
        Ok(())
    }

    /// Text of our own making where people read, the item where programs do.
    pub(crate) fn told(
        &mut self,
        shape: &Shape,
        item: &Value,
        lines: &[String],
    ) -> Result<(), Trouble> {
        if !matches!(self.form(false), Output::Table | Output::Wide) {
            return self.one(shape, item, Timestamp::EPOCH);
        }
        for line in lines {
            self.terminal.out.line(&clean::line(line))?;
        }
        Ok(())
    }

    /// One of a list that goes on: people and programs get one line.
    pub(crate) fn event(&mut self, event: &Value) -> Result<(), Trouble> {
        match self.form(true) {
            Output::Table | Output::Wide => {
                let mut parts = vec![
                    shape::text(shape::at(event, "at")),
                    shape::text(shape::at(event, "jobId")),
                    shape::text(shape::at(event, "type")),
                    shape::text(shape::at(event, "actor/id")),
                    shape::text(shape::at(event, "data/reason")),
                ];
                parts.retain(|part| !part.is_empty());
                self.terminal.out.line(&clean::line(&parts.join("  ")))?;
            }
            Output::Json | Output::Jsonl => self.line_of(&shape::EVENT, event)?,
            Output::Name => self.name(&shape::EVENT, event)?,
            Output::None => {}
        }
        Ok(())
    }

    /// A line that a job said between its events: for people as it said it, behind a bar, for
    /// programs in an object beside those of the events.
    pub(crate) fn said(&mut self, piece: &Value, line: &str) -> Result<(), Trouble> {
        match self.form(true) {
            Output::Table | Output::Wide => self.raw(format!("| {line}\n").as_bytes())?,
            Output::Json | Output::Jsonl => {
                let mut told = piece.clone();
                told["line"] = line.into();
                self.line_of(&shape::EVENT, &told)?;
            }
            Output::Name | Output::None => {}
        }
        Ok(())
    }

    /// Only a text, as data.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Trouble> {
        Ok(self.terminal.out.line(&clean::line(text))?)
    }

    /// What a job said, as it said it.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        self.settle();
        Ok(self.terminal.out.bytes(bytes)?)
    }

    /// Says something beside the data. That nobody can hear it is no failure.
    pub(crate) fn talk(&mut self, text: &str) {
        if !self.quiet {
            self.settle();
            drop(self.terminal.err.line(&clean::line(text)));
        }
    }

    /// Says how far it is, on one line that is written over.
    pub(crate) fn progress(&mut self, text: &str) {
        if !self.quiet && self.terminal.err.is_terminal {
            let text = table::cut(&clean::line(text), self.terminal.width.max(1));
            self.progressing = true;
            drop(self.terminal.err.raw(&format!("\r\u{1b}[K{text}")));
        }
    }

    /// Takes the line of progress away again.
    pub(crate) fn settle(&mut self) {
        if std::mem::take(&mut self.progressing) {
            drop(self.terminal.err.raw("\r\u{1b}[K"));
        }
    }

    pub(crate) fn trouble(&mut self, trouble: &Trouble) {
        if trouble.what.is_empty() {
            return;
        }
        self.settle();
        if !self.terminal.err.is_terminal {
            drop(self.terminal.err.line(&clean::json(&trouble.json().to_string())));
            return;
        }
        let mut lines = vec![format!("error: {}", clean::line(&trouble.what))];
        for why in &trouble.why {
            lines.extend(why.lines().map(|line| format!("  {}", clean::line(line))));
        }
        lines.extend(trouble.next.as_ref().map(|next| format!("next: {}", clean::line(next))));
        for line in lines {
            drop(self.terminal.err.line(&line));
        }
    }

    /// Asks a person; nobody is asked without a terminal.
    pub(crate) fn agreed(&mut self, question: &str, yes: bool) -> Result<(), Trouble> {
        if yes {
            return Ok(());
        }
        if !(self.terminal.input.is_terminal && self.terminal.err.is_terminal) {
            let what = format!("{question} is asked on a terminal only");
            return Err(Trouble::usage(what).next("say --yes if it is meant"));
        }
        self.terminal.err.raw(&format!("{}? [y/N] ", clean::line(question)))?;
        let mut answer = String::new();
        BufReader::new(&mut self.terminal.input.reader).read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") {
            return Ok(());
        }
        Err(Trouble::new(crate::Exit::Interrupted, "nothing was done"))
    }

    /// One line that is not to be seen: asked for on a terminal, read from a pipe.
    pub(crate) fn secret(&mut self, question: &str) -> Result<String, Trouble> {
        let asks = self.terminal.input.is_terminal;
        let hidden = asks.then(Hidden::begin);
        if asks {
            self.terminal.err.raw(&clean::line(question))?;
        }
        let mut answer = String::new();
        let reader = (&mut self.terminal.input.reader).take(LONGEST_SECRET);
        BufReader::new(reader).read_line(&mut answer)?;
        if hidden.is_some() {
            self.terminal.err.raw("\n")?;
        }
        let answer = answer.trim_end_matches(['\n', '\r']);
        if answer.is_empty() {
            return Err(Trouble::usage("nothing was said")
                .next("type it when asked, or bring it on standard input"));
        }
        Ok(answer.to_owned())
    }

    /// Draws over what was drawn before.
    pub(crate) fn draw(
        &mut self,
        shape: &Shape,
        items: &[Value],
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let lines = self.table(shape, items, self.output == Some(Output::Wide), now);
        let mut text = match self.drawn {
            None => String::from("\u{1b}[?25l"),
            Some(drawn) => format!("\u{1b}[{drawn}A"),
        };
        text.push_str("\r\u{1b}[J");
        self.drawn = Some(lines.len());
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        Ok(self.terminal.out.raw(&text)?)
    }

    /// Leaves the terminal as it was found.
    pub(crate) fn leave(&mut self) {
        if self.drawn.take().is_some() {
            drop(self.terminal.out.raw("\u{1b}[?25h"));
        }
        self.settle();
    }

    fn table(&self, shape: &Shape, items: &[Value], all: bool, now: Timestamp) -> Vec<String> {
        let columns: Vec<&Column> =
            shape.columns.iter().filter(|column| all || !column.wide).collect();
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let cells = |item| columns.iter().map(|column| column.read.cell(item, now)).collect();
        let rows: Vec<Vec<String>> = items.iter().map(cells).collect();
        let whole = columns.iter().any(|column| matches!(column.read, Read::Whole(_)));
        let width =
            (self.terminal.out.is_terminal && !all && !whole).then_some(self.terminal.width);
        let colour = |at: usize, cell: &str| {
            let stage = matches!(columns[at].read, Read::Stage(_));
            (self.colour && stage).then(|| colour_of(cell)).flatten()
        };
        table::lines(&heads, &rows, width, colour)
    }

    fn facts(&self, shape: &Shape, item: &Value, now: Timestamp) -> Vec<String> {
        let facts: Vec<(String, String)> = if shape.columns.is_empty() {
            shape::leaves(item)
        } else {
            let fact = |column: &Column| (column.head.to_lowercase(), column.read.cell(item, now));
            shape.columns.iter().map(fact).collect()
        };
        let rows: Vec<Vec<String>> = facts
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| vec![name, value])
            .collect();
        let colour =
            |at: usize, cell: &str| (self.colour && at == 1).then(|| colour_of(cell)).flatten();
        table::lines(&["", ""], &rows, None, colour).split_off(1)
    }

    fn picked(&self, shape: &Shape, item: &Value) -> Result<Value, Trouble> {
        let Some(fields) = &self.fields else { return Ok(item.clone()) };
        let mut picked = Map::new();
        for field in fields {
            let has = item.get(field);
            if has.is_none() && !shape.fields.is_empty() && !shape.fields.contains(&field.as_str())
            {
                return Err(Trouble::usage(format!("there is no field {field:?}"))
                    .because(format!("known fields: {}", shape.fields.join(" "))));
            }
            picked.insert(field.clone(), has.cloned().unwrap_or_default());
        }
        Ok(picked.into())
    }

    fn line_of(&mut self, shape: &Shape, item: &Value) -> Result<(), Trouble> {
        let picked = versioned(self.picked(shape, item)?);
        Ok(self.terminal.out.line(&clean::json(&picked.to_string()))?)
    }

    fn json(&mut self, value: &Value) -> Result<(), Trouble> {
        let text = format!("{value:#}");
        // Line ends are ours: within strings they are escaped already.
        for line in text.lines() {
            self.terminal.out.line(&clean::json(line))?;
        }
        Ok(())
    }

    fn name(&mut self, shape: &Shape, item: &Value) -> Result<(), Trouble> {
        self.text(&shape::text(shape::at(item, shape.id)))
    }
}

/// What is typed does not show for as long as this lives. Where it cannot be hidden it shows.
struct Hidden;

impl Hidden {
    fn begin() -> Self {
        echo("-echo");
        Self
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        echo("echo");
    }
}

fn echo(mode: &str) {
    let mut stty = Command::new("stty");
    drop(
        stty.arg(mode).stdin(Stdio::inherit()).stdout(Stdio::null()).stderr(Stdio::null()).status(),
    );
}

fn versioned(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut whole = Map::new();
            whole.insert("apiVersion".to_owned(), API.into());
            whole.extend(members);
            whole.into()
        }
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => json!({ "apiVersion": API, "items": other }),
    }
}

fn colour_of(stage: &str) -> Option<&'static str> {
    match stage {
        "shipped" => Some("32"),
        "failed" | "dead_letter" | "cancelled" | "rejected" => Some("31"),
        "assigned" | "building" => Some("36"),
        "blocked" => Some("33"),
        "review" | "testing" => Some("35"),
        _ => None,
    }
}
