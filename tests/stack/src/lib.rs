//! The stack of `docker-compose.yml`, or of another file, as tests read it: which containers, with
//! which words, variables and looks. Starts nothing, and knows no word of the product.

mod yaml;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The file, with variables put in.
#[derive(Clone, Debug)]
pub struct Stack {
    document: Value,
}

/// One container, or several of a kind.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    document: Map<String, Value>,
}

/// The folder of the workspace.
///
/// # Panics
/// This crate lies elsewhere than in `tests/stack`.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("it lies in the workspace")
}

/// A file of the workspace.
///
/// # Panics
/// It is not there.
pub fn text(path: &str) -> String {
    let path: PathBuf = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

impl Stack {
    /// `docker-compose.yml` as whoever has these variables starts it.
    ///
    /// # Panics
    /// It is no YAML, or needs a variable that is not given.
    pub fn read(variables: &BTreeMap<&str, &str>) -> Self {
        Self::of("docker-compose.yml", variables)
    }

    /// Another file of the workspace in the same way.
    ///
    /// # Panics
    /// As [`Stack::read`].
    pub fn of(path: &str, variables: &BTreeMap<&str, &str>) -> Self {
        let mut document = yaml::read(&text(path));
        put_in(&mut document, variables);
        Self { document }
    }

    /// Every service, by name.
    ///
    /// # Panics
    /// There is none.
    pub fn services(&self) -> Vec<Service> {
        let services = self.document["services"].as_object().expect("a map of services");
        let service = |(name, document): (&String, &Value)| {
            let document = document.as_object().expect("a service is a map").clone();
            Service { name: name.clone(), document }
        };
        services.iter().map(service).collect()
    }

    /// # Panics
    /// There is none of this name.
    pub fn service(&self, name: &str) -> Service {
        let found = self.services().into_iter().find(|service| service.name == name);
        found.unwrap_or_else(|| panic!("there is no service {name}"))
    }

    /// What stands under this key at the root.
    pub fn at(&self, key: &str) -> &Value {
        &self.document[key]
    }
}

impl Service {
    /// One that stands in no file.
    ///
    /// # Panics
    /// It is no map.
    pub fn of(name: &str, document: Value) -> Self {
        let Value::Object(document) = document else { panic!("a service is a map") };
        Self { name: name.to_owned(), document }
    }

    /// What stands under this key.
    pub fn at(&self, key: &str) -> &Value {
        self.document.get(key).unwrap_or(&Value::Null)
    }

    /// Whether it runs the image that is built here.
    pub fn is_ours(&self) -> bool {
        !self.at("build").is_null()
    }

    /// The words after the image's own.
    pub fn command(&self) -> Vec<String> {
        words(self.at("command"))
    }

    /// The words of its health check, without the one that says how they are run.
    ///
    /// # Panics
    /// They are run by a shell.
    pub fn check(&self) -> Option<Vec<String>> {
        let test = words(self.at("healthcheck").get("test")?);
        let (how, rest) = test.split_first()?;
        assert_eq!(how, "CMD", "{}: a check needs no shell", self.name);
        Some(rest.to_vec())
    }

    /// # Panics
    /// They are not written as a map of texts.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let Some(variables) = self.at("environment").as_object() else { return BTreeMap::new() };
        let text = |value: &Value| value.as_str().expect("a variable is a text").to_owned();
        variables.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    pub fn words(&self, key: &str) -> Vec<String> {
        words(self.at(key))
    }

    /// How many of it there are.
    pub fn replicas(&self) -> u64 {
        self.at("deploy").get("replicas").and_then(Value::as_u64).unwrap_or(1)
    }

    /// What must be so of another before this one starts.
    pub fn needs(&self, other: &str) -> Option<&str> {
        self.at("depends_on").get(other)?.get("condition")?.as_str()
    }
}

fn words(list: &Value) -> Vec<String> {
    let word = |word: &Value| word.as_str().map_or_else(|| word.to_string(), str::to_owned);
    list.as_array().into_iter().flatten().map(word).collect()
}

/// `${NAME:-else}` and `${NAME:?why}`, in every text.
fn put_in(value: &mut Value, variables: &BTreeMap<&str, &str>) {
    match value {
        Value::String(text) => *text = with_variables(text, variables),
        Value::Array(items) => items.iter_mut().for_each(|item| put_in(item, variables)),
        Value::Object(entries) => entries.values_mut().for_each(|item| put_in(item, variables)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn with_variables(text: &str, variables: &BTreeMap<&str, &str>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (inner, after) = rest.split_once('}').expect("a variable ends");
    let (name, otherwise) = inner.split_once(':').expect("a variable says what is without it");
    let value = match (variables.get(name), otherwise.strip_prefix('-')) {
        (Some(value), _) => value,
        (None, Some(default)) => default,
        (None, None) => panic!("{name} {otherwise}"),
    };
    format!("{before}{value}{}", with_variables(after, variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_and_a_missing_one_is_missed() {
        let given = [("A", "1")].into();
        assert_eq!(with_variables("x${A:-2}y${B:-3}z", &given), "x1y3z");
        let missing = std::panic::catch_unwind(|| with_variables("${C:?is not set}", &[].into()));
        assert!(missing.is_err());
    }
}
