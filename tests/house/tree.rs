//! The workspace on disk: its folders and its Rust sources. Judges nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file, by its path from the root of the workspace.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// The lines with their numbers, comments cut off.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(at, line)| (at + 1, line.split_once("//").map_or(line, |(code, _comment)| code)))
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests` lies in the workspace")
}

/// Every Rust file of the workspace.
pub(crate) fn sources() -> Vec<Source> {
    let rust = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "rs");
    entries().into_iter().filter(rust).map(read).collect()
}

/// Every folder and file, by its path from the root, in order.
pub(crate) fn entries() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root().to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("a folder of the workspace can be listed").path();
            if is_ours(&path) {
                found.push(from_root(&path));
                waiting.extend(path.is_dir().then_some(path));
            }
        }
    }
    found.sort();
    found
}

/// Fails with every finding on a line of its own and what to do about them.
pub(crate) fn assert_none(findings: &[String], advice: &str) {
    assert!(findings.is_empty(), "\n{}\n→ {advice}\n", findings.join("\n"));
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    !name.starts_with('.') && name != "target" && name != "node_modules"
}

fn from_root(path: &Path) -> PathBuf {
    path.strip_prefix(root()).expect("found below the root").to_path_buf()
}

fn read(path: PathBuf) -> Source {
    let text = fs::read_to_string(root().join(&path)).expect("sources are UTF-8");
    Source { path, text }
}
