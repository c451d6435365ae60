//! The audit trail of a product: what was done that is not one job's, and by whom. Written once,
//! never changed. Whoever notes something leaves
//! secrets out.

use fleet::{Actor, AuditEntry, Head, ProductId};
use ledger::Found;
use protocol::{AuditShown, Code};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Identity;
use crate::declined::{Declined, Refusal};

/// Where the id of the request stands in an entry.
const REQUEST: &str = "requestId";
/// What an entry may tell beside its own fields.
const MOST_DATA: usize = 4 << 10;

/// What is to be noted.
#[derive(Clone, Debug)]
pub struct AuditNote {
    pub actor: Actor,
    /// Like `token.issue`.
    pub action: String,
    /// An id, never a credential.
    pub target: String,
    /// `ok`, or the code of the refusal.
    pub result: String,
    pub request_id: Option<Uuid>,
    pub data: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The newest first.
    pub items: Vec<AuditShown>,
    pub next: Option<String>,
}

impl Identity {
    /// # Errors
    /// It tells too much, or the store is away.
    pub async fn audit(&self, product: &ProductId, note: AuditNote) -> Result<(), Declined> {
        let mut data = note.data;
        if Value::Object(data.clone()).to_string().len() > MOST_DATA {
            return Err(Refusal::new(Code::TooLarge).into());
        }
        if let Some(id) = note.request_id {
            data.insert(REQUEST.to_owned(), id.to_string().into());
        }
        let head = Head::new(product.clone(), self.now());
        let id = self.ids.mint();
        let entry = AuditEntry::new(id, head, note.actor, &note.action, &note.target);
        self.trail.make(AuditEntry { result: note.result, data, ..entry }).await?;
        Ok(())
    }

    /// A page of what was noted before the entry that the cursor names, or the newest.
    ///
    /// # Errors
    /// The cursor is none, or the store is away.
    pub async fn audit_page(
        &self,
        product: &ProductId,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<AuditPage, Declined> {
        if cursor.is_some_and(|cursor| Uuid::try_parse(cursor).is_err()) {
            let why = "not a cursor of this list".to_owned();
            return Err(Refusal::of("cursor", "bad_value", why).into());
        }
        // One more than asked for tells whether there is another page.
        let wanted = (limit + 1, |_: &AuditEntry| true);
        let mut found = self.trail.records.last_of(product, cursor, wanted).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| last.record.id.clone());
        Ok(AuditPage { items: found.into_iter().map(shown).collect(), next })
    }
}

fn shown(found: Found<AuditEntry>) -> AuditShown {
    let mut entry = found.record;
    let request_id = entry.data.remove(REQUEST);
    AuditShown {
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        target: entry.target,
        result: entry.result,
        request_id: request_id.and_then(|id| id.as_str().map(str::to_owned)),
        data: entry.data,
    }
}
