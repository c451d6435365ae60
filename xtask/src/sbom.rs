//! What the shipped binary is made of, as `CycloneDX`: every crate that is linked, with its version,
//! licence and digest, and who asks for whom. Says the same for the same lock file, without a time
//! or a number of its own.

mod licence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::tools::root;

const BINARY: &str = "gigamesh";
/// As the image is built.
const FEATURES: &str = "azure,s3";

/// Writes the document and says where it lies.
///
/// # Errors
/// Cargo does not tell, or what it tells is not understood.
pub(crate) fn written() -> Result<PathBuf> {
    let place = root()?.join("target/sbom");
    fs::create_dir_all(&place)?;
    let file = place.join(format!("{BINARY}.cdx.json"));
    fs::write(&file, format!("{:#}\n", document()?))?;
    Ok(file)
}

fn document() -> Result<Value> {
    let metadata = metadata()?;
    let crates = Crates::told(&metadata, &tree()?)?;
    let digests = digests(&fs::read_to_string(root()?.join("Cargo.lock"))?);
    let mut components = Vec::new();
    let mut main = Value::Null;
    for package in crates.linked.values() {
        let component = component(package, &digests)?;
        if component["name"] == BINARY { main = component } else { components.push(component) }
    }
    let dependencies: Result<Vec<Value>> = crates
        .linked
        .iter()
        .map(|(id, package)| {
            let on: Result<BTreeSet<String>> = crates.links(id).map(reference).collect();
            Ok(json!({ "ref": reference(package)?, "dependsOn": on? }))
        })
        .collect();
    ensure!(!main.is_null(), "the binary is not among what is linked into it");
    main["type"] = json!("application");
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": main },
        "components": components,
        "dependencies": dependencies?,
    }))
}

/// All that cargo knows of the crates, and more edges than there are: those of tests count in.
fn metadata() -> Result<Value> {
    let mut command = cargo("metadata");
    command.args(["--format-version", "1", "--filter-platform", &platform()?]);
    Ok(serde_json::from_str(&told(command)?)?)
}

/// The crates that are linked into the binary on this platform, each by name and version: without
/// what is for building or tests only, or runs inside the compiler.
fn tree() -> Result<String> {
    let mut command = cargo("tree");
    command.args(["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    told(command)
}

fn cargo(verb: &str) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args([verb, "--locked", "--features", FEATURES]);
    command
}

fn told(mut command: Command) -> Result<String> {
    command.current_dir(root()?.join("services").join(BINARY));
    let told = command.output().context("cargo does not start")?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    Ok(String::from_utf8(told.stdout)?)
}

fn platform() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let told = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let told = String::from_utf8(told.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// The crates that are linked, and whom each asks for.
struct Crates<'a> {
    linked: BTreeMap<&'a str, &'a Value>,
    links: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Crates<'a> {
    fn told(metadata: &'a Value, tree: &str) -> Result<Self> {
        let named = |line: &str| {
            let mut words = line.split(' ');
            Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
        };
        let tree: BTreeSet<_> = tree.lines().filter_map(named).collect();
        let is_linked = |package: &Value| {
            let said = |key| text(package, key).map(str::to_owned);
            said("name").zip(said("version")).is_some_and(|it| tree.contains(&it))
        };
        let packages = list(metadata, "/packages")?.iter().filter(|it| is_linked(it));
        let linked: BTreeMap<_, _> =
            packages.filter_map(|it| Some((text(it, "id")?, it))).collect();
        ensure!(linked.len() == tree.len(), "cargo tells two things of the same crates");
        let mut links = BTreeMap::new();
        for node in list(metadata, "/resolve/nodes")? {
            let deps = list(node, "/deps")?.iter().filter(|dep| is_linked_by(dep));
            let deps = deps.filter_map(|dep| text(dep, "pkg"));
            links.insert(text(node, "id").context("a node has an id")?, deps.collect());
        }
        Ok(Self { linked, links })
    }

    fn links(&self, id: &str) -> impl Iterator<Item = &'a Value> {
        let on = self.links.get(id).into_iter().flatten();
        on.filter_map(|id| self.linked.get(id).copied())
    }
}

fn component(package: &Value, digests: &Digests) -> Result<Value> {
    let named = |key| text(package, key).with_context(|| format!("a package has a {key}"));
    let (name, version) = (named("name")?, named("version")?);
    let mut component = Map::new();
    let mut say = |key: &str, value: Value| component.insert(key.to_owned(), value);
    say("type", json!("library"));
    say("bom-ref", json!(reference(package)?));
    say("name", json!(name));
    say("version", json!(version));
    say("purl", json!(reference(package)?));
    if let Some(licence) = text(package, "license") {
        say("licenses", json!([{ "expression": licence::as_spdx(licence) }]));
    }
    if let Some(digest) = digests.get(&(name.to_owned(), version.to_owned())) {
        say("hashes", json!([{ "alg": "SHA-256", "content": digest }]));
    }
    if let Some(place) = text(package, "repository") {
        say("externalReferences", json!([{ "type": "vcs", "url": place }]));
    }
    Ok(component.into())
}

/// One name for a crate, in this document and outside it.
fn reference(package: &Value) -> Result<String> {
    let named = |key| text(package, key).with_context(|| format!("a package has a {key}"));
    Ok(format!("pkg:cargo/{}@{}", named("name")?, named("version")?))
}

type Digests = BTreeMap<(String, String), String>;

/// What the lock file says that each crate must be, byte for byte.
fn digests(lock: &str) -> Digests {
    let entry = |entry: &str| {
        let said = |key: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.trim_matches('"').to_owned())
        };
        Some(((said("name = ")?, said("version = ")?), said("checksum = ")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

/// Not for tests, and not for building only.
fn is_linked_by(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it["kind"].is_null()))
}

fn list<'a>(value: &'a Value, place: &str) -> Result<&'a Vec<Value>> {
    value.pointer(place).and_then(Value::as_array).with_context(|| format!("no {place}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}
