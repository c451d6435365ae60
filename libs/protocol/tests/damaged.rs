//! Seeded damage to every message of the fuzzer's corpus, so that its target is run here as well.

#![expect(clippy::unwrap_used, reason = "what cannot be set up stops the test")]

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../fuzz/fuzz_targets/entry.rs"]
mod entry;

/// Pieces that mean something to a reader of messages.
const PIECES: [&str; 14] =
    ["\"", "\\", "{", "}", "[", "]", ",", ":", "null", "-1", "1e400", "\\ud800", ".", "*"];

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/message");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    assert!(paths.len() >= 28, "the corpus is thinner than it was");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_seed_is_a_subject_and_a_message() {
    for bytes in corpus() {
        let (addressed, read) = entry::judge(&bytes);
        assert!(addressed && read > 0, "{}", String::from_utf8_lossy(&bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_damage_to_a_message_stops_its_readers(
        seed in select(corpus()),
        strokes in vec((any::<Index>(), 0..4_u8, any::<u8>()), 1..6),
    ) {
        let mut bytes = seed;
        for (at, how, byte) in strokes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => bytes[at] = byte,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => {
                    let piece = PIECES[usize::from(byte) % PIECES.len()];
                    drop(bytes.splice(at..at, piece.bytes()));
                }
            }
        }
        entry::judge(&bytes);
    }
}
