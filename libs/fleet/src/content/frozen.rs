//! A content that changes no more, and its text. A job is written again at every step while its
//! content, the bulk of it, stays: so its text is made once and goes along with every copy.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::Content;

/// Shared by the copies of its job. Whoever wants another makes another.
#[derive(Clone)]
pub struct Frozen(Arc<Kept>);

struct Kept {
    content: Content,
    text: OnceLock<Box<str>>,
}

impl Frozen {
    /// The content as one JSON object.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text.get_or_init(|| {
            let text = serde_json::to_string(&self.0.content);
            text.expect("string keys and finite numbers encode").into()
        })
    }

    /// The same with a change.
    #[must_use]
    pub fn amended(&self, change: impl FnOnce(&mut Content)) -> Self {
        let mut content = self.0.content.clone();
        change(&mut content);
        content.into()
    }
}

impl From<Content> for Frozen {
    fn from(content: Content) -> Self {
        Self(Arc::new(Kept { content, text: OnceLock::new() }))
    }
}

impl Deref for Frozen {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.0.content
    }
}

impl PartialEq for Frozen {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.content == other.0.content
    }
}

impl fmt::Debug for Frozen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.content.fmt(out)
    }
}

impl Serialize for Frozen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.content.serialize(serializer)
    }
}

impl JsonSchema for Frozen {
    fn schema_name() -> Cow<'static, str> {
        Content::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        Content::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Content::json_schema(generator)
    }
}
