//! Views of the product, plans and the auditor's report, as a door answers them.

use cli::Exit;
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::scripted::Door;

const JOB: &str = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";

fn a_factory() -> Value {
    json!({
        "id": "f1", "factoryId": "f1", "health": "ok", "draining": false, "stale": false,
        "seatsUsed": 1, "seatLimit": 4, "engines": ["command", "echo"], "load": 0.25,
        "capabilities": ["git", "os:linux"], "lastHeartbeatAt": "2026-01-02T03:04:05.678Z",
        "jobs": [{ "jobId": JOB, "key": "build" }], "descriptor": { "hostname": "host-1" },
    })
}

fn a_why() -> Value {
    json!({
        "jobId": JOB, "stage": "queued", "code": "unroutable",
        "sentence": "no factory offers gpu; nearest: f1 lacks gpu",
        "since": "2026-01-02T03:04:05.678Z",
        "blockers": [
            { "code": "unroutable", "detail": "no factory offers gpu" },
            { "code": "lock_held", "detail": "lock db is held by job nightly", "lock": "db" },
        ],
        "factories": [{ "factoryId": "f1", "fits": false, "code": "unroutable",
            "detail": "lacks gpu" }],
        "next": ["gigamesh factories", format!("gigamesh cancel {JOB}")],
    })
}

#[tokio::test]
async fn a_job_is_explained() {
    let mut door = Door::open().await;
    door.answer("GET /fleet/jobs/build/why", 200, &a_why());
    expect_file!["../golden/why.txt"].assert_eq(&door.told("why build").await);
}

#[tokio::test]
async fn the_product_is_shown_and_operated() {
    let mut door = Door::open().await;
    door.answer("GET /fleet/factories", 200, &json!({ "items": [a_factory()] }));
    door.answer("GET /fleet/factories/f1", 200, &a_factory());
    let lock = json!({ "name": "db", "waiters": [{ "jobId": JOB, "key": "build" }],
        "holders": [{ "jobId": JOB, "factoryId": "f1", "epoch": 3, "state": "confirmed",
            "since": "2026-01-02T03:04:05.678Z" }] });
    door.answer("GET /fleet/locks", 200, &json!({ "items": [lock] }));
    let budget = json!({ "id": "daily", "limitUsd": 20_000_000, "spentUsd": 1_250_000,
        "spentTokens": 9000, "window": "day", "enabled": true });
    door.answer("GET /fleet/budgets", 200, &json!({ "items": [budget] }));
    let stats = json!({ "paused": false, "jobs": { "queued": 2, "shipped": 5 },
        "factories": { "ok": 1 }, "claimable": 2 });
    door.answer("GET /fleet/stats", 200, &stats);
    let mut drained = a_factory();
    drained["draining"] = json!(true);
    door.answer("POST /fleet/factories/f1/drain", 200, &drained);
    door.answer("POST /fleet/factories/f1/resume", 200, &a_factory());
    door.answer("POST /fleet/pause", 200, &json!({ "productId": "acme", "paused": true }));
    door.answer("POST /fleet/resume", 200, &json!({ "productId": "acme", "paused": false }));
    let mut told = String::new();
    for words in [
        "factories",
        "factories f1",
        "locks",
        "budgets",
        "stats",
        "drain f1 --now",
        "resume f1",
        "pause --reason deploy",
        "unpause",
    ] {
        told += &aged(&door.told(words).await);
    }
    expect_file!["../golden/product.txt"].assert_eq(&told);
    let heard = door.heard.lock().unwrap().join("");
    assert!(heard.contains("\"now\":true") && heard.contains("\"reason\":\"deploy\""), "{heard}");
}

fn a_version() -> Value {
    json!({
        "id": "fast-v3", "productId": "acme", "schemaVersion": 1, "rev": 1, "name": "fast",
        "version": 3, "createdAt": "2026-01-02T03:04:05.678Z",
        "updatedAt": "2026-01-02T03:04:05.678Z",
        "snapshot": { "engine": "shell", "args": ["-x"], "env": {"LANG": "C"}, "model": "m-1",
            "capabilities": [] },
    })
}

#[tokio::test]
async fn profiles_are_listed_shown_and_made() {
    let mut door = Door::open().await;
    let newest = json!({ "name": "fast", "version": 3, "versions": 2, "engine": "shell",
        "model": "m-1", "createdAt": "2026-01-02T03:04:05.678Z" });
    door.answer("GET /fleet/profiles", 200, &json!({ "items": [newest] }));
    door.answer("GET /fleet/profiles/fast", 200, &a_version());
    door.answer("GET /fleet/profiles/fast/versions/3", 200, &a_version());
    let missing = json!({ "error": { "code": "NOT_FOUND", "message": "there is no such thing",
        "retryable": false, "requestId": "01890a5d-ac96-774b-bcce-b302099a8057" } });
    door.answer("GET /fleet/profiles/slow", 404, &missing);
    let stands = json!({ "outcome": "created", "profile": a_version() });
    door.answer("PUT /fleet/profiles/fast/versions/3", 201, &stands);
    let place = door.place();
    place.file("fast.json", &a_version()["snapshot"].to_string());
    place.file("bad.json", "{\"args\": []}");
    let mut told = String::new();
    for words in [
        "profiles",
        "profiles list -o wide",
        "profiles get fast",
        "profiles get fast@3 --json snapshot",
        "profiles get slow",
        "profiles put fast@3 fast.json",
        "profiles put fast@3 bad.json",
        "profiles put fast@3 none.json",
    ] {
        for terminal in [true, false] {
            told += &aged(&door.during(place.told(words, terminal)).await);
        }
    }
    expect_file!["../golden/profiles.txt"].assert_eq(&told);
    let heard = door.heard.lock().unwrap().join("");
    assert!(heard.contains("\"snapshot\":{") && heard.contains("\"args\":[\"-x\"]"), "{heard}");
}

/// Years old, and older every year.
fn aged(told: &str) -> String {
    let line = |line: &str| line.split(' ').map(old).collect::<Vec<_>>().join(" ") + "\n";
    told.lines().map(line).collect()
}

fn old(word: &str) -> &str {
    if is_days(word) { "old" } else { word }
}

fn is_days(word: &str) -> bool {
    word.strip_suffix('d').is_some_and(|days| days.parse::<u32>().is_ok())
}

#[tokio::test]
async fn the_auditors_report_decides_the_exit() {
    let mut door = Door::open().await;
    let finding = json!({ "jobId": JOB, "invariant": "I4", "detail": "two leases" });
    let found = json!({ "jobs": 3, "events": 40, "violations": [finding] });
    door.answer("POST /fleet/verify", 200, &found);
    expect_file!["../golden/verify.txt"].assert_eq(&door.told("verify").await);
    assert_eq!(door.piped("verify").await.exit, Exit::Failed);
    let mut clean = Door::open().await;
    clean.answer("POST /fleet/verify", 200, &json!({ "jobs": 3, "events": 40, "violations": [] }));
    assert_eq!(clean.piped("verify").await.exit, Exit::Done);
}

fn a_plan(outcome: &str, fits: bool) -> Value {
    json!({
        "outcome": outcome, "jobId": JOB, "idempotencyKey": "build", "manifest": {},
        "contentHash": "abc", "unknownDeps": ["nightly"], "expect": "absent", "warnings": [],
        "factories": [{ "factoryId": "f1", "fits": fits, "code": "fits", "detail": "lacks gpu" }],
    })
}

#[tokio::test]
async fn a_plan_says_what_would_come_of_it() {
    let mut told = String::new();
    for (outcome, fits) in [("created", true), ("created", false), ("conflict", true)] {
        let mut door = Door::open().await;
        door.answer("POST /fleet/jobs/plan", 200, &a_plan(outcome, fits));
        let place = door.place();
        place.file("job.md", "Work.\n");
        told += &door.during(place.told("submit job.md --plan", true)).await;
        told += &door.during(place.told("submit job.md --plan --json fitting", false)).await;
    }
    expect_file!["../golden/plan.txt"].assert_eq(&told);
}

#[tokio::test]
async fn a_wait_for_what_nothing_can_run_says_so() {
    let mut door = Door::open().await;
    let job = json!({ "id": JOB, "idempotencyKey": "build", "stage": "queued", "attempts": 0,
        "etag": "1" });
    let receipt = json!({ "outcome": "created", "job": job, "generation": 1, "unknownDeps": [],
        "warnings": [] });
    door.answer("POST /fleet/jobs", 201, &receipt);
    let named = JOB.replace('_', "%5F");
    door.answer(&format!("GET /fleet/jobs/{named}"), 200, &job);
    door.answer(&format!("GET /fleet/jobs/{named}/why"), 200, &a_why());
    let away = json!({ "error": { "code": "THROTTLED", "message": "full", "retryable": true,
        "requestId": "01890a5d-ac96-774b-bcce-b302099a8057" } });
    door.answer(&format!("GET /fleet/events?jobId={JOB}"), 429, &away);
    let place = door.place();
    place.file("job.md", "Work.\n");
    let words = "submit job.md --wait --timeout 300ms";
    let typed = door.during(place.in_a_pipe(words)).await;
    assert_eq!(typed.exit, Exit::NothingCanRunIt, "{}", typed.err);
    assert_eq!(typed.err, "gave up waiting: no factory offers gpu; nearest: f1 lacks gpu\n");
}

#[tokio::test]
async fn what_is_asked_of_people_is_refused_without_them() {
    let door = Door::open().await;
    let typed = door.piped("redrive --all").await;
    assert_eq!(typed.exit, Exit::Usage);
    let mut door = Door::open().await;
    let page = json!({ "items": [{ "id": JOB, "idempotencyKey": "a", "stage": "dead_letter",
        "attempts": 3, "etag": "9", "failureReason": "poison" }] });
    door.answer("GET /fleet/jobs?limit=500&stage=dead%5Fletter&admitted=any", 200, &page);
    let mut place = door.place();
    place.input = "n\n";
    let typed = door.during(place.on_a_terminal("redrive --all --reason poison")).await;
    assert_eq!(typed.exit, Exit::Interrupted);
    assert!(typed.err.starts_with("redrive 1 dead jobs? [y/N] "), "{}", typed.err);
}
