//! Conditional writes, and what their answers mean. The driver sends a write again whose reply was
//! lost, so our own write may come back as one that others made: `Conflict` and `Missing` are no
//! losses here, as everywhere. It never writes without an expectation.

use azure_core::http::{Etag, StatusCode};
use azure_data_cosmos::CosmosError;
use azure_data_cosmos::diagnostics::DiagnosticsContext;
use azure_data_cosmos::models::ItemResponse;
use azure_data_cosmos::options::{ItemWriteOptions, Precondition};
use bytes::Bytes;
use store::{Expect, Key, MAX_VALUE, Put, Revision, StoreError};

use crate::bulk;
use crate::charges::Deed;
use crate::form::{Item, lacks};
use crate::link::{Link, Spent, code, is_absent, is_throttled, named, unavailable};
use crate::read;
use crate::trouble::Reason;

pub(crate) fn check_size(value: &Bytes) -> Result<(), StoreError> {
    if value.len() > MAX_VALUE {
        return Err(StoreError::TooLarge { limit: MAX_VALUE, actual: value.len() });
    }
    Ok(())
}

pub(crate) async fn put(
    link: &Link,
    key: &Key,
    value: &Bytes,
    expect: &Expect,
) -> Result<Put, StoreError> {
    check_size(value)?;
    let place = link.place(key.kind())?;
    let (item, bulk) = Item::new(key, &place.container, value);
    if let Some(bulk) = &bulk {
        bulk::lay_down(link, place, key, bulk).await?;
    }
    let (partition, id) = (key.partition().to_owned(), key.id().to_owned());
    let (deed, answer) = match expect {
        Expect::Absent => {
            let create = place.client.create_item(partition, &id, &item, None);
            (Deed::Create, Box::pin(create).await)
        }
        Expect::At(at) => {
            let replace = place.client.replace_item(partition, &id, &item, Some(only_at(at)));
            (Deed::Replace, Box::pin(replace).await)
        }
    };
    let put = settled(link, (key, deed), answer, value.len())?;
    let apart = place.container.apart;
    let may_be_stone = deed == Deed::Replace && bulk.is_none() && !apart.is_empty();
    if may_be_stone && lacks(value, apart) && stands(link, (key, apart), &put).await {
        // The record is written, whatever comes of this.
        let _left = bulk::clear(link, place, key).await;
    }
    Ok(put)
}

/// Whether the record is without its bulk now; what was refused may have been our own write.
async fn stands(link: &Link, (key, apart): (&Key, &[&str]), put: &Put) -> bool {
    match put {
        Put::Written(_) => true,
        Put::Conflict => {
            let found = read::get(link, key).await;
            found.is_ok_and(|found| found.is_some_and(|found| lacks(&found.value, apart)))
        }
        Put::Missing => false,
    }
}

pub(crate) async fn remove(link: &Link, key: &Key, at: &Revision) -> Result<Put, StoreError> {
    let place = link.place(key.kind())?;
    let (partition, id) = (key.partition().to_owned(), key.id().to_owned());
    let delete = place.client.delete_item(partition, &id, Some(only_at(at)));
    match settled(link, (key, Deed::Remove), Box::pin(delete).await, 0)? {
        // What is gone has no tag; this is none that a document could have.
        Put::Written(_) => Ok(Put::Written(Revision::text(&format!("removed-{at}")))),
        refused @ (Put::Conflict | Put::Missing) => Ok(refused),
    }
}

/// A revision of another store is a tag that no document has.
fn only_at(at: &Revision) -> ItemWriteOptions {
    let tag = at.as_text().map_or_else(|| format!("number-{at}"), ToOwned::to_owned);
    ItemWriteOptions::default().with_precondition(Precondition::IfMatch(Etag::from(tag)))
}

fn settled(
    link: &Link,
    (key, deed): (&Key, Deed),
    answer: Result<ItemResponse, CosmosError>,
    length: usize,
) -> Result<Put, StoreError> {
    let error = match answer {
        Ok(done) => {
            link.charge(key.kind(), deed, Spent::on(&done.diagnostics()));
            let tag = done.headers().etag().map(ToString::to_string).unwrap_or_default();
            return Ok(Put::Written(Revision::text(&tag)));
        }
        Err(error) => error,
    };
    link.charge(key.kind(), deed, Spent::on_error(&error));
    let code = code(&error);
    if matches!(code, StatusCode::PreconditionFailed | StatusCode::Conflict) {
        return Ok(Put::Conflict);
    }
    // Nothing has to be there for a create: its container is not.
    if deed != Deed::Create && is_absent(&error) {
        return Ok(Put::Missing);
    }
    if code == StatusCode::PayloadTooLarge {
        return Err(StoreError::TooLarge { limit: MAX_VALUE, actual: length });
    }
    Err(failed(key, error))
}

/// A refusal says that nothing happened only if every try was refused: behind the last of them may
/// lie one whose reply was lost.
fn failed(key: &Key, error: CosmosError) -> StoreError {
    let what = named(key);
    let certain = error.diagnostics().is_some_and(|diagnostics| is_refused(&diagnostics));
    if !certain {
        return StoreError::Unknown(Box::new(Reason::NoAnswer(what, error.into())));
    }
    if is_throttled(&error) {
        return unavailable(Reason::Throttled(what));
    }
    unavailable(Reason::NoWrite(what, error.into()))
}

fn is_refused(diagnostics: &DiagnosticsContext) -> bool {
    let tries = diagnostics.requests();
    // Of very many, some are no longer told one by one.
    let all_told = tries.len() == diagnostics.request_count();
    let refused = tries.iter().all(|one| {
        one.request_sent().definitely_not_sent()
            || matches!(
                one.status().status_code(),
                StatusCode::BadRequest
                    | StatusCode::Unauthorized
                    | StatusCode::Forbidden
                    | StatusCode::NotFound
                    | StatusCode::TooManyRequests
            )
            || u16::from(one.status().status_code()) == RETRY_WITH
    });
    all_told && refused && !tries.is_empty()
}

/// Another write of the document is under way.
const RETRY_WITH: u16 = 449;
