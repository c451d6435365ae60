//! The tables of subjects and of errors as committed texts, and the laws that make them tables.
//! `UPDATE_EXPECT=1` rewrites the texts.

use std::fmt::Write;

use expect_test::expect_file;
use fleet::{Current, Epoch, FactoryId, JobId, ProductId, Rejection, StageName};
use proptest::prelude::*;
use protocol::{
    Code, Custody, Detail, Envelope, Filter, Kind, Operation, Party, Problem, Query, Reason, Row,
    Subject, Topic, Word,
};
use serde_json::json;

#[test]
fn the_table_of_subjects_is_as_committed() {
    let mut table = String::new();
    for row in Row::all() {
        let (route, filter) = (row.route(), Filter::every(row).to_string());
        let kind = format!("{:?}", route.kind).to_lowercase();
        let (from, to) = (Party::list(route.from), Party::list(route.to));
        let line = format!("{filter:<34} {kind:<8} {from} -> {to}");
        writeln!(table, "{line}").expect("a string takes all");
    }
    let kicks = Reason::ALL.map(Reason::as_str).join(" ");
    writeln!(table, "kicks: {kicks}").expect("a string takes all");
    expect_file!["subjects.txt"].assert_eq(&table);
}

#[test]
fn the_table_of_errors_is_as_committed() {
    let mut table = String::new();
    for code in Code::ALL {
        let (name, repeat) = (code.as_str(), if code.retryable() { "repeat" } else { "-" });
        let line = format!("{} {name:<22} {repeat:<7} {}", code.http(), code.sentence());
        writeln!(table, "{line}").expect("a string takes all");
        assert_eq!(json!(code), json!(name), "one spelling on both doors");
    }
    expect_file!["errors.txt"].assert_eq(&table);
}

#[test]
fn every_subject_reads_back_and_lies_on_one_row_only() {
    for subject in one_of_each() {
        let text = subject.to_string();
        assert_eq!(text.parse(), Ok(subject.clone()), "{text}");
        for row in Row::all() {
            let here = row == subject.row();
            assert_eq!(Filter::every(row).matches(&subject), here, "{row:?} and {text}");
            assert_eq!(Filter::within(row, &product()).matches(&subject), here);
            assert!(!Filter::within(row, &other()).matches(&subject));
        }
        assert!(Filter::exact(&subject).matches(&subject) && Filter::all().matches(&subject));
        assert_eq!(Filter::exact(&subject).row(), Some(subject.row()));
    }
}

#[test]
fn a_factory_owns_what_it_says_and_the_commands_to_it() {
    let own = Filter::of_factory(&product(), &factory());
    for subject in one_of_each() {
        let expected = match subject.topic() {
            Topic::Spoken(..) | Topic::Command(_) => true,
            Topic::Custody(_) | Topic::Log(_) => false,
            Topic::Submit | Topic::Plan | Topic::Children | Topic::Intake => false,
            Topic::SubmitYolo | Topic::ChildrenYolo | Topic::PutProfile => false,
            Topic::Query(_) => false,
            Topic::Operate(_) | Topic::Offer(_) | Topic::OfferAny => false,
            Topic::Event(_) | Topic::Kick(_) | Topic::DeadLetter => false,
        };
        assert_eq!(own.matches(&subject), expected, "{subject}");
    }
    let stranger = "f2".parse().expect("a name");
    assert!(!own.matches(&Subject::claim(&product(), &stranger)));
}

#[test]
fn what_is_no_subject_is_refused() {
    for text in [
        "",
        "fleet",
        "fleet.v1",
        "fleet.v1.acme",
        "fleet.v2.acme.submit",
        "fleet.v1.acme.submit.",
        "fleet.v1..submit",
        "fleet.v1.*.submit",
        "fleet.v1.>",
        "fleet.v1.a cme.submit",
        "fleet.v1.acme.q.delete",
        "fleet.v1.acme.offer.f.*",
        "fleet.v1.acme.f.f1",
        "fleet.v1.acme.f.f1.artifact",
        "fleet.v1.acme.f.f1.claim.now",
        "fleet.v1.acme.ev.j_short",
        "fleet.v1.acme.log.j_short",
        "fleet.v1.acme.artifact",
        "fleet.v1.acme.artifact.overwrite",
        "Fleet.v1.acme.submit",
        "fleet.v1.acme.submit\r\n",
    ] {
        assert!(text.parse::<Subject>().is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn no_text_is_read_as_a_subject_that_prints_otherwise(
        tail in prop::collection::vec("[a-z0-9*>._ -]{0,8}|f|q|op|in|offer|any|log|cmd", 1..6),
    ) {
        let text = format!("fleet.v1.{}", tail.join("."));
        if let Ok(subject) = text.parse::<Subject>() {
            prop_assert_eq!(subject.to_string(), text);
        }
    }
}

#[test]
fn an_error_says_everything_under_the_committed_names() {
    let request_id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("a uuid");
    let plain = Envelope::from(Problem::new(Code::CommitUnknown, request_id));
    assert_eq!(
        serde_json::to_value(&plain).expect("it has a JSON form"),
        json!({"error": {
            "code": "COMMIT_UNKNOWN",
            "message": "it may have been written; repeat with the same id",
            "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
            "retryable": true,
        }})
    );

    let mut full = Problem::new(Code::Fenced, request_id);
    full.field = Some("leaseEpoch".into());
    full.reason = Some("stale".into());
    full.hint = Some("stop the run".into());
    full.details = vec![Detail { field: "body".into(), message: "is empty".into(), line: Some(3) }];
    full.path = vec![job().to_string(), job().to_string()];
    (full.limit, full.actual) = (Some(1), Some(2));
    full.current = Some(Current {
        stage: StageName::Building,
        lease_epoch: Epoch::new(4),
        rev: 9,
        holder_factory_id: Some(factory()),
        content_hash: Some("abc".into()),
        result: None,
    });
    let value = json!({"error": {
        "code": "FENCED",
        "message": "the job has moved on to another holder",
        "field": "leaseEpoch",
        "reason": "stale",
        "hint": "stop the run",
        "details": [{"field": "body", "message": "is empty", "line": 3}],
        "path": [job(), job()],
        "limit": 1,
        "actual": 2,
        "current": {"stage": "building", "leaseEpoch": 4, "rev": 9,
                    "holderFactoryId": "f1", "contentHash": "abc"},
        "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
        "retryable": false,
    }});
    assert_eq!(serde_json::to_value(Envelope::from(full.clone())).expect("JSON"), value);
    let mut newer = value;
    newer["error"]["addedLater"] = json!(1);
    let read: Envelope = serde_json::from_value(newer).expect("additions are ignored");
    assert_eq!(read.error, full);
}

#[test]
fn a_refusal_by_the_rules_keeps_its_truth_on_the_wire() {
    let request_id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("a uuid");
    let refusal = Rejection::new(fleet::Code::InvalidTransition).because("verify_required");
    let told = Problem::refused(&refusal, request_id);
    assert_eq!((told.code.http(), told.reason.as_deref()), (409, Some("verify_required")));
}

fn one_of_each() -> Vec<Subject> {
    let (f, j) = (factory(), job());
    let mut topics = vec![
        Topic::Submit,
        Topic::SubmitYolo,
        Topic::Plan,
        Topic::Children,
        Topic::ChildrenYolo,
        Topic::Intake,
        Topic::PutProfile,
        Topic::Offer(f.clone()),
        Topic::OfferAny,
        Topic::Log(j),
        Topic::Command(f.clone()),
        Topic::Event(j),
        Topic::DeadLetter,
    ];
    topics.extend(Query::ALL.map(Topic::Query));
    topics.extend(Operation::ALL.map(Topic::Operate));
    topics.extend(Custody::ALL.map(Topic::Custody));
    topics.extend(Reason::ALL.map(Topic::Kick));
    topics.extend(Word::ALL.map(|word| Topic::Spoken(f.clone(), word)));
    let kinds = [Kind::Request, Kind::Notice, Kind::Stream];
    let subjects: Vec<_> =
        topics.into_iter().map(|topic| Subject::new(&product(), topic)).collect();
    assert!(kinds.iter().all(|kind| subjects.iter().any(|subject| subject.kind() == *kind)));
    subjects
}

fn product() -> ProductId {
    "acme".parse().expect("a name")
}

fn other() -> ProductId {
    "other".parse().expect("a name")
}

fn factory() -> FactoryId {
    "f1".parse().expect("a name")
}

fn job() -> JobId {
    JobId::of(&product(), &"nightly".parse().expect("a key"))
}
