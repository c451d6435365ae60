//! Rules on documents: links lead somewhere, decisions are listed, one command tests everything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tree;

#[test]
fn every_link_between_documents_leads_somewhere() {
    let findings: Vec<String> =
        documents().iter().flat_map(|(path, text)| dead_links(path, text)).collect();
    tree::assert_none(&findings, "mend the link, or write what it promises");
}

#[test]
fn every_decision_is_listed_in_the_index() {
    let index = fs::read_to_string(tree::root().join("docs/adr/README.md")).expect("the index");
    let paths = tree::entries();
    let pages = paths.iter().filter(|path| path.parent() == Some(Path::new("docs/adr")));
    let findings = unlisted(pages.map(PathBuf::as_path), &index);
    tree::assert_none(&findings, "add a row to docs/adr/README.md");
}

#[test]
fn the_readme_and_ci_run_the_same_command() {
    let read = |path| fs::read_to_string(tree::root().join(path)).expect("a file of the root");
    let said = command(&read("README.md")).expect("the README has a chapter `Test it`").to_owned();
    assert_eq!(read(".ci/run").lines().last(), Some(said.as_str()), "one command for everyone");
    assert_eq!(command("```sh\na\n```\n## Test it\n```sh\ncargo run\n```\n"), Some("cargo run"));
    assert_eq!(command("## Test it\n```json\n{}\n```\n"), None);
}

#[test]
fn a_dead_link_and_an_unlisted_decision_are_caught() {
    let text = "a [page](README.md)\nand [another](nowhere.md#here) and [far](https://example.com)";
    assert_eq!(
        dead_links(Path::new("docs/records.md"), text),
        ["docs/records.md:2: `nowhere.md#here` leads nowhere"]
    );
    let pages = ["docs/adr/0001-a.md", "docs/adr/0002-b.md", "docs/adr/README.md"].map(Path::new);
    assert_eq!(
        unlisted(pages.into_iter(), "| [0001](0001-a.md) | A |"),
        ["docs/adr/0002-b.md: not in the index"]
    );
}

fn documents() -> Vec<(PathBuf, String)> {
    let document = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    let paths: Vec<PathBuf> = tree::entries().into_iter().filter(document).collect();
    assert!(paths.len() > 5, "the documents of the workspace were not found");
    let text = |path: &PathBuf| fs::read_to_string(tree::root().join(path));
    paths.into_iter().map(|path| (path.clone(), text(&path).expect("UTF-8"))).collect()
}

fn dead_links(path: &Path, text: &str) -> Vec<String> {
    let folder = tree::root().join(path).parent().expect("a file lies in a folder").to_path_buf();
    let dead = |link: &&str| !link.contains("://") && !folder.join(file(link)).exists();
    let finding =
        |line: usize, link: &str| format!("{}:{line}: `{link}` leads nowhere", path.display());
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(at, line)| links(line).filter(dead).map(move |link| (at + 1, link)))
        .map(|(line, link)| finding(line, link))
        .collect()
}

/// The command that a document tells those to type who want to test.
fn command(text: &str) -> Option<&str> {
    let chapter = text.lines().skip_while(|line| *line != "## Test it");
    chapter.skip_while(|line| *line != "```sh").nth(1)
}

/// What stands between `](` and the next `)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

fn file(link: &str) -> &str {
    link.split_once('#').map_or(link, |(file, _place)| file)
}

fn unlisted<'a>(pages: impl Iterator<Item = &'a Path>, index: &str) -> Vec<String> {
    let name = |page: &Path| page.file_name().unwrap_or_default().to_string_lossy().into_owned();
    pages
        .filter(|page| name(page) != "README.md" && !index.contains(&format!("]({})", name(page))))
        .map(|page| format!("{}: not in the index", page.display()))
        .collect()
}
