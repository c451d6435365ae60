//! A store that is away, that does not say what it did, and that holds what a later version wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use store::{
    Cursor, Expect, Key, Kind, Memory, Page, Put, Revision, Scope, Spread, Store, StoreError,
    Versioned,
};

use crate::bad_input::{case, hold};
use crate::plain::Spoken;
use crate::town::{Ground, Town};

const WELL: u8 = 0;
const AWAY: u8 = 1;
/// The next write is carried out, and from then on nobody hears of anything.
const SILENT: u8 = 2;

/// A store whose health is a test's to say.
#[derive(Debug, Default)]
struct Ailing {
    inner: Memory,
    health: AtomicU8,
}

impl Ailing {
    fn is(&self, health: u8) {
        self.health.store(health, Ordering::SeqCst);
    }

    fn answer(&self) -> Result<(), StoreError> {
        match self.health.load(Ordering::SeqCst) {
            AWAY => Err(StoreError::Unavailable("away".into())),
            _ => Ok(()),
        }
    }

    fn after<T>(&self, written: T) -> Result<T, StoreError> {
        match self.health.load(Ordering::SeqCst) {
            SILENT => {
                self.is(AWAY);
                Err(StoreError::Unknown("no answer".into()))
            }
            _ => Ok(written),
        }
    }
}

#[async_trait]
impl Store for Ailing {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.answer()?;
        self.inner.get(key).await
    }

    async fn put(&self, key: &Key, value: Bytes, expect: &Expect) -> Result<Put, StoreError> {
        self.answer()?;
        let written = self.inner.put(key, value, expect).await?;
        self.after(written)
    }

    async fn remove(&self, key: &Key, at: &Revision) -> Result<Put, StoreError> {
        self.answer()?;
        self.inner.remove(key, at).await
    }

    async fn scan(
        &self,
        scope: &Scope,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.answer()?;
        self.inner.scan(scope, from, limit).await
    }
}

fn submit(key: &str) -> Spoken {
    let keys = json!({ "idempotencyKey": key, "engine": "echo", "bodyMd": "Work." });
    Spoken::new("POST /fleet/jobs").json(keys.to_string())
}

#[tokio::test]
async fn a_store_that_is_away_or_does_not_answer_is_told_from_each_other() {
    let store = Arc::new(Ailing::default());
    let town = Town::on(Ground { store: Arc::<Ailing>::clone(&store), ..Ground::default() }).await;
    store.is(AWAY);
    let away = (503, "UNAVAILABLE", "store");
    hold(&town, vec![case("72 away", submit("one"), away)]).await;
    let said = submit("one").to(town.address).await;
    assert!(said.header("retry-after").is_some(), "{said:?}");
    assert_eq!(Spoken::bare("GET /healthz").to(town.address).await.status, 200);
    let unknown = (503, "COMMIT_UNKNOWN", "");
    store.is(SILENT);
    hold(&town, vec![case("72 no answer", submit("one"), unknown)]).await;
    store.is(WELL);
    let again = submit("one").to(town.address).await;
    assert_eq!((again.status, &again.json()["outcome"]), (200, &json!("existing")), "{again:?}");
    let list = Spoken::new("GET /fleet/jobs?admitted=any").to(town.address).await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
    let cancel = || Spoken::new("POST /fleet/jobs/one/cancel").json("{}");
    store.is(SILENT);
    hold(&town, vec![case("72 no answer to a cancel", cancel(), unknown)]).await;
    store.is(WELL);
    assert_eq!(cancel().to(town.address).await.json()["job"]["stage"], json!("failed"));
    town.close().await;
}

#[tokio::test]
async fn what_a_later_version_wrote_is_left_as_it_is() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut town = Town::on(Ground { store: Arc::clone(&store), ..Ground::default() }).await;
    let job = town.submit("Work.").await.job.id;
    // What is still told of it would be written back.
    town.restart_services().await;
    let kind = Kind { name: "fleet_jobs", spread: Spread::ById };
    let key = Key::new(kind, "acme", job.to_string()).unwrap();
    let found = store.get(&key).await.unwrap().unwrap();
    let text = String::from_utf8(found.value.to_vec()).unwrap();
    let newer = text.replace(r#""schemaVersion":1"#, r#""schemaVersion":99"#);
    assert_ne!(newer, text);
    let put = store.put(&key, Bytes::from(newer.clone()), &Expect::At(found.revision)).await;
    assert!(matches!(put, Ok(Put::Written(_))), "{put:?}");
    let told = (503, "UNAVAILABLE", "schema_too_new");
    let about = |line: &str, tail: &str| Spoken::new(&format!("{line} /fleet/jobs/{job}{tail}"));
    let cases = vec![
        case("70 read", about("GET", ""), told),
        case("70 cancelled", about("POST", "/cancel").json("{}"), told),
    ];
    hold(&town, cases).await;
    let left = store.get(&key).await.unwrap().unwrap();
    assert_eq!(left.value, Bytes::from(newer), "untouched");
    town.close().await;
}
