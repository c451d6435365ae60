//! What the keys of a submission mean together: who waits for whom, who is whose child, when it
//! may begin.

use serde_json::{Map, Value as Json};

use super::record::{self, Draft};
use super::{Accepted, Terms, defaults};
use crate::grammar::Span;
use crate::id::{JobId, Key};
use crate::manifest::{
    Faults, Fields, MAX_CHILDREN, MAX_DEPS, Node, Place, Reason, Spot, Value, cycle_through,
    read_object,
};
use crate::time::Timestamp;

/// Judges one submission and its children; the faults outlive it.
pub(super) struct Desk<'a> {
    pub(super) terms: &'a Terms,
    pub(super) defaults: Map<String, Json>,
    pub(super) faults: Faults,
}

/// What a submission is to others.
pub(super) struct Kin {
    /// Its key when it names none.
    pub(super) own_key: Key,
    /// The key of the composite that it is given with.
    pub(super) parent: Option<Key>,
}

/// Another job and how it was named.
struct Dependency {
    written: String,
    job: JobId,
}

impl Desk<'_> {
    /// `None` only with a fault.
    pub(super) fn accept(
        &mut self,
        mut fields: Fields<'_>,
        body: String,
        kin: &Kin,
    ) -> Option<Accepted> {
        let before = self.faults.count();
        let given_key: Option<Key> = fields.text("idempotencyKey").and_then(|key| key.parse().ok());
        let key = given_key.unwrap_or_else(|| kin.own_key.clone());
        let mut warnings = warnings_of(&fields, &body);
        fields.values.remove("bodyMd");
        let runs = fields.children.is_none() || !body.trim().is_empty();
        let filled = &self.defaults;
        defaults::settle(&mut fields, self.terms, filled, runs, &mut self.faults);
        self.check_yolo(&fields);
        let not_before = self.not_before(&fields, &mut warnings);
        let parent = self.parent(&fields, &key, kin);
        let children = self.children(&fields, &key);
        self.check_kind(&mut fields);
        let deps = self.deps(&fields, &key, kin, &children);
        if self.faults.count() > before {
            return None;
        }
        let deps = deps.into_iter().map(|dep| (dep.written, dep.job)).collect();
        let draft = Draft { fields, key, body, not_before, parent, deps, children, warnings };
        record::accept(draft, self.terms, &mut self.faults)
    }

    fn check_yolo(&mut self, fields: &Fields<'_>) {
        let asked = fields.values.get("yolo") == Some(&Json::Bool(true));
        if asked && !self.terms.allow_yolo {
            let message = "yolo needs a grant that this submitter does not hold";
            let fault = fields.spot("yolo").fault(Reason::Yolo, message);
            self.faults.push(fault.hint("leave yolo out, or ask an admin for the grant"));
        }
    }

    /// What is past means now.
    fn not_before(&mut self, fields: &Fields<'_>, warnings: &mut Vec<String>) -> Option<Timestamp> {
        let written = fields.text("notBefore")?;
        let now = self.terms.now;
        if let Ok(span) = written.parse::<Span>() {
            return Some(now.plus(span.duration()));
        }
        let moment: Timestamp = written.parse().ok()?;
        if moment.since(now) > crate::manifest::FARTHEST {
            let fault = fields.spot("notBefore").fault(
                Reason::OutOfRange,
                format!("notBefore {written} is more than 366 days ahead"),
            );
            self.faults.push(fault.hint("name a time within 366 days"));
        }
        if moment < now {
            warnings.push("notBefore is past: the job may begin at once".into());
        }
        Some(moment.max(now))
    }

    fn parent(&mut self, fields: &Fields<'_>, key: &Key, kin: &Kin) -> Option<JobId> {
        if let Some(parent) = &kin.parent {
            return Some(self.job_of(parent));
        }
        let written = fields.text("parent")?;
        let parent = self.job_named(written)?;
        let spot = fields.spot("parent");
        if parent == self.job_of(key) {
            let message = format!("the job is its own parent: {key} → {key}");
            self.faults.push(spot.fault(cycle_through(&[key]), message));
        }
        if fields.children.is_some() {
            let message = "a job with children cannot be a child: they nest one level";
            let fault = spot.fault(Reason::Disagrees, message);
            self.faults.push(fault.hint("leave out parent or children"));
        }
        Some(parent)
    }

    /// Its own dependencies and its children, each once, in the order of their names.
    fn deps(
        &mut self,
        fields: &Fields<'_>,
        key: &Key,
        kin: &Kin,
        children: &[Accepted],
    ) -> Vec<Dependency> {
        let spot = fields.spot("deps");
        let own = self.job_of(key);
        let mut deps: Vec<Dependency> = Vec::new();
        for written in fields.values.get("deps").and_then(Json::as_array).into_iter().flatten() {
            let Some(written) = written.as_str() else { continue };
            let Some(job) = self.job_named(written) else { continue };
            if job == own {
                let message = format!("the job waits for itself: {key} → {key}");
                let fault = spot.fault(cycle_through(&[key]), message);
                self.faults.push(fault.hint("leave its own key out of deps"));
            }
            let parent = kin.parent.as_ref().filter(|parent| self.job_of(parent) == job);
            if let Some(parent) = parent {
                let message = format!("a child waits for its parent: {key} → {parent} → {key}");
                let fault = spot.fault(cycle_through(&[key, parent]), message);
                self.faults.push(fault.hint("leave the parent out: it waits for its children"));
            }
            deps.push(Dependency { written: written.into(), job });
        }
        for child in children {
            let written = child.content.idempotency_key.to_string();
            deps.push(Dependency { written, job: child.job });
        }
        deps.sort_by(|a, b| (a.job, &a.written).cmp(&(b.job, &b.written)));
        deps.dedup_by_key(|dep| dep.job);
        deps.sort_by(|a, b| a.written.cmp(&b.written));
        if deps.len() > MAX_DEPS {
            let message = format!("{} jobs to wait for; {MAX_DEPS} is the most", deps.len());
            self.faults.push(spot.fault(Reason::TooMany, message));
        }
        deps
    }

    fn check_kind(&mut self, fields: &mut Fields<'_>) {
        let kind = if fields.children.is_some() { "composite" } else { "leaf" };
        let said = fields.text("kind").unwrap_or(kind);
        if said != kind {
            let message = if fields.children.is_some() {
                "kind leaf disagrees with children"
            } else {
                "kind composite needs children"
            };
            let fault = fields.spot("kind").fault(Reason::Disagrees, message);
            self.faults.push(fault.hint("leave kind out: it follows from children"));
        }
        fields.values.insert("kind".into(), kind.into());
    }

    fn children(&mut self, fields: &Fields<'_>, parent: &Key) -> Vec<Accepted> {
        let Some(node) = fields.children else { return Vec::new() };
        let spot = fields.spot("children");
        let Value::List(nodes) = &node.value else {
            let message =
                format!("children must be a list of submissions; this is {}", node.what());
            self.faults.push(spot.fault(Reason::BadType, message));
            return Vec::new();
        };
        if nodes.is_empty() {
            let fault = spot.fault(Reason::Missing, "children is an empty list");
            self.faults.push(fault.hint("leave it out, or write a child"));
        }
        if nodes.len() > MAX_CHILDREN {
            let message = format!("{} children; {MAX_CHILDREN} is the most", nodes.len());
            self.faults.push(spot.fault(Reason::TooMany, message));
        }
        let mut children = Vec::new();
        for (index, node) in nodes.iter().take(MAX_CHILDREN).enumerate() {
            let spot = spot.item(index, node.line);
            children.extend(self.child(node, &spot, index, parent));
        }
        self.check_twins(&spot, parent, &children);
        children
    }

    fn child(&mut self, node: &Node, spot: &Spot, index: usize, parent: &Key) -> Option<Accepted> {
        let Value::Map(entries) = &node.value else {
            let message = format!("{} must be a submission; this is {}", spot.field, node.what());
            self.faults.push(spot.fault(Reason::BadType, message));
            return None;
        };
        let fields = read_object(entries, spot, Place::Child, &mut self.faults);
        let body = fields.text("bodyMd").unwrap_or("").to_owned();
        let kin = Kin { own_key: parent.of_child(index), parent: Some(parent.clone()) };
        self.accept(fields, body, &kin)
    }

    fn check_twins(&mut self, spot: &Spot, parent: &Key, children: &[Accepted]) {
        for (index, child) in children.iter().enumerate() {
            let key = &child.content.idempotency_key;
            let twin = children.iter().take(index).any(|other| other.job == child.job);
            if !twin && key != parent {
                continue;
            }
            let message = format!("a child has the idempotencyKey of another or its parent: {key}");
            let fault = spot.fault(Reason::Disagrees, message);
            self.faults.push(fault.hint("give each child its own idempotencyKey, or none"));
        }
    }

    fn job_of(&self, key: &Key) -> JobId {
        JobId::of(&self.terms.product, key)
    }

    /// What has the form of a job id is one; keys never have it.
    fn job_named(&self, written: &str) -> Option<JobId> {
        match written.parse::<JobId>() {
            Ok(job) => Some(job),
            Err(_) => written.parse::<Key>().ok().map(|key| self.job_of(&key)),
        }
    }
}

fn warnings_of(fields: &Fields<'_>, body: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    if fields.has("engine") && fields.has("engineClass") {
        warnings.push("engineClass is not used: engine wins".to_owned());
    }
    if body.trim().is_empty() && !fields.has("command") && fields.children.is_none() {
        warnings.push("the body is empty and there is no command".to_owned());
    }
    warnings
}
