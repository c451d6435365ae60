//! The stored forms of identity: readable for ever, agreeing with their schemas, and no form that
//! an answer could have.
#![cfg(test)]

#[path = "../../fleet/tests/support/changes.rs"]
mod changes;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use auth::{Account, Form, Session, Stored, Token, User, Verification, record_schemas};
use fleet::Record;
use serde::Serialize;
use serde_json::{Value, json};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}-v1.json"));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn read<T: Form>(stored: &Value) -> serde_json::Result<Stored<T>>
where
    Stored<T>: Record,
{
    Stored::<T>::decode(stored.to_string().as_bytes())
}

/// It reads, it writes the very same, and it names the field that is wrong.
fn is_stored_for_ever<T: Form>(name: &str, spoiled: (&str, Value))
where
    Stored<T>: Record,
{
    let stored = fixture(name);
    let again = read::<T>(&stored).unwrap().encode().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&again).unwrap(), stored, "{name}");
    let mut bad = stored;
    bad[spoiled.0] = spoiled.1;
    let error = read::<T>(&bad).err().expect("it cannot be read").to_string();
    assert!(error.contains(spoiled.0), "{name}: {error}");
}

/// Whatever can be read fits, and nothing else does.
fn agrees_with_its_schema<T: Form>(name: &str)
where
    Stored<T>: Record,
{
    let schemas = record_schemas();
    let (_, schema) = schemas.iter().find(|(of, _)| *of == name).unwrap();
    let schema = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let mut refused = 0;
    for (change, record) in changes::of(&fixture(name)) {
        let readable = read::<T>(&record).is_ok();
        refused += usize::from(!readable);
        assert_eq!(schema.is_valid(&record), readable, "{name}: {change}");
    }
    assert!(schema.is_valid(&fixture(name)) && refused > 50, "{name}: {refused} refused");
}

#[test]
fn every_record_of_identity_is_stored_for_ever() {
    is_stored_for_ever::<Token>("token", ("role", json!("boss")));
    is_stored_for_ever::<User>("user", ("bindings", json!([{ "productId": "shop" }])));
    is_stored_for_ever::<Account>("account", ("generation", json!(-1)));
    is_stored_for_ever::<Session>("session", ("expiresAt", json!("soon")));
    is_stored_for_ever::<Verification>("verification", ("purpose", json!("fun")));
}

#[test]
fn every_record_of_identity_agrees_with_its_schema() {
    agrees_with_its_schema::<Token>("token");
    agrees_with_its_schema::<User>("user");
    agrees_with_its_schema::<Account>("account");
    agrees_with_its_schema::<Session>("session");
    agrees_with_its_schema::<Verification>("verification");
}

#[test]
fn every_kind_of_identity_has_its_schema() {
    let schemas = record_schemas();
    let titles: BTreeSet<_> = schemas.iter().map(|(_, it)| it["title"].as_str().unwrap()).collect();
    let kinds: BTreeSet<_> = auth::CONTAINERS.iter().map(|kind| kind.record).collect();
    assert_eq!(titles, kinds);
}

/// Two blanket implementations, the second for what turns into bytes by itself: to name the method
/// of a type that does is ambiguous, and no test is built.
trait Silent<By> {
    fn is_silent() -> bool {
        true
    }
}

#[derive(Debug)]
struct Anybody;
#[derive(Debug)]
struct Serde;

impl<T> Silent<Anybody> for T {}
impl<T: Serialize> Silent<Serde> for T {}

#[test]
fn what_is_kept_of_a_person_can_be_in_no_answer() {
    assert!(<User as Silent<_>>::is_silent());
    assert!(<Account as Silent<_>>::is_silent());
    assert!(<Token as Silent<_>>::is_silent());
    assert!(<Session as Silent<_>>::is_silent());
    assert!(<Verification as Silent<_>>::is_silent());
}
