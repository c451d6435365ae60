//! What this process serves, as the micro-service protocol of NATS tells it: `$SRV.PING`, `INFO`
//! and `STATS`. Discovery alone: requests reach their endpoints without passing here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_nats::Subject as Address;
use bus::BusError;
use clock::Ids;
use futures_util::StreamExt;
use protocol::{Filter, is_inbox};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::debug;

use crate::link::{Link, away};

/// The services of one process; a group of listeners is one service.
#[derive(Debug)]
pub(crate) struct Services {
    version: String,
    started: String,
    by_group: Mutex<BTreeMap<Box<str>, Service>>,
}

#[derive(Debug)]
struct Service {
    id: String,
    /// Gone with the inbox that it counts for.
    endpoints: Vec<Weak<Endpoint>>,
}

/// One line of the table, as one group serves it here.
#[derive(Debug)]
pub(crate) struct Endpoint {
    name: String,
    subject: String,
    group: Box<str>,
    answers: AtomicU64,
    refusals: AtomicU64,
    nanos: AtomicU64,
    last_refusal: Mutex<String>,
}

impl Services {
    pub(crate) fn new(version: &str, started: String) -> Self {
        Self { version: version.to_owned(), started, by_group: Mutex::default() }
    }

    pub(crate) fn open(&self, filter: &Filter, group: &str, ids: &Arc<dyn Ids>) -> Arc<Endpoint> {
        let endpoint = Arc::new(Endpoint::new(filter, group));
        let mut services = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        let service = services
            .entry(group.into())
            .or_insert_with(|| Service { id: ids.mint().to_string(), endpoints: Vec::new() });
        service.endpoints.push(Arc::downgrade(&endpoint));
        endpoint
    }

    /// Answers whoever asks what is served here, until it is dropped.
    pub(crate) async fn announce(&self, link: &Link) -> Result<(), BusError> {
        let asked = async { link.client.subscribe("$SRV.>").await.map_err(away) };
        let mut asked = link.talk(asked).await?;
        while let Some(question) = asked.next().await {
            let Some(reply) = question.reply.filter(|to| is_inbox(to)) else { continue };
            for answer in self.answers(&question.subject) {
                tell(link, reply.clone(), &answer).await;
            }
        }
        Ok(())
    }

    /// One answer for each service that is asked after.
    fn answers(&self, subject: &str) -> Vec<Value> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["$SRV", verb, whom @ ..] = tokens.as_slice() else { return Vec::new() };
        let mut services = self.by_group.lock().unwrap_or_else(PoisonError::into_inner);
        services.retain(|_, service| {
            service.endpoints.retain(|endpoint| endpoint.strong_count() > 0);
            !service.endpoints.is_empty()
        });
        let asked = services.iter().filter(|(name, service)| match whom {
            [] => true,
            [named] => **named == ***name,
            [named, id] => **named == ***name && *id == service.id,
            _ => false,
        });
        asked.filter_map(|(name, service)| self.told(verb, name, service)).collect()
    }

    fn told(&self, verb: &str, name: &str, service: &Service) -> Option<Value> {
        let endpoints = service.endpoints.iter().filter_map(Weak::upgrade);
        let mut answer = json!({
            "name": name, "id": service.id, "version": self.version, "metadata": {},
        });
        let kind = match verb {
            "PING" => "ping",
            "INFO" => {
                answer["description"] = json!(format!("the {name} service of a fleet"));
                answer["endpoints"] = endpoints.map(|endpoint| endpoint.info()).collect();
                "info"
            }
            "STATS" => {
                answer["started"] = json!(self.started);
                answer["endpoints"] = endpoints.map(|endpoint| endpoint.stats()).collect();
                "stats"
            }
            _ => return None,
        };
        answer["type"] = json!(format!("io.nats.micro.v1.{kind}_response"));
        Some(answer)
    }
}

async fn tell(link: &Link, reply: Address, answer: &Value) {
    let told = link.client.publish(reply, answer.to_string().into());
    if let Err(error) = link.talk(async { told.await.map_err(away) }).await {
        debug!(%error, "discovery not answered");
    }
}

#[derive(Serialize)]
struct Stats<'a> {
    name: &'a str,
    subject: &'a str,
    queue_group: &'a str,
    num_requests: u64,
    num_errors: u64,
    last_error: &'a str,
    /// In nanoseconds, as the next.
    processing_time: u64,
    average_processing_time: u64,
}

impl Endpoint {
    fn new(filter: &Filter, group: &str) -> Self {
        let subject = filter.to_string();
        // What follows the product, without the places that stand open.
        let verbs: Vec<&str> = subject.split('.').skip(3).filter(|token| *token != "*").collect();
        Self {
            name: verbs.join("-"),
            group: group.into(),
            answers: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            nanos: AtomicU64::new(0),
            last_refusal: Mutex::default(),
            subject,
        }
    }

    /// One request answered; with a code, refused.
    pub(crate) fn count(&self, took: Duration, code: Option<&str>) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(0), Ordering::Relaxed);
        if let Some(code) = code {
            self.refusals.fetch_add(1, Ordering::Relaxed);
            let mut last = self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner);
            code.clone_into(&mut last);
        }
    }

    fn info(&self) -> Value {
        json!({
            "name": self.name, "subject": self.subject, "queue_group": self.group, "metadata": {},
        })
    }

    fn stats(&self) -> Value {
        let last = self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = self.answers.load(Ordering::Relaxed);
        let nanos = self.nanos.load(Ordering::Relaxed);
        json!(Stats {
            name: &self.name,
            subject: &self.subject,
            queue_group: &self.group,
            num_requests: answers,
            num_errors: self.refusals.load(Ordering::Relaxed),
            last_error: &last,
            processing_time: nanos,
            average_processing_time: nanos.checked_div(answers).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Row, Word};

    use super::*;

    fn services() -> (Services, Arc<Endpoint>) {
        let ids: Arc<dyn Ids> = Arc::new(clock::System::start());
        let services = Services::new("1.2.3", "2026-01-01T00:00:00.000Z".into());
        let row = Row::Spoken(Word::ArtifactBegin);
        let endpoint = services.open(&Filter::every(row), "artifact", &ids);
        (services, endpoint)
    }

    #[test]
    fn a_service_is_found_by_nobody_its_name_or_its_id() {
        let (services, _endpoint) = services();
        let [ping] = services.answers("$SRV.PING").try_into().expect("one service");
        assert_eq!(ping["type"], "io.nats.micro.v1.ping_response");
        let id = ping["id"].as_str().expect("it has one");
        for named in ["$SRV.PING.artifact".to_owned(), format!("$SRV.PING.artifact.{id}")] {
            assert_eq!(services.answers(&named), std::slice::from_ref(&ping));
        }
        for nobody in ["$SRV.PING.submit", "$SRV.PING.artifact.x", "$SRV.DANCE", "$SRV", "x"] {
            assert_eq!(services.answers(nobody), Vec::<Value>::new(), "{nobody}");
        }
    }

    #[test]
    fn an_endpoint_has_a_plain_name_and_counts_what_it_answered() {
        let (services, endpoint) = services();
        endpoint.count(Duration::from_micros(3), None);
        endpoint.count(Duration::from_micros(1), Some("FENCED"));
        let stats = &services.answers("$SRV.STATS.artifact")[0]["endpoints"][0];
        assert_eq!(stats["name"], "f-artifact-begin");
        assert_eq!((&stats["num_requests"], &stats["num_errors"]), (&json!(2), &json!(1)));
        assert_eq!(
            (&stats["last_error"], &stats["average_processing_time"]),
            (&json!("FENCED"), &json!(2_000))
        );
    }

    #[test]
    fn a_service_is_gone_with_its_last_inbox() {
        let (services, endpoint) = services();
        drop(endpoint);
        assert_eq!(services.answers("$SRV.PING"), Vec::<Value>::new());
    }
}
