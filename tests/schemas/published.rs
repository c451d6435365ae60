//! The committed documents against what the code makes. `cargo xtask schemas` writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{channels, documents};

/// What has to be said, so that the documents are written instead of compared.
const WRITES: &str = "GIGAMESH_SCHEMAS";
const ADVICE: &str = "the code says otherwise; `cargo xtask schemas` writes what it says";

#[test]
fn what_is_published_is_what_the_code_says() {
    let made = made();
    if writes() {
        for (name, text) in &made {
            let path = folder().join(name);
            fs::create_dir_all(path.parent().expect("a file lies in a folder")).unwrap();
            fs::write(path, text).unwrap();
        }
    }
    let named: BTreeSet<&String> = made.keys().collect();
    let there = there();
    assert_eq!(there.iter().collect::<BTreeSet<_>>(), named, "in schemas/: {ADVICE}");
    for (name, text) in &made {
        let committed = fs::read_to_string(folder().join(name)).unwrap();
        assert!(committed == *text, "schemas/{name}: {ADVICE}");
    }
}

/// Every document, as it is to stand in the folder.
pub(crate) fn made() -> BTreeMap<String, String> {
    let mut made = BTreeMap::from([
        ("submission.json".to_owned(), printed(&documents::submission())),
        ("messages.json".to_owned(), printed(&documents::messages())),
        ("asyncapi.json".to_owned(), printed(&channels::document())),
        ("openapi.json".to_owned(), gateway::openapi().to_owned()),
    ]);
    for (name, schema) in documents::records() {
        made.insert(format!("records/{name}.json"), printed(&schema));
    }
    made
}

fn there() -> BTreeSet<String> {
    let files = |at: PathBuf| {
        let entries = fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let mut all = files(folder());
    all.extend(files(folder().join("records")));
    let inside = |path: &PathBuf| path.strip_prefix(folder()).unwrap().display().to_string();
    all.iter().map(inside).collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas")
}

fn printed(document: &Value) -> String {
    let text = serde_json::to_string_pretty(document).expect("string keys encode");
    text + "\n"
}

fn writes() -> bool {
    std::env::var_os(WRITES).is_some_and(|said| said == "write")
}
