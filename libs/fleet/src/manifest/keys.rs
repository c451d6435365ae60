//! Every key of a manifest and its form: the one list that both doors, the defaults and the
//! messages read.

use super::fault::quoted;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) reach: Reach,
}

/// Where a key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In every submission and among a product's defaults.
    Anywhere,
    /// In every submission: it is about one job.
    OneJob,
    /// Only outside of `children`: they nest one level.
    Outermost,
    /// In JSON and in children; a file has its body below the front matter.
    NotInFrontMatter,
}

#[derive(Debug)]
pub(crate) enum Form {
    One(Leaf),
    List(List),
    /// A map with keys of its own, each of which may be left out, but not all.
    Map(&'static [Key]),
    Retry(&'static [Key]),
    Children,
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) of: Leaf,
    pub(crate) most: usize,
    pub(crate) order: Order,
    /// One item may stand without the list.
    pub(crate) alone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Sorted: it says nothing.
    Free,
    AsWritten,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf {
    Engine,
    Profile,
    Command,
    Directory,
    Flag,
    Lock,
    Timeout,
    Word(&'static [&'static str]),
    Capability,
    Dependency,
    IdempotencyKey,
    /// One line of at most so many characters.
    Line(usize),
    Count,
    Moment,
    Glob,
    Body,
    Attempts,
    Backoff,
    Dollars,
    Tokens,
    Wall,
}

pub(crate) const MAX_CHILDREN: usize = 50;
pub(crate) const MAX_DEPS: usize = 256;
pub(crate) const MAX_CAPABILITIES: usize = 64;
pub(crate) const MAX_LOCKS: usize = 8;
pub(crate) const RETRY_CLASSES: &[&str] = &["timeout", "verify_failed", "crash"];

use Leaf as L;
use Reach::{Anywhere, NotInFrontMatter, OneJob, Outermost};

/// The keys of a submission.
pub(crate) static KEYS: &[Key] = &[
    one("engine", L::Engine, Anywhere),
    one("engineClass", L::Word(&["agentic-coder", "chat-coder", "command"]), Anywhere),
    list("prefersEngine", L::Engine, 8, Order::AsWritten),
    one("profile", L::Profile, Anywhere),
    one("command", L::Command, Anywhere),
    one("verify", L::Command, Anywhere),
    one("cwd", L::Directory, Anywhere),
    one("yolo", L::Flag, Anywhere),
    one("lock", L::Lock, Anywhere),
    Key {
        name: "locks",
        form: Form::List(List { of: L::Lock, most: MAX_LOCKS, order: Order::Free, alone: false }),
        reach: Anywhere,
    },
    one("timeout", L::Timeout, Anywhere),
    one("priority", L::Word(&["critical", "high", "medium", "low"]), Anywhere),
    list("capabilities", L::Capability, MAX_CAPABILITIES, Order::Free),
    Key {
        name: "deps",
        form: Form::List(List {
            of: L::Dependency,
            most: MAX_DEPS,
            order: Order::Free,
            alone: true,
        }),
        reach: OneJob,
    },
    one("depsMode", L::Word(&["hard", "soft"]), Anywhere),
    one("onDepFailure", L::Word(&["wait", "fail"]), Anywhere),
    one("requireDepsExist", L::Flag, Anywhere),
    Key { name: "retry", form: Form::Retry(RETRY), reach: Anywhere },
    Key { name: "budget", form: Form::Map(BUDGET), reach: Anywhere },
    one("reviewPolicy", L::Word(&["auto", "manual"]), Anywhere),
    one("idempotencyKey", L::IdempotencyKey, OneJob),
    one("trackerItemId", L::Line(256), OneJob),
    one("sequence", L::Count, OneJob),
    one("notBefore", L::Moment, OneJob),
    one("kind", L::Word(&["leaf", "composite"]), OneJob),
    Key { name: "children", form: Form::Children, reach: Outermost },
    one("parent", L::Dependency, Outermost),
    one("repo", L::Line(1024), Anywhere),
    one("baseBranch", L::Line(256), Anywhere),
    list("allowedScope", L::Glob, 64, Order::Free),
    list("artifacts", L::Glob, 32, Order::Free),
    one("bodyMd", L::Body, NotInFrontMatter),
];

static RETRY: &[Key] = &[
    one("max", L::Attempts, Anywhere),
    one("backoff", L::Backoff, Anywhere),
    list("on", L::Word(RETRY_CLASSES), RETRY_CLASSES.len(), Order::Free),
];

static BUDGET: &[Key] = &[
    one("usd", L::Dollars, Anywhere),
    one("tokens", L::Tokens, Anywhere),
    one("wall", L::Wall, Anywhere),
];

const fn one(name: &'static str, leaf: Leaf, reach: Reach) -> Key {
    Key { name, form: Form::One(leaf), reach }
}

const fn list(name: &'static str, of: Leaf, most: usize, order: Order) -> Key {
    Key { name, form: Form::List(List { of, most, order, alone: true }), reach: Anywhere }
}

/// The key that is written so: in camel case or, the same key, in kebab case.
pub(crate) fn find(keys: &'static [Key], written: &str) -> Option<&'static Key> {
    keys.iter().find(|key| key.name == written || kebab(key.name).eq(written.chars()))
}

/// The known key that somebody who wrote this may have meant.
pub(crate) fn nearest(keys: &'static [Key], written: &str) -> Option<&'static str> {
    nearest_word(keys.iter().map(|key| key.name), written)
}

/// The same among any words.
pub(crate) fn nearest_word(
    words: impl Iterator<Item = &'static str>,
    written: &str,
) -> Option<&'static str> {
    const FARTHEST: usize = 3;
    const LONGEST: usize = 32;
    let letters = written.chars().count();
    if letters > LONGEST {
        return None;
    }
    let written = written.to_lowercase();
    words
        .map(|word| (distance(&word.to_lowercase(), &written), word))
        .filter(|(far, name)| {
            // A word that is changed by more than half is another word, unless it was cut short.
            let alike = 2 * far <= letters.min(name.len());
            *far <= FARTHEST
                && (alike || (letters > 2 && name.to_lowercase().starts_with(&written)))
        })
        .min_by_key(|(far, _)| *far)
        .map(|(_, name)| name)
}

/// `unknown key "priorty"; did you mean "priority"?`
pub(crate) fn unknown(written: &str, nearest: Option<&str>) -> String {
    match nearest {
        Some(known) => format!("unknown key {}; did you mean {known:?}?", quoted(written)),
        None => format!("unknown key {}", quoted(written)),
    }
}

/// The same name with its words apart: `onDepFailure` as `on-dep-failure`.
pub(crate) fn kebab(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().flat_map(|letter| {
        let hyphen = letter.is_ascii_uppercase().then_some('-');
        hyphen.into_iter().chain([letter.to_ascii_lowercase()])
    })
}

/// Levenshtein's: insertions, deletions and replacements of characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{
        DepsMode, EngineClass, Kind, OnDepFailure, Priority, RetryClass, ReviewPolicy,
    };
    use serde::de::DeserializeOwned;

    #[test]
    fn a_key_is_known_in_two_spellings() {
        assert_eq!(find(KEYS, "engineClass").unwrap().name, "engineClass");
        assert_eq!(find(KEYS, "engine-class").unwrap().name, "engineClass");
        assert_eq!(find(KEYS, "on-dep-failure").unwrap().name, "onDepFailure");
        for text in ["engine_class", "Engine", "engine-Class", "", "enginecLass"] {
            assert!(find(KEYS, text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_nearest_key_is_within_three_edits() {
        for (written, meant) in [
            ("priorty", Some("priority")),
            ("engine_class", Some("engineClass")),
            ("Timeout", Some("timeout")),
            ("time-out", Some("timeout")),
            ("dependson", None),
            ("xyz", None),
            ("colour", None),
            ("prio", None),
            ("prior", Some("priority")),
            ("", None),
        ] {
            assert_eq!(nearest(KEYS, written), meant, "{written}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    fn words_of(name: &str) -> &'static [&'static str] {
        let form = &find(KEYS, name).unwrap().form;
        let Form::One(L::Word(words)) = form else { panic!("{name} is {form:?}") };
        words
    }

    fn all_read<T: DeserializeOwned>(words: &[&str]) {
        for word in words {
            assert!(serde_json::from_value::<T>((*word).into()).is_ok(), "{word}");
        }
    }

    #[test]
    fn the_words_of_the_table_are_the_words_of_the_records() {
        all_read::<EngineClass>(words_of("engineClass"));
        all_read::<Priority>(words_of("priority"));
        all_read::<DepsMode>(words_of("depsMode"));
        all_read::<OnDepFailure>(words_of("onDepFailure"));
        all_read::<ReviewPolicy>(words_of("reviewPolicy"));
        all_read::<Kind>(words_of("kind"));
        all_read::<RetryClass>(RETRY_CLASSES);
    }
}
