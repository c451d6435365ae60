//! What a profile says of the runs that it starts, and whether it may say it. Frozen into each
//! run; starts nothing.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::capability::Capability;
use crate::content::CommandLine;
use crate::grammar::Span;
use crate::id::EngineName;
use crate::manifest::{
    Faults, Invalid, LONGEST_ATTEMPT, MAX_CAPABILITIES, Reason, Spot, nearest_word, quoted,
    unknown_key,
};
use crate::money::{MAX_COUNT, MicroUsd};
use crate::submission::ProfileTerms;

/// The most that one may have, written down.
const LARGEST: usize = 64 << 10;
const LONGEST_NAME: usize = 128;
/// What a run is told of itself, and no profile may say otherwise.
const OURS: &str = "GIGAMESH_";
/// What a prompt template is filled in with.
const BODY: &str = "{body}";

const KEYS: [&str; 11] = [
    "engine",
    "args",
    "env",
    "promptTemplate",
    "model",
    "timeout",
    "verify",
    "capabilities",
    "estimateUsd",
    "estimateTokens",
    "priceTable",
];

/// What a run is started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    pub engine: EngineName,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: Env,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A duration, as in a job file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<CommandLine>,
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_usd: Option<MicroUsd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_tokens: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_table: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// Variables of a process. Their values are for it alone: nobody who prints one sees them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Env(pub BTreeMap<String, String>);

impl fmt::Debug for Env {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl Snapshot {
    /// Whether it may become a version of a profile.
    ///
    /// # Errors
    /// Every fault of it.
    pub fn check(&self) -> Result<(), Invalid> {
        let mut faults = Faults::default();
        for written in self.unknown.keys() {
            let nearest = nearest_word(KEYS.into_iter(), written);
            let fault = at(written).fault(Reason::UnknownKey, unknown_key(written, nearest));
            faults.push(match nearest {
                Some(nearest) => fault.hint(nearest),
                None => fault,
            });
        }
        self.check_process(&mut faults);
        self.check_terms(&mut faults);
        let size = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        if size > LARGEST {
            let message = format!("the snapshot has {size} bytes; {LARGEST} is the most");
            faults.push(Spot::new("snapshot", None).fault(Reason::OutOfRange, message));
        }
        faults.verdict()
    }

    /// What the engine is given to work on.
    #[must_use]
    pub fn prompt(&self, body: &str) -> String {
        match &self.prompt_template {
            Some(template) => template.replace(BODY, body),
            None => body.to_owned(),
        }
    }

    fn check_process(&self, faults: &mut Faults) {
        for (index, word) in self.args.iter().enumerate() {
            if word.contains('\0') {
                let spot = at("args").item(index, None);
                faults.push(spot.fault(Reason::BadValue, "no argument has a NUL in it"));
            }
        }
        for (name, value) in &self.env.0 {
            let spot = at(&format!("env.{}", crate::manifest::clipped(name)));
            if !is_variable(name) {
                let message = format!("{} is no name of a variable", quoted(name));
                let fault = spot.fault(Reason::BadValue, message);
                faults.push(fault.hint("write letters, digits and _, no digit first"));
            } else if name.starts_with(OURS) {
                let message = format!("{OURS}* is what a run is told of itself");
                faults.push(spot.fault(Reason::BadValue, message));
            } else if value.contains('\0') {
                faults.push(spot.fault(Reason::BadValue, "no variable has a NUL in it"));
            }
        }
        if let Some(verify) = &self.verify
            && !is_runnable(verify)
        {
            let message = "verify must be a command line or a list of words";
            faults.push(at("verify").fault(Reason::BadValue, message));
        }
        let is_line = |text: &String| {
            (1..=LONGEST_NAME).contains(&text.chars().count())
                && !text.chars().any(char::is_control)
        };
        if self.model.as_ref().is_some_and(|model| !is_line(model)) {
            let message = format!("model must be one line of 1 to {LONGEST_NAME} characters");
            faults.push(at("model").fault(Reason::BadValue, message));
        }
    }

    fn check_terms(&self, faults: &mut Faults) {
        if let Some(timeout) = &self.timeout
            && seconds_of(timeout).is_none()
        {
            let message = format!("timeout {} is no span from 1s to 7d", quoted(timeout));
            let fault = at("timeout").fault(Reason::BadValue, message);
            faults.push(fault.hint("write a duration from 1s to 7d, like 90m"));
        }
        let count = self.capabilities.len();
        if count > MAX_CAPABILITIES {
            let message = format!("{count} capabilities; {MAX_CAPABILITIES} is the most");
            faults.push(at("capabilities").fault(Reason::TooMany, message));
        }
        if self.estimate_tokens.is_some_and(|tokens| tokens > MAX_COUNT) {
            let message = format!("estimateTokens must be from 0 to {MAX_COUNT}");
            faults.push(at("estimateTokens").fault(Reason::OutOfRange, message));
        }
    }
}

impl From<&Snapshot> for ProfileTerms {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            engine: snapshot.engine.clone(),
            timeout_sec: snapshot.timeout.as_deref().and_then(seconds_of),
            verify: snapshot.verify.clone(),
            capabilities: snapshot.capabilities.clone(),
            // Beside the engine shell, which always does, no engine of this version takes one.
            takes_command: false,
        }
    }
}

fn at(key: &str) -> Spot {
    Spot::below("snapshot", &crate::manifest::clipped(key), None)
}

fn seconds_of(timeout: &str) -> Option<u64> {
    let seconds = timeout.parse::<Span>().ok()?.whole_seconds()?;
    (1..=LONGEST_ATTEMPT).contains(&seconds).then_some(seconds)
}

fn is_variable(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (1..=LONGEST_NAME).contains(&name.len())
        && name.chars().all(plain)
        && !name.starts_with(|letter: char| letter.is_ascii_digit())
}

fn is_runnable(line: &CommandLine) -> bool {
    match line {
        CommandLine::Shell(text) => !text.trim().is_empty() && !text.contains('\0'),
        CommandLine::Words(words) => {
            words.first().is_some_and(|program| !program.trim().is_empty())
                && !words.iter().any(|word| word.contains('\0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn faults(snapshot: Value) -> Vec<(String, &'static str)> {
        let read: Snapshot = serde_json::from_value(snapshot).unwrap();
        let faults = read.check().err().map(|invalid| invalid.faults).unwrap_or_default();
        faults.into_iter().map(|fault| (fault.field, fault.reason.code())).collect()
    }

    #[test]
    fn what_no_run_could_be_started_with_is_refused_by_its_field() {
        let good = json!({
            "engine": "shell", "args": ["-x", ""], "env": {"A_1": "b"}, "model": "m-1",
            "timeout": "7d", "verify": ["make"], "capabilities": ["git"], "estimateUsd": 0,
            "estimateTokens": 0, "priceTable": {"m-1": 1}, "promptTemplate": "do {body}",
        });
        assert!(faults(good).is_empty());
        let bad = json!({
            "engine": "shell", "args": ["", "a\0"], "env": {"1": "x", "A": "\0", "GIGAMESH_URL": ""},
            "model": "", "timeout": "8d", "verify": [], "estimateTokens": MAX_COUNT + 1,
            "capabilities": vec!["git"; 65], "modle": "x",
        });
        let mut found = faults(bad);
        found.sort();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(field, reason)| (field.as_str(), *reason)).collect();
        let expected = [
            ("snapshot.args[1]", "bad_value"),
            ("snapshot.capabilities", "too_many"),
            ("snapshot.env.1", "bad_value"),
            ("snapshot.env.A", "bad_value"),
            ("snapshot.env.GIGAMESH_URL", "bad_value"),
            ("snapshot.estimateTokens", "out_of_range"),
            ("snapshot.model", "bad_value"),
            ("snapshot.modle", "unknown_key"),
            ("snapshot.timeout", "bad_value"),
            ("snapshot.verify", "bad_value"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_snapshot_has_its_bound() {
        let of = |length: usize| {
            let rest = json!({"engine": "echo", "args": [], "env": {}, "capabilities": [],
                "promptTemplate": ""});
            let rest = rest.to_string().len();
            faults(json!({"engine": "echo", "promptTemplate": "x".repeat(length - rest)}))
        };
        assert!(of(LARGEST).is_empty());
        assert_eq!(of(LARGEST + 1), [("snapshot".to_owned(), "out_of_range")]);
    }

    #[test]
    fn nobody_who_prints_a_snapshot_sees_its_variables() {
        let snapshot: Snapshot =
            serde_json::from_value(json!({"engine": "echo", "env": {"KEY": "hunter2"}})).unwrap();
        let printed = format!("{snapshot:?}");
        assert!(printed.contains("KEY") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_template_is_filled_in_with_the_body() {
        let of = |snapshot: Value| -> Snapshot { serde_json::from_value(snapshot).unwrap() };
        let framed = of(json!({"engine": "echo", "promptTemplate": "Do:\n{body}\n{body}"}));
        assert_eq!(framed.prompt("x{body}"), "Do:\nx{body}\nx{body}");
        assert_eq!(of(json!({"engine": "echo"})).prompt("x"), "x");
    }
}
