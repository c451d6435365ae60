//! `docs/COVERAGE.md`: every requirement has its row, and every test it names exists.

use std::collections::BTreeMap;
use std::fs;

use crate::tree::{self, Source};

/// The areas of the checklist: prefix, number of requirements, digits of an id.
const AREAS: [(&str, usize, usize); 7] = [
    ("A", 28, 3),
    ("F", 78, 3),
    ("B", 23, 3),
    ("M", 27, 3),
    ("S", 6, 3),
    ("X", 50, 2),
    ("N", 72, 2),
];

const ADVICE: &str = "mend docs/COVERAGE.md; its head says how a row is written";

/// One row: where it stands, its requirement's id and what proves it.
#[derive(Debug)]
struct Row<'a> {
    line: usize,
    id: &'a str,
    proof: &'a str,
}

#[test]
fn every_requirement_has_exactly_one_row() {
    tree::assert_none(&miscounted(&rows(&document())), ADVICE);
}

#[test]
fn every_test_that_a_row_names_exists() {
    tree::assert_none(&unfounded(&rows(&document()), &tree::sources()), ADVICE);
}

#[test]
fn a_missing_a_doubled_and_an_unknown_requirement_are_caught() {
    let whole: String = ids().iter().map(|id| format!("| {id} | x | — |\n")).collect();
    assert_eq!(miscounted(&rows(&whole)), Vec::<String>::new());
    let bad = whole.replace("| A-002 |", "| A-001 |").replace("| X-50 |", "| X-51 |");
    assert_eq!(
        miscounted(&rows(&bad)),
        [
            "A-002: no row",
            "X-50: no row",
            "docs/COVERAGE.md:2: A-001: a second row",
            "docs/COVERAGE.md:212: X-51: no such requirement",
        ]
    );
}

#[test]
fn a_test_that_does_not_exist_or_lies_elsewhere_is_caught() {
    let source = Source { path: "libs/store/src/laws.rs".into(), text: "fn one_wins() {}".into() };
    let sources = [source];
    let findings = |proof: &str| unfounded(&rows(&format!("| A-001 | x | {proof} |")), &sources);
    for good in ["—", "— with the services", "libs/store: one_wins", "libs/store: one_wins; — more"]
    {
        assert_eq!(findings(good), Vec::<String>::new(), "{good}");
    }
    for bad in
        ["", "one_wins", "libs/store: one_win", "libs/bus: one_wins", "libs/store: a, one_wins"]
    {
        assert_eq!(findings(bad).len(), 1, "{bad}");
    }
}

fn document() -> String {
    let path = tree::root().join("docs/COVERAGE.md");
    fs::read_to_string(path).expect("docs/COVERAGE.md is there")
}

fn ids() -> Vec<String> {
    let area = |(prefix, most, digits): (&str, usize, usize)| {
        (1..=most).map(|number| format!("{prefix}-{number:0digits$}")).collect::<Vec<_>>()
    };
    AREAS.into_iter().flat_map(area).collect()
}

/// The rows of all tables whose first cell looks like an id.
fn rows(document: &str) -> Vec<Row<'_>> {
    document.lines().enumerate().filter_map(|(at, line)| read(at + 1, line)).collect()
}

fn read(line: usize, text: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = text.strip_prefix('|')?.strip_suffix('|')?.split('|').collect();
    let [id, _, proof] = cells.as_slice() else { return None };
    let row = Row { line, id: id.trim(), proof: proof.trim() };
    AREAS.iter().any(|(prefix, ..)| row.id.starts_with(&format!("{prefix}-"))).then_some(row)
}

fn miscounted(rows: &[Row<'_>]) -> Vec<String> {
    let mut open: BTreeMap<String, bool> = ids().into_iter().map(|id| (id, false)).collect();
    let mut findings = Vec::new();
    for Row { line, id, .. } in rows {
        match open.get_mut(*id) {
            None => findings.push(format!("docs/COVERAGE.md:{line}: {id}: no such requirement")),
            Some(true) => findings.push(format!("docs/COVERAGE.md:{line}: {id}: a second row")),
            Some(seen) => *seen = true,
        }
    }
    let missing = open.into_iter().filter(|(_, seen)| !seen);
    missing.map(|(id, _)| format!("{id}: no row")).chain(findings).collect()
}

fn unfounded(rows: &[Row<'_>], sources: &[Source]) -> Vec<String> {
    let finding = |row: &Row<'_>| {
        let wrong = row.proof.split(';').find(|part| !is_founded(part.trim(), sources))?;
        Some(format!("docs/COVERAGE.md:{}: {}: no test for `{wrong}`", row.line, row.id))
    };
    rows.iter().filter_map(finding).collect()
}

/// A remark, or a folder with tests that are in it.
fn is_founded(part: &str, sources: &[Source]) -> bool {
    if part.starts_with('—') {
        return true;
    }
    let Some((folder, names)) = part.split_once(": ") else { return false };
    let here: Vec<&Source> = sources.iter().filter(|s| s.path.starts_with(folder)).collect();
    names.split(", ").all(|name| here.iter().any(|source| defines(source, name)))
}

fn defines(source: &Source, name: &str) -> bool {
    [format!("fn {name}("), format!("fn {name}<")].iter().any(|text| source.text.contains(text))
}
