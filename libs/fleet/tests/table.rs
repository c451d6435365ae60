//! The transition table, printed from the real functions and held against the committed one.
//! A rule change is a changed cell.
#![cfg(test)]

#[path = "support/leases.rs"]
mod leases;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/states.rs"]
mod states;
#[path = "support/world.rs"]
#[expect(dead_code, reason = "each target tells other stories")]
mod world;

use std::collections::BTreeSet;
use std::fmt::Write;

use expect_test::expect_file;
use fleet::{Circumstances, Job};
use rows::{Row, UNDER_CANCEL, rows};
use states::{Place, STATES, State, unready};

/// Where the rules say something else than the committed table, and why.
const DEVIATIONS: &[(&str, State, &str, &str)] = &[(
    "reap, stale factory, repair",
    State::A,
    "q, fence",
    "note 6: a grant that never reached building is taken back without charge, so never to D",
)];

/// What one event did to one state.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    shown: String,
    /// Of a refusal.
    code: String,
}

#[test]
fn the_table_is_the_committed_one() {
    expect_file!["table.txt"].assert_eq(&printed());
}

#[test]
fn the_lease_machine_is_the_committed_one() {
    expect_file!["lease.txt"].assert_eq(&leases::printed());
}

#[test]
fn every_cell_is_the_specified_one() {
    let spec = include_str!("table-spec.txt");
    let specified: Vec<Vec<&str>> =
        spec.lines().skip(1).map(|line| line.split(" | ").map(str::trim).collect()).collect();
    let rows = rows();
    let mut wrong = Vec::new();
    for line in &specified {
        let of_line: Vec<&Row> = rows.iter().filter(|row| row.spec == line[0]).collect();
        assert!(!of_line.is_empty(), "nothing prints {}", line[0]);
        for (state, cell) in STATES.iter().zip(&line[1..]) {
            let said: BTreeSet<String> = of_line
                .iter()
                .filter_map(|row| cell_of(row, *state))
                .map(|cell| cell.shown)
                .collect();
            let deviation = DEVIATIONS.iter().find(|(row, at, ..)| *row == line[0] && at == state);
            let expected = alternatives(deviation.map_or(*cell, |(_, _, cell, _)| cell));
            let said: BTreeSet<String> = said.iter().map(|cell| plain(cell)).collect();
            // A state that this content never comes to is one that cannot occur.
            let never = said.is_empty() && *cell == "·";
            if said != expected && !never {
                wrong.push(format!("{} at {state:?}: {said:?}, not {expected:?}", line[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(specified.len(), rows.iter().map(|row| row.spec).collect::<BTreeSet<_>>().len());
}

/// `q/D, fence` says `q, fence` or `D, fence`; `✗(S)` says `✗` or `S`.
fn alternatives(cell: &str) -> BTreeSet<String> {
    if let Some(forced) = cell.strip_prefix("✗(").and_then(|rest| rest.strip_suffix(')')) {
        return BTreeSet::from(["✗".to_owned(), plain(forced)]);
    }
    let (ways, tail) = cell.split_once(", ").map_or((cell, ""), |(ways, tail)| (ways, tail));
    let with_tail = |way: &str| {
        if tail.is_empty() { plain(way) } else { plain(&format!("{way}, {tail}")) }
    };
    ways.split('/').map(with_tail).collect()
}

/// Whether it says Q or q depends only on whether anything was waited for.
fn plain(cell: &str) -> String {
    cell.replacen('q', "Q", if cell.starts_with('q') { 1 } else { 0 })
}

fn printed() -> String {
    let mut out = String::new();
    let _ = writeln!(out, "What each event makes of each state.\n");
    print_rows(&mut out, &rows(), |cell| &cell.shown);
    let _ = writeln!(out, "\nWhat each refusal is called.\n");
    print_rows(&mut out, &rows(), |cell| &cell.code);
    let _ = writeln!(out, "\nHow a hold ends under a graceful cancel.\n");
    print_rows(&mut out, &under_cancel(), |cell| &cell.shown);
    out
}

fn under_cancel() -> Vec<Row> {
    let flag = |mut row: Row| {
        row.way.flagged = true;
        row
    };
    rows().into_iter().filter(|row| UNDER_CANCEL.contains(&row.spec)).map(flag).collect()
}

fn print_rows(out: &mut String, rows: &[Row], text: fn(&Cell) -> &str) {
    let cell =
        |row: &Row, state| cell_of(row, state).map_or(String::new(), |cell| text(&cell).to_owned());
    let mut lines: Vec<Vec<String>> = vec![
        std::iter::once("event".to_owned())
            .chain(STATES.map(|state| format!("{state:?}")))
            .collect(),
    ];
    for row in rows {
        let cells = STATES.map(|state| cell(row, state));
        lines.push(std::iter::once(row.name()).chain(cells).collect());
    }
    lines.retain(|line| line.iter().skip(1).any(|cell| !cell.is_empty()));
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=STATES.len()).map(width).collect();
    for line in &lines {
        let padded = |(cell, width): (&String, &usize)| format!("{cell:<width$}");
        let cells: Vec<String> = line.iter().zip(&widths).map(padded).collect();
        let _ = writeln!(out, "{}", cells.join(" | ").trim_end());
    }
}

/// Blank where this variant of the job never comes to that state.
fn cell_of(row: &Row, state: State) -> Option<Cell> {
    if row.way.flagged && !matches!(state, State::A | State::W | State::R | State::T) {
        return None;
    }
    let place = Place::reach(state, &row.with, row.way)?;
    let ready = outcome(row, &place, Circumstances { max_reaps: row.max_reaps, ..row.given });
    if !row.either {
        return Some(ready);
    }
    let unready = outcome(row, &place, Circumstances { max_reaps: row.max_reaps, ..unready() });
    let both = ready.shown.starts_with('Q') && unready.shown.starts_with('B');
    let shown = if both { ready.shown.replacen('Q', "q", 1) } else { ready.shown.clone() };
    assert!(both || ready == unready, "{}: {ready:?} or {unready:?}", row.name());
    Some(Cell { shown, ..ready })
}

fn outcome(row: &Row, place: &Place, given: Circumstances) -> Cell {
    let mut place = place.clone();
    let before = place.job.clone();
    let answer = (row.event)(&mut place, row, given);
    let after = place.job;
    let occurs = (row.occurs)(before.as_ref().map_or(State::N, State::of));
    let (shown, code) = match answer {
        Ok(facts) if !occurs => {
            assert_eq!(facts, 0, "{} changes what it cannot meet", row.name());
            ("·".to_owned(), String::new())
        }
        Ok(_) => (shown(before.as_ref(), after.as_ref(), row), String::new()),
        Err(no) => {
            assert_eq!(before, after, "a refusal changes nothing");
            let known = before.is_none() || no.current.is_some();
            assert!(known, "{}: a refusal without the truth", row.name());
            let reason = no.reason.map_or(String::new(), |reason| format!(" {reason}"));
            ("✗".to_owned(), format!("{:?}{reason}", no.code))
        }
    };
    Cell { shown, code }
}

fn shown(before: Option<&Job>, after: Option<&Job>, row: &Row) -> String {
    let Some(after) = after else { return "·".to_owned() };
    let state = State::of(after);
    let Some(before) = before else { return format!("{state:?}") };
    let flagged = before.cancel_requested.is_none() && after.cancel_requested.is_some();
    let fenced = after.lease_epoch > before.lease_epoch;
    let same = State::of(before) == state && before.generation == after.generation;
    let tail = match (fenced, flagged && !after.stage.has_ended()) {
        (true, _) if state == State::A => ", epoch+1",
        (true, _) => ", fence",
        (false, true) => ", flag",
        (false, false) if same && !row.stays => return "=".to_owned(),
        (false, false) => "",
    };
    format!("{state:?}{tail}")
}
