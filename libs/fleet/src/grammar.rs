//! The small grammars that people write by hand: spans of time and path patterns. Each prints as
//! it reads. Says nothing of which key may hold what.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A span of time as it was written: `90s`, `2h`. `60s` and `1m` last equally long and stay apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    amount: u32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Millis,
    Seconds,
    Minutes,
    Hours,
    Days,
}

/// A text that is no span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration: write a whole number from 1 and one of ms, s, m, h, d, like 90s or 2h")]
pub struct NotASpan;

impl Span {
    #[must_use]
    pub fn duration(self) -> Duration {
        let amount = u64::from(self.amount);
        match self.unit {
            Unit::Millis => Duration::from_millis(amount),
            Unit::Seconds => Duration::from_secs(amount),
            Unit::Minutes => Duration::from_secs(amount * 60),
            Unit::Hours => Duration::from_secs(amount * 3_600),
            Unit::Days => Duration::from_secs(amount * 86_400),
        }
    }

    /// `None` for milliseconds: they have no place where whole seconds are stored.
    #[must_use]
    pub fn whole_seconds(self) -> Option<u64> {
        match self.unit {
            Unit::Millis => None,
            Unit::Seconds | Unit::Minutes | Unit::Hours | Unit::Days => {
                Some(self.duration().as_secs())
            }
        }
    }
}

impl Unit {
    // `ms` before `s` and `m`, or its letters would be taken for theirs.
    const SUFFIXES: [(&str, Self); 5] = [
        ("ms", Self::Millis),
        ("s", Self::Seconds),
        ("m", Self::Minutes),
        ("h", Self::Hours),
        ("d", Self::Days),
    ];

    fn suffix(self) -> &'static str {
        match self {
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Minutes => "m",
            Self::Hours => "h",
            Self::Days => "d",
        }
    }
}

impl FromStr for Span {
    type Err = NotASpan;

    fn from_str(text: &str) -> Result<Self, NotASpan> {
        let (digits, unit) = Unit::SUFFIXES
            .iter()
            .find_map(|(suffix, unit)| text.strip_suffix(suffix).map(|digits| (digits, *unit)))
            .ok_or(NotASpan)?;
        let fits = (1..=9).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        if !fits {
            return Err(NotASpan);
        }
        Ok(Self { amount: digits.parse().map_err(|_| NotASpan)?, unit })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.amount, self.unit.suffix())
    }
}

/// A pattern of paths below the work directory: `*` within a part, `**` across parts, `?` one
/// character. It never leads out of the directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob(String);

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAGlob {
    #[error("not a pattern: write 1 to 256 printable characters, like reports/**/*.xml")]
    Shape,
    #[error("a pattern begins below the work directory: leave out the leading / or drive")]
    Absolute,
    #[error("a pattern stays below the work directory: no part may be .. or . or empty")]
    Escapes,
    #[error("a pattern has no braces, brackets or backslashes: write one pattern per choice")]
    Braces,
}

const MAX_GLOB: usize = 256;

enum Step {
    Exactly(char),
    One,
    WithinPart,
    AcrossParts,
    /// `**/`: no part at all, or any number of whole ones.
    Folders,
}

impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f{}\\[\\]\\\\]{1,256}$",
            // No drive, and no part that is empty, `.` or `..`.
            "not": { "pattern": "^.:|(^|/)\\.{0,2}(/|$)" },
        })
    }
}

impl Glob {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the relative path fits. Costs at most pattern length times path length.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // reached[i]: the steps so far can have consumed exactly the first i characters.
        let mut reached = vec![false; path.len() + 1];
        reached[0] = true;
        for step in self.steps() {
            reached = step.advance(&reached, &path);
        }
        reached.last().copied().unwrap_or(false)
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut rest = self.0.as_str();
        let mut at_start_of_part = true;
        while let Some(first) = rest.chars().next() {
            let (step, length) = match first {
                '*' if at_start_of_part && rest.starts_with("**/") => (Step::Folders, 3),
                '*' if rest.starts_with("**") => (Step::AcrossParts, 2),
                '*' => (Step::WithinPart, 1),
                '?' => (Step::One, 1),
                other => (Step::Exactly(other), other.len_utf8()),
            };
            at_start_of_part = matches!(step, Step::Folders | Step::Exactly('/'));
            steps.push(step);
            rest = rest.get(length..).unwrap_or("");
        }
        steps
    }
}

impl Step {
    fn advance(&self, reached: &[bool], path: &[char]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        let mut begun = false;
        for at in 0..reached.len() {
            let before = at.checked_sub(1).and_then(|before| path.get(before));
            let came = at > 0 && reached[at - 1];
            next[at] = match self {
                Self::Exactly(wanted) => came && before == Some(wanted),
                Self::One => came && before != Some(&'/'),
                Self::WithinPart => reached[at] || (at > 0 && next[at - 1] && before != Some(&'/')),
                Self::AcrossParts => reached[at] || (at > 0 && next[at - 1]),
                Self::Folders => reached[at] || (begun && before == Some(&'/')),
            };
            begun |= reached[at];
        }
        next
    }
}

impl FromStr for Glob {
    type Err = NotAGlob;

    fn from_str(text: &str) -> Result<Self, NotAGlob> {
        if !(1..=MAX_GLOB).contains(&text.chars().count()) || text.chars().any(char::is_control) {
            return Err(NotAGlob::Shape);
        }
        if text.contains(['{', '}', '[', ']', '\\']) {
            return Err(NotAGlob::Braces);
        }
        if text.starts_with('/') || text.chars().nth(1) == Some(':') {
            return Err(NotAGlob::Absolute);
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(NotAGlob::Escapes);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for Glob {
    type Error = NotAGlob;

    fn try_from(text: String) -> Result<Self, NotAGlob> {
        text.parse()
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        text.parse().unwrap()
    }

    #[test]
    fn spans_last_as_long_as_they_say() {
        for (text, seconds) in [
            ("1s", 1),
            ("90m", 5_400),
            ("4h", 14_400),
            ("7d", 604_800),
            ("999999999s", 999_999_999),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.whole_seconds(), Some(seconds), "{text}");
        }
        let short: Span = "250ms".parse().unwrap();
        assert_eq!(short.whole_seconds(), None);
        assert_eq!(short.duration(), Duration::from_millis(250));
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "s",
            "0s",
            "01s",
            "-1m",
            "1.5h",
            "90",
            "soon",
            "1 s",
            "1S",
            "1w",
            "+1s",
            "1000000000s",
            "1s ",
            "1sm",
            "\u{661}s",
        ] {
            assert_eq!(text.parse::<Span>(), Err(NotASpan), "{text:?}");
        }
    }

    #[test]
    fn patterns_match_within_and_across_parts() {
        for (pattern, path, fits) in [
            ("*.xml", "a.xml", true),
            ("*.xml", "a/b.xml", false),
            ("**/*.xml", "a.xml", true),
            ("**/*.xml", "a/b/c.xml", true),
            ("**/x", "ax", false),
            ("src/**", "src/a/b.rs", true),
            ("src/**", "srcs/a", false),
            ("a/**/z", "a/z", true),
            ("a/**/z", "a/b/c/z", true),
            ("a/**/z", "a/bz", false),
            ("?.rs", "ü.rs", true),
            ("?.rs", "/.rs", false),
            ("a?c", "abc", true),
            ("**", "anything/at/all", true),
        ] {
            assert_eq!(glob(pattern).matches(path), fits, "{pattern} on {path}");
        }
    }

    #[test]
    fn patterns_that_lead_out_are_refused() {
        for (text, why) in [
            ("", NotAGlob::Shape),
            ("a\nb", NotAGlob::Shape),
            ("/etc/*", NotAGlob::Absolute),
            ("c:/x", NotAGlob::Absolute),
            ("../x", NotAGlob::Escapes),
            ("a/../b", NotAGlob::Escapes),
            ("a//b", NotAGlob::Escapes),
            ("a/", NotAGlob::Escapes),
            ("*.{a,b}", NotAGlob::Braces),
            ("a\\b", NotAGlob::Braces),
        ] {
            assert_eq!(text.parse::<Glob>(), Err(why), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_span_prints_as_it_reads(text in "[1-9][0-9]{0,8}(ms|s|m|h|d)") {
            prop_assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }

        #[test]
        fn only_the_grammar_is_a_span(text in "[0-9.+-]{0,11}[a-z ]{0,3}") {
            let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
            let unit = text.strip_prefix(digits).unwrap();
            let fits = (1..=9).contains(&digits.len())
                && digits.bytes().all(|byte| byte.is_ascii_digit())
                && !digits.starts_with('0')
                && ["ms", "s", "m", "h", "d"].contains(&unit);
            prop_assert_eq!(text.parse::<Span>().is_ok(), fits);
        }

        #[test]
        fn a_pattern_prints_as_it_reads(text in "[a-z*?]{1,6}(/[a-z*?.]{1,6}){0,3}") {
            if let Ok(read) = text.parse::<Glob>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn a_path_without_signs_matches_itself_alone(a in "[a-z/]{1,9}", b in "[a-z/]{1,9}") {
            if let Ok(pattern) = a.parse::<Glob>() {
                prop_assert_eq!(pattern.matches(&b), a == b);
            }
        }
    }
}
