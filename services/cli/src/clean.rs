//! What others wrote, made harmless: nothing that came from a fleet may steer a terminal.

/// The text with everything that a terminal would obey, or that turns the order of letters, written
/// out instead.
pub(crate) fn line(text: &str) -> String {
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    text.chars().map(|letter| shown(letter, |code| format!("\\u{{{code:x}}}"))).collect()
}

/// The same for JSON, which stays JSON: these letters stand only within its strings.
pub(crate) fn json(text: &str) -> String {
    if !text.chars().any(steers) {
        return text.to_owned();
    }
    text.chars().map(|letter| shown(letter, |code| format!("\\u{code:04x}"))).collect()
}

fn shown(letter: char, escaped: impl Fn(u32) -> String) -> String {
    if steers(letter) { escaped(u32::from(letter)) } else { letter.to_string() }
}

fn steers(letter: char) -> bool {
    let turns = matches!(letter,
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    letter.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        let hostile = "a\u{1b}[2J\u{9b}31m\r\n\u{202e}b\u{7f}é";
        assert_eq!(line(hostile), "a\\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}\\u{202e}b\\u{7f}é");
        assert_eq!(line("plain ünïcode 日本"), "plain ünïcode 日本");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({ "key": "a\u{9b}31m\u{202e}\u{7f}\u{1b}" });
        let text = json(&value.to_string());
        assert!(!text.chars().any(steers), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
