//! What lies apart of large records. It is written before the record that names it, found by a
//! digest of itself, never written again, and removed once the record is without. It never decides
//! what a record is: a bulk that no record names is nobody's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use azure_core::http::StatusCode;
use azure_data_cosmos::feed::{FeedScope, Query};
use futures_util::StreamExt;
use serde::Deserialize;
use store::{Key, StoreError};

use crate::charges::Deed;
use crate::form::{AFTER, BEHIND, Bulk, BulkItem, Node, Stored, bulk_id};
use crate::link::{Link, Place, Spent, code, is_absent, is_throttled, named, unavailable};
use crate::read::unread;
use crate::trouble::Reason;

/// Bytes remembered in each of two generations. A bulk is what its digest says, for ever, so that
/// none of these can be out of date.
const GENERATION: usize = 8 << 20;
/// Above this one is rare, and would push out many others.
const LARGEST: usize = 256 << 10;

type Known = BTreeMap<(Key, String), Arc<Node>>;

/// Those that were read or written lately.
#[derive(Debug, Default)]
pub(crate) struct Bulks(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: Known,
    old: Known,
    weight: usize,
}

impl Bulks {
    fn of(&self, key: &Key, digest: &str) -> Option<Arc<Node>> {
        let known = self.lock();
        let at = (key.clone(), digest.to_owned());
        known.young.get(&at).or_else(|| known.old.get(&at)).map(Arc::clone)
    }

    pub(crate) fn keep(&self, key: &Key, digest: &str, fields: Node, length: usize) -> Arc<Node> {
        let fields = Arc::new(fields);
        if length > LARGEST {
            return fields;
        }
        let mut known = self.lock();
        known.weight += length;
        known.young.insert((key.clone(), digest.to_owned()), Arc::clone(&fields));
        if known.weight > GENERATION {
            known.weight = 0;
            known.old = std::mem::take(&mut known.young);
        }
        fields
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bulk is there once this returns. That it was there before is as good: it is the same one.
///
/// † bulk written, record not: nobody names it; the next try of the same write finds it there, and
/// it goes with the record's others when that is cleared away.
pub(crate) async fn lay_down(
    link: &Link,
    place: &Place,
    key: &Key,
    bulk: &Bulk,
) -> Result<(), StoreError> {
    if link.bulks.of(key, &bulk.digest).is_some() {
        return Ok(());
    }
    let item = BulkItem { key, partitioned_by: place.container.partitioned_by, bulk };
    let (partition, id) = (key.partition().to_owned(), bulk_id(key.id(), &bulk.digest));
    match Box::pin(place.client.create_item(partition, &id, &item, None)).await {
        Ok(done) => link.charge(key.kind(), Deed::Create, Spent::on(&done.diagnostics())),
        Err(error) => {
            link.charge(key.kind(), Deed::Create, Spent::on_error(&error));
            if code(&error) != StatusCode::Conflict {
                // Whatever became of it, the record itself was not written.
                let what = named(key);
                return Err(unavailable(match is_throttled(&error) {
                    true => Reason::Throttled(what),
                    false => Reason::NoWrite(what, error.into()),
                }));
            }
        }
    }
    link.bulks.keep(key, &bulk.digest, bulk.fields.clone(), bulk.length);
    Ok(())
}

/// Nothing where it was removed: then the record that named it has moved on.
pub(crate) async fn fetch(
    link: &Link,
    place: &Place,
    key: &Key,
    digest: &str,
) -> Result<Option<Arc<Node>>, StoreError> {
    if let Some(known) = link.bulks.of(key, digest) {
        return Ok(Some(known));
    }
    let (partition, id) = (key.partition().to_owned(), bulk_id(key.id(), digest));
    let answer = Box::pin(place.client.read_item(partition, &id, None)).await;
    let found = match answer {
        Ok(found) => found,
        Err(error) => {
            link.charge(key.kind(), Deed::Read, Spent::on_error(&error));
            return if is_absent(&error) { Ok(None) } else { Err(unread(named(key), error)) };
        }
    };
    link.charge(key.kind(), Deed::Read, Spent::on(&found.diagnostics()));
    let mut stored: Stored = found.into_model().map_err(|error| unread(named(key), error))?;
    let Some((_, _, fields)) = stored.bulk() else {
        return Err(StoreError::Corrupt(Box::new(Reason::Stranger(named(key)))));
    };
    let length = fields.text().len();
    Ok(Some(link.bulks.keep(key, digest, fields, length)))
}

/// Removes every bulk that a record ever had, once it is written without.
///
/// † record without, bulk still there: it is nobody's, and stays until a person removes it.
pub(crate) async fn clear(link: &Link, place: &Place, key: &Key) -> Result<(), StoreError> {
    for id in behind(link, place, key).await? {
        let partition = key.partition().to_owned();
        // Whoever names it could not be written any more: there is nothing to be at.
        let removed = Box::pin(place.client.delete_item(partition, &id, None)).await;
        match removed {
            Ok(done) => link.charge(key.kind(), Deed::Remove, Spent::on(&done.diagnostics())),
            Err(error) => {
                link.charge(key.kind(), Deed::Remove, Spent::on_error(&error));
                if !is_absent(&error) {
                    return Err(unread(named(key), error));
                }
            }
        }
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

async fn behind(link: &Link, place: &Place, key: &Key) -> Result<Vec<String>, StoreError> {
    let unsaid = |error| unread(named(key), error);
    let text = "SELECT c.id FROM c WHERE c.id > @from AND c.id < @to";
    let query = Query::from(text)
        .with_parameter("@from", format!("{}{BEHIND}", key.id()))
        .and_then(|query| query.with_parameter("@to", format!("{}{AFTER}", key.id())))
        .map_err(unsaid)?;
    let scope = FeedScope::partition(key.partition().to_owned());
    let found = Box::pin(place.client.query_items::<Named>(query, scope, None)).await;
    let mut pages = found.map_err(unsaid)?.into_pages();
    let mut ids = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(unsaid)?;
        link.charge(key.kind(), Deed::Query, Spent::on(&page.diagnostics()));
        ids.extend(page.into_items().into_iter().map(|one| one.id));
    }
    Ok(ids)
}
