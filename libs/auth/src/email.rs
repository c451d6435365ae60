//! Addresses and names of people: what may be one, and when two are the same. Sends nothing.

/// In characters.
pub const LONGEST_NAME: usize = 128;
/// What a mail server takes.
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// An address as it was given and as it is compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Email {
    shown: String,
    lower: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address: write it like ada@example.com")]
pub struct BadEmail;

impl Email {
    /// # Errors
    /// It has not the form of an address.
    pub fn read(text: &str) -> Result<Self, BadEmail> {
        let shown = text.trim();
        let (local, domain) = shown.rsplit_once('@').ok_or(BadEmail)?;
        let odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '@' | '<' | '>');
        let fits = shown.len() <= LONGEST
            && (1..=LONGEST_LOCAL).contains(&local.len())
            && !shown.chars().filter(|c| *c != '@').any(odd)
            && !local.contains('@')
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if !fits {
            return Err(BadEmail);
        }
        Ok(Self { shown: shown.to_owned(), lower: shown.to_lowercase() })
    }

    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// What two addresses of one person share.
    #[must_use]
    pub fn lower(&self) -> &str {
        &self.lower
    }
}

fn is_label(label: &str) -> bool {
    // Letters of one alphabet only: a look-alike of another would be another person's address.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !label.is_empty() && label.bytes().all(plain)
}

/// Whether it can stand in a list as the name of a person or a token.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let length = text.chars().count();
    (1..=LONGEST_NAME).contains(&length)
        && text.trim() == text
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_the_same_in_any_case_and_shown_as_it_was_given() {
        let one = Email::read(" Ada.Lovelace+fleet@Example.COM ").unwrap();
        let other = Email::read("ada.lovelace+fleet@example.com").unwrap();
        assert_eq!(one.lower(), other.lower());
        assert_eq!(one.shown(), "Ada.Lovelace+fleet@Example.COM");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "ada@example..com",
            "a b@example.com",
            "ada@exam ple.com",
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@eve@example.com",
            "ada@ex\u{430}mple.com",
            "<ada@example.com>",
            &long,
        ] {
            assert_eq!(Email::read(text), Err(BadEmail), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_short_and_printable() {
        assert!(is_name("Ada Lovelace") && is_name("早苗"));
        assert!(
            !is_name("") && !is_name(" Ada") && !is_name("A\nda") && !is_name(&"a".repeat(129))
        );
    }
}
