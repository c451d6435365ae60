//! A submission as JSON Schema, made from the one list of keys, for editors and other programs.
//! Never stricter than the readers: what it refuses they refuse too, in better words.

use serde_json::{Map, Value as Json, json};

use super::MAX_BODY;
use super::keys::{Form, KEYS, Key, Leaf, List, MAX_CHILDREN, Reach, kebab};
use crate::id::{EngineName, JobId, LockName};
use crate::money::MAX_COUNT;

/// The keys of a submission in JSON, its children included. Each may stand in kebab case too.
#[must_use]
pub fn submission_schema() -> Json {
    let mut schema = object(KEYS.iter());
    schema["description"] = "A job: the keys of its manifest, and its instructions.".into();
    schema
}

fn object<'a>(keys: impl Iterator<Item = &'a Key>) -> Json {
    let mut properties = Map::new();
    for key in keys {
        let form = form(&key.form);
        properties.insert(kebab(key.name).collect(), form.clone());
        properties.insert(key.name.to_owned(), form);
    }
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn form(form: &Form) -> Json {
    match form {
        Form::One(of) => leaf(*of),
        Form::List(list) => several(list),
        Form::Map(keys) => object(keys.iter()),
        Form::Retry(keys) => {
            let mut policy = object(keys.iter());
            policy["required"] = json!(["max"]);
            json!({ "anyOf": [leaf(Leaf::Attempts), policy] })
        }
        Form::Children => {
            let child = object(KEYS.iter().filter(|key| key.reach != Reach::Outermost));
            json!({ "type": "array", "maxItems": MAX_CHILDREN, "items": child })
        }
    }
}

fn several(list: &List) -> Json {
    let many = json!({ "type": "array", "maxItems": list.most, "items": leaf(list.of) });
    if list.alone { json!({ "anyOf": [leaf(list.of), many] }) } else { many }
}

fn leaf(leaf: Leaf) -> Json {
    let text = |says: &str| json!({ "type": "string", "minLength": 1, "description": says });
    let whole =
        |least: u64, most: u64| json!({ "type": "integer", "minimum": least, "maximum": most });
    match leaf {
        Leaf::Engine => name::<EngineName>(),
        Leaf::Lock => name::<LockName>(),
        Leaf::Profile => text("A name, or name@3."),
        Leaf::Command => json!({ "anyOf": [
            text("A line for the shell."),
            { "type": "array", "minItems": 1, "items": { "type": "string" } },
        ] }),
        Leaf::Directory => json!({ "type": "string", "pattern": "^/", "maxLength": 4096 }),
        Leaf::Flag => json!({ "type": "boolean" }),
        Leaf::Timeout => text("A duration from 1s to 7d, like 90m."),
        Leaf::Word(words) => json!({ "enum": words }),
        Leaf::Capability => text("A name, name:value or a version like node>=20.1."),
        Leaf::Dependency => text("The key of a job, or its id."),
        Leaf::IdempotencyKey => key(),
        Leaf::Line(most) => json!({ "type": "string", "minLength": 1, "maxLength": most }),
        Leaf::Count => whole(0, MAX_COUNT),
        Leaf::Moment => text("A time like 2026-01-02T03:04:05Z, or a duration from now like 2h."),
        Leaf::Glob => text("A pattern of paths, like src/**."),
        Leaf::Body => json!({ "type": "string", "description":
            format!("The instructions; at most {MAX_BODY} bytes.") }),
        Leaf::Attempts => whole(1, 100),
        Leaf::Backoff => json!({ "anyOf": [
            text("exp, or a duration like 30s."),
            whole(0, 604_800),
        ] }),
        Leaf::Dollars => json!({ "type": "number", "exclusiveMinimum": 0 }),
        Leaf::Tokens => whole(1, MAX_COUNT),
        Leaf::Wall => json!({ "anyOf": [whole(1, MAX_COUNT), text("A duration like 2h.")] }),
    }
}

fn name<T: schemars::JsonSchema>() -> Json {
    T::json_schema(&mut schemars::SchemaGenerator::default()).to_value()
}

/// One that has the form of a job's id is none.
fn key() -> Json {
    let mut key = name::<crate::id::Key>();
    key["not"] = name::<JobId>();
    key
}
