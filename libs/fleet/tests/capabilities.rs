//! Seeded damage to the fuzzer's corpus of capabilities, so that its target is run here as well.

#![expect(clippy::unwrap_used, reason = "what cannot be set up stops the test")]

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../fuzz/fuzz_targets/grammar.rs"]
mod grammar;

const LETTERS: &[u8] = b"an:=<>!.-_/+019 \n\xff";

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/capability");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "the corpus is thinner than it was");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_seed_is_a_pair_of_capabilities() {
    for bytes in corpus() {
        assert_eq!(grammar::judge(&bytes), 2, "{}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8_000))]

    #[test]
    fn no_damage_to_a_capability_stops_its_reader(
        seed in select(corpus()),
        strokes in vec((any::<Index>(), 0..3_u8, select(LETTERS)), 1..6),
    ) {
        let mut bytes = seed;
        for (at, how, letter) in strokes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, letter),
                1 if at < bytes.len() => bytes[at] = letter,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.push(letter),
            }
        }
        grammar::judge(&bytes);
    }
}
