//! Stories told to the rules, each with the transcript of what came of it. A line is a command;
//! what stands behind its arrow, and the events below it, is what the rules answered.
#![cfg(test)]

#[path = "support/teller.rs"]
mod teller;
#[path = "support/world.rs"]
mod world;

use std::path::PathBuf;

use expect_test::expect_file;
use teller::Teller;

#[test]
fn every_story_goes_as_it_is_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut stories: Vec<PathBuf> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    stories.sort();
    assert!(stories.len() >= 15);
    for story in stories {
        let written = std::fs::read_to_string(&story).unwrap();
        let mut teller = Teller::new();
        let told: String = written.lines().filter_map(|line| teller.tell(line)).collect();
        expect_file![&story].assert_eq(&told);
        let violations = teller.audit();
        assert!(violations.is_empty(), "{}: {violations:#?}", story.display());
    }
}
