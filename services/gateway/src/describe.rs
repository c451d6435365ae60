//! The door as OpenAPI 3.1 tells it, made from the table of routes and the types of the messages.
//! Nothing is written down twice: what changes in either changes here.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use fleet::{
    ArtifactId, ArtifactKind, EventType, FactoryId, JobId, Key, Priority, ProfileName, StageName,
    Timestamp,
};
use protocol::{Code, Envelope, JobAction};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::routes::log;
use crate::routes::table::{self, Body, Route, Said, Verb};

/// The whole description, made once.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let text = serde_json::to_string_pretty(&document()).expect("string keys encode");
        text + "\n"
    });
    &TEXT
}

fn document() -> Value {
    let mut settings = fleet::schema_settings();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut schemas = settings.into_generator();
    let error = schemas.subschema_for::<Envelope>();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for route in table::routes() {
        let told = operation(&route, &mut schemas);
        // A name that takes the rest of the path is written like any other.
        paths
            .entry(route.path.replace("{*", "{"))
            .or_default()
            .insert(word(route.verb).to_owned(), told);
    }
    let mut shapes = schemas.take_definitions(true);
    shapes.insert("Submission".into(), fleet::submission_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gigamesh",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Coordinates fleets of worker hosts: jobs, leases, factories.",
            "license": { "name": "Apache-2.0 OR MIT", "identifier": "Apache-2.0 OR MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": shapes,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "responses": { "Refused": {
                "description": refused(),
                "headers": { "Fleet-Request-Id": { "schema": { "type": "string" } } },
                "content": { "application/json": { "schema": error } },
            } },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (status, said) in &route.said {
        responses.insert(status.to_string(), response((*status, route.verb), *said, schemas));
    }
    responses.insert("default".into(), json!({ "$ref": "#/components/responses/Refused" }));
    let mut told = json!({
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters(route, schemas),
        "responses": responses,
    });
    if let Some(content) = taken(route.body, schemas) {
        let required = !matches!(route.body, Body::Action);
        told["requestBody"] = json!({ "required": required, "content": content });
    }
    if route.is_open() {
        told["security"] = json!([]);
    }
    if !route.roles.is_empty() {
        told["x-roles"] = json!(route.roles);
        let roles: Vec<&str> = route.roles.iter().map(|role| role.as_str()).collect();
        told["description"] = json!(format!("For the role {}.", roles.join(" or ")));
    }
    told
}

fn parameters(route: &Route, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let in_path = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = in_path.map(|name| name.trim_start_matches('*'));
    let mut all: Vec<Value> = in_path.map(|name| path_parameter(name, schemas)).collect();
    all.extend(route.query.iter().map(|name| query_parameter(name, schemas)));
    if matches!(route.body, Body::Action) {
        all.push(header("If-Match", "The ETag that the job must still have."));
    }
    if route.name == "getJob" {
        all.push(header("If-None-Match", "An ETag that is known already."));
    }
    if route.name == "readBlob" {
        all.push(header("Range", "One range of bytes."));
    }
    if route.name == "followEvents" {
        all.push(header("Last-Event-ID", "The cursor of the last event that was seen."));
    }
    if route.name == "readLog" {
        all.push(header("Last-Event-ID", "Where the reader is, as the last frame's id says."));
    }
    all
}

fn path_parameter(name: &str, schemas: &mut SchemaGenerator) -> Value {
    let (schema, description) = match name {
        "factory" => (of::<FactoryId>(schemas), "The name of a factory."),
        "profile" => (of::<ProfileName>(schemas), "The name of a profile."),
        "version" => (of::<NonZeroU32>(schemas), "Which of its versions, from 1."),
        "artifact" => (of::<ArtifactId>(schemas), "An artifact."),
        "key" => (json!({ "type": "string" }), "As it stands in the link, with its query."),
        "action" => (of::<JobAction>(schemas), "What is done."),
        _ => {
            let schema = json!({ "type": "string" });
            (schema, "An id, the beginning of one, or a key; a holder names its job by its id.")
        }
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema,
        "description": description })
}

fn query_parameter(name: &str, schemas: &mut SchemaGenerator) -> Value {
    let several = |items: Value| json!({ "type": "array", "items": items });
    let schema = match name {
        "stage" => several(of::<StageName>(schemas)),
        "priority" => several(of::<Priority>(schemas)),
        "type" => several(of::<EventType>(schemas)),
        "idempotencyKey" => of::<Key>(schemas),
        "parentId" | "jobId" => of::<JobId>(schemas),
        "factoryId" => of::<FactoryId>(schemas),
        "createdAfter" | "createdBefore" => of::<Timestamp>(schemas),
        "kind" => of::<ArtifactKind>(schemas),
        "attempt" => json!({ "type": "integer", "minimum": 1 }),
        "follow" => json!({ "enum": ["0", "1"], "default": "0" }),
        "tail" => json!({ "type": "integer", "minimum": 0, "maximum": log::MOST_LINES }),
        "quarantine" => json!({ "enum": ["0", "1"], "default": "0" }),
        "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 50 }),
        "admitted" => json!({ "enum": ["true", "any"], "default": "true" }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "query", "schema": schema })
}

fn header(name: &str, description: &str) -> Value {
    json!({ "name": name, "in": "header", "schema": { "type": "string" },
        "description": description })
}

fn taken(body: Body, schemas: &mut SchemaGenerator) -> Option<Value> {
    Some(match body {
        Body::Nothing => return None,
        Body::Typed(shape, in_path) => {
            let schema = without(shape(schemas).to_value(), in_path);
            json!({ "application/json": { "schema": schema } })
        }
        Body::Action => {
            let (action, extras) = table::action(schemas);
            let mut schema = without(action.to_value(), &table::ACTION_IN_PATH);
            let extras = extras.to_value()["properties"].take();
            for (name, extra) in extras.as_object().into_iter().flatten() {
                schema["properties"][name] = extra.clone();
            }
            json!({ "application/json": { "schema": schema } })
        }
        Body::Submission => json!({
            "text/markdown": { "schema": {
                "type": "string",
                "description": "A job file: front matter in YAML, then the instructions.",
            } },
            "application/json": { "schema": { "$ref": "#/components/schemas/Submission" } },
        }),
        Body::Upload => {
            let (form, inline) = table::artifacts::uploads(schemas);
            json!({
                "multipart/form-data": { "schema": form },
                "application/json": { "schema": inline },
            })
        }
        Body::Bytes => json!({ "application/octet-stream": {} }),
    })
}

/// A schema but for what the path says already.
fn without(mut schema: Value, in_path: &[&str]) -> Value {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| !in_path.contains(&name.as_str()));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !name.as_str().is_some_and(|name| in_path.contains(&name)));
    }
    schema
}

fn response((status, verb): (u16, Verb), said: Said, schemas: &mut SchemaGenerator) -> Value {
    let deletes = verb == Verb::Delete;
    let description = match status {
        201 => "Made.",
        204 if deletes => "Gone.",
        204 => "Nothing now; come back after Retry-After seconds.",
        206 => "A part of it.",
        304 => "It is as it was.",
        _ => "Done.",
    };
    match said {
        Said::Nothing => json!({ "description": description }),
        Said::Typed(shape) => json!({
            "description": description,
            "content": { "application/json": { "schema": shape(schemas) } },
        }),
        Said::Record => json!({
            "description": description,
            "content": { "application/json": { "schema": { "type": "object" } } },
        }),
        Said::Bytes => json!({ "description": description, "content": { "*/*": {} } }),
        Said::Text(media) => texts(description, &[media]),
        Said::TextOrStream(media, data) => {
            let mut told = texts(description, &[media]);
            told["content"]["text/event-stream"] = stream_of(&data(schemas));
            told
        }
    }
}

fn texts(description: &str, media: &[&str]) -> Value {
    let content =
        media.iter().map(|media| ((*media).to_owned(), json!({ "schema": { "type": "string" } })));
    json!({ "description": description, "content": content.collect::<Map<_, _>>() })
}

/// Frames of server-sent events: whoever reads them decodes each one's data by this schema.
fn stream_of(data: &Schema) -> Value {
    let frames = "Server-sent events. What stands behind `data:` is JSON as x-event-data tells, but \
        for the events `end`, when all was said, and `gap`, when some of it is gone. Whoever reads \
        on sends the last `id:` as Last-Event-ID.";
    json!({ "schema": { "type": "string", "description": frames }, "x-event-data": data })
}

/// The one error table, for people.
fn refused() -> String {
    let line = |code: Code| {
        let again = if code.retryable() { " (retryable)" } else { "" };
        format!("\n- {} `{}`: {}{again}", code.http(), code.as_str(), code.sentence())
    };
    let lines: String = Code::ALL.into_iter().map(line).collect();
    format!("Refused or failed; `message` says why and `hint` what to do next.\n{lines}")
}

fn of<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

fn word(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Post => "post",
        Verb::Put => "put",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::guard;

    #[test]
    fn every_reference_leads_somewhere_and_every_name_is_given_once() {
        let document = document();
        let mut refs = Vec::new();
        gather(&document, &mut refs);
        assert!(refs.len() > 50, "{}", refs.len());
        for at in refs {
            let pointer = at.strip_prefix('#').expect("all references are local");
            assert!(document.pointer(pointer).is_some(), "{at}");
        }
        let routes = table::routes();
        let names: BTreeSet<_> = routes.iter().map(|route| route.name).collect();
        assert_eq!(names.len(), routes.len());
        let open: BTreeSet<_> =
            routes.iter().filter(|route| route.is_open()).map(|route| route.path).collect();
        assert_eq!(open, guard::OPEN.into_iter().collect());
    }

    fn gather(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                let named = members.get("$ref").and_then(Value::as_str);
                into.extend(named.map(str::to_owned));
                members.values().for_each(|member| gather(member, into));
            }
            Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
