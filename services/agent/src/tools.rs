//! Which tools a host has, told as capabilities: what is on the path, and in which version. Knows
//! no job.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fleet::Capability;
use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::timeout;

/// What jobs are known to ask for.
const KNOWN: [&str; 16] = [
    "git", "node", "npm", "python3", "cargo", "rustc", "go", "java", "docker", "podman", "make",
    "gcc", "claude", "codex", "gh", "nvcc",
];
/// A tool that takes longer to say its version has none.
const PATIENCE: Duration = Duration::from_secs(3);

/// `has:<tool>` for each known tool below `path`, and `<tool>=<version>` where it says one.
pub async fn found(path: &str) -> Vec<Capability> {
    let programs = KNOWN.iter().filter_map(|tool| Some((*tool, on(path, tool)?)));
    let asked = programs.map(async |(tool, program)| (tool, version_of(&program, path).await));
    let mut capabilities = Vec::new();
    for (tool, version) in join_all(asked).await {
        capabilities.extend(format!("has:{tool}").parse());
        capabilities.extend(version.and_then(|version| format!("{tool}={version}").parse().ok()));
    }
    capabilities
}

fn on(path: &str, tool: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(tool)).find(|program| program.is_file())
}

async fn version_of(program: &Path, path: &str) -> Option<String> {
    // Go alone wants a word where the others want a flag.
    let ask = if program.ends_with("go") { "version" } else { "--version" };
    let said = Command::new(program)
        .arg(ask)
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let said = timeout(PATIENCE, said).await.ok()?.ok()?;
    version_in(&String::from_utf8_lossy(&said.stdout))
}

/// The first dotted number: `2.39.5` of `git version 2.39.5 (…)`.
fn version_in(text: &str) -> Option<String> {
    let mut words = text.split(|sign: char| sign.is_whitespace() || sign == ',');
    words.find_map(|word| {
        let word = word.trim_start_matches(|sign: char| !sign.is_ascii_digit());
        let end = word.find(|sign: char| !sign.is_ascii_digit() && sign != '.');
        let (number, _) = word.split_at(end.unwrap_or(word.len()));
        let number = number.trim_end_matches('.');
        (number.contains('.') && number.len() <= 20).then(|| number.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_version_is_found_in_what_a_tool_says() {
        let of = |text| version_in(text).unwrap_or_default();
        assert_eq!(of("git version 2.39.5"), "2.39.5");
        assert_eq!(of("v20.1.0\n"), "20.1.0");
        assert_eq!(of("go version go1.22.3 linux/amd64"), "1.22.3");
        assert_eq!(of("Docker version 24.0.7, build afdd53b"), "24.0.7");
        assert_eq!(of("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"), "1.95.0");
        assert_eq!(of("nothing to say"), "");
    }

    #[tokio::test]
    async fn what_is_on_the_path_is_offered_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let git = place.path().join("git");
        std::fs::write(&git, "#!/bin/sh\necho git version 9.8.7\n").unwrap();
        std::fs::set_permissions(&git, PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::write(place.path().join("node"), "").unwrap();
        let found = found(&place.path().to_string_lossy()).await;
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["has:git", "git=9.8.7", "has:node"]);
    }
}
