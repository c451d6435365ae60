//! YAML as the compose file is written in it: anchors, aliases and merge keys included. Knows no
//! key but `<<`, and stops at anything that is not well-formed.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// The one document of this text.
///
/// # Panics
/// It is no YAML.
pub(crate) fn read(text: &str) -> Value {
    let mut reader = Reader { events: Parser::new_from_str(text), anchors: BTreeMap::new() };
    loop {
        match reader.next() {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            first @ (Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..)
            | Event::Alias(_)
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd) => return reader.node(first),
        }
    }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, Value>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Event<'a> {
        match self.events.next_event() {
            Some(Ok((event, _))) => event,
            Some(Err(error)) => panic!("no YAML: {error}"),
            None => Event::StreamEnd,
        }
    }

    fn node(&mut self, first: Event<'a>) -> Value {
        let (anchor, value) = match first {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => (anchor, self.list()),
            Event::MappingStart(anchor, _) => (anchor, self.map()),
            Event::Alias(anchor) => return self.anchors[&anchor].clone(),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => panic!("a value is missing"),
        };
        self.anchors.insert(anchor, value.clone());
        value
    }

    fn list(&mut self) -> Value {
        let mut items = Vec::new();
        loop {
            let first = self.next();
            if matches!(first, Event::SequenceEnd) {
                return Value::Array(items);
            }
            items.push(self.node(first));
        }
    }

    /// What is merged in gives way to what stands there itself.
    fn map(&mut self) -> Value {
        let (mut entries, mut merged) = (Map::new(), Map::new());
        loop {
            let first = self.next();
            if matches!(first, Event::MappingEnd) {
                break;
            }
            let key = self.node(first).as_str().expect("keys are texts").to_owned();
            let first = self.next();
            let value = self.node(first);
            if key == "<<" {
                merged.extend(value.as_object().expect("a map is merged").clone());
            } else {
                assert!(entries.insert(key.clone(), value).is_none(), "{key} stands there twice");
            }
        }
        merged.extend(entries);
        Value::Object(merged)
    }
}

/// Plain words that mean something else than themselves, as far as compose files have them.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "" | "~" | "null" => Value::Null,
        _ => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn merged_keys_give_way_to_those_that_stand_there() {
        let text = "x: &x { a: 1, b: &b [no, 'true', true] }\ny: &y { <<: *x, a: 2 }\nz: { <<: *y, \
                    c: *b }\n";
        let read = read(text);
        assert_eq!(read["y"], json!({ "a": 2, "b": ["no", "true", true] }));
        assert_eq!(read["z"]["c"], read["x"]["b"]);
        assert_eq!(read["z"]["a"], json!(2));
    }

    #[test]
    #[should_panic(expected = "stands there twice")]
    fn a_key_that_stands_there_twice_is_no_yaml() {
        read("a: 1\na: 2\n");
    }
}
