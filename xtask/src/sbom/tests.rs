//! The document of this very workspace, and what must hold of it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{digests, document, licence, list, text};
use crate::tools::root;

fn names(document: &Value) -> BTreeSet<&str> {
    list(document, "/components").unwrap().iter().filter_map(|it| text(it, "name")).collect()
}

#[test]
fn the_binary_is_told_with_all_that_is_linked_into_it_and_nothing_else() {
    let document = document().unwrap();
    assert_eq!(document["metadata"]["component"]["name"], "gigamesh");
    assert_eq!(document["metadata"]["component"]["type"], "application");
    let names = names(&document);
    for linked in
        ["fleet", "gateway", "tokio", "serde", "rustls", "ring", "async-nats", "object_store"]
    {
        assert!(names.contains(linked), "{linked} is missing");
    }
    for absent in
        ["proptest", "criterion", "xtask", "chaos", "servers", "syn", "serde_derive", "cc"]
    {
        assert!(!names.contains(absent), "{absent} is not in the binary");
    }
}

#[test]
fn every_part_says_what_it_is_and_where_it_came_from() {
    let document = document().unwrap();
    for component in list(&document, "/components").unwrap() {
        let name = text(component, "name").unwrap();
        let reference = format!("pkg:cargo/{name}@{}", text(component, "version").unwrap());
        assert_eq!(text(component, "purl"), Some(reference.as_str()));
        assert_eq!(component["bom-ref"], component["purl"]);
        assert!(!component["licenses"][0]["expression"].is_null(), "{name} has no licence");
        // What is built from this tree has no digest; what was fetched must have one.
        let ours = root().unwrap().join("libs").join(name).exists()
            || root().unwrap().join("services").join(name).exists();
        let digest = component["hashes"][0]["content"].as_str().unwrap_or_default();
        assert_eq!(digest.len(), if ours { 0 } else { 64 }, "{name}");
    }
}

#[test]
fn whoever_is_asked_for_is_told_and_the_document_is_the_same_again() {
    let document = document().unwrap();
    let told = list(&document, "/dependencies").unwrap();
    let refs: BTreeSet<_> = told.iter().filter_map(|it| text(it, "ref")).collect();
    assert_eq!(refs.len(), list(&document, "/components").unwrap().len() + 1);
    for on in told.iter().flat_map(|it| list(it, "/dependsOn").unwrap()) {
        assert!(refs.contains(on.as_str().unwrap()), "{on} is not told");
    }
    assert_eq!(document, super::document().unwrap());
}

#[test]
fn every_licence_is_one_that_is_allowed() {
    let rules = fs::read_to_string(root().unwrap().join("deny.toml")).unwrap();
    let (_, rules) = rules.split_once("allow = [").unwrap();
    let (rules, _) = rules.split_once(']').unwrap();
    let allowed: Vec<&str> = rules.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"MIT"), "the list was not found");
    let document = document().unwrap();
    for component in list(&document, "/components").unwrap() {
        let expression = component["licenses"][0]["expression"].as_str().unwrap();
        assert!(licence::is_allowed(expression, &allowed), "{}: {expression}", component["name"]);
    }
}

#[test]
fn a_licence_that_is_not_allowed_is_caught() {
    let fits = |expression| licence::is_allowed(expression, &["MIT", "Zlib", "A WITH b"]);
    for good in ["MIT", "GPL OR MIT", "(GPL OR MIT) AND Zlib", "A WITH b OR GPL", "MIT AND Zlib"] {
        assert!(fits(good), "{good}");
    }
    for bad in
        ["", "GPL", "MIT AND GPL", "(MIT OR Zlib) AND GPL", "A", "MIT WITH b", "(MIT", "MIT Zlib"]
    {
        assert!(!fits(bad), "{bad}");
    }
    assert_eq!(licence::as_spdx("MIT/Apache-2.0"), "MIT OR Apache-2.0");
}

#[test]
fn digests_are_those_of_the_lock_file() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n\
        [[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
    let read = digests(lock);
    assert_eq!(read.len(), 1);
    assert_eq!(read[&("a".to_owned(), "1.0.0".to_owned())], "00ff");
}
