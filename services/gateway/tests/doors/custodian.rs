//! A door before an artifact service that is a list in memory, so that a test can look into it and
//! have it refuse. The genuine one has tests of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use blob::{BlobKey, Blobs, Deed, Shown};
use client::{OverHttp, Patience};
use fleet::{Artifact, ArtifactCommand, ArtifactId, Description, JobId, Record};
use futures_util::TryStreamExt;
use gateway::Options;
use node::{Asked, Group, Node};
use protocol::{
    ArtifactPage, Ask, BeginArtifact, Begun, Code, Custody, Found, Hold, KeepArtifact, Link,
    LinkArtifact, Linked, ListArtifacts, OfJob, Problem, Query, RemoveArtifact, Row, Upload, Word,
};
use serde_json::json;

use crate::closing::alone;
use crate::plain::{Said, Spoken};
use crate::town::{TOKEN, options};

const GROUP: Group = Group("custodian");
pub(crate) const NONCE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Life of a link.
const LIFE: Duration = Duration::from_secs(900);

#[derive(Clone)]
pub(crate) struct Custodian {
    pub(crate) node: Node,
    pub(crate) blobs: Blobs,
    pub(crate) address: SocketAddr,
    pub(crate) job: JobId,
    pub(crate) http: OverHttp,
    kept: Arc<Mutex<BTreeMap<ArtifactId, Artifact>>>,
    /// With what the next words to keep are answered, and whether they were carried out.
    pub(crate) trouble: Arc<Mutex<Vec<(Code, bool)>>>,
    /// Every word but the questions, in order.
    pub(crate) heard: Arc<Mutex<Vec<&'static str>>>,
}

type Served<T> = Result<T, Box<Problem>>;

impl Custodian {
    pub(crate) async fn open() -> Self {
        Self::over(options("127.0.0.1:0")).await
    }

    pub(crate) async fn over(options: Options) -> Self {
        Self::up_to(options, fleet::LARGEST_ARTIFACT).await
    }

    /// With a door for uploads of at most so many bytes.
    pub(crate) async fn up_to(options: Options, largest: u64) -> Self {
        let (node, blobs) = (alone(), options.blobs.clone());
        let job = JobId::of(&options.product, &"work".parse().unwrap());
        let address = gateway::serve_up_to(node.clone(), options, largest).await.unwrap();
        let http = OverHttp::new(&format!("http://{address}"), TOKEN).unwrap();
        let (kept, trouble, heard) = (Arc::default(), Arc::default(), Arc::default());
        let whole = Self { node, blobs, address, job, http, kept, trouble, heard };
        whole.clone().serve().await;
        whole
    }

    async fn serve(self) {
        let node = self.node.clone();
        let me = self.clone();
        let get = move |asked: Asked<OfJob>| {
            let here = [me.job.to_string(), "work".to_owned()].contains(&asked.ask.job);
            let found = Found { items: vec![json!({ "id": me.job })] };
            let found = here.then_some(found);
            async move { found.ok_or_else(|| no(Code::NotFound, asked.request_id)) }
        };
        node.serve(Row::Query(Query::Get), GROUP, get).await.unwrap();
        for row in [Row::Custody(Custody::Begin), Row::Spoken(Word::ArtifactBegin)] {
            let me = self.clone();
            let begin = move |asked: Asked<BeginArtifact>| me.clone().begin(asked);
            node.serve(row, GROUP, begin).await.unwrap();
        }
        let me = self.clone();
        let keep = move |asked| me.clone().keep(asked);
        node.serve(Row::Custody(Custody::Keep), GROUP, keep).await.unwrap();
        let me = self.clone();
        let link = move |asked| me.clone().link(asked);
        node.serve(Row::Custody(Custody::Link), GROUP, link).await.unwrap();
        let me = self.clone();
        let remove = move |asked| me.clone().remove(asked);
        node.serve(Row::Custody(Custody::Remove), GROUP, remove).await.unwrap();
        let list = move |asked| std::future::ready(Ok(self.list(&asked)));
        node.serve(Row::Query(Query::Artifacts), GROUP, list).await.unwrap();
    }

    async fn begin(self, asked: Asked<BeginArtifact>) -> Served<Begun> {
        let BeginArtifact { job_id, kind, content_type, name, hold, quarantine, .. } = asked.ask;
        self.heard.lock().unwrap().push("begin");
        if job_id != self.job {
            return Err(no(Code::NotFound, asked.request_id));
        }
        if hold.is_some_and(|hold| hold.lease_epoch.get() != 1) && !quarantine {
            return Err(no(Code::Fenced, asked.request_id));
        }
        let (id, now) = (ArtifactId::new(job_id, self.node.ids.mint()), self.node.clock.now());
        let (size_bytes, sha256) = (asked.ask.size_bytes, asked.ask.sha256.clone());
        let described = Description { kind, content_type, name, size_bytes, sha256 };
        let mut artifact = Artifact::pending(id, asked.product, described.judged().unwrap(), now);
        artifact.quarantined = quarantine.then_some(true);
        self.kept.lock().unwrap().insert(id, artifact.clone());
        let upload = match asked.ask.direct {
            true => Some(self.upload(&artifact).await),
            false => None,
        };
        Ok(Begun { artifact, upload })
    }

    async fn keep(self, asked: Asked<KeepArtifact>) -> Served<Linked> {
        self.heard.lock().unwrap().push("keep");
        let trouble = self.trouble.lock().unwrap().pop();
        if let Some((code, false)) = trouble {
            return Err(no(code, asked.request_id));
        }
        let KeepArtifact { artifact_id, size_bytes, sha256, .. } = asked.ask;
        let Some(artifact) = self.pointer(artifact_id) else {
            return Err(no(Code::NotFound, asked.request_id));
        };
        let commit = ArtifactCommand::Commit { size_bytes, sha256 };
        let events = artifact.decide(&commit, self.node.clock.now()).unwrap();
        let artifact = events.iter().fold(artifact, Record::evolve);
        self.kept.lock().unwrap().insert(artifact_id, artifact.clone());
        match trouble {
            Some((code, _)) => Err(no(code, asked.request_id)),
            None => Ok(self.linked(artifact).await),
        }
    }

    async fn link(self, asked: Asked<LinkArtifact>) -> Served<Linked> {
        match self.pointer(asked.ask.artifact_id).filter(Artifact::is_ready) {
            Some(artifact) => Ok(self.linked(artifact).await),
            None => Err(no(Code::NotFound, asked.request_id)),
        }
    }

    async fn remove(self, asked: Asked<RemoveArtifact>) -> Served<()> {
        self.heard.lock().unwrap().push("remove");
        let gone = self.kept.lock().unwrap().remove(&asked.ask.artifact_id);
        let gone = gone.ok_or_else(|| no(Code::NotFound, asked.request_id))?;
        // What is away now is swept later.
        drop(self.blobs.remove(&BlobKey::of(&gone).unwrap()).await);
        Ok(())
    }

    /// Says back what it was asked, as the cursor.
    fn list(&self, asked: &Asked<ListArtifacts>) -> ArtifactPage {
        let items = self.kept.lock().unwrap().values().cloned().collect();
        ArtifactPage { items, next_cursor: serde_json::to_string(&asked.ask).ok() }
    }

    async fn linked(&self, artifact: Artifact) -> Linked {
        let shown = shown(&artifact, Deed::Read);
        let grant = self.blobs.grant(shown, LIFE, self.node.clock.now()).await.unwrap();
        let link = Link { url: grant.url, expires_at: grant.expires_at };
        Linked { artifact, link }
    }

    async fn upload(&self, artifact: &Artifact) -> Upload {
        let shown = shown(artifact, Deed::Create);
        let grant = self.blobs.grant(shown, LIFE, self.node.clock.now()).await.unwrap();
        Upload { url: grant.url, headers: grant.headers, expires_at: grant.expires_at }
    }

    pub(crate) fn pointer(&self, id: ArtifactId) -> Option<Artifact> {
        self.kept.lock().unwrap().get(&id).cloned()
    }

    /// How many pointers there are, and how many blobs.
    pub(crate) async fn left(&self) -> (usize, usize) {
        let pointers = self.kept.lock().unwrap().len();
        let blobs: Vec<_> = self.blobs.list(&"fleet".parse().unwrap()).try_collect().await.unwrap();
        (pointers, blobs.len())
    }

    /// What was said to it since it was last looked at.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    pub(crate) fn path(&self) -> String {
        format!("/fleet/jobs/{}/artifacts", self.job)
    }

    pub(crate) fn patience(&self) -> Patience {
        let span = Duration::from_secs(30);
        let until = self.node.clock.now().plus(span);
        Patience { request_id: self.node.ids.mint(), until, span }
    }

    pub(crate) async fn ask<A: Ask>(&self, ask: &A) -> Result<A::Reply, client::CallError> {
        self.http.call(ask, self.patience()).await
    }

    /// A form with these parts before its file, and the file with this text.
    pub(crate) fn form(&self, fields: &[(&str, &str)], text: &str) -> Spoken {
        self.posted(&[whole(fields), file(text), END.to_owned()].concat())
    }

    pub(crate) fn posted(&self, form: &str) -> Spoken {
        let spoken = Spoken::new(&format!("POST {}", self.path()));
        spoken.with("Content-Type: multipart/form-data; boundary=b").body(form)
    }

    /// Brings an artifact, and tells the answer.
    pub(crate) async fn brought(&self, fields: &[(&str, &str)], text: &str) -> Linked {
        let said = self.form(fields, text).to(self.address).await;
        assert_eq!(said.status, 201, "{said:?}");
        serde_json::from_value(said.json()).unwrap()
    }

    pub(crate) async fn read(&self, url: &str) -> Said {
        Spoken::bare(&format!("GET {url}")).to(self.address).await
    }

    pub(crate) fn hold(epoch: u64) -> Hold {
        Hold {
            factory_id: "f1".parse().unwrap(),
            lease_epoch: serde_json::from_value(json!(epoch)).unwrap(),
            claim_nonce: NONCE.parse().unwrap(),
        }
    }
}

pub(crate) const END: &str = "--b--\r\n";

pub(crate) fn whole(fields: &[(&str, &str)]) -> String {
    let part = |(name, value): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    fields.iter().map(part).collect()
}

pub(crate) fn file(text: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"out.txt\"\r\n\
         Content-Type: text/plain\r\n\r\n{text}\r\n"
    )
}

fn shown(artifact: &Artifact, deed: Deed) -> Shown {
    Shown {
        deed,
        key: BlobKey::of(artifact).unwrap(),
        content_type: artifact.content_type.clone(),
        name: artifact.name.clone(),
        most: 1 << 20,
    }
}

fn no(code: Code, request_id: uuid::Uuid) -> Box<Problem> {
    Box::new(Problem::new(code, request_id))
}
