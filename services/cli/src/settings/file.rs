//! One settings file. An unknown key is an error with its line and the nearest name; a secret in it
//! is one too.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Found, Layer};
use crate::trouble::Trouble;

const KNOWN: [&str; 5] = ["output", "product", "timeout", "token_file", "url"];

/// What the file says; nothing where there is none.
pub(super) fn layer(path: &Path) -> Result<Layer, Trouble> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(Layer::new()),
        Err(why) => {
            let what = format!("{} cannot be read", path.display());
            let next = "make it readable, or move it away";
            return Err(Trouble::usage(what).because(why.to_string()).next(next));
        }
    };
    let table = DeTable::parse(&text).map_err(|why| {
        let at = why.span().map_or(0, |span| span.start);
        Trouble::usage(format!("{}:{}: not TOML", path.display(), line_of(&text, at)))
            .because(why.message())
            .next("write a setting as key = \"value\", one in a line")
    })?;
    let mut layer = Layer::new();
    for (key, value) in table.into_inner() {
        let place = format!("{}:{}", path.display(), line_of(&text, key.span().start));
        let known = known(key.get_ref(), &place)?;
        let value = word(known, &value, &place)?;
        let value = match known {
            // As seen from the file, wherever the command is typed.
            "token_file" => path.parent().unwrap_or(path).join(value).display().to_string(),
            _ => value,
        };
        layer.insert(known, Found { value, origin: place });
    }
    Ok(layer)
}

fn known(key: &str, place: &str) -> Result<&'static str, Trouble> {
    if let Some(known) = KNOWN.into_iter().find(|known| *known == key) {
        return Ok(known);
    }
    let what = format!("{place}: unknown key {key:?}");
    if key == "token" {
        let next = "write the token into a file and name it: token_file = \"…\"";
        return Err(Trouble::usage(what).because("secrets do not stand in settings").next(next));
    }
    let trouble = Trouble::usage(what);
    Err(match nearest(key) {
        Some(near) => trouble
            .because(format!("did you mean {near:?}?"))
            .next(format!("write {near} in its place, or take the line out")),
        None => trouble
            .because(format!("known keys: {}", KNOWN.join(" ")))
            .next("write one of them in its place, or take the line out"),
    })
}

fn word(key: &str, value: &Spanned<DeValue<'_>>, place: &str) -> Result<String, Trouble> {
    value.get_ref().as_str().map(str::to_owned).ok_or_else(|| {
        Trouble::usage(format!("{place}: the value is not a text"))
            .because("every setting is a text in quotes")
            .next(format!("write it as {key} = \"…\""))
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The known key within three edits.
fn nearest(key: &str) -> Option<&'static str> {
    let near = KNOWN.into_iter().map(|known| (distance(key, known), known)).min()?;
    (near.0 <= 3).then_some(near.1)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let cost = usize::from(left != *right);
            let least = (before + cost).min(row[j] + 1).min(row[j + 1] + 1);
            before = std::mem::replace(&mut row[j + 1], least);
        }
    }
    row[b.len()]
}
