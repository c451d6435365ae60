//! The documents of JSON Schema: a submission, every message, every record; with examples.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::lines;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Records that show more of a kind than the one that bears its name.
const FURTHER: [(&str, &str); 1] = [("job", "job-held")];

pub(crate) fn submission() -> Value {
    let mut schema = fleet::submission_schema();
    schema["$schema"] = DIALECT.into();
    schema["title"] = "Submission".into();
    schema["examples"] = json!([crate::examples::submission()]);
    schema
}

/// Each message under the name of its type.
pub(crate) fn messages() -> Value {
    let mut generator = fleet::schema_settings().into_generator();
    let told = lines::all(&mut generator);
    let mut shapes = generator.take_definitions(true);
    for (name, examples) in lines::examples(&told) {
        if let Some(shape) = shapes.get_mut(&name) {
            shape["examples"] = examples.into();
        }
    }
    json!({
        "$schema": DIALECT,
        "title": "Messages",
        "description": "What is said on the bus; each under the name of its type.",
        "$defs": shapes,
    })
}

pub(crate) fn records() -> BTreeMap<&'static str, Value> {
    let with_examples = |(name, mut schema): (&'static str, Value)| {
        let further = FURTHER.iter().filter(|(of, _)| *of == name).map(|(_, fixture)| *fixture);
        let examples = std::iter::once(name).chain(further).map(stored);
        schema["examples"] = examples.collect();
        (name, schema)
    };
    fleet::record_schemas().into_iter().chain(auth::record_schemas()).map(with_examples).collect()
}

/// A record as this version has stored it.
pub(crate) fn stored(name: &str) -> Value {
    let of_a_crate = |owner: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../libs").join(owner);
        fs::read_to_string(folder.join(format!("tests/fixtures/{name}-v1.json")))
    };
    let text = of_a_crate("fleet").or_else(|_| of_a_crate("auth"));
    serde_json::from_str(&text.unwrap_or_else(|no| panic!("{name}: {no}"))).unwrap()
}
