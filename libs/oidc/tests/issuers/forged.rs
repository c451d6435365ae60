//! Seeded damage to every file of the fuzzer's corpus, so that its target is run here as well.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[path = "../../fuzz/fuzz_targets/entry.rs"]
mod entry;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/jwt");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 7, "the corpus is thinner than it was");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpus_holds_and_only_the_three_right_tokens_are_proven() {
    let judged: Vec<_> = corpus().iter().map(|bytes| entry::judge(bytes)).collect();
    assert_eq!(judged.iter().filter(|[_, proven]| *proven).count(), 3);
    assert_eq!(
        judged.iter().filter(|[token, _]| *token).count(),
        3,
        "none and HS256 are no tokens"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_damage_makes_a_forgery(
        seed in select(corpus()),
        strokes in vec((any::<Index>(), 0..4_u8, any::<u8>()), 1..6),
        tail in select(corpus()),
    ) {
        let mut bytes = seed;
        for (at, how, byte) in strokes {
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, b"ABab01-_."[usize::from(byte) % 9]),
                1 if at < bytes.len() => bytes[at] = b"ABab01-_."[usize::from(byte) % 9],
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.extend(&tail[at.min(tail.len())..]),
            }
        }
        entry::judge(&bytes);
    }
}
