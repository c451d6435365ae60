//! An account in a process of its own, so that nothing of what emulates it is linked here.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use std::io::{BufRead, BufReader};

/// Gone with this value.
pub(crate) struct Account {
    child: Child,
    url: String,
    key: PathBuf,
}

impl Account {
    /// With its key in a file of this folder.
    pub(crate) fn start(folder: &Path) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_gigamesh")).with_file_name("cosmos-emulator");
        let mut command = servers::tied(&program);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = child.spawn().unwrap_or_else(|why| {
            panic!("{}: {why}. Type `cargo build -p cosmos-emulator`", program.display())
        });
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = said.next().expect("it says where it is").unwrap();
        let key = folder.join("account-key");
        std::fs::write(&key, said.next().expect("and what opens it").unwrap()).unwrap();
        Self { child, url, key }
    }

    /// As `--store` takes it.
    pub(crate) fn store(&self) -> String {
        format!("cosmos+{}/fleet", self.url)
    }

    pub(crate) fn key(&self) -> &str {
        self.key.to_str().unwrap()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
