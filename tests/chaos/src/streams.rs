//! Reads streams message by message, by the servers' own numbers. Never makes or changes one.

use anyhow::{Context as _, Result};
use async_nats::jetstream::Context;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use futures_util::TryStreamExt;

/// Everything that a stream holds now, in its order.
pub(crate) async fn all(streams: &Context, name: &str) -> Result<Vec<StreamMessage>> {
    let stream = streams.get_stream_no_info(name).await?;
    let (mut found, mut from) = (Vec::new(), 1);
    loop {
        match stream.get_first_raw_message_by_subject(">", from).await {
            Ok(message) => {
                from = message.sequence + 1;
                found.push(message);
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                return Ok(found);
            }
            Err(error) => return Err(error).with_context(|| format!("reading {name}")),
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
