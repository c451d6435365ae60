//! Licences as crates write them. Knows which words join two of them, and no licence by name.

/// Older crates write a stroke between two of which one may choose.
pub(super) fn as_spdx(licence: &str) -> String {
    licence.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

/// Whether these allow what the expression asks: one side of each `OR`, both of each `AND`.
#[cfg(test)]
pub(super) fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let fits = either(&mut words, allowed);
    fits && words.next().is_none()
}

#[cfg(test)]
type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

#[cfg(test)]
fn either(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut fits = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        fits |= both(words, allowed);
    }
    fits
}

#[cfg(test)]
fn both(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let mut fits = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        fits &= one(words, allowed);
    }
    fits
}

#[cfg(test)]
fn one(words: &mut Words<'_>, allowed: &[&str]) -> bool {
    let Some(word) = words.next() else { return false };
    if word == "(" {
        let fits = either(words, allowed);
        return words.next_if_eq(&")").is_some() && fits;
    }
    match words.next_if_eq(&"WITH").and_then(|_| words.next()) {
        Some(exception) => allowed.contains(&format!("{word} WITH {exception}").as_str()),
        None => allowed.contains(&word),
    }
}
