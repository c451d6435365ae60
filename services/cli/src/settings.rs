//! Where each setting comes from: flags, environment, files, what a local fleet left, defaults.
//! Reads files and nothing else; secrets are never printed.

mod file;
mod login;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleet::{ProductId, Span};

use crate::args::{Common, Output};
use crate::trouble::Trouble;
pub(crate) use login::Login;

/// Every setting, in the order in which they are explained. `token` is no key of a file.
pub(crate) const KEYS: [&str; 6] = ["url", "product", "token", "token_file", "output", "timeout"];
const DEFAULT_URL: &str = "http://127.0.0.1:4600";
const DEFAULT_PRODUCT: &str = "local";
/// Folders above this one that are looked through for what a local fleet left.
const MOST_PARENTS: usize = 64;

/// A value and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) value: String,
    pub(crate) origin: String,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) found: BTreeMap<&'static str, Found>,
    pub(crate) url: String,
    pub(crate) product: ProductId,
    pub(crate) token: Option<Found>,
    /// Where the token stands, if it was not said itself: it may be replaced there.
    pub(crate) token_path: Option<PathBuf>,
    pub(crate) output: Option<Output>,
    pub(crate) timeout: Option<Span>,
    /// Where a login is kept, if there is such a place.
    pub(crate) login_path: Option<PathBuf>,
}

/// One place where settings stand; the first that has a key decides it.
type Layer = BTreeMap<&'static str, Found>;

impl Settings {
    /// # Errors
    /// A file has unknown keys or values of the wrong form, or the token file cannot be read.
    pub(crate) fn read(
        common: &Common,
        environment: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<Self, Trouble> {
        let mut layers = vec![flags(common), variables(environment)];
        for path in files(environment, folder) {
            layers.push(file::layer(&path)?);
        }
        let local = left_behind(folder);
        let mut found = Layer::new();
        for layer in layers {
            // A token is one setting with two spellings: the nearer place decides for both.
            let has_token = found.contains_key("token") || found.contains_key("token_file");
            let decided = |key: &str| has_token && key.starts_with("token");
            for (key, value) in layer.into_iter().filter(|(key, _)| !decided(key)) {
                found.entry(key).or_insert(value);
            }
        }
        let login_path = login::path(environment);
        add_login(&mut found, login_path.as_deref(), &local);
        add_local(&mut found, local);
        for (key, value) in [("url", DEFAULT_URL), ("product", DEFAULT_PRODUCT)] {
            let default = Found { value: value.to_owned(), origin: "default".to_owned() };
            found.entry(key).or_insert(default);
        }
        Ok(Self { login_path, ..Self::settled(found, folder)? })
    }

    fn settled(found: Layer, folder: &Path) -> Result<Self, Trouble> {
        let product = parsed::<ProductId>(&found, "product")?.expect("it has a default");
        let output = match found.get("output") {
            None => None,
            Some(said) => Some(
                <Output as clap::ValueEnum>::from_str(&said.value, true)
                    .map_err(|_| wrong("output", said, "one of table wide json jsonl name none"))?,
            ),
        };
        let timeout = parsed::<Span>(&found, "timeout")?;
        let token = token(&found, folder)?;
        let token_path = token_path(&found, folder);
        let url = found.get("url").map(|url| url.value.clone()).unwrap_or_default();
        Ok(Self { found, url, product, token, token_path, output, timeout, login_path: None })
    }

    /// Where the token came from, for those whose token is refused.
    pub(crate) fn credential(&self) -> String {
        self.token.as_ref().map_or_else(
            || "nowhere: there is none (gigamesh login, GIGAMESH_TOKEN or --token-file)".to_owned(),
            |token| token.origin.clone(),
        )
    }
}

fn flags(common: &Common) -> Layer {
    let mut layer = Layer::new();
    let mut add = |key: &'static str, flag: &str, value: Option<String>| {
        if let Some(value) = value {
            layer.insert(key, Found { value, origin: flag.to_owned() });
        }
    };
    add("url", "--url", common.url.clone());
    add("product", "--product", common.product.clone());
    let token_file = common.token_file.as_ref().map(|path| path.display().to_string());
    add("token_file", "--token-file", token_file);
    let output = common.output.and_then(|output| {
        clap::ValueEnum::to_possible_value(&output).map(|value| value.get_name().to_owned())
    });
    add("output", "--output", output);
    add("timeout", "--timeout", common.timeout.map(|span| span.to_string()));
    layer
}

fn variables(environment: &BTreeMap<String, String>) -> Layer {
    let named = KEYS.into_iter().filter_map(|key| {
        let name = variable(key);
        let value = environment.get(&name).filter(|value| !value.is_empty())?;
        Some((key, Found { value: value.clone(), origin: name }))
    });
    let mut layer: Layer = named.collect();
    if layer.contains_key("token") {
        layer.remove("token_file");
    }
    layer
}

/// The variable of a setting.
pub(crate) fn variable(key: &str) -> String {
    format!("GIGAMESH_{}", key.to_uppercase())
}

fn files(environment: &BTreeMap<String, String>, folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![folder.join("gigamesh.toml")];
    files.extend(config(environment).map(|config| config.join("gigamesh").join("config.toml")));
    files
}

/// Where people's settings lie.
fn config(environment: &BTreeMap<String, String>) -> Option<PathBuf> {
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let config = environment.get("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    config.map(PathBuf::from).or_else(home)
}

/// What a fleet that was started in this folder or above it says of itself.
fn left_behind(folder: &Path) -> Layer {
    let mut layer = Layer::new();
    for folder in folder.ancestors().take(MOST_PARENTS) {
        let left = folder.join(".gigamesh");
        let Ok(url) = fs::read_to_string(left.join("url")) else { continue };
        let at = |name: &str| left.join(name).display().to_string();
        layer.insert("url", Found { value: url.trim().to_owned(), origin: at("url") });
        if left.join("token").is_file() {
            layer.insert("token_file", Found { value: at("token"), origin: at("token") });
        }
        return layer;
    }
    layer
}

/// A login names its fleet where nothing nearer names one, and its token is for that fleet alone.
fn add_login(found: &mut Layer, path: Option<&Path>, local: &Layer) {
    let Some((path, kept)) = path.and_then(|path| Some((path, Login::read(path)?))) else {
        return;
    };
    let origin = path.display().to_string();
    let named = found.get("url").or_else(|| local.get("url"));
    if named.is_some_and(|named| named.value.trim_end_matches('/') != kept.url) {
        return;
    }
    if named.is_none() {
        let url = Found { value: kept.url.clone(), origin: origin.clone() };
        found.insert("url", url);
    }
    if !(found.contains_key("token") || found.contains_key("token_file")) {
        found.insert("token", Found { value: kept.token, origin });
    }
}

/// The local fleet's token is for the local fleet: no other address is ever shown it.
fn add_local(found: &mut Layer, mut local: Layer) {
    let same = match (found.get("url"), local.get("url")) {
        (Some(named), Some(left)) => named.value == left.value,
        (None, _) | (Some(_), None) => true,
    };
    if !same || found.contains_key("token") || found.contains_key("token_file") {
        local.remove("token_file");
    }
    for (key, value) in local {
        found.entry(key).or_insert(value);
    }
}

fn token(found: &Layer, folder: &Path) -> Result<Option<Found>, Trouble> {
    if let Some(token) = found.get("token") {
        return one_word(token.clone()).map(Some);
    }
    let Some(named) = found.get("token_file") else { return Ok(None) };
    let text = fs::read_to_string(folder.join(&named.value)).map_err(|why| {
        Trouble::usage(format!("the token file {} cannot be read", named.value))
            .because(format!("{why} (named by {})", named.origin))
            .next("name another with --token-file")
    })?;
    one_word(Found { value: text.trim().to_owned(), origin: named.value.clone() }).map(Some)
}

fn token_path(found: &Layer, folder: &Path) -> Option<PathBuf> {
    let named = found.get("token_file").filter(|_| !found.contains_key("token"))?;
    Some(folder.join(&named.value))
}

/// Told before it is sent, and without showing it.
fn one_word(token: Found) -> Result<Found, Trouble> {
    let why = if token.value.is_empty() {
        "it is empty"
    } else if token.value.chars().all(|letter| letter.is_ascii_graphic()) {
        return Ok(token);
    } else {
        "a token is one word of printable ASCII"
    };
    Err(Trouble::usage(format!("there is no token in {}", token.origin))
        .because(why)
        .next("name another with --token-file"))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    found: &Layer,
    key: &str,
) -> Result<Option<T>, Trouble> {
    let Some(said) = found.get(key) else { return Ok(None) };
    said.value.parse().map(Some).map_err(|why: T::Err| wrong(key, said, &why.to_string()))
}

fn wrong(key: &str, said: &Found, why: &str) -> Trouble {
    Trouble::usage(format!("{key} is not right: {:?} from {}", said.value, said.origin))
        .because(why)
        .next(format!("gigamesh config explain {key}"))
}
