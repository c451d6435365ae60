//! Seeded damage to every link of the fuzzer's corpus, so that its target is run here as well.

#![expect(clippy::unwrap_used, reason = "what cannot be set up stops the test")]

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../fuzz/fuzz_targets/entry.rs"]
mod entry;

const LETTERS: &[u8] = b"0a19f/.?&=%+-_\n\xff";

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/link");
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "the corpus is thinner than it was");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn of_the_corpus_only_what_was_signed_opens_something() {
    let opened = corpus().iter().filter(|bytes| entry::judge(bytes)).count();
    assert_eq!(opened, 3, "two of them were never granted");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_damage_to_a_link_opens_what_was_never_granted(
        seed in select(corpus()),
        strokes in vec((any::<Index>(), 0..4_u8, select(LETTERS)), 1..6),
        other in select(corpus()),
    ) {
        let mut bytes = seed;
        for (at, how, letter) in strokes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, letter),
                1 if at < bytes.len() => bytes[at] = letter,
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => {
                    let tail = &other[at.min(other.len())..];
                    drop(bytes.splice(at.., tail.iter().copied()));
                }
            }
        }
        entry::judge(&bytes);
    }
}
