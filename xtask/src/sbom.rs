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
    let crates = Crates::told(&metadata)?;
    let digests = digests(&fs::read_to_string(root()?.join("Cargo.lock"))?);
    let linked = crates.linked()?;
    let mut components = Vec::new();
    let mut main = Value::Null;
    for id in &linked {
        let component = component(crates.package(id)?, &digests)?;
        if component["name"] == BINARY { main = component } else { components.push(component) }
    }
    let dependencies: Result<Vec<Value>> = linked
        .iter()
        .map(|id| {
            let on: Result<BTreeSet<String>> =
                crates.links(id).map(|to| reference(crates.package(to)?)).collect();
            Ok(json!({ "ref": reference(crates.package(id)?)?, "dependsOn": on? }))
        })
        .collect();
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

/// As cargo resolves the binary for this platform.
fn metadata() -> Result<Value> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--locked"]);
    command.args(["--filter-platform", &platform()?, "--features", FEATURES]);
    command.arg("--manifest-path").arg(root()?.join("services").join(BINARY).join("Cargo.toml"));
    let told = command.output().context("cargo does not start")?;
    ensure!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    Ok(serde_json::from_slice(&told.stdout)?)
}

fn platform() -> Result<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let told = Command::new(rustc).arg("-vV").output().context("rustc does not start")?;
    let told = String::from_utf8(told.stdout)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// The crates that cargo knows, and whom each links into a program.
struct Crates<'a> {
    packages: BTreeMap<&'a str, &'a Value>,
    links: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Crates<'a> {
    fn told(metadata: &'a Value) -> Result<Self> {
        let packages = list(metadata, "/packages")?.iter();
        let packages: BTreeMap<_, _> =
            packages.filter_map(|it| Some((text(it, "id")?, it))).collect();
        let mut links = BTreeMap::new();
        for node in list(metadata, "/resolve/nodes")? {
            let deps = list(node, "/deps")?.iter().filter(|dep| is_linked(dep));
            let deps = deps.filter_map(|dep| text(dep, "pkg"));
            // What runs inside the compiler leaves only its output behind.
            let deps = deps.filter(|id| packages.get(id).is_some_and(|it| !is_macro(it)));
            links.insert(text(node, "id").context("a node has an id")?, deps.collect());
        }
        Ok(Self { packages, links })
    }

    fn package(&self, id: &str) -> Result<&'a Value> {
        self.packages.get(id).copied().with_context(|| format!("{id} is no package"))
    }

    fn links(&self, id: &str) -> impl Iterator<Item = &'a str> {
        self.links.get(id).into_iter().flatten().copied()
    }

    /// All that the binary is made of, itself among them.
    fn linked(&self) -> Result<BTreeSet<&'a str>> {
        let is_binary = |it: &&Value| text(it, "name") == Some(BINARY) && it["source"].is_null();
        let binary = self.packages.values().copied().find(is_binary);
        let mut waiting = vec![binary.and_then(|it| text(it, "id")).context("no binary")?];
        let mut linked = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            if linked.insert(id) {
                waiting.extend(self.links(id));
            }
        }
        Ok(linked)
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
fn is_linked(dep: &Value) -> bool {
    dep["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it["kind"].is_null()))
}

fn is_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets.flat_map(|it| it["kind"].as_array()).flatten().any(|kind| kind == "proc-macro")
}

fn list<'a>(value: &'a Value, place: &str) -> Result<&'a Vec<Value>> {
    value.pointer(place).and_then(Value::as_array).with_context(|| format!("no {place}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value[key].as_str()
}
