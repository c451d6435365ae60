//! Where the program `nats-server` lies. It never installs one; `cargo xtask` does.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Trouble;

pub(crate) const NAMED_BY: &str = "GIGAMESH_NATS_SERVER";
pub(crate) const INSTALL: &str = "cargo xtask setup";

/// The pin that `cargo xtask setup` installs from; its version names the folder.
const PIN: &str = include_str!("../requirements.txt");

/// For those who start one themselves.
///
/// # Errors
/// When there is none; it names the command that installs one.
pub fn nats_server() -> Result<PathBuf, Trouble> {
    let (named, path) = (env::var_os(NAMED_BY), env::var_os("PATH"));
    first(named.as_deref(), path.as_deref(), tool())
}

/// What was named is taken without a look: if it is wrong, starting it says so.
fn first(named: Option<&OsStr>, path: Option<&OsStr>, tool: PathBuf) -> Result<PathBuf, Trouble> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let folders = path.map(env::split_paths).into_iter().flatten();
    let on_path = folders.map(|folder| folder.join("nats-server")).find(|file| file.is_file());
    match on_path {
        Some(found) => Ok(found),
        None if tool.is_file() => Ok(tool),
        None => Err(Trouble::NoServer { tool: tool.display().to_string() }),
    }
}

/// Below the workspace itself, wherever cargo's own output goes.
fn tool() -> PathBuf {
    let version = PIN.split(['=', ' ']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.expect("the crate lies two folders below the workspace");
    let folder = format!("nats-server-{}", version.expect("the pin has a version"));
    root.join("target/tools").join(folder).join("bin/nats-server")
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    #[test]
    fn the_one_named_comes_before_path_and_path_before_the_tools() {
        let place = tempfile::tempdir().unwrap();
        let on_path = place.path().join("path/nats-server");
        let tool = place.path().join("tool/nats-server");
        for file in [&on_path, &tool] {
            create_dir_all(file.parent().unwrap()).unwrap();
            write(file, "").unwrap();
        }
        let path = Some(on_path.parent().unwrap().as_os_str());
        let empty = Some(OsStr::new(""));
        let named = Some(OsStr::new("/named"));
        assert_eq!(first(named, path, tool.clone()).unwrap(), Path::new("/named"));
        assert_eq!(first(empty, path, tool.clone()).unwrap(), on_path);
        assert_eq!(first(None, empty, tool.clone()).unwrap(), tool);
    }

    #[test]
    fn without_any_the_command_that_installs_one_is_named() {
        let said = first(None, None, "/nowhere/nats-server".into()).unwrap_err().to_string();
        for part in ["GIGAMESH_NATS_SERVER", "PATH", "/nowhere/nats-server", "`cargo xtask setup`"]
        {
            assert!(said.contains(part), "no {part:?} in {said:?}");
        }
    }

    #[test]
    fn the_tool_of_the_pin_lies_below_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
        let below = tool().strip_prefix(root).unwrap().to_path_buf();
        assert_eq!(below, Path::new("target/tools/nats-server-2.15.1/bin/nats-server"));
    }
}
