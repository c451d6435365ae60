//! What is said when something is wrong: what, why, what to type next; and which number it ends in.

use clap::Parser as _;
use cli::Exit;
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::place::{Place, Words};
use crate::scripted::Door;
use crate::town::Town;

const BAD: &str = "---\npriority: hihg\nretry:\n  max: 9000\n---\nWork.\n";

#[tokio::test]
async fn a_faulty_file_is_shown_with_its_lines() {
    let town = Town::open().await;
    town.place.file("bad.md", BAD);
    town.place.file("good.md", "---\nidempotencyKey: good\n---\nWork.\n");
    let mut told = town.place.told("submit bad.md", true).await;
    told += &town.place.told("submit bad.md", false).await;
    told += &town.place.told("submit bad.md good.md nowhere.md -o name", true).await;
    expect_file!["../golden/faults.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn what_is_missing_away_or_not_allowed_is_told_with_what_to_type_next() {
    let town = Town::open().await;
    let mut told = town.place.told("get nobody", true).await;
    told += &town.place.told("get nobody", false).await;
    told += &town.place.told("list --json id,colour", true).await;
    let mut stranger = Place::before(&town.place.url, "gm_of-another-fleet");
    told += &stranger.told("list", true).await;
    stranger.environment.remove("GIGAMESH_TOKEN");
    stranger.file("token", "gm_of-another-file\n");
    told += &stranger.told("list --token-file token", true).await;
    // A port that was free a moment ago.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = Place::before(&format!("http://{}", free.local_addr().unwrap()), "gm_x");
    drop(free);
    told += &away.told("list", true).await;
    expect_file!["../golden/errors.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn an_empty_file_is_not_handed_in() {
    let town = Town::open().await;
    for text in ["", " \n\t\n"] {
        town.place.file("empty.md", text);
        let typed = town.place.in_a_pipe("submit empty.md").await;
        assert_eq!(typed.exit, Exit::Error);
        assert!(typed.err.contains("names an engine or a command"), "{}", typed.err);
    }
    assert_eq!(town.place.in_a_pipe("list").await.out, "", "nothing became a job");
    assert_eq!(town.place.in_a_pipe("submit empty.md --set engine=shell").await.exit, Exit::Done);
    town.close().await;
}

#[test]
fn a_stage_that_is_none_is_told_with_the_nine_that_are() {
    let told = |words: &str| {
        let no = Words::try_parse_from(words.split(' ')).expect_err("no such word");
        no.to_string()
    };
    let said = told("gigamesh list --stage bogus");
    let nine = "queued, blocked, assigned, building, review, testing, shipped, failed, dead_letter";
    assert!(said.contains(nine), "{said}");
    let said = told("gigamesh list --priority urgent");
    assert!(said.contains("critical, high, medium, low"), "{said}");
}

fn refusal(code: &str) -> Value {
    json!({ "error": {
        "code": code, "message": "no", "retryable": false,
        "requestId": "01890a5d-ac96-774b-bcce-b302099a8057",
    }})
}

#[tokio::test]
async fn each_refusal_ends_in_its_number() {
    let cases = [
        ("VALIDATION", 400, Exit::Error),
        ("UNAUTHENTICATED", 401, Exit::NotAllowed),
        ("OUT_OF_SCOPE", 403, Exit::NotAllowed),
        ("NOT_FOUND", 404, Exit::NotFound),
        ("CONFLICT", 409, Exit::Conflict),
        ("LEASE_LOST", 409, Exit::Fenced),
        ("THROTTLED", 429, Exit::Refused),
        ("UNAVAILABLE", 503, Exit::Unknown),
    ];
    for (code, status, exit) in cases {
        let mut door = Door::open().await;
        door.answer("GET /fleet/stats", status, &refusal(code));
        let typed = door.piped("stats").await;
        assert_eq!((typed.exit, typed.out.as_str()), (exit, ""), "{code}");
        let said: Value = serde_json::from_str(&typed.err).unwrap();
        assert_eq!(said["error"]["code"], json!(code));
        assert_eq!(said["apiVersion"], json!("fleet/v1"));
    }
    let mut door = Door::open().await;
    door.answer("GET /fleet/stats", 200, &json!("not stats of a fleet"));
    assert_eq!(door.piped("stats -o none").await.exit, Exit::Done);
    door.answer("GET /fleet/locks", 200, &json!("no page"));
    assert_eq!(door.piped("locks").await.exit, Exit::Unknown);
}

fn a_job(key: &str) -> Value {
    json!({
        "id": "j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "idempotencyKey": key, "stage": "queued",
        "attempts": 0, "etag": "1",
    })
}

#[tokio::test]
async fn an_action_of_unknown_outcome_is_said_again_with_the_same_id_and_not_for_ever() {
    let line = "POST /fleet/jobs/j%5Faaaaaaaaaaaaaaaaaaaaaaaaaa/actions/ship";
    let mut door = Door::open().await;
    door.answer("GET /fleet/jobs/build", 200, &a_job("build"));
    door.answer(line, 0, &Value::Null);
    door.answer(line, 503, &refusal("COMMIT_UNKNOWN"));
    door.answer(line, 200, &json!({ "job": a_job("build") }));
    assert_eq!(door.piped("ship build").await.exit, Exit::Done);
    let heard = door.heard.lock().unwrap().split_off(1);
    assert_eq!(heard.len(), 3);
    assert!(heard[0].contains("opId") && heard.iter().all(|said| *said == heard[0]), "{heard:?}");

    let mut door = Door::open().await;
    door.answer("GET /fleet/jobs/build", 200, &a_job("build"));
    door.answer(line, 503, &refusal("COMMIT_UNKNOWN"));
    assert_eq!(door.piped("ship build").await.exit, Exit::Unknown);
    assert_eq!(door.heard.lock().unwrap().len(), 1 + 4);
}

#[tokio::test]
async fn a_submission_without_a_key_is_never_said_twice() {
    let mut door = Door::open().await;
    door.answer("POST /fleet/jobs", 503, &refusal("COMMIT_UNKNOWN"));
    let place = door.place();
    place.file("job.md", "Work.\n");
    assert_eq!(door.during(place.in_a_pipe("submit job.md")).await.exit, Exit::Unknown);
    assert_eq!(door.heard.lock().unwrap().len(), 1);
    door.during(place.in_a_pipe("submit job.md --once")).await;
    assert_eq!(door.heard.lock().unwrap().len(), 1 + 4);
}

#[tokio::test]
async fn nothing_that_a_fleet_says_steers_the_terminal() {
    let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}\r\nb";
    let mut door = Door::open().await;
    door.answer("GET /fleet/jobs/build", 200, &a_job(hostile));
    let mut page = a_job(hostile);
    page["holderFactoryId"] = json!(hostile);
    door.answer("GET /fleet/jobs?limit=50", 200, &json!({ "items": [page] }));
    let mut refused = refusal("CONFLICT");
    refused["error"]["message"] = json!(hostile);
    refused["error"]["hint"] = json!(hostile);
    door.answer("GET /fleet/jobs/no", 409, &refused);
    let why = json!({ "jobId": "j", "code": "paused", "sentence": hostile, "next": [hostile] });
    door.answer("GET /fleet/jobs/build/why", 200, &why);
    let place = door.place();
    for words in ["get build", "list", "get no", "why build", "list -o wide", "list -o json"] {
        for is_terminal in [true, false] {
            let typed = door.during(place.typed(words, is_terminal, std::future::pending())).await;
            let said = typed.out + &typed.err;
            let harmless = |letter: char| letter == '\n' || !letter.is_control();
            assert!(said.chars().all(harmless) && !said.contains('\u{202e}'), "{words}: {said:?}");
            assert!(said.contains("[2J"), "{words}: {said:?}");
        }
    }
}
