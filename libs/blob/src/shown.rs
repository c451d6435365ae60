//! How a blob is shown to whoever reads it: its content type, and the name that it is saved under.
//! Never shown inside a page: what a job made is not to be trusted with a browser.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a reader is told of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub content_type: String,
    /// What a browser saves it as.
    pub name: Option<String>,
}

/// All that a name may keep as it is in an extended parameter, RFC 8187.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Label {
    /// The header `content-disposition`: saved, never shown in place.
    #[must_use]
    pub fn disposition(&self) -> String {
        let Some(name) = &self.name else { return "attachment".to_owned() };
        let plain = |letter: char| letter.is_ascii_graphic() && !matches!(letter, '"' | '\\' | '%');
        let ascii: String = name
            .chars()
            .map(|letter| if plain(letter) || letter == ' ' { letter } else { '_' })
            .collect();
        if ascii == *name {
            return format!("attachment; filename=\"{name}\"");
        }
        let whole = utf8_percent_encode(name, NAME);
        format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{whole}")
    }
}

/// Bytes that nobody said anything of.
impl Default for Label {
    fn default() -> Self {
        Self { content_type: "application/octet-stream".to_owned(), name: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leaves_its_quotes_or_its_line() {
        let shown =
            |name: &str| Label { name: Some(name.to_owned()), ..Label::default() }.disposition();
        assert_eq!(shown("run 1.log"), "attachment; filename=\"run 1.log\"");
        let tricky = shown("a\"; filename=\"b\r\nx: y\\ä%.txt");
        assert_eq!(
            tricky,
            "attachment; filename=\"a_; filename=_b__x: y___.txt\"; \
             filename*=UTF-8''a%22%3B%20filename%3D%22b%0D%0Ax%3A%20y%5C%C3%A4%25.txt"
        );
        assert_eq!(Label::default().disposition(), "attachment");
    }
}
