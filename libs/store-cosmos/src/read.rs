//! Point reads and pages of queries. A page of a partition begins behind the last id that was
//! seen, so that no place in the service has to be remembered; one of a whole kind goes on where
//! the driver says.

use std::num::NonZeroU32;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope, Query};
use azure_data_cosmos::options::{MaxItemCountHint, QueryOptions};
use futures_util::StreamExt;
use store::{Cursor, Key, Kind, Page, Revision, StoreError, Versioned, check_part};

use crate::charges::Deed;
use crate::form::{BYTES, ORDER, RECORD, Stored};
use crate::link::{Link, Place, Spent, is_absent, is_throttled, named, unavailable};
use crate::trouble::Reason;

pub(crate) async fn get(link: &Link, key: &Key) -> Result<Option<Versioned>, StoreError> {
    let place = link.place(key.kind())?;
    let (partition, id) = (key.partition().to_owned(), key.id().to_owned());
    let answer = Box::pin(place.client.read_item(partition, &id, None)).await;
    match answer {
        Ok(found) => {
            link.charge(key.kind(), Deed::Read, Spent::on(&found.diagnostics()));
            let etag = found.headers().etag().map(ToString::to_string);
            let stored: Stored = found.into_model().map_err(|error| unread(named(key), error))?;
            versioned(stored, etag).map(Some).ok_or_else(|| stranger(named(key)))
        }
        Err(error) => {
            link.charge(key.kind(), Deed::Read, Spent::on_error(&error));
            if is_absent(&error) { Ok(None) } else { Err(unread(named(key), error)) }
        }
    }
}

/// By id: they are ordered as keys are.
pub(crate) async fn partition(
    link: &Link,
    (kind, partition): (Kind, &str),
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let place = link.place(kind)?;
    if check_part("partition", partition).is_err() {
        return Ok(Page::default());
    }
    let fields = fields(place);
    let unsaid = |error: CosmosError| unread(kind.name.to_owned(), error);
    let query = match from {
        None => Query::from(format!("{fields} ORDER BY c.id ASC")),
        Some(seen) => Query::from(format!("{fields} WHERE c.id > @seen ORDER BY c.id ASC"))
            .with_parameter("@seen", seen.position())
            .map_err(unsaid)?,
    };
    let scope = FeedScope::partition(partition.to_owned());
    let options = QueryOptions::default().with_max_item_count(most(limit));
    let answer = Box::pin(place.client.query_items::<Stored>(query, scope, Some(options))).await;
    let mut pages = answer.map_err(unsaid)?.into_pages();
    let mut items = Vec::new();
    // A page may be short or even empty, and the partition not at its end.
    while items.len() < limit.max(1) {
        let Some(page) = pages.next().await else {
            return Ok(Page { items, next: None });
        };
        let page = charged(link, kind, page)?;
        items.extend(read(kind, page)?);
    }
    items.truncate(limit.max(1));
    let next = items.last().map(|(key, _)| Cursor::new(key.id()));
    Ok(Page { items, next })
}

/// In whatever order the service has them.
pub(crate) async fn kind(
    link: &Link,
    kind: Kind,
    from: Option<&Cursor>,
    limit: usize,
) -> Result<Page, StoreError> {
    let place = link.place(kind)?;
    let unsaid = |error: CosmosError| unread(kind.name.to_owned(), error);
    let mut options = QueryOptions::default().with_max_item_count(most(limit));
    if let Some(seen) = from {
        let token = ContinuationToken::from_string(seen.position().to_owned());
        options = options.with_continuation_token(token);
    }
    let (query, scope) = (Query::from(fields(place)), FeedScope::full_container());
    let answer = Box::pin(place.client.query_items::<Stored>(query, scope, Some(options))).await;
    let mut pages = answer.map_err(unsaid)?.into_pages();
    let Some(page) = pages.next().await else { return Ok(Page::default()) };
    let items = read(kind, charged(link, kind, page)?)?;
    let next = pages.to_continuation_token().map_err(unsaid)?;
    Ok(Page { items, next: Some(Cursor::new(next.as_str())) })
}

fn fields(place: &Place) -> String {
    let partition = place.container.partitioned_by;
    format!(
        "SELECT c.id, c._etag, c.{partition} AS partition, c.{RECORD}, c.{ORDER}, c.{BYTES} FROM c"
    )
}

fn most(limit: usize) -> MaxItemCountHint {
    let limit = u32::try_from(limit).ok().and_then(NonZeroU32::new);
    MaxItemCountHint::Limit(limit.unwrap_or(NonZeroU32::MIN))
}

type Answered = Result<azure_data_cosmos::feed::QueryFeedPage<Stored>, CosmosError>;

fn charged(link: &Link, kind: Kind, page: Answered) -> Result<Vec<Stored>, StoreError> {
    match page {
        Ok(page) => {
            link.charge(kind, Deed::Query, Spent::on(&page.diagnostics()));
            Ok(page.into_items())
        }
        Err(error) => {
            link.charge(kind, Deed::Query, Spent::on_error(&error));
            Err(unread(kind.name.to_owned(), error))
        }
    }
}

fn read(kind: Kind, page: Vec<Stored>) -> Result<Vec<(Key, Versioned)>, StoreError> {
    page.into_iter()
        .map(|mut stored| {
            let (partition, id, etag) =
                (stored.partition.take(), stored.id.take(), stored.etag.take());
            let key = partition.zip(id).and_then(|(p, id)| Key::new(kind, p, id).ok());
            let found = key.zip(versioned(stored, etag));
            found.ok_or_else(|| stranger(format!("something in {}", kind.name)))
        })
        .collect()
}

fn versioned(mut stored: Stored, etag: Option<String>) -> Option<Versioned> {
    let revision = Revision::text(&etag?);
    Some(Versioned { value: stored.value()?, revision })
}

/// A person or another program wrote into a container of ours.
fn stranger(what: String) -> StoreError {
    StoreError::Corrupt(Box::new(Reason::Stranger(what)))
}

fn unread(what: String, error: CosmosError) -> StoreError {
    if is_throttled(&error) {
        return unavailable(Reason::Throttled(what));
    }
    unavailable(Reason::NoRead(what, error.into()))
}
