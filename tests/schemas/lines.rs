//! The table of subjects with what is said on each line. A line that nobody speaks on yet is
//! named here as well, so that none is forgotten.

use std::collections::BTreeMap;

use fleet::{EventRecord, Factory, Lease, Product, Run};
use protocol::{
    AboutJob, AboutProduct, AddChildren, AuditArtifacts, Custody, Envelope, FactoryAction, Found,
    Granted, JobAction, Operation, ProductAction, Query, Row, SubmitJob, Word,
};
use schemars::SchemaGenerator;
use serde_json::Value;

use crate::artifacts;
use crate::examples;
use crate::said::{Line, Message, asked, changed, found, message, told};

/// Every line with a voice, and the messages that stand on no line of their own.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) lines: Vec<Line>,
    pub(crate) refusal: Message,
    also: Vec<Message>,
}

pub(crate) fn all(of: &mut SchemaGenerator) -> Told {
    let lines = Row::all().filter_map(|row| line(row, of)).collect();
    let refusal: Message = message::<Envelope>(of, &examples::refusal());
    let found = Found { items: vec![crate::documents::stored("lease")] };
    let also = vec![message::<Granted>(of, &examples::granted()), message(of, &found)];
    Told { lines, refusal, also }
}

/// Every message of a name, with all that is shown of it.
pub(crate) fn examples(told: &Told) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for message in messages(told) {
        let shown = all.entry(message.name.clone()).or_default();
        for example in &message.examples {
            if !shown.contains(example) {
                shown.push(example.clone());
            }
        }
    }
    all
}

pub(crate) fn messages(told: &Told) -> impl Iterator<Item = &Message> {
    let on_lines = told.lines.iter().flat_map(|line| [Some(&line.said), line.answer.as_ref()]);
    on_lines.flatten().chain([&told.refusal]).chain(&told.also)
}

/// `None`: the subject is kept free for what is still to come.
pub(crate) fn line(row: Row, of: &mut SchemaGenerator) -> Option<Line> {
    Some(match row {
        Row::Submit => asked(row, of, &examples::submit(), &examples::receipt()),
        Row::SubmitYolo => {
            let said = SubmitJob { yolo: true, ..examples::submit() };
            asked(row, of, &said, &examples::receipt())
        }
        Row::Plan => asked(row, of, &examples::plan(), &examples::planned()),
        Row::Children => asked(row, of, &examples::children(), &examples::added()),
        Row::ChildrenYolo => {
            let said = AddChildren { yolo: true, ..examples::children() };
            asked(row, of, &said, &examples::added())
        }
        Row::Intake => told::<SubmitJob>(row, of, &examples::submit_keys()),
        Row::Query(query) => return about(query, of),
        Row::Operate(operation) => operate(operation, of),
        Row::PutProfile => asked(row, of, &examples::put_profile(), &examples::profile_stands()),
        Row::Offer | Row::OfferAny => told(row, of, &examples::offer()),
        Row::Spoken(word) => return spoken(word, of),
        Row::Event => told(row, of, &examples::stored::<EventRecord>("event")),
        Row::Kick => told(row, of, &examples::kick()),
        Row::DeadLetter => told(row, of, &examples::dead_letter()),
        Row::Command => asked(row, of, &examples::stop_work(), &()),
        Row::Custody(custody) => custodian(custody, of),
        Row::Log => told(row, of, &artifacts::piece()),
    })
}

fn about(query: Query, of: &mut SchemaGenerator) -> Option<Line> {
    let (row, job, product) = (Row::Query(query), examples::of_job, examples::of_product);
    Some(match query {
        Query::Get => found(row, of, &job(AboutJob::Get), &examples::job_view()),
        Query::List => asked(row, of, &examples::list(), &examples::listed()),
        Query::Runs => found(row, of, &job(AboutJob::Runs), &examples::stored::<Run>("run")),
        Query::Events => {
            found(row, of, &job(AboutJob::Events), &examples::stored::<EventRecord>("event"))
        }
        Query::Lease => found(row, of, &job(AboutJob::Lease), &examples::stored::<Lease>("lease")),
        Query::Why => found(row, of, &job(AboutJob::Why), &examples::why()),
        Query::Stats => found(row, of, &product(AboutProduct::Stats), &examples::stats()),
        Query::Factories => {
            found(row, of, &product(AboutProduct::Factories), &examples::factory_view())
        }
        Query::Locks => found(row, of, &product(AboutProduct::Locks), &examples::lock_view()),
        Query::Budgets => found(row, of, &product(AboutProduct::Budgets), &examples::budget_view()),
        Query::Artifacts => asked(row, of, &artifacts::list(), &artifacts::page()),
        Query::Profiles => {
            found(row, of, &product(AboutProduct::Profiles), &examples::profile_view())
        }
        Query::Dag | Query::DeadLetters => return None,
    })
}

fn operate(operation: Operation, of: &mut SchemaGenerator) -> Line {
    let row = Row::Operate(operation);
    let mut on_job =
        |action: JobAction| asked(row, of, &examples::operate(action), &examples::operated());
    match operation {
        Operation::Approve => on_job(JobAction::Approve),
        Operation::SendBack => on_job(JobAction::SendBack),
        Operation::Ship => on_job(JobAction::Ship),
        Operation::Requeue => on_job(JobAction::Requeue),
        Operation::Redrive => on_job(JobAction::Redrive),
        Operation::Cancel => on_job(JobAction::Cancel),
        Operation::Reject => on_job(JobAction::Reject),
        Operation::Pause => on_product(row, of, ProductAction::Pause),
        Operation::Resume => on_product(row, of, ProductAction::Resume),
        Operation::Drain => on_factory(row, of, FactoryAction::Drain),
        Operation::Undrain => on_factory(row, of, FactoryAction::Undrain),
        Operation::Verify => asked(row, of, &protocol::Verify {}, &examples::verified()),
    }
}

fn on_product(row: Row, of: &mut SchemaGenerator, action: ProductAction) -> Line {
    changed(row, of, &examples::operate_product(action), &examples::stored::<Product>("product"))
}

fn on_factory(row: Row, of: &mut SchemaGenerator, action: FactoryAction) -> Line {
    changed(row, of, &examples::operate_factory(action), &examples::stored::<Factory>("factory"))
}

fn custodian(custody: Custody, of: &mut SchemaGenerator) -> Line {
    let row = Row::Custody(custody);
    match custody {
        Custody::Begin => asked(row, of, &artifacts::begin(false), &artifacts::begun()),
        Custody::Commit => asked(row, of, &artifacts::commit(false), &artifacts::linked()),
        Custody::Keep => asked(row, of, &artifacts::keep(), &artifacts::linked()),
        Custody::Link => asked(row, of, &artifacts::link(false), &artifacts::linked()),
        Custody::Remove => asked(row, of, &artifacts::remove(), &()),
        Custody::Audit => asked(row, of, &AuditArtifacts {}, &artifacts::audited()),
        Custody::Sweep => asked(row, of, &artifacts::sweep(), &artifacts::swept()),
    }
}

fn spoken(word: Word, of: &mut SchemaGenerator) -> Option<Line> {
    let row = Row::Spoken(word);
    Some(match word {
        Word::Claim => asked(row, of, &examples::claim(), &Some(examples::granted())),
        Word::Renew => asked(row, of, &examples::renew(), &examples::renewed()),
        Word::Patch => asked(row, of, &examples::patch(), &examples::job_view()),
        Word::Progress => asked(row, of, &examples::progress(), &()),
        Word::Release => asked(row, of, &examples::release(), &examples::job_view()),
        Word::Heartbeat => asked(row, of, &examples::beat(), &examples::beaten()),
        Word::Deregister => asked(row, of, &examples::deregister(), &()),
        Word::ArtifactBegin => asked(row, of, &artifacts::begin(true), &artifacts::begun()),
        Word::ArtifactCommit => asked(row, of, &artifacts::commit(true), &artifacts::linked()),
        Word::ArtifactLink => asked(row, of, &artifacts::link(true), &artifacts::linked()),
        Word::Log => asked(row, of, &artifacts::append(), &()),
        Word::Get => return None,
    })
}
