//! `gigamesh dev` in a folder of its own, and the commands that a person types against it.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than anything here takes, so that only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// One that runs; killed on drop.
pub(crate) struct Dev<'a> {
    folder: &'a Path,
    around: Vec<(String, String)>,
    _child: Child,
}

impl<'a> Dev<'a> {
    /// With these words besides, and in these surroundings.
    pub(crate) async fn start(
        folder: &'a Path,
        words: &[&str],
        mut around: Vec<(String, String)>,
    ) -> Self {
        let mut command = gigamesh(folder, &around);
        command.args(["dev", "--port", "0"]).args(words);
        let log = std::fs::File::create(folder.join("dev.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("it starts");
        let log = || std::fs::read_to_string(folder.join("dev.log")).unwrap_or_default();
        let said: Value = serde_json::from_str(&line.unwrap().unwrap_or_else(log)).unwrap();
        let token = std::fs::read_to_string(said["tokenFile"].as_str().unwrap()).unwrap();
        around.push(("GIGAMESH_URL".into(), said["url"].as_str().unwrap().into()));
        around.push(("GIGAMESH_TOKEN".into(), token.trim().into()));
        Self { folder, around, _child: child }
    }

    /// A command that succeeds, and what it put out.
    pub(crate) async fn typed(&self, words: &[&str]) -> Vec<u8> {
        let output = self.ended(words).await;
        let log = std::fs::read_to_string(self.folder.join("dev.log")).unwrap_or_default();
        assert!(output.status.success(), "{words:?}: {output:?}\n{log}");
        output.stdout
    }

    pub(crate) async fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["-o", "json"]].concat();
        serde_json::from_slice(&self.typed(&words).await).unwrap()
    }

    async fn ended(&self, words: &[&str]) -> Output {
        let output = gigamesh(self.folder, &self.around).args(words).output();
        tokio::time::timeout(PATIENCE, output).await.expect("it ends").unwrap()
    }
}

fn gigamesh(folder: &Path, around: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigamesh"));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.envs(around.iter().map(|(name, value)| (name, value)));
    command
}
