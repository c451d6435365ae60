//! Point reads and pages of queries. A page of a partition begins behind the last id that was
//! seen, so that no place in the service has to be remembered; one of a whole kind goes on where
//! the driver says.

use std::num::NonZeroU32;

use azure_data_cosmos::CosmosError;
use azure_data_cosmos::feed::{ContinuationToken, FeedScope, Query};
use azure_data_cosmos::options::{FeedOptions, MaxItemCountHint, QueryOptions};
use futures_util::StreamExt;
use store::{Cursor, Key, Kind, Page, Revision, StoreError, Versioned, check_part};

use crate::bulk;
use crate::charges::Deed;
use crate::form::{Node, Stored};
use crate::link::{Link, Place, Spent, is_absent, is_throttled, named, unavailable};
use crate::trouble::Reason;

/// A record may move on while what it names is fetched.
const LOOKS: usize = 5;

pub(crate) async fn get(link: &Link, key: &Key) -> Result<Option<Versioned>, StoreError> {
    let place = link.place(key.kind())?;
    for _ in 0..LOOKS {
        let Some((stored, etag)) = read(link, place, key).await? else { return Ok(None) };
        if let Some(found) = whole(link, place, key, (stored, etag)).await? {
            return Ok(Some(found));
        }
    }
    Err(StoreError::Corrupt(Box::new(Reason::Torn(named(key)))))
}

async fn read(
    link: &Link,
    place: &Place,
    key: &Key,
) -> Result<Option<(Stored, Option<String>)>, StoreError> {
    let (partition, id) = (key.partition().to_owned(), key.id().to_owned());
    let answer = Box::pin(place.client.read_item(partition, &id, None)).await;
    match answer {
        Ok(found) => {
            link.charge(key.kind(), Deed::Read, Spent::on(&found.diagnostics()));
            let etag = found.headers().etag().map(ToString::to_string);
            let stored: Stored = found.into_model().map_err(|error| unread(named(key), error))?;
            Ok(Some((stored, etag)))
        }
        Err(error) => {
            link.charge(key.kind(), Deed::Read, Spent::on_error(&error));
            if is_absent(&error) { Ok(None) } else { Err(unread(named(key), error)) }
        }
    }
}

/// With what lies apart of it; nothing where that was removed since.
async fn whole(
    link: &Link,
    place: &Place,
    key: &Key,
    (stored, etag): (Stored, Option<String>),
) -> Result<Option<Versioned>, StoreError> {
    let bulk = match &stored.bulk_at {
        None => None,
        Some(digest) => match bulk::fetch(link, place, key, digest).await? {
            None => return Ok(None),
            found @ Some(_) => found,
        },
    };
    let found = versioned(stored, etag, bulk.as_deref());
    found.map(Some).ok_or_else(|| stranger(named(key)))
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
    let unsaid = |error: CosmosError| unread(kind.name.to_owned(), error);
    let query = match from {
        None => Query::from("SELECT * FROM c ORDER BY c.id ASC"),
        Some(seen) => Query::from("SELECT * FROM c WHERE c.id > @seen ORDER BY c.id ASC")
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
        items.extend(records(link, place, page).await?);
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
    // A page reads one partition after the other: how many there are is no matter.
    let feed = FeedOptions::default().with_max_fan_out(u32::MAX);
    let options = QueryOptions::default().with_feed_options(feed);
    let mut options = options.with_max_item_count(most(limit));
    if let Some(seen) = from {
        let token = ContinuationToken::from_string(seen.position().to_owned());
        options = options.with_continuation_token(token);
    }
    let (query, scope) = (Query::from("SELECT * FROM c"), FeedScope::full_container());
    let answer = Box::pin(place.client.query_items::<Stored>(query, scope, Some(options))).await;
    let mut pages = answer.map_err(unsaid)?.into_pages();
    let Some(page) = pages.next().await else { return Ok(Page::default()) };
    let items = records(link, place, charged(link, kind, page)?).await?;
    let next = pages.to_continuation_token().map_err(unsaid)?;
    Ok(Page { items, next: Some(Cursor::new(next.as_str())) })
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

/// The records of a page. What lies apart of them comes with it, right behind in a partition and
/// nearby elsewhere, so that hardly any has to be fetched.
async fn records(
    link: &Link,
    place: &Place,
    page: Vec<Stored>,
) -> Result<Vec<(Key, Versioned)>, StoreError> {
    let kind = place.container.kind;
    let unread = || stranger(format!("something in {}", kind.name));
    let mut found = Vec::new();
    for mut stored in page {
        let partition = stored.partition(place.container.partitioned_by).ok_or_else(unread)?;
        let etag = stored.etag.take();
        if let Some((id, digest, fields)) = stored.bulk() {
            let key = Key::new(kind, partition, id).map_err(|_| unread())?;
            let length = fields.text().len();
            link.bulks.keep(&key, digest, fields, length);
            continue;
        }
        let id = stored.id.take().ok_or_else(unread)?;
        let key = Key::new(kind, partition, id).map_err(|_| unread())?;
        found.push((key, stored, etag));
    }
    let mut items = Vec::with_capacity(found.len());
    for (key, stored, etag) in found {
        let now = match whole(link, place, &key, (stored, etag)).await? {
            // It moved on since the page was made.
            None => Box::pin(get(link, &key)).await?,
            whole @ Some(_) => whole,
        };
        items.extend(now.map(|now| (key, now)));
    }
    Ok(items)
}

fn versioned(mut stored: Stored, etag: Option<String>, bulk: Option<&Node>) -> Option<Versioned> {
    let revision = Revision::text(&etag?);
    Some(Versioned { value: stored.value(bulk)?, revision })
}

/// A person or another program wrote into a container of ours.
fn stranger(what: String) -> StoreError {
    StoreError::Corrupt(Box::new(Reason::Stranger(what)))
}

pub(crate) fn unread(what: String, error: CosmosError) -> StoreError {
    if is_throttled(&error) {
        return unavailable(Reason::Throttled(what));
    }
    unavailable(Reason::NoRead(what, error.into()))
}
