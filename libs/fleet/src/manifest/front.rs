//! Parts a job file into front matter and body. Looks inside neither.

use super::fault::{Invalid, Reason, Spot};

/// What stands between the two lines `---`, if anything does, and what follows, byte for byte.
pub(crate) struct Parts<'a> {
    pub(crate) front: Option<&'a str>,
    pub(crate) body: &'a str,
}

/// # Errors
/// The front matter is opened and never closed.
pub(crate) fn split(file: &str) -> Result<Parts<'_>, Invalid> {
    // Editors put a byte order mark before the first line; it is no part of the fence.
    let marked = file.strip_prefix('\u{feff}').unwrap_or(file);
    let Some((first, rest)) = next_line(marked) else {
        return Ok(Parts { front: None, body: file });
    };
    if !is_fence(first) {
        return Ok(Parts { front: None, body: file });
    }
    let mut after = rest;
    while let Some((line, beyond)) = next_line(after) {
        if is_fence(line) {
            let front = rest.get(..rest.len() - after.len()).unwrap_or("");
            return Ok(Parts { front: Some(front), body: beyond });
        }
        after = beyond;
    }
    Err(Invalid::one(
        Spot::new("", Some(1))
            .fault(Reason::FrontMatter, "the front matter opened by --- is never closed")
            .hint("add a line --- between the keys and the body"),
    ))
}

fn is_fence(line: &str) -> bool {
    line.trim_end() == "---"
}

fn next_line(text: &str) -> Option<(&str, &str)> {
    if text.is_empty() {
        return None;
    }
    Some(text.split_once('\n').unwrap_or((text, "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_follows_byte_for_byte() {
        for (file, front, body) in [
            ("", None, ""),
            ("just words\n", None, "just words\n"),
            ("---\n---\n", Some(""), ""),
            ("---\n---", Some(""), ""),
            ("---\na: 1\n---\n\nx\r\n", Some("a: 1\n"), "\nx\r\n"),
            ("---\r\na: 1\r\n---\r\nx", Some("a: 1\r\n"), "x"),
            ("\u{feff}---\na: 1\n---\nx", Some("a: 1\n"), "x"),
            ("\u{feff}x", None, "\u{feff}x"),
            ("----\n", None, "----\n"),
            ("---\na: 1\n---\nx\n---\ny", Some("a: 1\n"), "x\n---\ny"),
        ] {
            let parts = split(file).unwrap();
            assert_eq!((parts.front, parts.body), (front, body), "{file:?}");
        }
    }

    #[test]
    fn front_matter_that_is_never_closed_is_named_at_its_first_line() {
        for file in ["---", "---\n", "---\na: 1\n", "---\n ---\n"] {
            let fault = split(file).err().unwrap().faults.remove(0);
            assert_eq!((fault.line, fault.reason), (Some(1), Reason::FrontMatter), "{file:?}");
        }
    }
}
