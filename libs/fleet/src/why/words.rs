//! How an explanation speaks: spans, lists, and texts that a shell takes as they stand.

use std::time::Duration;

use serde::Serialize;

/// Names beyond these are only counted.
const NAMED: usize = 3;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The two largest units.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| match seconds % large / small {
        0 => format!("{} {one}", seconds / large),
        rest => format!("{} {one} {rest} {other}", seconds / large),
    };
    match seconds {
        0 => String::from("less than a second"),
        1..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two(MINUTE, "min", 1, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        DAY.. => two(DAY, "d", HOUR, "h"),
    }
}

/// `a, b and c`; `a, b, c and 4 more`.
pub(super) fn list(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED + 1);
    let shown = if more > 0 { NAMED } else { names.len() };
    let counted = (names.len() > shown).then(|| format!("{} more", names.len() - shown));
    let mut parts: Vec<String> = names.iter().take(shown).cloned().chain(counted).collect();
    match (parts.pop(), parts.is_empty()) {
        (None, _) => String::from("nothing"),
        (Some(only), true) => only,
        (Some(last), false) => format!("{} and {last}", parts.join(", ")),
    }
}

pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// The word under which a value of one of our enums is stored.
pub(super) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// The same for people: without underscores.
pub(super) fn plain(value: impl Serialize) -> String {
    word(value).replace('_', " ")
}

/// As one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    let safe = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b':' | b'=')
    };
    if text.bytes().all(safe) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        for (seconds, told) in [
            (0, "less than a second"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3600, "1 h"),
            (5400, "1 h 30 min"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), told);
        }
    }

    #[test]
    fn a_long_list_ends_with_a_number() {
        let names = |count: usize| (0..count).map(|n| format!("k{n}")).collect::<Vec<_>>();
        assert_eq!(list(&names(1)), "k0");
        assert_eq!(list(&names(4)), "k0, k1, k2 and k3");
        assert_eq!(list(&names(7)), "k0, k1, k2 and 4 more");
    }

    #[test]
    fn a_shell_takes_every_text_as_one_word() {
        assert_eq!(quoted("nightly/1"), "nightly/1");
        assert_eq!(quoted("node>=20"), "'node>=20'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("--now"), "'--now'");
    }
}
