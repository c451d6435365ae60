//! What must not be read in a log: known values, and patterns of such. Replaces them line by line;
//! never keeps what it saw, and its words for people name no secret.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use regex::Regex;

const INSTEAD: &str = "***";
const SECRET_ENDINGS: [&str; 4] = ["TOKEN", "KEY", "SECRET", "PASSWORD"];
/// A shorter value would hide half of a log.
const SHORTEST: usize = 6;
/// Forms that tokens are known by.
const KNOWN_FORMS: [&str; 7] = [
    // Our own: of tokens, sessions and codes.
    r"\bg[cms]_[A-Za-z0-9_-]{43}",
    r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b",
    r"\bglpat-[A-Za-z0-9_-]{20,255}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bxox[abprs]-[A-Za-z0-9-]{10,255}",
    r"\bsk-[A-Za-z0-9_-]{20,255}",
];

/// A pattern of what is to be hidden.
#[derive(Clone, Debug)]
pub struct Mask(Regex);

impl FromStr for Mask {
    type Err = regex::Error;

    fn from_str(text: &str) -> Result<Self, regex::Error> {
        Regex::new(text).map(Self)
    }
}

/// All that one run must not show.
#[derive(Clone, Default)]
pub(crate) struct Masks(Vec<Regex>);

/// Without what it hides.
impl fmt::Debug for Masks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Masks({})", self.0.len())
    }
}

impl Masks {
    /// Of a run that sees `passed`, beside its own patterns and the known forms.
    pub(crate) fn of(own: &[Mask], passed: &BTreeMap<String, String>) -> Self {
        let known = KNOWN_FORMS.iter().map(|form| Regex::new(form).expect("tried in the tests"));
        let own = own.iter().map(|mask| mask.0.clone());
        Self(values(passed).into_iter().chain(known).chain(own).collect())
    }

    /// The parts of `text` that are hidden, in order and apart from each other.
    pub(crate) fn hidden(&self, text: &str) -> Vec<Range<usize>> {
        let found = self.0.iter().flat_map(|mask| mask.find_iter(text).map(|found| found.range()));
        let mut found: Vec<Range<usize>> = found.filter(|range| !range.is_empty()).collect();
        found.sort_by_key(|range| range.start);
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                Some(_) | None => apart.push(range),
            }
        }
        apart
    }
}

/// `text` with each of the `hidden` parts replaced.
pub(crate) fn masked(text: &str, hidden: &[Range<usize>], out: &mut String) {
    let mut from = 0;
    for range in hidden {
        out.push_str(text.get(from..range.start).unwrap_or_default());
        out.push_str(INSTEAD);
        from = range.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
}

/// One pattern for all values of secret names, the longest first: one may begin with another.
fn values(passed: &BTreeMap<String, String>) -> Option<Regex> {
    let secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
    };
    // A value of several lines is looked for line by line, since that is how it is printed.
    let mut lines: Vec<&str> = passed
        .iter()
        .filter(|(name, _)| secret(name))
        .flat_map(|(_, value)| value.lines())
        .map(str::trim)
        .filter(|line| line.len() >= SHORTEST)
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
    let any: Vec<String> = lines.into_iter().map(regex::escape).collect();
    if any.is_empty() {
        return None;
    }
    // Too large a pattern for the engine is no environment that a process could be given.
    Some(Regex::new(&any.join("|")).expect("escaped texts are a pattern"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn shown(masks: &Masks, text: &str) -> String {
        let mut out = String::new();
        masked(text, &masks.hidden(text), &mut out);
        out
    }

    #[test]
    fn values_of_secret_names_are_hidden_and_others_are_not() {
        let masks = Masks::of(
            &[],
            &passed(&[
                ("API_TOKEN", "s3cr3t.a"),
                ("npm_password", "hunter22"),
                ("LONGER_TOKEN", "s3cr3t.a-and-more"),
                ("SHORT_KEY", "12345"),
                ("REGION", "europe-west"),
                ("PEM_KEY", "-----BEGIN\nabcdefgh\n-----END"),
            ]),
        );
        assert_eq!(shown(&masks, "a s3cr3t.a b s3cr3t.a-and-more"), "a *** b ***");
        assert_eq!(shown(&masks, "hunter22hunter22 12345 europe-west"), "*** 12345 europe-west");
        assert_eq!(shown(&masks, "s3cr3tXa"), "s3cr3tXa");
        assert_eq!(shown(&masks, "  abcdefgh"), "  ***");
    }

    #[test]
    fn patterns_and_known_forms_are_hidden_and_overlaps_once() {
        let own = ["[0-9]{4}-[0-9]{4}", "4-1234-x", "q*"].map(|text| text.parse().unwrap());
        let masks = Masks::of(&own, &passed(&[]));
        assert_eq!(shown(&masks, "card 1234-1234-x end"), "card *** end");
        let token = format!("ghp_{}", "a1".repeat(18));
        assert_eq!(shown(&masks, &format!("url https://{token}@host")), "url https://***@host");
        assert_eq!(shown(&masks, "AKIAABCDEFGHIJKLMNOP"), "***");
        for own in ["gm_", "gs_", "gc_"] {
            let token = format!("{own}{}", "A-b_".repeat(11).get(1..).unwrap());
            assert_eq!(shown(&masks, &format!("token={token} ")), "token=*** ", "{token}");
        }
    }

    #[test]
    fn no_secret_is_said_where_masks_are_told() {
        let masks = Masks::of(&[], &passed(&[("A_TOKEN", "s3cr3t.a")]));
        assert!(!format!("{masks:?}").contains("s3cr3t"));
    }
}
