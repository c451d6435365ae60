//! Rules on crates: the arrows between them, what the pure ones link, lints and names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::tree;

/// Crates of rules and words: no waiting, no clock, no chance, no I/O.
pub(crate) const PURE: [&str; 3] = ["auth", "fleet", "protocol"];

/// What a pure crate may link besides other pure crates; a new one needs an ADR.
const PURE_MAY_LINK: [&str; 11] = [
    "argon2",
    "base64",
    "jiff",
    "saphyr-parser",
    "schemars",
    "serde",
    "serde_json",
    "sha2",
    "subtle",
    "thiserror",
    "uuid",
];

/// Where the arrows are written.
const WRITTEN: &str = "tests/house/arrows.txt";

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 5] = ["common", "core", "manager", "types", "utils"];

/// One member of the workspace with its normal dependencies.
#[derive(Debug)]
struct Member {
    manifest: PathBuf,
    links: BTreeSet<String>,
}

type Members = BTreeMap<String, Member>;
type Arrows = BTreeSet<(String, String)>;

#[test]
fn the_arrows_between_crates_are_the_written_ones() {
    let members = members();
    let written = include_str!("arrows.txt");
    let findings = differences(&members, written);
    tree::assert_none(&findings, "a new arrow is an ADR; write it into tests/house/arrows.txt");
}

#[test]
fn pure_crates_link_nothing_that_waits() {
    let advice = "the pure crates stay small; what needs more belongs to the ledger or the edge";
    tree::assert_none(&impure(&members()), advice);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let findings: Vec<String> = members()
        .values()
        .map(|member| (&member.manifest, manifest(&member.manifest)))
        .filter(|(_, text)| !takes_lints(text))
        .map(|(path, _)| format!("{}:1", path.display()))
        .collect();
    tree::assert_none(&findings, "add `[lints]` with `workspace = true`");
}

#[test]
fn no_crate_file_or_folder_has_an_empty_name() {
    let paths = tree::entries();
    let findings: Vec<String> = paths
        .iter()
        .filter(|path| is_empty_name(path))
        .map(|path| format!("{}: says nothing about what is inside", path.display()))
        .chain(members().into_keys().filter(|name| is_empty_name(Path::new(name))))
        .collect();
    tree::assert_none(&findings, "name it after what it owns");
}

#[test]
fn an_arrow_that_is_used_but_not_written_is_caught_and_the_reverse() {
    let members = invented(&[("bus", &["protocol", "tokio"]), ("protocol", &[])]);
    assert_eq!(differences(&members, "bus: protocol\nprotocol:\n"), Vec::<String>::new());
    assert_eq!(
        differences(&members, "bus:\nprotocol: bus\n"),
        [
            "bus → protocol is used but not written",
            "tests/house/arrows.txt:2: protocol → bus is written but not used",
        ]
    );
    assert_eq!(
        differences(&members, "protocol:\nstore:\n"),
        [
            "`bus: protocol` is a crate but not written",
            "tests/house/arrows.txt:2: store is written but not a crate",
        ]
    );
}

#[test]
fn a_pure_crate_that_links_a_runtime_is_caught() {
    let members = invented(&[("fleet", &["serde", "tokio"]), ("protocol", &["bus"]), ("bus", &[])]);
    assert_eq!(
        impure(&members),
        [
            "libs/fleet/Cargo.toml: fleet links tokio",
            "libs/protocol/Cargo.toml: protocol links bus"
        ]
    );
}

#[test]
fn a_manifest_without_the_lints_and_an_empty_name_are_caught() {
    assert!(takes_lints("[lints]\nworkspace = true\n"));
    assert!(!takes_lints("[lints]\n\n[dependencies]\nx.workspace = true\n"));
    assert!(is_empty_name(Path::new("libs/utils/src/lib.rs")));
    assert!(is_empty_name(Path::new("libs/fleet/src/types.rs")));
    assert!(!is_empty_name(Path::new("libs/fleet/src/job.rs")));
}

/// What the crates and the written arrows disagree about, both ways.
fn differences(members: &Members, written: &str) -> Vec<String> {
    let (names, arrows) = parse(written);
    let used = used(members);
    let mut findings = Vec::new();
    for name in members.keys().filter(|name| !names.contains_key(*name)) {
        let to = used.iter().filter(|(from, _)| from == name).map(|(_, to)| format!(" {to}"));
        findings.push(format!("`{name}:{}` is a crate but not written", to.collect::<String>()));
    }
    for (from, to) in used.difference(&arrows).filter(|(from, _)| names.contains_key(from)) {
        findings.push(format!("{from} → {to} is used but not written"));
    }
    for (name, line) in names.iter().filter(|(name, _)| !members.contains_key(*name)) {
        findings.push(format!("{WRITTEN}:{line}: {name} is written but not a crate"));
    }
    for (from, to) in arrows.difference(&used) {
        let line = names[from];
        findings.push(format!("{WRITTEN}:{line}: {from} → {to} is written but not used"));
    }
    findings
}

/// The written crates with their line numbers, and the arrows between them.
fn parse(written: &str) -> (BTreeMap<String, usize>, Arrows) {
    let mut names = BTreeMap::new();
    let mut arrows = Arrows::new();
    for (at, line) in written.lines().enumerate() {
        let Some((from, to)) = line.split_once(':').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        names.insert(from.to_owned(), at + 1);
        arrows.extend(to.split_whitespace().map(|to| (from.to_owned(), to.to_owned())));
    }
    (names, arrows)
}

fn used(members: &Members) -> Arrows {
    let ours = |(from, member): (&String, &Member)| {
        let links = member.links.iter().filter(|link| members.contains_key(*link));
        links.map(|to| (from.clone(), to.clone())).collect::<Vec<_>>()
    };
    members.iter().flat_map(ours).collect()
}

fn impure(members: &Members) -> Vec<String> {
    let may = |link: &str| PURE.contains(&link) || PURE_MAY_LINK.contains(&link);
    let pure = members.iter().filter(|(name, _)| PURE.contains(&name.as_str()));
    pure.flat_map(|(name, member)| member.links.iter().map(move |link| (name, member, link)))
        .filter(|(_, _, link)| !may(link))
        .map(|(name, member, link)| format!("{}: {name} links {link}", member.manifest.display()))
        .collect()
}

fn takes_lints(manifest: &str) -> bool {
    manifest.lines().skip_while(|line| *line != "[lints]").nth(1) == Some("workspace = true")
}

fn is_empty_name(path: &Path) -> bool {
    let name = |part: &Path| part.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let in_tree = !path.starts_with("docs");
    in_tree && path.ancestors().any(|part| EMPTY_NAMES.contains(&name(part).as_str()))
}

fn manifest(path: &Path) -> String {
    fs::read_to_string(tree::root().join(path)).expect("a member has a manifest")
}

/// The workspace as cargo sees it. Only normal dependencies count; those of tests are free.
fn members() -> Members {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(tree::root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let members: Members = list(&metadata, "packages").iter().map(member).collect();
    assert!(members.contains_key("tests"), "the metadata names no members");
    members
}

fn member(package: &Value) -> (String, Member) {
    let links = list(package, "dependencies");
    let links = links.iter().filter(|link| link["kind"].is_null()).map(|link| text(link, "name"));
    let manifest = PathBuf::from(text(package, "manifest_path"));
    let manifest = manifest.strip_prefix(tree::root()).unwrap_or(&manifest).to_path_buf();
    (text(package, "name"), Member { links: links.collect(), manifest })
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn invented(crates: &[(&str, &[&str])]) -> Members {
    let member = |(name, links): &(&str, &[&str])| {
        let links = links.iter().map(|link| (*link).to_owned()).collect();
        let manifest = PathBuf::from(format!("libs/{name}/Cargo.toml"));
        ((*name).to_owned(), Member { manifest, links })
    };
    crates.iter().map(member).collect()
}
