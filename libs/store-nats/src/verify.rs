//! What must hold before a store is used: the server's age, the control record, and every setting
//! of every bucket. It changes nothing.

use std::collections::BTreeSet;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, Info, LastRawMessageErrorKind};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::buckets::{Bucket, Buckets, CONTROL, CONTROL_SUBJECT, Control, PROBE_SUBJECT};
use crate::link::Link;
use crate::trouble::{Fault, Trouble};

/// The first in whose clusters of one conditional write wins, always.
pub(crate) const OLDEST: &str = "2.12";
const OLDEST_PARTS: (u32, u32) = (2, 12);
/// Buckets that are asked about at once.
const AT_ONCE: usize = 16;

/// A version that cannot be read is no reason to stop: what it can do shows by itself.
pub(crate) fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= OLDEST_PARTS,
        _ => true,
    }
}

/// The record that `init` leaves, from the leader.
pub(crate) async fn control(link: &Link) -> Result<Control, Trouble> {
    let (control, _) = stored_control(link).await?;
    control.ok_or_else(not_made)
}

/// The control record and its sequence; nothing, and zero, where its bucket is empty.
pub(crate) async fn stored_control(link: &Link) -> Result<(Option<Control>, u64), Trouble> {
    let bucket = Bucket::new(CONTROL.into(), 0);
    let Some(_) = info(link, &bucket).await? else { return Err(not_made()) };
    let stream = link.streams.get_stream_no_info(&bucket.stream).await;
    let stream = stream.map_err(|error| unreachable(link, error))?;
    match stream.get_last_raw_message_by_subject(CONTROL_SUBJECT).await {
        Ok(message) => {
            let control = serde_json::from_slice(&message.payload);
            let control = control.map_err(|error| Trouble::BadControl(error.into()))?;
            Ok((Some(control), message.sequence))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok((None, 0)),
        Err(error) => Err(unreachable(link, error)),
    }
}

/// Where the last probe was written; zero where none was.
pub(crate) async fn probe_sequence(link: &Link) -> Result<u64, Trouble> {
    let stream = link.streams.get_stream_no_info(format!("KV_{CONTROL}")).await;
    let stream = stream.map_err(|error| unreachable(link, error))?;
    match stream.get_last_raw_message_by_subject(PROBE_SUBJECT).await {
        Ok(message) => Ok(message.sequence),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(0),
        Err(error) => Err(unreachable(link, error)),
    }
}

/// What is gone, or was replaced, since these buckets were opened. One list of names and one
/// record: no setting is looked at again.
pub(crate) async fn losses(link: &Link, buckets: &Buckets) -> Result<Vec<Fault>, Trouble> {
    let names: BTreeSet<String> = link
        .streams
        .stream_names()
        .try_collect()
        .await
        .map_err(|error| unreachable(link, error))?;
    let mut expected: Vec<_> = buckets.all().map(|bucket| &*bucket.name).collect();
    expected.push(CONTROL);
    let gone = expected.into_iter().filter(|name| !names.contains(&format!("KV_{name}")));
    let mut losses: Vec<_> = gone.map(Fault::missing).collect();
    let known = &buckets.control().generation;
    match stored_control(link).await {
        Ok((Some(control), _)) if control.generation == *known => {}
        Ok((Some(control), _)) => losses.push(Fault {
            bucket: CONTROL.into(),
            setting: "generation",
            found: control.generation,
            wanted: known.clone(),
        }),
        Ok((None, _)) | Err(Trouble::NotMade { .. }) => losses.push(Fault {
            bucket: CONTROL.into(),
            setting: "generation",
            found: "none".into(),
            wanted: known.clone(),
        }),
        Err(other) => return Err(other),
    }
    Ok(losses)
}

/// All that is wrong, in the order of the buckets.
pub(crate) async fn faults(
    link: &Link,
    buckets: &Buckets,
    control: &Control,
) -> Result<Vec<Fault>, Trouble> {
    let bucket = Bucket::new(CONTROL.into(), control.replicas);
    let all = std::iter::once(&bucket).chain(buckets.all().filter(|b| b.name != CONTROL));
    let looks: Vec<_> = all.map(|bucket| faults_of(link, bucket, control.replicas)).collect();
    let found: Vec<Vec<Fault>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.concat())
}

async fn faults_of(link: &Link, bucket: &Bucket, replicas: usize) -> Result<Vec<Fault>, Trouble> {
    Ok(match info(link, bucket).await? {
        Some(info) => differences(bucket, &info.config, replicas),
        None => vec![Fault::missing(&bucket.name)],
    })
}

/// What the server says of a bucket's stream; nothing if there is none.
pub(crate) async fn info(link: &Link, bucket: &Bucket) -> Result<Option<Info>, Trouble> {
    match link.streams.get_stream(&bucket.stream).await {
        Ok(stream) => Ok(Some(stream.cached_info().clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(no) if no.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(_) => Err(unreachable(link, error)),
            GetStreamErrorKind::Request => Err(unreachable(link, error)),
            GetStreamErrorKind::EmptyName => Err(unreachable(link, error)),
            GetStreamErrorKind::InvalidStreamName => Err(unreachable(link, error)),
        },
    }
}

type Say = fn(&Config) -> String;

fn differences(bucket: &Bucket, found: &Config, replicas: usize) -> Vec<Fault> {
    let wanted = bucket.config(replicas);
    let seconds = |config: &Config| config.max_age.as_secs().to_string();
    // Unset is told as zero or as less.
    let length = |config: &Config| config.max_message_size.max(0).to_string();
    let messages = |config: &Config| config.max_messages.max(0).to_string();
    let says: [(&'static str, Say); 10] = [
        ("subjects", |c| c.subjects.join(" ")),
        ("history", |c| c.max_messages_per_subject.to_string()),
        ("discard", |c| format!("{:?}", c.discard).to_lowercase()),
        ("storage", |c| format!("{:?}", c.storage).to_lowercase()),
        ("retention", |c| format!("{:?}", c.retention).to_lowercase()),
        ("replicas", |c| c.num_replicas.to_string()),
        ("deny delete", |c| c.deny_delete.to_string()),
        ("rollup", |c| c.allow_rollup.to_string()),
        ("direct reads", |c| c.allow_direct.to_string()),
        ("no acknowledgements", |c| c.no_ack.to_string()),
    ];
    let mut pairs: Vec<_> =
        says.iter().map(|(setting, say)| (*setting, say(found), say(&wanted))).collect();
    pairs.push(("a longest age of seconds", seconds(found), seconds(&wanted)));
    pairs.push(("a longest message", length(found), length(&wanted)));
    pairs.push(("a most of messages", messages(found), messages(&wanted)));
    let wrong = pairs.into_iter().filter(|(_, found, wanted)| found != wanted);
    let fault =
        |(setting, found, wanted)| Fault { bucket: bucket.name.clone(), setting, found, wanted };
    wrong.map(fault).collect()
}

fn not_made() -> Trouble {
    Trouble::NotMade { bucket: CONTROL.into() }
}

pub(crate) fn unreachable(link: &Link, error: impl Into<store::Cause>) -> Trouble {
    let info = link.client.server_info();
    Trouble::Unreachable { url: format!("{}:{}", info.host, info.port), source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_before_2_12_is_too_old() {
        for new in ["2.12.0", "2.15.1", "2.12.0-RC.1", "3.0.0", "10.1", "unknown"] {
            assert!(is_new_enough(new), "{new}");
        }
        for old in ["2.9.10", "2.11.99", "1.20.0", "0.1"] {
            assert!(!is_new_enough(old), "{old}");
        }
    }

    #[test]
    fn every_setting_that_is_otherwise_is_named() {
        let bucket = Bucket::new("jobs".into(), 1);
        assert_eq!(differences(&bucket, &bucket.config(1), 1), []);
        let other = Config { name: "KV_jobs".into(), ..Config::default() };
        let named: Vec<_> =
            differences(&bucket, &other, 3).into_iter().map(|f| f.setting).collect();
        let wrong =
            ["subjects", "history", "discard", "replicas", "deny delete", "rollup", "direct reads"];
        assert_eq!(named, wrong);
    }
}
