//! One command's way to its fleet: calls with a bound, repeats with the same operation id, names of
//! jobs. Knows no verb.

use std::sync::Arc;
use std::time::Duration;

use client::{CallError, Follow, LogBytes, LogPart, OverHttp, Patience, Unanswered};
use clock::{Clock, Ids};
use fleet::{JobId, OpId, Timestamp};
use protocol::{AboutJob, Ask, OfJob};
use serde_json::Value;

use crate::exit::Exit;
use crate::printer::Printer;
use crate::settings::Settings;
use crate::shape;
use crate::trouble::{At, Trouble};

/// How long one answer is waited for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// What may have been carried out is said so often in all, with the same id.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) link: OverHttp,
    pub(crate) settings: Settings,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    pub(crate) printer: Printer,
    /// Nobody is asked.
    pub(crate) yes: bool,
}

impl Desk {
    pub(crate) fn new(
        link: OverHttp,
        settings: Settings,
        printer: Printer,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Self {
        Self { link, settings, clock, ids, printer, yes: false }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    pub(crate) fn op_id(&self) -> OpId {
        OpId::from_uuid(self.ids.mint())
    }

    /// Asks once.
    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, Trouble> {
        self.say(ask, false).await
    }

    /// Says once what changes something and cannot be told from a second saying.
    pub(crate) async fn say_once<A: Ask>(&self, ask: &A) -> Result<A::Reply, Trouble> {
        self.say(ask, true).await
    }

    /// Says what changes something, and again with the same id while nobody knows whether it was
    /// carried out. After the last try that is the answer.
    pub(crate) async fn order<A: Ask>(&self, ask: &A) -> Result<A::Reply, Trouble> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..TRIES {
            let patience = self.patience();
            let error = match self.link.call(ask, patience).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            match Unanswered::from(error) {
                Unanswered::Refused(problem) => {
                    return Err(self.trouble(CallError::Refused(problem), true, patience));
                }
                Unanswered::Unknown(_) | Unanswered::Away(_) => {}
            }
            tokio::time::sleep(pause + self.ids.jitter(pause)).await;
            pause *= 2;
        }
        self.say(ask, true).await
    }

    /// The job of that id, beginning of an id, or key.
    pub(crate) async fn job(&self, named: &str) -> Result<Value, Trouble> {
        self.of_job(AboutJob::Get, named).await?.pop().ok_or_else(|| {
            Trouble::new(Exit::NotFound, format!("there is no job {named:?}")).next("gigamesh list")
        })
    }

    pub(crate) async fn of_job(&self, query: AboutJob, named: &str) -> Result<Vec<Value>, Trouble> {
        let ask = OfJob { query, job: named.to_owned() };
        let found = self.ask(&ask).await;
        found.map(|found| found.items).map_err(|no| no.naming("job", named, "gigamesh list"))
    }

    pub(crate) fn follow(&self, job: Option<JobId>, since: Option<String>) -> Follow {
        self.link.follow(job, since, self.patience())
    }

    pub(crate) fn follow_log(&self, job: JobId, part: LogPart) -> Follow {
        self.link.follow_log(job, part, self.patience())
    }

    pub(crate) async fn read_log(&self, job: JobId, part: LogPart) -> Result<LogBytes, Trouble> {
        let opened = self.link.read_log(job, part, self.patience()).await;
        opened.map_err(|error| self.refused(error))
    }

    pub(crate) fn patience(&self) -> Patience {
        let span = self.settings.timeout.map_or(ANSWER_WITHIN, |span| span.duration());
        let span = span.min(ANSWER_WITHIN);
        Patience { request_id: self.ids.mint(), until: self.now().plus(span), span }
    }

    async fn say<A: Ask>(&self, ask: &A, changes: bool) -> Result<A::Reply, Trouble> {
        let patience = self.patience();
        let said = self.link.call(ask, patience).await;
        said.map_err(|error| self.trouble(error, changes, patience))
    }

    pub(crate) fn refused(&self, error: CallError) -> Trouble {
        self.trouble(error, false, self.patience())
    }

    /// What may have been carried out all the same.
    pub(crate) fn failed_to_change(&self, error: CallError, patience: Patience) -> Trouble {
        self.trouble(error, true, patience)
    }

    fn trouble(&self, error: CallError, changes: bool, patience: Patience) -> Trouble {
        let credential = self.settings.credential();
        let request_id = patience.request_id;
        let at = At { url: &self.settings.url, credential: &credential, request_id };
        Trouble::of_call(error, changes, &at)
    }
}

/// The way to the fleet that the settings name.
pub(crate) fn link(settings: &Settings) -> Result<OverHttp, Trouble> {
    let token = settings.token.as_ref().map_or("", |token| &token.value);
    let link = OverHttp::new(settings.url.trim_end_matches('/'), token).map_err(|why| {
        Trouble::usage("the address or the token cannot be used")
            .because(why.to_string())
            .next("gigamesh config explain url")
    })?;
    let link = match &settings.token_path {
        Some(file) => link.renewed_from(file.clone()),
        None => link,
    };
    // A fleet of one product need not be told which.
    let named = settings.found.get("product").is_some_and(|found| found.origin != "default");
    Ok(if named { link.of_product(&settings.product) } else { link })
}

/// The id of a job that was shown.
pub(crate) fn id_of(job: &Value) -> Result<JobId, Trouble> {
    shape::text(shape::at(job, "id")).parse().map_err(|why: fleet::BadId| {
        Trouble::new(Exit::Unknown, "the fleet answered with no job").because(why.to_string())
    })
}
