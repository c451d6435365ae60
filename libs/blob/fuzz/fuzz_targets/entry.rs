//! What holds for any bytes that come as the address of a blob. The fuzzer and the seeded damage of
//! the test suite both come in here.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use blob::{Blobs, DOOR, Grant, Shown, Signed, Stale};
use clock::System;
use fleet::Timestamp;
use percent_encoding::percent_decode;

/// The key that signed the committed links, and nothing else.
const KEY: [u8; 32] = *b"a key of the fuzzer, for nobody.";
const KEY_FILE: &str = ".link-key";
/// While the committed links live, and after the last of them died.
const NOW: Timestamp = Timestamp::EPOCH;
const LATER: i64 = 4_000_000_000_000;

/// Whether the address opened something.
///
/// # Panics
/// Something was opened that was never granted, or was still open after its time.
pub(crate) fn judge(bytes: &[u8]) -> bool {
    let Some(signed) = read(bytes) else { return false };
    let blobs = blobs();
    let Ok(allowed) = blobs.allowed(&signed, NOW) else { return false };
    let until = signed.query.get("until").and_then(|until| until.parse().ok());
    let until = Timestamp::from_millis(until.expect("what is allowed says until when"));
    let granted = grant(blobs, allowed.shown, until.since(NOW));
    let again = read(granted.url.strip_prefix(DOOR).expect("it is our door").as_bytes());
    let again = again.expect("what was granted can be read");
    assert_eq!((again.key, again.query), (signed.key.clone(), signed.query.clone()));
    assert_eq!(blobs.allowed(&signed, Timestamp::from_millis(LATER)), Err(Stale::Expired));
    true
}

/// The address of what is shown, as the committed key signs it.
fn grant(blobs: &Blobs, shown: Shown, life: Duration) -> Grant {
    let mut granting = pin!(blobs.grant(shown, life, NOW));
    match granting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(granted) => granted.expect("a key signs"),
        Poll::Pending => unreachable!("a key of our own waits for nothing"),
    }
}

fn blobs() -> &'static Blobs {
    static OPEN: OnceLock<Blobs> = OnceLock::new();
    OPEN.get_or_init(|| {
        // The key is all that is wanted of the folder, which goes again at once.
        let place = tempfile::tempdir().expect("there is a place for files");
        fs::write(place.path().join(KEY_FILE), KEY).expect("a key can be put there");
        Blobs::disk(place.path(), Arc::new(System::start())).expect("the folder was just made")
    })
}

/// As a door reads what comes after its own path.
fn read(bytes: &[u8]) -> Option<Signed> {
    let text = str::from_utf8(bytes).ok()?;
    let (key, query) = text.split_once('?')?;
    let decoded =
        |text: &str| Some(percent_decode(text.as_bytes()).decode_utf8().ok()?.into_owned());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name)?, decoded(value)?))
    };
    Some(Signed { key: decoded(key)?, query: query.split('&').map(pair).collect::<Option<_>>()? })
}
