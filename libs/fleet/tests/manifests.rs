//! Files at the doors: the examples people start from, and seeded damage to every file of the
//! fuzzer's corpus.

#![expect(clippy::unwrap_used, reason = "what cannot be set up stops the test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet::{ProfileTerms, Submission, Terms, Timestamp, normalise};
use serde_json::Map;
use uuid::Uuid;

#[path = "../fuzz/fuzz_targets/entry.rs"]
mod entry;

const MUTATIONS: usize = 20_000;

#[test]
fn the_example_jobs_parse() {
    let examples = files(&here("../../examples"));
    let jobs: Vec<_> = examples.iter().filter(|path| path.extension().unwrap() == "md").collect();
    assert!(!jobs.is_empty(), "examples/ holds no job file");
    for path in jobs.iter().filter(|path| path.file_name().unwrap() != "README.md") {
        let read = Submission::from_markdown(&std::fs::read(path).unwrap());
        let judged = read.and_then(|submission| {
            let named = submission.profiles_named(&Map::new());
            normalise(&submission, &terms(named))
        });
        judged.unwrap_or_else(|invalid| panic!("{}:\n{invalid}", path.display()));
    }
}

#[test]
fn the_corpus_holds_at_both_doors() {
    for bytes in corpus() {
        entry::judge(&bytes);
    }
}

#[test]
fn no_damage_to_a_manifest_stops_the_reader() {
    let corpus = corpus();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut taken = [0, 0];
    for _ in 0..MUTATIONS {
        let mut bytes = corpus[dice.below(corpus.len())].clone();
        for _ in 0..=dice.below(3) {
            damage(&mut bytes, &corpus, &mut dice);
        }
        for (count, door) in taken.iter_mut().zip(entry::judge(&bytes)) {
            *count += usize::from(door);
        }
    }
    // Damage that nobody survives would look at the readers' first lines alone.
    assert!(taken.iter().all(|count| *count > MUTATIONS / 100), "taken at the doors: {taken:?}");
}

/// Pieces that mean something to one of the readers.
const PIECES: &[&str] = &[
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "!!str ",
    "<<: ",
    "? ",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "#",
    "\t",
    "\r\n",
    "\u{feff}",
    "\\ud800",
    "\0",
    "null",
    "true",
    "-1",
    "1e400",
    ".nan",
    "99999999999999999999",
    "0s",
    "8d",
    "..",
    "/",
    "*",
    "priorty: x\n",
    "children:\n- ",
    "deps: [a]\n",
    "idempotencyKey: a\n",
    "\"engine\":\"a\",",
    "\u{200b}",
    "é",
    "%YAML 1.1\n",
];

fn damage(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = (at + dice.below(24)).min(bytes.len());
    match dice.below(10) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.insert(at, u8::try_from(dice.below(256)).unwrap()),
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        4 => {
            let again = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, again));
        }
        5 => {
            let other = &corpus[dice.below(corpus.len())];
            let from = dice.below(other.len());
            let until = (from + dice.below(64)).min(other.len());
            drop(bytes.splice(at..end, other[from..until].iter().copied()));
        }
        6 => drop(bytes.splice(at..at, PIECES[dice.below(PIECES.len())].bytes())),
        // Letters for letters: what is wrong is then a word, not the grammar round it.
        _ => {
            let letter = b"aeixz019"[dice.below(8)];
            if let Some(byte) = bytes.get_mut(at).filter(|byte| byte.is_ascii_alphanumeric()) {
                *byte = letter;
            }
        }
    }
}

/// xorshift64*: the same damage in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % sides.max(1)
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let files = files(&here("fuzz/corpus/manifest"));
    assert!(files.len() >= 5, "the corpus is thinner than it was");
    files.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Sorted, so that the damage is the same on every machine.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{} must be there: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_some())
        .collect();
    paths.sort();
    paths
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A fleet where whatever an example names exists.
fn terms(profiles: Vec<String>) -> Terms {
    let profile = ProfileTerms {
        engine: "shell".parse().unwrap(),
        timeout_sec: None,
        verify: None,
        capabilities: Vec::new(),
        takes_command: true,
    };
    let profiles: BTreeMap<_, _> =
        profiles.into_iter().map(|name| (name, profile.clone())).collect();
    Terms {
        product: "acme".parse().unwrap(),
        submitted_by: "t_1".into(),
        now: Timestamp::from_millis(1_767_323_045_678),
        auto_key: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        defaults: Map::new(),
        profiles,
        allow_yolo: true,
        dev_engine: Some("echo".parse().unwrap()),
    }
}
