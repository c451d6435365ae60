//! Names and values as forms and addresses write them. Knows no meaning.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Longer ones are not read; doors refuse longer addresses anyway.
const MAX_QUERY: usize = 8 * 1024;
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Every name with its value; nothing, where one comes twice or is not text.
pub(crate) fn read(query: &str) -> Option<BTreeMap<String, String>> {
    if query.len() > MAX_QUERY {
        return None;
    }
    let mut read = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if read.insert(decoded(name)?, decoded(value)?).is_some() {
            return None;
        }
    }
    Some(read)
}

pub(crate) fn written(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", encoded(value));
    pairs.iter().map(pair).collect::<Vec<_>>().join("&")
}

pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let pairs = [("code", "a b&c=d+e%ä"), ("state", ""), ("x", "~-._")];
        let read = read(&written(&pairs)).unwrap();
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read, BTreeMap::from(pairs));
    }

    #[test]
    fn a_name_twice_and_what_is_no_text_are_refused() {
        for bad in ["a=1&a=1", "a=1&%61=2", "a=%ff", &"a".repeat(MAX_QUERY + 1)] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
