//! What a submission becomes: its defaults, its hash, its children, and that both doors agree.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::content::{Backoff, Kind, Priority, RetryClass};

const NOW: &str = "2026-01-02T03:04:05.678Z";

fn terms() -> Terms {
    Terms {
        product: "acme".parse().unwrap(),
        submitted_by: "t_1".into(),
        now: NOW.parse().unwrap(),
        auto_key: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        defaults: Map::new(),
        profiles: BTreeMap::new(),
        allow_yolo: true,
        dev_engine: Some("echo".parse().unwrap()),
    }
}

fn with_profiles() -> Terms {
    let profile = ProfileTerms {
        engine: "claude".parse().unwrap(),
        timeout_sec: Some(600),
        verify: Some(CommandLine::Shell("make test".into())),
        capabilities: vec!["gpu".parse().unwrap()],
        takes_command: false,
    };
    let profiles = ["coder", "coder@3"].map(|name| (name.to_owned(), profile.clone()));
    Terms { profiles: profiles.into(), dev_engine: None, ..terms() }
}

fn with_defaults(defaults: &Json) -> Terms {
    Terms { defaults: defaults.as_object().cloned().unwrap(), ..terms() }
}

fn object(value: &Json, terms: &Terms) -> Result<Accepted, Invalid> {
    normalise(&Submission::from_json(value.to_string().as_bytes())?, terms)
}

fn file(text: &str) -> Accepted {
    normalise(&Submission::from_markdown(text.as_bytes()).unwrap(), &terms()).unwrap()
}

fn content(value: &Json) -> Content {
    object(value, &terms()).unwrap().content
}

fn hash(value: &Json) -> String {
    content(value).content_hash
}

#[test]
fn a_file_without_front_matter_is_a_job_with_every_default() {
    let accepted = file("do it\n");
    let content = &accepted.content;
    assert!(content.idempotency_key.is_auto());
    assert_eq!(accepted.job, JobId::of(&terms().product, &content.idempotency_key));
    assert_eq!(content.body_md, "do it\n");
    assert_eq!((content.priority, content.priority_rank), (Priority::Medium, 2));
    assert_eq!((content.timeout_sec, content.kind, content.yolo), (14_400, Kind::Leaf, false));
    assert_eq!(content.engine.as_ref().unwrap().as_str(), "echo");
    assert!(content.retry.is_none() && content.budget.is_none() && content.dep_ids.is_empty());
    assert!(accepted.warnings.is_empty() && !accepted.require_deps_exist);
}

#[test]
fn what_means_the_same_is_the_same_content() {
    let plain = hash(&json!({"bodyMd": "x"}));
    for same in [
        json!({"bodyMd": "x", "priority": "medium"}),
        json!({"bodyMd": "x", "engine": "echo"}),
        json!({"bodyMd": "x", "engine": "echo", "engineClass": "command"}),
        json!({"bodyMd": "x", "timeout": "4h"}),
        json!({"bodyMd": "x", "timeout": "240m", "deps": [], "yolo": false, "kind": "leaf"}),
        json!({"bodyMd": "x", "idempotencyKey": "k", "sequence": 7, "requireDepsExist": true}),
        json!({"body-md": "x", "deps-mode": "hard"}),
    ] {
        assert_eq!(hash(&same), plain, "{same}");
    }
    let sets = json!({"deps": ["b", "a"], "lock": "x", "locks": ["y"], "capabilities": ["b", "A"]});
    let other =
        json!({"deps": ["a", "b", "a"], "locks": ["y", "x"], "capabilities": ["a", "b", "a"]});
    assert_eq!(hash(&sets), hash(&other));
}

#[test]
fn what_means_something_else_is_other_content() {
    let plain = hash(&json!({"bodyMd": "x"}));
    for other in [
        json!({"bodyMd": "x\n"}),
        json!({"bodyMd": "x", "priority": "high"}),
        json!({"bodyMd": "x", "notBefore": "1h"}),
        json!({"bodyMd": "x", "retry": 1}),
        json!({"bodyMd": "x", "prefersEngine": ["a", "b"]}),
    ] {
        assert_ne!(hash(&other), plain, "{other}");
    }
    let ordered = |engines: [&str; 2]| hash(&json!({"prefersEngine": engines}));
    assert_ne!(ordered(["a", "b"]), ordered(["b", "a"]));
}

#[test]
fn a_number_alone_is_a_whole_retry_policy() {
    let retry = content(&json!({"retry": 3})).retry.unwrap();
    assert_eq!((retry.max, retry.backoff), (3, Backoff::Exp));
    assert_eq!(retry.on, [RetryClass::Crash, RetryClass::Timeout, RetryClass::VerifyFailed]);
    let retry =
        content(&json!({"retry": {"max": 2, "backoff": "2m", "on": "crash"}})).retry.unwrap();
    assert_eq!((retry.backoff, retry.on), (Backoff::Fixed(120), vec![RetryClass::Crash]));
}

#[test]
fn a_budget_is_stored_in_seconds_and_exact_dollars() {
    let budget =
        content(&json!({"budget": {"usd": 2.5, "tokens": 10, "wall": "2h"}})).budget.unwrap();
    assert_eq!(budget.usd.unwrap().micros(), 2_500_000);
    assert_eq!((budget.tokens, budget.wall), (Some(10), Some(7_200)));
    let same = json!({"budget": {"wall": 7_200, "usd": 2.50, "tokens": 10}});
    assert_eq!(content(&same).budget, Some(budget));
}

#[test]
fn what_runs_follows_the_table() {
    let engine = |value: Json, terms: &Terms| {
        let content = object(&value, terms).unwrap().content;
        (content.engine.map(|engine| engine.to_string()), content.engine_class.is_some())
    };
    let some = |name: &str| Some(name.to_owned());
    let both = json!({"engine": "a", "engineClass": "chat-coder"});
    assert_eq!(engine(both, &terms()), (some("a"), false));
    assert_eq!(engine(json!({"engineClass": "chat-coder"}), &terms()), (None, true));
    assert_eq!(engine(json!({"command": "make"}), &terms()), (some("shell"), false));
    assert_eq!(engine(json!({"command": ["ls"], "engine": "shell"}), &terms()).0, some("shell"));
    assert_eq!(engine(json!({"profile": "coder@3"}), &with_profiles()), (some("claude"), false));
    assert_eq!(engine(json!({"profile": "coder"}), &with_profiles()), (None, false));
    assert_eq!(engine(json!({}), &terms()), (some("echo"), false));
}

#[test]
fn a_composite_that_only_waits_needs_no_engine() {
    let bare = Terms { dev_engine: None, ..terms() };
    let child = json!([{"engine": "echo", "bodyMd": "x"}]);
    let parent = object(&json!({"children": child}), &bare).unwrap();
    assert_eq!((parent.content.engine, parent.content.kind), (None, Kind::Composite));
    assert!(object(&json!({"children": child, "bodyMd": "join"}), &bare).is_err());
}

#[test]
fn a_profile_comes_before_the_product_and_both_after_the_submission() {
    let defaults = json!({"timeout": "1h", "verify": "true", "lock": "x", "engine": "other"});
    let terms = Terms { defaults: with_defaults(&defaults).defaults, ..with_profiles() };
    let read =
        object(&json!({"profile": "coder@3", "capabilities": "cuda"}), &terms).unwrap().content;
    assert_eq!((read.timeout_sec, read.engine.unwrap().as_str()), (600, "claude"));
    assert_eq!(read.verify, Some(CommandLine::Shell("make test".into())));
    assert_eq!(read.capabilities, ["cuda".parse().unwrap(), "gpu".parse().unwrap()]);
    assert_eq!(read.locks, ["x".parse().unwrap()]);
    let read = object(&json!({"timeout": "5m"}), &terms).unwrap().content;
    assert_eq!((read.timeout_sec, read.engine.unwrap().as_str()), (300, "other"));
}

#[test]
fn defaults_are_judged_like_a_manifest() {
    let faults = |defaults: Json| {
        let defaults = defaults.as_object().cloned().unwrap();
        check_defaults(&defaults).err().map_or_else(Vec::new, |invalid| {
            invalid.faults.into_iter().map(|fault| (fault.field, fault.reason.code())).collect()
        })
    };
    assert!(faults(json!({"priority": "low", "retry": 2, "engine-class": "command"})).is_empty());
    let bad = json!({"priority": "x", "idempotencyKey": "k", "colour": 1, "bodyMd": "x"});
    let mut found = faults(bad);
    found.sort();
    let expected = [
        ("defaults.bodyMd", "disagrees"),
        ("defaults.colour", "unknown_key"),
        ("defaults.idempotencyKey", "disagrees"),
        ("defaults.priority", "bad_enum"),
    ];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code)));
    assert!(object(&json!({}), &with_defaults(&json!({"priority": "x"}))).is_err());
}

#[test]
fn not_before_is_resolved_in_the_record_and_kept_in_the_content() {
    let at = |text: &str| object(&json!({"notBefore": text, "bodyMd": "x"}), &terms()).unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    let hours = std::time::Duration::from_hours(2);
    assert_eq!(at("2h").content.not_before, Some(now.plus(hours)));
    assert_eq!(at("2h").content.manifest_snapshot.fields()["notBefore"], "2h");
    let past = at("2020-01-01T00:00:00Z");
    assert_eq!((past.content.not_before, past.warnings.len()), (Some(now), 1));
    let later = Terms { now: now.plus(hours), ..terms() };
    let again = object(&json!({"notBefore": "2h", "bodyMd": "x"}), &later).unwrap();
    assert_eq!(again.content.content_hash, at("2h").content.content_hash);
}

#[test]
fn a_dependency_may_be_named_by_key_or_by_id() {
    let id = JobId::of(&terms().product, &"a".parse().unwrap());
    let named = content(&json!({"deps": ["b", "a", id.to_string()]}));
    assert_eq!(named.deps, ["a", "b"]);
    assert_eq!(named.dep_ids, [id, JobId::of(&terms().product, &"b".parse().unwrap())]);
}

#[test]
fn a_parent_waits_for_its_children_and_they_keep_their_ids() {
    let sent = json!({
        "idempotencyKey": "all", "deps": "z", "bodyMd": "join",
        "children": [{"bodyMd": "one"}, {"bodyMd": "two", "idempotencyKey": "two"}],
    });
    let parent = object(&sent, &terms()).unwrap();
    assert_eq!(parent.content.kind, Kind::Composite);
    assert_eq!(parent.content.deps, ["all/1", "two", "z"]);
    let ids: Vec<JobId> = parent.children.iter().map(|child| child.job).collect();
    assert_eq!(parent.content.dep_ids[..2], ids);
    for child in &parent.children {
        assert_eq!(child.content.parent_id, Some(parent.job));
    }
    assert_eq!(object(&sent, &terms()).unwrap(), parent);
    let mut other = sent;
    other["children"][0]["bodyMd"] = "other".into();
    let other = object(&other, &terms()).unwrap();
    assert_ne!(other.content.content_hash, parent.content.content_hash);
    assert_eq!(other.children[0].job, parent.children[0].job);
}

#[test]
fn a_child_of_a_long_key_still_has_a_key() {
    let sent = json!({"idempotencyKey": "k".repeat(256), "children": [{"bodyMd": "one"}]});
    let parent = object(&sent, &terms()).unwrap();
    assert!(parent.children[0].content.idempotency_key.as_str().ends_with("/1"));
}

#[test]
fn yolo_asks_for_a_factory_that_allows_it() {
    let read = content(&json!({"yolo": true, "capabilities": "git"}));
    assert_eq!(read.capabilities, ["git".parse().unwrap(), "yolo".parse().unwrap()]);
    let without = Terms { allow_yolo: false, ..terms() };
    let refused = object(&json!({"yolo": true}), &without).unwrap_err();
    assert_eq!(refused.leading().reason, Reason::Yolo);
}

#[test]
fn the_profiles_of_a_submission_are_known_before_it_is_judged() {
    let sent = json!({"profile": "b", "children": [{"profile": "a@02"}, {}, {"profile": 7}, {"profile": "*"}, "x"]});
    let read = Submission::from_json(sent.to_string().as_bytes()).unwrap();
    assert_eq!(read.profiles_named(&Map::new()), ["a@2", "b"]);
    let defaults = with_defaults(&json!({"profile": "c"})).defaults;
    assert_eq!(read.profiles_named(&defaults), ["a@2", "b", "c"]);
}

#[test]
fn every_fault_of_a_file_is_told_with_its_line() {
    let text = "---\npriorty: high\ntimeout: soon\n# a remark\nretry: {max: 0}\n---\nx\n";
    let read = Submission::from_markdown(text.as_bytes()).unwrap();
    let refused = normalise(&read, &terms()).unwrap_err();
    let told = refused.to_string();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert_eq!(lines[0], r#"line 2: unknown key "priorty"; did you mean "priority"?"#);
    assert!(lines[1].starts_with("line 3: timeout") && lines[2].starts_with("line 5: retry.max"));
}

#[test]
fn faults_beyond_counting_are_counted() {
    let keys: Map<String, Json> = (0..1000).map(|key| (format!("zz{key}"), json!(1))).collect();
    let refused = object(&Json::Object(keys), &terms()).unwrap_err();
    assert_eq!(refused.faults.len(), 129);
    assert_eq!(refused.faults[128].message, "872 more faults are not shown");
}

/// A manifest without fault: any keys of the table with any of some good values.
fn manifest() -> impl Strategy<Value = Map<String, Json>> {
    let values: Vec<(&str, Vec<Json>)> = vec![
        ("engine", vec![json!("echo"), json!("claude")]),
        ("engineClass", vec![json!("agentic-coder")]),
        ("prefersEngine", vec![json!("b"), json!(["b", "a", "b"])]),
        ("verify", vec![json!("make \"x\"\ntrue"), json!(["a", "b c"])]),
        ("cwd", vec![json!("/srv/ü x")]),
        ("yolo", vec![json!(true), json!(false)]),
        ("lock", vec![json!("x")]),
        ("locks", vec![json!(["y", "x"]), json!([])]),
        ("timeout", vec![json!("90m"), json!("7d")]),
        ("priority", vec![json!("low"), json!("medium")]),
        ("capabilities", vec![json!("Node>=20.1"), json!(["os:any", "gpu:A100", "gpu"])]),
        ("deps", vec![json!("k: v"), json!(["- b", "#a", "true", "12"])]),
        ("on-dep-failure", vec![json!("fail")]),
        ("requireDepsExist", vec![json!(true)]),
        ("retry", vec![json!(3), json!({"max": 2, "backoff": "1m"}), json!({"max": 100})]),
        ("budget", vec![json!({"usd": 0.000_001}), json!({"usd": 12.34, "wall": "1h"})]),
        ("idempotencyKey", vec![json!("nightly/ü"), json!("null")]),
        ("sequence", vec![json!(0), json!(crate::money::MAX_COUNT)]),
        ("notBefore", vec![json!("90m"), json!("2026-06-01T00:00:00+02:00")]),
        ("parent", vec![json!("all")]),
        ("repo", vec![json!("https://x.test/a?b#c"), json!("'\\\"")]),
        ("allowedScope", vec![json!("src/**"), json!(["b/?", "*"])]),
        ("artifacts", vec![json!(["**/*.xml", "**"])]),
    ];
    let fields: Vec<_> = values
        .into_iter()
        .map(|(key, values)| {
            let value = prop::option::of(prop::sample::select(values));
            value.prop_map(move |value| value.map(|value| (key.to_owned(), value)))
        })
        .collect();
    fields.prop_map(|fields| fields.into_iter().flatten().collect())
}

proptest! {
    #[test]
    fn both_doors_lead_to_the_same_job(manifest in manifest(), body in "[ -~\n\u{e9}]{0,40}") {
        let mut text = "---\n".to_owned();
        for (key, value) in &manifest {
            text.push_str(&format!("{key}: {value}\n"));
        }
        text.push_str("---\n");
        text.push_str(&body);
        let mut sent = Json::Object(manifest);
        sent["bodyMd"] = body.into();
        prop_assert_eq!(file(&text), object(&sent, &terms()).unwrap());
    }

    #[test]
    fn a_snapshot_is_the_same_submission_again(manifest in manifest(), body in ".{0,40}") {
        let mut sent = Json::Object(manifest);
        sent["bodyMd"] = body.clone().into();
        let first = object(&sent, &terms()).unwrap();
        let mut again = Json::Object(first.content.manifest_snapshot.fields());
        again["bodyMd"] = body.into();
        let second = object(&again, &terms()).unwrap();
        prop_assert_eq!(&first.content, &second.content);
        let stored = serde_json::to_string(&first.content).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Content>(&stored).unwrap(), &first.content);
    }
}
