//! Bad inputs and their exact answers: status, code, and a body that names the request.

use std::time::Duration;

use protocol::Word;
use serde_json::{Value, json};

use crate::plain::{Said, Spoken};
use crate::town::{TOKEN, Town};

pub(crate) const NOBODY: &str = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(crate) const NONCE: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What is said, and what has to come back: status, code, and the field or reason that is named.
pub(crate) struct Case {
    what: &'static str,
    spoken: Spoken,
    answer: (u16, &'static str, &'static str),
}

pub(crate) fn case(
    what: &'static str,
    spoken: Spoken,
    answer: (u16, &'static str, &'static str),
) -> Case {
    Case { what, spoken, answer }
}

pub(crate) async fn hold(town: &Town, cases: Vec<Case>) {
    for Case { what, spoken, answer } in cases {
        let said = spoken.to(town.address).await;
        assert_eq!(said.status, answer.0, "{what}: {said:?}");
        refused(what, &said, answer.1, answer.2);
    }
}

pub(crate) fn refused(what: &str, said: &Said, code: &str, named: &str) {
    let error = &said.json()["error"];
    assert_eq!(error["code"], json!(code), "{what}: {error}");
    let named_here = [&error["field"], &error["reason"]].contains(&&json!(named));
    assert!(named.is_empty() || named_here, "{what}: {error} names no {named}");
    let id = said.header("fleet-request-id");
    assert!(id.is_some() && error["requestId"].as_str() == id, "{what}: {said:?}");
    assert_eq!(said.header("fleet-api"), Some("1"), "{what}");
    assert!(error["retryable"].is_boolean(), "{what}: {error}");
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let town = Town::open().await;
    let no = (401, "UNAUTHENTICATED", "");
    let list = || Spoken::bare("GET /fleet/jobs");
    let with = |header: &str| list().with(header);
    let right = format!("Authorization: Bearer {TOKEN}");
    let cases = vec![
        case("no credential", list(), no),
        case("unknown", with("Authorization: Bearer gm_not-the-token-at-all"), no),
        case("nearly right", with(&format!("{right}x")), no),
        case("a part", with("Authorization: Bearer gm_a"), no),
        case("empty", with("Authorization: Bearer "), no),
        case("another scheme", with(&format!("Authorization: Basic {TOKEN}")), no),
        case("query only", Spoken::bare(&format!("GET /fleet/jobs?token={TOKEN}")), no),
        case("two", with(&right).with(&right), no),
        case("no such route", Spoken::bare("GET /nowhere"), no),
        case("wrong method", Spoken::bare("DELETE /fleet/jobs"), no),
        case("bad body", Spoken::bare("POST /fleet/jobs").json("{"), no),
    ];
    hold(&town, cases).await;
    let said = list().to(town.address).await;
    assert_eq!(said.header("www-authenticate"), Some("Bearer"));
    let both = Spoken::new("GET /fleet/jobs?token=x&access_token=y").to(town.address).await;
    assert_eq!(both.status, 200, "a token in the query is not looked at");
    town.close().await;
}

#[tokio::test]
async fn scope_comes_before_existence_before_shape() {
    let town = Town::open().await;
    let job = town.submit("Work.").await.job.id;
    let lost = format!("PATCH /fleet/jobs/{NOBODY}");
    let other = r#"{"productId":"globex"}"#;
    let scope = (403, "OUT_OF_SCOPE", "");
    let header = Spoken::new(&lost).with("Fleet-Product: globex").json("{");
    let act = |job: &str| Spoken::new(&format!("POST /fleet/jobs/{job}/actions/explode"));
    let cases = vec![
        case("product in a header", header, scope),
        case("product in a body", Spoken::new(&lost).json(other), scope),
        case("product of a submission", Spoken::new("POST /fleet/jobs").json(other), scope),
        case("unknown job, bad body", Spoken::new(&lost).json("{"), (404, "NOT_FOUND", "")),
        case("unknown job, bad type", Spoken::new(&lost).body("x"), (404, "NOT_FOUND", "")),
        case("unknown job and action", act(NOBODY), (404, "NOT_FOUND", "")),
        case("unknown action", act(&job.to_string()), (400, "UNKNOWN_ACTION", "")),
    ];
    hold(&town, cases).await;
    let ours = json!({ "productId": "acme", "bodyMd": "Work." }).to_string();
    let said = Spoken::new("POST /fleet/jobs").with("Fleet-Product: acme").json(ours);
    assert_eq!(said.to(town.address).await.status, 201);
    town.close().await;
}

#[tokio::test]
async fn an_address_that_names_nothing_is_not_found() {
    let town = Town::open().await;
    let no = (404, "NOT_FOUND", "");
    let paths = [
        "/index.html",
        "/fleet",
        "/fleet/jobs/",
        "/fleet/jobs/$JS",
        "/fleet/jobs/_INBOX",
        "/fleet/jobs/..",
        "/fleet/jobs/%2e%2e",
        "/fleet/jobs/%00",
        "/fleet/jobs/%ff",
        "/fleet/jobs/j_short",
        "/fleet/jobs/%0d%0a",
        "/fleet/jobs/j_aaaaaaaaaaaaaaaaaaaaaaaaaa",
        "/fleet/jobs/x/runs",
        "/fleet/jobs/*/events",
        "/fleet/jobs/%3e/lease",
        "/fleet/jobs/x/y",
    ];
    let case_of = |path: &&'static str| case(path, Spoken::new(&format!("GET {path}")), no);
    hold(&town, paths.iter().map(case_of).collect()).await;
    for tail in ["lease/renew", "lease/release", "progress", "actions/cancel", "cancel", "retry"] {
        for id in ["..", "a.b", NOBODY] {
            let said = Spoken::new(&format!("POST /fleet/jobs/{id}/{tail}")).json("{}");
            let said = said.to(town.address).await;
            assert_eq!(said.status, 404, "{id} {tail}: {said:?}");
            refused(tail, &said, "NOT_FOUND", "");
        }
    }
    town.close().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let town = Town::open().await;
    let no = (405, "METHOD_NOT_ALLOWED", "");
    let lines = [
        "DELETE /fleet/jobs",
        "PUT /fleet/jobs/x",
        "TRACE /fleet/jobs",
        "GET /fleet/claim",
        "POST /fleet/events",
        "PATCH /fleet/jobs/x/runs",
        "BREW /fleet/jobs",
    ];
    hold(&town, lines.iter().map(|line| case(line, Spoken::new(line), no)).collect()).await;
    let said = Spoken::new("DELETE /fleet/jobs").to(town.address).await;
    let allow = said.header("allow").unwrap();
    assert!(allow.contains("POST") && allow.contains("GET"), "{allow}");
    let masked = Spoken::new("POST /fleet/claim").with("X-HTTP-Method-Override: GET").json("{}");
    assert_eq!(masked.to(town.address).await.status, 400, "the override is not looked at");
    town.close().await;
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused() {
    let town = Town::open().await;
    let submit = || Spoken::new("POST /fleet/jobs");
    let beat = || Spoken::new("POST /fleet/factories/heartbeat");
    let deep = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!("{{\"factoryId\":{open}{close}}}")
    };
    let large = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    let malformed = (400, "VALIDATION", "malformed");
    let too_large = (413, "TOO_LARGE", "");
    let media = (415, "UNSUPPORTED_MEDIA", "");
    let mut cases = vec![
        case("gzip", submit().with("Content-Encoding: gzip").json("{}"), media),
        case("xml", submit().with("Content-Type: text/xml").body("<a/>"), media),
        case("no type", submit().body("{}"), media),
        case("nothing at all", submit(), media),
        case("markdown", beat().with("Content-Type: text/markdown").body("x"), media),
        case("latin1", submit().with("Content-Type: text/markdown; charset=latin1"), media),
        case("8 MiB + 1", submit().json(large((8 << 20) + 1)), too_large),
        case("8 MiB + 1 chunked", submit().json(large((8 << 20) + 1)).chunked(), too_large),
        case("8 MiB + 1 beat", beat().json(large((8 << 20) + 1)).chunked(), too_large),
        case(
            "a long body",
            submit().json(format!(r#"{{"bodyMd":{}}}"#, large(600 << 10))),
            (413, "TOO_LARGE", "bodyMd"),
        ),
    ];
    for door in [submit, beat] {
        cases.push(case("no JSON", door().json("nonsense"), malformed));
        cases.push(case("cut off", door().json(r#"{"a":"#), malformed));
        cases.push(case("not UTF-8", door().json(b"{\"a\":\"\xff\"}".to_vec()), malformed));
        cases.push(case("a key twice", door().json(r#"{"a":1,"a":1}"#), malformed));
        cases.push(case("too deep", door().json(deep(33)), malformed));
        cases.push(case("a list", door().json("[]"), malformed));
        cases.push(case("empty", door().json(""), malformed));
    }
    cases.push(case("deep enough", beat().json(deep(32)), (400, "VALIDATION", "factoryId")));
    hold(&town, cases).await;
    let said = submit().json(large((8 << 20) + 1)).to(town.address).await;
    assert_eq!(said.json()["error"]["limit"], json!(8 << 20));
    assert_eq!(said.json()["error"]["actual"], json!((8 << 20) + 1));
    town.close().await;
}

#[tokio::test]
async fn a_field_that_is_wrong_is_named() {
    let town = Town::open().await;
    let job = town.submit("Work.").await.job.id;
    let patch =
        |body: &Value| Spoken::new(&format!("PATCH /fleet/jobs/{job}")).json(body.to_string());
    let whole = json!({ "factoryId": "f1", "leaseEpoch": 1, "claimNonce": NONCE, "opId": NONCE });
    let with = |name: &str, value: Value| {
        let mut body = whole.clone();
        body[name] = value;
        patch(&body)
    };
    let bad = |field| (400, "VALIDATION", field);
    let mut absent = whole.clone();
    absent.as_object_mut().unwrap().remove("leaseEpoch");
    let beyond =
        whole.to_string().replace("\"leaseEpoch\":1", "\"leaseEpoch\":18446744073709551616");
    let line = format!("PATCH /fleet/jobs/{job}");
    let mut cases = vec![
        case("epoch -1", with("leaseEpoch", json!(-1)), bad("leaseEpoch")),
        case("epoch 0.5", with("leaseEpoch", json!(0.5)), bad("leaseEpoch")),
        case("epoch text", with("leaseEpoch", json!("1")), bad("leaseEpoch")),
        case("epoch 2^64", Spoken::new(&line).json(beyond), bad("leaseEpoch")),
        case("epoch 2^63", with("leaseEpoch", json!(1_u64 << 63)), bad("leaseEpoch")),
        case("epoch absent", patch(&absent), bad("leaseEpoch")),
        case("nonce", with("claimNonce", json!("x")), bad("claimNonce")),
        case("stage", with("stage", json!("flying")), bad("bad_enum")),
        case("unknown", with("stgae", json!("building")), bad("stgae")),
        case("checkpoint", with("checkpoint", json!({ "wipRef": "x" })), bad("")),
        case("another job", with("jobId", json!(NOBODY)), bad("jobId")),
    ];
    let sixty_five = "x".repeat(65);
    for id in ["a.b", "*", ">", "", &sixty_five, "../x", "\0", "a\r\nb", "fаctory"] {
        cases.push(case("factoryId", with("factoryId", json!(id)), bad("factoryId")));
    }
    let submit = json!({ "bodyMd": "Work.", "priorty": "high" }).to_string();
    let submit = Spoken::new("POST /fleet/jobs").json(submit);
    cases.push(case("priorty", submit.clone(), bad("priorty")));
    hold(&town, cases).await;
    assert_eq!(submit.to(town.address).await.json()["error"]["hint"], json!("priority"));
    let said = with("stgae", json!(7)).to(town.address).await;
    assert_eq!(said.json()["error"]["hint"], json!("stage"));
    let mut two = whole.clone();
    two["stgae"] = json!(1);
    two["note"] = json!(7);
    let said = patch(&two).to(town.address).await.json();
    assert_eq!(said["error"]["details"].as_array().map(Vec::len), Some(2), "{said}");
    assert_eq!(town.job(job).await["stage"], json!("queued"), "nothing was changed");
    town.close().await;
}

#[tokio::test]
async fn both_doors_judge_a_shape_alike() {
    let town = Town::open().await;
    let job = town.submit("Work.").await.job.id;
    let whole = json!({ "jobId": job, "factoryId": "f1", "leaseEpoch": 1, "claimNonce": NONCE,
        "opId": NONCE });
    let whole = whole.to_string();
    let epoch =
        |written: &str| whole.replace("\"leaseEpoch\":1", &format!("\"leaseEpoch\":{written}"));
    let bodies = [
        String::from("nonsense"),
        String::from("{}"),
        whole.replace('}', r#","opId":1}"#),
        whole.replace('}', r#","stgae":"building","note":7}"#),
        whole.replace('}', r#","stage":"flying"}"#),
        epoch("-1"),
        epoch("0.5"),
        epoch("\"1\""),
        epoch("18446744073709551616"),
    ];
    for body in bodies {
        let line = format!("PATCH /fleet/jobs/{job}");
        let said = Spoken::new(&line).json(&*body).to(town.address).await;
        let mut over_http = said.json();
        let mut over_bus = town.say_on_the_bus("f1", Word::Patch, &body).await;
        for answer in [&mut over_http, &mut over_bus] {
            answer["error"]["requestId"].take();
        }
        // The path names the job, so that only the bus misses it in the body.
        if body == "{}" {
            assert_eq!(over_bus["error"]["field"], json!("jobId"));
            assert_eq!(over_http["error"]["field"], json!("factoryId"));
            continue;
        }
        assert_eq!(over_http, over_bus, "{body}");
        assert_eq!(said.status, 400);
    }
    town.close().await;
}

#[tokio::test]
async fn a_list_is_asked_for_in_its_own_words() {
    let town = Town::open().await;
    let list = |query: &str| Spoken::new(&format!("GET /fleet/jobs?{query}"));
    let events = |query: &str| Spoken::new(&format!("GET /fleet/events?{query}"));
    let bad = |field| (400, "VALIDATION", field);
    let late = Spoken::new("GET /fleet/events").with("Last-Event-ID: x");
    let cases = vec![
        case("limit 0", list("limit=0"), bad("limit")),
        case("limit 501", list("limit=501"), bad("limit")),
        case("limit text", list("limit=ten"), bad("limit")),
        case("garbled cursor", list("cursor=xyz"), bad("cursor")),
        case("unknown stage", list("stage=queued&stage=flying"), bad("stage")),
        case("unknown filter", list("stgae=queued"), bad("stgae")),
        case("not UTF-8", list("stage=%ff"), bad("malformed")),
        case("admitted", list("admitted=perhaps"), bad("admitted")),
        case("unknown priority", list("priority=urgent"), bad("priority")),
        case(
            "a key too long",
            list(&format!("idempotencyKey={}", "x".repeat(257))),
            bad("idempotencyKey"),
        ),
        case("a parent", list("parentId=j_x"), bad("parentId")),
        case("a factory", list("factoryId=a.b"), bad("factoryId")),
        case("not a time", list("createdAfter=yesterday"), bad("createdAfter")),
        case("not a time either", list("createdBefore=1"), bad("createdBefore")),
        case("an empty search", list("q="), bad("q")),
        case("a long search", list(&format!("q={}", "x".repeat(513))), bad("q")),
        case("twice", list("q=a&q=b"), bad("q")),
        case("a job of the query", events("jobId=x"), bad("jobId")),
        case("an unknown type", events("type=exploded"), bad("type")),
        case("a garbled cursor", events("since=x"), bad("since")),
        case("a garbled last id", late, bad("Last-Event-ID")),
    ];
    hold(&town, cases).await;
    for fine in ["limit=1", "limit=500", "stage=queued&stage=shipped", "admitted=any", ""] {
        assert_eq!(list(fine).to(town.address).await.status, 200, "{fine}");
    }
    town.close().await;
}

#[tokio::test]
async fn a_request_past_its_deadline_has_no_effect() {
    let town = Town::open().await;
    let late = Spoken::new("POST /fleet/jobs").with("Fleet-Deadline: 2026-01-02T03:04:05.678Z");
    let late = late.with("Content-Type: text/markdown").body("Too late.");
    hold(&town, vec![case("late", late, (503, "UNAVAILABLE", "deadline"))]).await;
    let list = Spoken::new("GET /fleet/jobs?admitted=any").to(town.address).await;
    assert_eq!(list.json()["items"], json!([]));
    town.close().await;
}

#[tokio::test]
async fn a_stage_that_is_none_is_told_with_the_nine_that_are() {
    let town = Town::open().await;
    let bogus = Spoken::new("GET /fleet/jobs?stage=bogus").to(town.address).await;
    let told = &bogus.json()["error"];
    let nine = "one of queued blocked assigned building review testing shipped failed dead_letter";
    assert_eq!((&told["field"], &told["hint"]), (&json!("stage"), &json!(nine)), "{told}");
    assert_eq!(told["reason"], "bad_enum");
    town.close().await;
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let town = Town::open().await;
    let long = Spoken::new("GET /fleet/jobs").with(&format!("X-Long: {}", "x".repeat(20 << 10)));
    assert_eq!(long.to(town.address).await.status, 431);
    let long = format!("GET /fleet/jobs?q={}", "x".repeat(9 << 10));
    let told = Spoken::bare(&long).to(town.address).await;
    assert_eq!((told.status, &told.json()["error"]["reason"]), (414, &json!("address")));
    let said = tokio::time::timeout(Duration::from_secs(5), async {
        Spoken::bare("GET /healthz").to(town.address).await
    });
    assert_eq!(said.await.unwrap().status, 200, "others are served");
    town.close().await;
}

#[tokio::test]
async fn what_is_said_of_a_factory_or_a_product_is_judged_too() {
    let town = Town::open().await;
    town.ask(&town.beat("f1")).await.unwrap();
    let post = |path: &str, body: &str| Spoken::new(&format!("POST {path}")).json(body);
    let bad = |field| (400, "VALIDATION", field);
    let missing = (404, "NOT_FOUND", "");
    let drain = "/fleet/factories/f1/drain";
    let submit = Spoken::new("POST /fleet/jobs?expcet=absent").json("{}");
    let cases = vec![
        case("unknown field", post(drain, r#"{"nwo":true}"#), bad("nwo")),
        case("wrong type", post(drain, r#"{"now":"yes"}"#), bad("now")),
        case("another factory", post(drain, r#"{"factoryId":"f2"}"#), bad("factoryId")),
        case("another action", post(drain, r#"{"action":"undrain"}"#), bad("action")),
        case("a list", post(drain, "[]"), bad("malformed")),
        case("other product", post(drain, r#"{"productId":"globex"}"#), (403, "OUT_OF_SCOPE", "")),
        case("unknown factory", post("/fleet/factories/f9/drain", "{}"), missing),
        case("no factory", post("/fleet/factories/a.b/drain", "{"), missing),
        case("no incarnation", post("/fleet/factories/f1/deregister", "{}"), bad("incarnation")),
        case("unknown verb", post("/fleet/factories/f1/explode", "{}"), missing),
        case("pause", post("/fleet/pause", r#"{"reason":7}"#), bad("reason")),
        case("pause whom", post("/fleet/pause", r#"{"by":"me"}"#), bad("by")),
        case("verify what", post("/fleet/verify", r#"{"jobs":1}"#), bad("jobs")),
        case("renew nobody", post("/fleet/leases/renew", r#"{"leases":[]}"#), bad("factoryId")),
        case("children", post(&format!("/fleet/jobs/{NOBODY}/children"), "{"), missing),
        case("plan", post("/fleet/jobs/plan", "nonsense"), bad("malformed")),
        case("a misspelt expect", submit, bad("expcet")),
        case("stats of what", Spoken::new("GET /fleet/stats?of=jobs"), bad("of")),
    ];
    hold(&town, cases).await;
    let much = json!({ "factoryId": "f1", "leases": vec![json!({ "jobId": NOBODY,
        "leaseEpoch": 1, "claimNonce": NONCE }); 257] });
    let much = post("/fleet/leases/renew", &much.to_string());
    hold(&town, vec![case("257 leases", much, bad("leases"))]).await;
    assert!(!town.ask(&town.beat("f1")).await.unwrap().draining, "nothing was changed");
    town.close().await;
}
