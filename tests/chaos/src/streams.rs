//! Reads streams message by message, by the servers' own numbers. Never makes or changes one.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures_util::TryStreamExt;

/// A stream whose leader was just taken from it has another one soon: a message is asked for so often.
const TRIES: u32 = 12;
const PAUSE: Duration = Duration::from_secs(1);

/// Everything that a stream holds now, in its order.
pub(crate) async fn all(streams: &Context, name: &str) -> Result<Vec<StreamMessage>> {
    let stream = streams.get_stream_no_info(name).await?;
    let (mut found, mut from, mut failed) = (Vec::new(), 1, 0);
    loop {
        match stream.get_first_raw_message_by_subject(">", from).await {
            Ok(message) => {
                (from, failed) = (message.sequence + 1, 0);
                found.push(message);
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(found);
            }
            Err(error) if failed == TRIES => {
                return Err(error).with_context(|| format!("reading {name}"));
            }
            Err(_) => {
                failed += 1;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The streams whose names begin so.
pub(crate) async fn names(streams: &Context, beginning: &str) -> Result<Vec<String>> {
    let mut names: Vec<String> = streams.stream_names().try_collect().await?;
    names.retain(|name| name.starts_with(beginning));
    names.sort();
    Ok(names)
}
