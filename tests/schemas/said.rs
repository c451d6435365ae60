//! One message: its name, its shape, what it looks like, and who can tell whether it reads.

use protocol::{Ask, Found, Row};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A message of one type.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) schema: Value,
    pub(crate) examples: Vec<Value>,
    pub(crate) reads: fn(&Value) -> bool,
}

/// What is said on one line of the table, and what answers it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) row: Row,
    pub(crate) said: Message,
    pub(crate) answer: Option<Message>,
}

/// A request with the answer that its type names.
pub(crate) fn asked<A>(row: Row, of: &mut SchemaGenerator, ask: &A, reply: &A::Reply) -> Line
where
    A: Ask + JsonSchema,
    A::Reply: JsonSchema,
{
    let answer = message(of, reply);
    Line { row, said: request(row, of, ask), answer: Some(answer) }
}

/// A question whose answer is a list of what is stored or shown.
pub(crate) fn found<A, T>(row: Row, of: &mut SchemaGenerator, ask: &A, item: &T) -> Line
where
    A: Ask<Reply = Found> + JsonSchema,
    T: JsonSchema + Serialize + DeserializeOwned,
{
    let items = of.subschema_for::<T>();
    let reads = |answer: &Value| {
        let items = answer.get("items").and_then(Value::as_array);
        read::<Found>(answer) && items.is_some_and(|items| items.iter().all(read::<T>))
    };
    let answer = Message {
        name: format!("Found{}", T::schema_name()),
        schema: json!({
            "type": "object",
            "properties": { "items": { "type": "array", "items": items } },
            "required": ["items"],
        }),
        examples: vec![json!({ "items": [item] })],
        reads,
    };
    Line { row, said: request(row, of, ask), answer: Some(answer) }
}

/// An operation whose answer is the record that it changed.
pub(crate) fn changed<A, R>(row: Row, of: &mut SchemaGenerator, ask: &A, record: &R) -> Line
where
    A: Ask<Reply = Value> + JsonSchema,
    R: JsonSchema + Serialize + DeserializeOwned,
{
    let answer = message(of, record);
    Line { row, said: request(row, of, ask), answer: Some(answer) }
}

/// What nobody answers.
pub(crate) fn told<T>(row: Row, of: &mut SchemaGenerator, body: &T) -> Line
where
    T: JsonSchema + Serialize + DeserializeOwned,
{
    Line { row, said: message(of, body), answer: None }
}

pub(crate) fn message<T>(of: &mut SchemaGenerator, body: &T) -> Message
where
    T: JsonSchema + Serialize + DeserializeOwned,
{
    let name = T::schema_name();
    let name = match name.strip_prefix("Nullable_") {
        Some(name) => format!("{name}OrNothing"),
        None if name == "null" => "Nothing".to_owned(),
        None => name.into_owned(),
    };
    let schema = of.subschema_for::<T>().to_value();
    Message { name, schema, examples: vec![json!(body)], reads: read::<T> }
}

fn request<A: Ask + JsonSchema>(row: Row, of: &mut SchemaGenerator, ask: &A) -> Message {
    assert_eq!(ask.row(), row, "a request stands on its own line of the table");
    message(of, ask)
}

fn read<T: DeserializeOwned>(document: &Value) -> bool {
    serde_json::from_str::<T>(&document.to_string()).is_ok()
}
