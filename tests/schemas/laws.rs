//! What must hold of the documents, whatever they say.

use std::collections::{BTreeMap, BTreeSet};

use fleet::submission_schema;
use jsonschema::Validator;
use protocol::{Row, Subject};
use serde_json::{Value, json};

use crate::{changes, channels, documents, examples, lines, published};

#[test]
fn every_line_of_the_table_is_a_channel_and_every_channel_a_line() {
    let document = channels::document();
    let named: BTreeSet<&str> = members(&document["channels"]).map(|(id, _)| id).collect();
    let mut expected: BTreeSet<String> = Row::all().map(channels::id).collect();
    assert_eq!(expected.len(), Row::all().count(), "no two lines share a channel");
    assert!(expected.insert(channels::INBOX.to_owned()));
    assert_eq!(named, expected.iter().map(String::as_str).collect());
    for row in Row::all() {
        let channel = &document["channels"][channels::id(row)];
        let subject = filled(channel);
        let read = subject.parse::<Subject>().unwrap_or_else(|no| panic!("{subject}: {no}"));
        assert_eq!(read.row(), row, "{subject}");
    }
}

/// The address with the first example of each parameter that the channel declares.
fn filled(channel: &Value) -> String {
    let document = channels::document();
    let mut address = channel["address"].as_str().unwrap().to_owned();
    for (name, at) in members(&channel["parameters"]) {
        let pointer = at["$ref"].as_str().unwrap().trim_start_matches('#').to_owned();
        let parameter = document.pointer(&pointer).unwrap();
        let first = parameter.pointer("/examples/0").or_else(|| parameter.pointer("/enum/0"));
        let open = format!("{{{name}}}");
        assert!(address.contains(&open), "{address} has no {name}");
        address = address.replace(&open, first.unwrap().as_str().unwrap());
    }
    address
}

#[test]
fn who_sends_and_who_receives_is_told_of_every_line_with_a_voice() {
    let document = channels::document();
    let told = lines::all(&mut fleet::schema_settings().into_generator());
    let on = |row: Row, action: &str| {
        let channel = json!({ "$ref": format!("#/channels/{}", channels::id(row)) });
        let operations = members(&document["operations"]).map(|(_, operation)| operation);
        operations.filter(|it| it["channel"] == channel && it["action"] == action).count()
    };
    for line in &told.lines {
        let route = line.row.route();
        assert_eq!(on(line.row, "send"), route.from.len(), "{:?}", line.row);
        assert_eq!(on(line.row, "receive"), route.to.len(), "{:?}", line.row);
    }
    for row in Row::all().filter(|row| told.lines.iter().all(|line| line.row != *row)) {
        assert_eq!(on(row, "send") + on(row, "receive"), 0, "{row:?}");
        let silence = &document["channels"][channels::id(row)]["description"];
        assert!(silence.as_str().unwrap().ends_with("nobody speaks here yet."), "{row:?}");
    }
}

#[test]
fn every_reference_of_every_document_leads_somewhere() {
    let mut seen = 0;
    for (name, text) in published::made() {
        let document: Value = serde_json::from_str(&text).unwrap();
        let mut references = Vec::new();
        gather(&document, &mut references);
        seen += references.len();
        for at in references {
            let pointer = at.strip_prefix('#').unwrap_or_else(|| panic!("{name}: {at} is local"));
            assert!(document.pointer(pointer).is_some(), "{name}: {at}");
        }
    }
    assert!(seen > 300, "{seen}");
}

#[test]
fn every_message_and_every_record_has_examples_and_each_fits() {
    for (name, schema) in documents::records() {
        let shown = schema["examples"].as_array().unwrap();
        assert!(!shown.is_empty(), "{name}");
        shown.iter().for_each(|example| fits(&validator(&schema), example, name));
    }
    let submission = documents::submission();
    fits(&validator(&submission), &submission["examples"][0], "submission");
    let document = channels::document();
    for (name, message) in members(&document["components"]["messages"]) {
        let schema = inside(&document, &message["payload"]);
        let shown = message["examples"].as_array().unwrap();
        assert!(!shown.is_empty(), "{name}");
        shown.iter().for_each(|example| fits(&schema, &example["payload"], name));
    }
}

#[test]
fn every_type_that_is_said_is_published_with_an_example_that_fits() {
    let published = documents::messages();
    let mut generator = fleet::schema_settings().into_generator();
    let told = lines::all(&mut generator);
    let types = lines::messages(&told).filter(|message| message.schema.get("$ref").is_some());
    let names: BTreeSet<&str> = types.map(|message| message.name.as_str()).collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let shown = published["$defs"][name]["examples"].as_array();
        let shown = shown.unwrap_or_else(|| panic!("{name} has no example"));
        let schema = inside(&published, &json!({ "$ref": format!("#/$defs/{name}") }));
        shown.iter().for_each(|example| fits(&schema, example, name));
    }
}

#[test]
fn a_changed_request_fits_exactly_if_it_is_still_read_and_no_answer_fits_that_is_not() {
    let document = documents::messages();
    let told = lines::all(&mut fleet::schema_settings().into_generator());
    let (mut refused, mut tried) = (BTreeMap::<&str, usize>::new(), 0);
    for line in &told.lines {
        for message in std::iter::once(&line.said).chain(&line.answer) {
            let schema = inside(&document, &message.schema);
            // A view is read by programs of every age and so leniently; the keys of a submission
            // are judged by their own reader, which a test beside it compares.
            let exact = message.name == line.said.name;
            for (change, body) in changes::of(&message.examples[0]) {
                let (fits, reads) = (schema.is_valid(&body), (message.reads)(&body));
                let ours = change.contains("/submission") || change.contains("/children");
                assert!(reads || !fits, "{} takes {change}", message.name);
                assert!(!exact || ours || fits || !reads, "{} refuses {change}", message.name);
                *refused.entry(&message.name).or_default() += usize::from(!fits);
                tried += 1;
            }
        }
    }
    let lax: Vec<_> = refused.iter().filter(|(_, refused)| **refused == 0).collect();
    assert!(lax.iter().all(|(name, _)| ["Verify", "Nothing"].contains(name)), "{lax:?}");
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_submission_with_a_key_that_nobody_knows_does_not_fit() {
    let schema = validator(&submission_schema());
    let mut submission = examples::submission();
    fits(&schema, &submission, "as it is");
    submission["prioritty"] = json!("high");
    assert!(!schema.is_valid(&submission));
    let document = channels::document();
    let message = inside(&document, &json!({ "$ref": "#/components/schemas/SubmitJob" }));
    assert!(!message.is_valid(&json!({ "submission": submission })));
}

#[test]
fn what_the_door_describes_is_what_the_bus_describes() {
    let door: Value = serde_json::from_str(gateway::openapi()).unwrap();
    let bus = channels::document();
    let bus = &bus["components"]["schemas"];
    let shared: Vec<_> = members(&door["components"]["schemas"])
        .filter(|(name, _)| bus.get(name).is_some())
        .collect();
    assert!(shared.len() > 30, "{}", shared.len());
    for (name, shape) in shared {
        assert_eq!(*shape, bus[name], "{name}");
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).expect("a schema")
}

/// A schema that refers into its document.
fn inside(document: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    for part in ["components", "$defs"] {
        if let Some(shapes) = document.get(part) {
            whole[part] = shapes.clone();
        }
    }
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    validator(&whole)
}

fn fits(schema: &Validator, document: &Value, what: &str) {
    let faults: Vec<String> = schema
        .iter_errors(document)
        .map(|fault| format!("{what}: {}: {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().expect("an object").iter().map(|(name, member)| (name.as_str(), member))
}

fn gather(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| gather(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
