//! The events of the transition table, each with the variants of a job that it treats apart.

use std::time::Duration;

use fleet::{
    Action, Admission, Cause, Checkpoint, Circumstances, DepsView, Disposition, Patch, Rejection,
    RunResult, StageName, Submitted, Timestamp, Wish, submit,
};
use serde_json::{Value, json};

use crate::states::{NOW, Place, State, Way, unready, verdict};
use crate::world::{content, job_id, op_by, patch, product};

type Event = Box<dyn Fn(&mut Place, &Row, Circumstances) -> Result<usize, Rejection>>;

/// One line of the printed table.
pub(crate) struct Row {
    /// The line of the specified table that it belongs to.
    pub(crate) spec: &'static str,
    variant: &'static str,
    pub(crate) with: Value,
    pub(crate) way: Way,
    /// Judged with and without satisfied dependencies: both are shown as `q`.
    pub(crate) either: bool,
    pub(crate) given: Circumstances,
    pub(crate) max_reaps: u32,
    /// It is no change but a word that was heard.
    pub(crate) stays: bool,
    pub(crate) occurs: fn(State) -> bool,
    pub(crate) event: Event,
}

/// The events that end a hold, shown once more under a graceful cancel.
pub(crate) const UNDER_CANCEL: &[&str] = &[
    "patch shipped / release ship (G, P, V)",
    "patch failed / release fail (G)",
    "release yield (G)",
    "release park (G)",
    "reap, stale factory, repair",
    "run timeout backstop",
    "lock confirm lost",
    "operator cancel, graceful",
];

impl Row {
    fn new(spec: &'static str, variant: &'static str, event: Event) -> Self {
        Self {
            spec,
            variant,
            with: json!({"deps": ["dep"], "depsMode": "soft"}),
            way: Way::default(),
            either: true,
            given: Circumstances::default(),
            max_reaps: 5,
            stays: false,
            occurs: |_| true,
            event,
        }
    }

    /// A wish of the job as it stands.
    fn wish(
        spec: &'static str,
        variant: &'static str,
        wish: impl Fn(&mut Place) -> Wish + 'static,
    ) -> Self {
        Self::at(spec, variant, NOW, wish)
    }

    fn at(
        spec: &'static str,
        variant: &'static str,
        now: Timestamp,
        wish: impl Fn(&mut Place) -> Wish + 'static,
    ) -> Self {
        let event = move |place: &mut Place, _: &Self, given| {
            let wish = wish(place);
            place.ask(wish, given, now)
        };
        Self::new(spec, variant, Box::new(event))
    }

    fn with(mut self, fields: &Value) -> Self {
        for (field, value) in fields.as_object().expect("fields") {
            self.with[field] = value.clone();
        }
        self
    }

    fn on(self, occurs: fn(State) -> bool) -> Self {
        Self { occurs, ..self }
    }

    fn ready(self, ready: bool) -> Self {
        let given = if ready { Circumstances::default() } else { unready() };
        Self { either: false, given, ..self }
    }

    fn staying(self) -> Self {
        Self { stays: true, ..self }
    }

    pub(crate) fn name(&self) -> String {
        match self.variant {
            "" => self.spec.to_owned(),
            variant => format!("{}: {variant}", self.spec),
        }
    }
}

pub(crate) fn rows() -> Vec<Row> {
    [submissions(), dependencies(), claims(), patches(), releases(), takings_back(), operations()]
        .into_iter()
        .flatten()
        .collect()
}

fn submissions() -> Vec<Row> {
    let resubmit = |change: Value| -> Event {
        Box::new(move |place, row, given| {
            // By its name this line is about no other state.
            if !(row.occurs)(place.job.as_ref().map_or(State::N, State::of)) {
                return Ok(0);
            }
            submit_again(place, &merged(&row.with, &change), given)
        })
    };
    let absent = |state| state == State::N;
    let standing = |state| state != State::N;
    let other = json!({"bodyMd": "else"});
    let elsewhere = json!({"bodyMd": "else", "deps": ["other"]});
    vec![
        Row::new("submit, new key", "no dependencies", resubmit(json!({})))
            .with(&json!({"deps": []}))
            .on(absent),
        Row::new("submit, new key", "dependencies", resubmit(json!({}))).on(absent),
        Row::new("submit, same hash", "", resubmit(json!({}))).on(standing),
        Row::new("submit, other hash", "same dependencies", resubmit(other)).on(standing),
        Row::new("submit, other hash", "other dependencies", resubmit(elsewhere)).on(standing),
    ]
}

fn submit_again(place: &mut Place, with: &Value, given: Circumstances) -> Result<usize, Rejection> {
    let content = content("j", with);
    match submit(place.job.as_ref(), &content, &product(), &op_by("ci"), NOW)? {
        Submitted::Create(job) if place.job.is_none() => {
            place.job = Some(*job);
            Ok(1)
        }
        Submitted::Create(_) | Submitted::Existing => Ok(0),
        Submitted::Supersede => place.ask(Wish::Supersede(Box::new(content)), given, NOW),
    }
}

fn merged(with: &Value, change: &Value) -> Value {
    let mut with = with.clone();
    for (field, value) in change.as_object().expect("fields") {
        with[field] = value.clone();
    }
    with
}

fn dependencies() -> Vec<Row> {
    let unadmitted = |state| state == State::U;
    let open = |state| !matches!(state, State::N | State::U | State::S | State::F | State::D);
    let waiting = |state| matches!(state, State::B | State::Q);
    let unmet = || DepsView { unmet: vec![job_id("dep")], ..DepsView::default() };
    let bad = || DepsView { bad: vec![job_id("dep")], ..unmet() };
    let settle = |spec, variant, view: DepsView| {
        let event = move |place: &mut Place, _: &Row, given| match place.job {
            Some(_) => place.ask(Wish::Settle(view.clone()), given, NOW),
            None => Ok(0),
        };
        Row::new(spec, variant, Box::new(event))
    };
    let admit = |variant, cycle: bool| {
        let event = move |place: &mut Place, _: &Row, given| match (&place.job, cycle) {
            (None, _) => Ok(0),
            (Some(_), false) => place.ask(Wish::Admit(Admission::Acyclic), given, NOW),
            (Some(_), true) => place.ask(Wish::Admit(Admission::Cycle(Vec::new())), given, NOW),
        };
        Row::new("admit: acyclic / cycle", variant, Box::new(event)).on(unadmitted)
    };
    let fail = json!({"onDepFailure": "fail"});
    let composite = json!({"kind": "composite", "bodyMd": " "});
    vec![
        admit("acyclic", false),
        admit("cycle", true),
        settle("deps became satisfied", "", DepsView::default()).ready(true).on(waiting),
        settle("deps became unsatisfied", "", unmet()).ready(false).on(open),
        settle("dep ended badly, onDepFailure fail", "", bad()).with(&fail).ready(false).on(open),
        settle("children satisfied, empty body", "", DepsView::default())
            .with(&composite)
            .ready(true)
            .on(|state| state == State::B),
    ]
}

fn claims() -> Vec<Row> {
    vec![Row::wish("claim (filters)", "", Place::other_claim).ready(true)]
}

fn patches() -> Vec<Row> {
    let verified = json!({"verify": "make test"});
    let manual = json!({"reviewPolicy": "manual"});
    let testing = "patch testing (G, V)";
    let to = |stage| move |place: &mut Place| place.patch(stage);
    vec![
        Row::wish("patch building (G)", "", to(StageName::Building)),
        Row::wish("patch review (G)", "", to(StageName::Review)),
        Row::wish(testing, "P, nothing to verify", to(StageName::Testing)),
        Row::wish(testing, "P, verified by this call", to(StageName::Testing)).with(&verified),
        Row::wish(testing, "P, not verified", unverified_testing).with(&verified),
        Row::wish(testing, "manual, nothing to verify", to(StageName::Testing)).with(&manual),
        Row::wish(testing, "manual, not verified", unverified_testing)
            .with(&verified)
            .with(&manual),
    ]
}

fn unverified_testing(place: &mut Place) -> Wish {
    let op = place.op();
    Wish::Patch(Box::new(patch(&place.holding, op, Some(StageName::Testing))))
}

fn releases() -> Vec<Row> {
    let verified = json!({"verify": "make test"});
    let manual = json!({"reviewPolicy": "manual"});
    let ship = "patch shipped / release ship (G, P, V)";
    let fail = "patch failed / release fail (G)";
    let release = |disposition| move |place: &mut Place| place.release(disposition);
    let shipping = || release(Disposition::Ship);
    let mut yielding = Row::wish("release yield (G)", "", release(Disposition::Yield));
    yielding.way.yielded = true;
    vec![
        Row::wish(ship, "P, nothing to verify", shipping()),
        Row::wish(ship, "P, by patch", |place: &mut Place| place.patch(StageName::Shipped)),
        Row::wish(ship, "P, to be verified", shipping()).with(&verified),
        Row::wish(ship, "P, verdict against it", |place: &mut Place| {
            let Wish::Release(mut release) = place.release(Disposition::Ship) else { panic!() };
            release.verify = Some(verdict(false));
            Wish::Release(release)
        })
        .with(&verified),
        Row::wish(ship, "manual", shipping()).with(&manual),
        Row::wish(fail, "no policy", fail_again),
        Row::wish(fail, "by patch, no policy", fail_by_patch),
        Row::wish(fail, "class to be retried", fail_again).with(&retry(3)),
        Row::wish(fail, "class to be retried, last attempt", fail_again).with(&retry(1)),
        Row::wish(fail, "class not to be retried", |place: &mut Place| {
            if place.job.as_ref().is_some_and(|job| job.stage.has_ended()) {
                return fail_again(place);
            }
            place.fail(RunResult::NoEngine)
        })
        .with(&retry(3)),
        Row::wish(fail, "budget spent", fail_again).with(&retry(3)).with(&spent()),
        yielding,
        Row::wish("release park (G)", "", release(Disposition::Park)),
        Row::wish("renew (G)", "", |place| Wish::Renew(place.holding.clone())).staying(),
        Row::wish("checkpoint or note only (G)", "", |place| {
            let op = place.op();
            let checkpoint = Checkpoint {
                wip_branch: "wip".to_owned(),
                wip_base: "a".to_owned(),
                wip_commit: "b".to_owned(),
            };
            let patch = patch(&place.holding, op, None);
            Wish::Patch(Box::new(Patch { checkpoint: Some(checkpoint), ..patch }))
        })
        .staying(),
    ]
}

/// Says what was said before, where the job has ended; a plain failure otherwise.
fn fail_again(place: &mut Place) -> Wish {
    let ended = place.job.as_ref().filter(|job| job.stage.has_ended());
    let result = ended.and_then(|job| job.claim.last_result).unwrap_or(RunResult::Failed);
    place.fail(if result == RunResult::Shipped { RunResult::Failed } else { result })
}

fn fail_by_patch(place: &mut Place) -> Wish {
    match place.job.as_ref().is_some_and(|job| job.stage.has_ended()) {
        true => fail_again(place),
        false => place.patch(StageName::Failed),
    }
}

fn takings_back() -> Vec<Row> {
    let reap = "reap, stale factory, repair";
    let overrun = "run timeout backstop";
    let budget = "wall or job budget spent";
    let later = NOW.plus(Duration::from_secs(14_400 + 301));
    let cause = |cause| move |place: &mut Place| place.take_back(cause);
    let stands = |state| !matches!(state, State::N | State::U | State::B);
    let built = |state| matches!(state, State::W | State::R | State::T);
    let held = |state| matches!(state, State::A | State::W | State::R | State::T);
    let known = |state| state != State::N;
    let mut exhausted = Row::wish(budget, "", cause(Cause::BudgetSpent)).with(&spent()).on(known);
    exhausted.way.cancelled = true;
    let mut poison = Row::wish(reap, "once too often", cause(Cause::Silent)).on(stands);
    poison.max_reaps = 0;
    [
        Row::wish(reap, "silent", cause(Cause::Silent)).on(stands),
        Row::at(reap, "no lease", later, cause(Cause::NoLease)).on(stands),
        poison,
        Row::at(overrun, "no policy", later, cause(Cause::Overrun)).on(built),
        Row::at(overrun, "to be retried", later, cause(Cause::Overrun)).with(&retry(3)).on(built),
        Row::at(overrun, "last attempt", later, cause(Cause::Overrun)).with(&retry(1)).on(built),
        exhausted,
        Row::wish("lock confirm lost", "", cause(Cause::LockLost)).on(held),
    ]
    .into_iter()
    .map(unasked)
    .collect()
}

/// Nobody takes back what does not exist.
fn unasked(row: Row) -> Row {
    let event = row.event;
    let event: Event = Box::new(move |place, row, given| match place.job {
        Some(_) => event(place, row, given),
        None => Ok(0),
    });
    Row { event, ..row }
}

fn operations() -> Vec<Row> {
    let row = |spec, variant, action| {
        Row::wish(spec, variant, move |place: &mut Place| place.operation(action))
    };
    let cancelled = |spec, action| {
        let mut row = row(spec, "failed by a cancel", action);
        row.way.cancelled = true;
        row
    };
    let ship = "operator ship (with force)";
    let (now, graceful) = ("operator cancel, at once", "operator cancel, graceful");
    vec![
        row("operator approve", "", Action::Approve),
        row("operator send-back", "", Action::SendBack),
        row(ship, "without force", Action::Ship { force: false }),
        row(ship, "with force", Action::Ship { force: true }),
        row("operator requeue", "", Action::Requeue),
        row("operator redrive (= retry)", "", Action::Redrive),
        row(now, "", Action::CancelNow),
        cancelled(now, Action::CancelNow),
        row(graceful, "", Action::CancelGraceful),
        cancelled(graceful, Action::CancelGraceful),
        row("operator reject", "", Action::Reject),
    ]
}

fn retry(max: u32) -> Value {
    json!({"retry": {"max": max, "backoff": "exp", "on": ["timeout", "crash"]}})
}

/// Nothing is left from the beginning.
fn spent() -> Value {
    json!({"budget": {"wall": 0}})
}
