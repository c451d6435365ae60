//! Where the programs of servers lie. It never installs one; `cargo xtask` does.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::Trouble;

pub(crate) const INSTALL: &str = "cargo xtask setup";

/// The pins that `cargo xtask setup` installs from; their versions name the folders.
const NATS_PIN: &str = include_str!("../requirements.txt");
const AZURITE_PIN: &str = include_str!("../azurite/package.json");

/// What to look for, and where `cargo xtask setup` puts it.
struct Program {
    name: &'static str,
    named_by: &'static str,
    tool: PathBuf,
}

/// For those who start one themselves.
///
/// # Errors
/// When there is none; it names the command that installs one.
pub fn nats_server() -> Result<PathBuf, Trouble> {
    found(&nats())
}

/// # Errors
/// As [`nats_server`].
pub(crate) fn azurite() -> Result<PathBuf, Trouble> {
    found(&azurite_blob())
}

fn nats() -> Program {
    let words = || NATS_PIN.split(['=', ' ']);
    let version = words().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let folder = format!("nats-server-{}", version.expect("the pin has a version"));
    let tool = tools().join(folder).join("bin/nats-server");
    Program { name: "nats-server", named_by: "GIGAMESH_NATS_SERVER", tool }
}

fn azurite_blob() -> Program {
    let pin: serde_json::Value = serde_json::from_str(AZURITE_PIN).expect("the pin is JSON");
    let version = pin["dependencies"]["azurite"].as_str().expect("the pin has a version");
    let tool = tools().join(format!("azurite-{version}")).join("node_modules/.bin/azurite-blob");
    Program { name: "azurite-blob", named_by: "GIGAMESH_AZURITE_BLOB", tool }
}

fn found(program: &Program) -> Result<PathBuf, Trouble> {
    let (named, path) = (env::var_os(program.named_by), env::var_os("PATH"));
    first(program, named.as_deref(), path.as_deref())
}

/// What was named is taken without a look: if it is wrong, starting it says so.
fn first(
    program: &Program,
    named: Option<&OsStr>,
    path: Option<&OsStr>,
) -> Result<PathBuf, Trouble> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let folders = path.map(env::split_paths).into_iter().flatten();
    let on_path = folders.map(|folder| folder.join(program.name)).find(|file| file.is_file());
    match on_path {
        Some(found) => Ok(found),
        None if program.tool.is_file() => Ok(program.tool.clone()),
        None => Err(Trouble::NoServer {
            name: program.name,
            named_by: program.named_by,
            tool: program.tool.display().to_string(),
        }),
    }
}

/// Below the workspace itself, wherever cargo's own output goes.
fn tools() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("the crate lies two folders below the workspace").join("target/tools")
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
        let program = Program { tool: tool.clone(), ..nats() };
        let empty = Some(OsStr::new(""));
        let named = Some(OsStr::new("/named"));
        assert_eq!(first(&program, named, path).unwrap(), Path::new("/named"));
        assert_eq!(first(&program, empty, path).unwrap(), on_path);
        assert_eq!(first(&program, None, empty).unwrap(), tool);
    }

    #[test]
    fn without_any_the_command_that_installs_one_is_named() {
        let program = Program { tool: "/nowhere/nats-server".into(), ..nats() };
        let said = first(&program, None, None).unwrap_err().to_string();
        for part in ["GIGAMESH_NATS_SERVER", "PATH", "/nowhere/nats-server", "`cargo xtask setup`"]
        {
            assert!(said.contains(part), "no {part:?} in {said:?}");
        }
    }

    #[test]
    fn the_tools_of_the_pins_lie_below_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap();
        let below = |tool: PathBuf| tool.strip_prefix(root).unwrap().to_path_buf();
        let nats = Path::new("target/tools/nats-server-2.15.1/bin/nats-server");
        assert_eq!(below(super::nats().tool), nats);
        let azurite = Path::new("target/tools/azurite-3.37.0/node_modules/.bin/azurite-blob");
        assert_eq!(below(azurite_blob().tool), azurite);
    }
}
