//! Rules on single Rust files: words, length, header, module files. Function length, arguments
//! and nesting are clippy's.

use std::ffi::OsStr;

use crate::crates::PURE;
use crate::tree::{self, Source};

/// A file of this length still fits one reading.
const LONGEST: usize = 500;

/// A word that does not occur, where it does not, and what to do about it.
#[derive(Debug)]
struct Word {
    room: &'static str,
    text: &'static str,
    advice: &'static str,
}

#[test]
fn no_file_is_longer_than_500_lines() {
    hold(too_long, "cut it by subject; move tests to `foo/tests.rs` when they crowd");
}

#[test]
fn every_file_opens_with_what_it_owns() {
    hold(headless, "open with `//!`: what this file owns and what it never does");
}

#[test]
fn no_module_hides_in_a_mod_rs() {
    hold(hidden, "name it `foo.rs` beside the folder `foo/`");
}

#[test]
fn no_forbidden_word_is_written_anywhere() {
    let findings: Vec<String> =
        tree::sources().iter().flat_map(|source| said(source, "everywhere")).collect();
    tree::assert_none(&findings, "each line says what to do instead");
}

#[test]
fn pure_crates_know_no_clock_no_chance_and_no_io() {
    let findings: Vec<String> = tree::sources()
        .iter()
        .filter(|source| is_pure(source))
        .flat_map(|source| said(source, "pure"))
        .collect();
    tree::assert_none(&findings, "rules take time, ids and chance as arguments and return values");
}

#[test]
fn the_checkers_of_files_catch_bad_files() {
    const NOTHING: [usize; 0] = [];
    let lib = |text: &str| source("libs/x/src/lib.rs", text);
    assert_eq!(too_long(&lib(&"x\n".repeat(501))), [501]);
    assert_eq!(too_long(&lib(&"x\n".repeat(500))), NOTHING);
    assert_eq!(headless(&lib("// no\nfn f() {}\n")), [1]);
    assert_eq!(headless(&lib("//! Yes.\n")), NOTHING);
    assert_eq!(hidden(&source("libs/x/src/job/mod.rs", "//! x\n")), [1]);
    assert_eq!(hidden(&source("libs/x/src/modest.rs", "//! x\n")), NOTHING);
}

#[test]
fn every_forbidden_word_is_caught_in_code_and_free_in_comments() {
    for Word { room, text, advice } in words() {
        let bad = source("libs/fleet/src/job.rs", &format!("//! x\n\n    {text}\n"));
        let expected = format!("libs/fleet/src/job.rs:3: `{text}`: {advice}");
        assert!(said(&bad, room).contains(&expected), "{text}");
        let good = source("libs/fleet/src/job.rs", &format!("//! x\n// {text}\n"));
        assert_eq!(said(&good, room), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_table_of_words_has_both_rooms() {
    let rooms = |room| words().iter().filter(|word| word.room == room).count();
    assert!(rooms("everywhere") >= 5, "the table `words.txt` was not read");
    assert!(rooms("pure") >= 10, "the table `words.txt` was not read");
    assert_eq!(rooms("everywhere") + rooms("pure"), words().len(), "a room of another name");
}

#[test]
fn only_the_source_of_a_pure_crate_is_pure() {
    assert!(is_pure(&source("libs/fleet/src/job/claim.rs", "")));
    assert!(!is_pure(&source("libs/fleet/tests/model.rs", "")));
    assert!(!is_pure(&source("libs/ledger/src/commit.rs", "")));
}

/// Applies a rule to every file; the rule answers the numbers of the offending lines.
fn hold(rule: fn(&Source) -> Vec<usize>, advice: &str) {
    let sources = tree::sources();
    assert!(sources.len() > 5, "the sources of the workspace were not found");
    let place = |source: &Source, line| format!("{}:{line}", source.path.display());
    let findings: Vec<String> = sources
        .iter()
        .flat_map(|source| rule(source).into_iter().map(move |line| place(source, line)))
        .collect();
    tree::assert_none(&findings, advice);
}

fn too_long(source: &Source) -> Vec<usize> {
    let lines = source.text.lines().count();
    (lines > LONGEST).then_some(LONGEST + 1).into_iter().collect()
}

fn headless(source: &Source) -> Vec<usize> {
    (!source.text.starts_with("//!")).then_some(1).into_iter().collect()
}

fn hidden(source: &Source) -> Vec<usize> {
    (source.path.file_name() == Some(OsStr::new("mod.rs"))).then_some(1).into_iter().collect()
}

fn said(source: &Source, room: &str) -> Vec<String> {
    let words: Vec<Word> = words().into_iter().filter(|word| word.room == room).collect();
    let finding = |line: usize, word: &Word| {
        format!("{}:{line}: `{}`: {}", source.path.display(), word.text, word.advice)
    };
    let on_line = |(line, code): (usize, &str)| -> Vec<String> {
        let here = words.iter().filter(|word| code.contains(word.text));
        here.map(|word| finding(line, word)).collect()
    };
    source.code().flat_map(on_line).collect()
}

fn words() -> Vec<Word> {
    let lines = include_str!("words.txt").lines();
    lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).map(word).collect()
}

fn word(line: &'static str) -> Word {
    let mut parts = line.splitn(3, " | ");
    let mut part = || parts.next().expect("a row of `words.txt` has three columns");
    Word { room: part(), text: part(), advice: part() }
}

fn is_pure(source: &Source) -> bool {
    PURE.iter().any(|name| source.path.starts_with(format!("libs/{name}/src")))
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into() }
}
