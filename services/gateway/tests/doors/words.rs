//! What factories and operators may not say of a job, by the number of the row: refused alike through
//! both doors, and with nothing changed.

use std::time::Duration;

use fleet::{JobId, StageName};
use protocol::{Granted, Word};
use serde_json::{Value, json};

use crate::bad_input::{NONCE, case, hold, refused};
use crate::plain::{Said, Spoken};
use crate::town::Town;

const A_WHILE: Duration = Duration::from_secs(10);

const LINES: [(Word, &str); 4] = [
    (Word::Renew, "POST /fleet/jobs/{job}/lease/renew"),
    (Word::Patch, "PATCH /fleet/jobs/{job}"),
    (Word::Progress, "POST /fleet/jobs/{job}/progress"),
    (Word::Release, "POST /fleet/jobs/{job}/lease/release"),
];

/// A word about a job, in the name of a factory.
struct Says<'a> {
    town: &'a Town,
    word: Word,
    job: JobId,
    factory: &'a str,
    body: Value,
}

impl<'a> Says<'a> {
    fn of(town: &'a Town, word: Word, factory: &'a str, held: &Granted) -> Self {
        let mut body = json!({ "leaseEpoch": held.lease_epoch, "claimNonce": held.claim_nonce });
        if word == Word::Progress {
            body["seq"] = json!(1);
            body["percent"] = json!(10);
        } else if word != Word::Renew {
            body["opId"] = json!(town.node.ids.mint());
        }
        Self { town, word, job: held.job.id, factory, body }
    }

    fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }

    async fn over_http(&self) -> Said {
        let said = LINES.iter().find(|(word, _)| *word == self.word).unwrap();
        let line = said.1.replace("{job}", &self.job.to_string());
        let mut body = self.body.clone();
        body["factoryId"] = json!(self.factory);
        Spoken::new(&line).json(body.to_string()).to(self.town.address).await
    }

    /// What the bus says of the same word: its error, or nothing.
    async fn over_bus(&self) -> Value {
        let mut body = self.body.clone();
        body["jobId"] = json!(self.job);
        if self.word == Word::Renew {
            body = json!({ "leases": [body] });
        }
        body["factoryId"] = json!(self.factory);
        let said = self.town.say_on_the_bus(self.factory, self.word, &body.to_string()).await;
        if self.word == Word::Renew && said.get("error").is_none() {
            return said["leases"][0]["error"].clone();
        }
        said["error"].clone()
    }

    /// Refused by both doors in the same words, and the job is what it was.
    async fn is_refused(&self, what: &str, (status, code, named): (u16, &str, &str)) {
        let before = self.town.job(self.job).await["stage"].clone();
        let said = self.over_http().await;
        assert_eq!(said.status, status, "{what}: {said:?}");
        refused(what, &said, code, named);
        let mut told = [said.json()["error"].clone(), self.over_bus().await];
        for error in &mut told {
            error["requestId"].take();
            // Events are told meanwhile, each a revision.
            if let Some(current) = error.get_mut("current") {
                current["rev"].take();
            }
        }
        assert_eq!(told[0], told[1], "{what}");
        assert_eq!(self.town.job(self.job).await["stage"], before, "{what}");
    }
}

/// Claimed twice, so that there are older epochs.
async fn held_again(town: &Town) -> Granted {
    town.submit("---\nidempotencyKey: held\n---\nWork.").await;
    let first = town.claim("f1", A_WHILE).await.unwrap();
    let requeue = format!("POST /fleet/jobs/{}/actions/requeue", first.job.id);
    let said = Spoken::new(&requeue).json(r#"{"reason":"again"}"#).to(town.address).await;
    assert_eq!(said.status, 200, "{said:?}");
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    held
}

#[tokio::test]
async fn a_word_under_another_epoch_or_nonce_is_fenced() {
    let town = Town::open().await;
    let held = held_again(&town).await;
    let epoch = held.lease_epoch.get();
    assert!(epoch >= 2, "{epoch}");
    town.submit("Other work.").await;
    let others = town.claim("f2", A_WHILE).await.unwrap();
    let fenced = (409, "FENCED", "");
    for (word, _) in LINES {
        let says = || Says::of(&town, word, "f1", &held);
        says().with("leaseEpoch", json!(epoch - 1)).is_refused("37 older by 1", fenced).await;
        says().with("leaseEpoch", json!(0)).is_refused("37 of 0", fenced).await;
        let newer = says().with("leaseEpoch", json!(epoch + 1));
        newer.is_refused("38 newer by 1", (409, "EPOCH_UNKNOWN", "")).await;
        says().with("claimNonce", json!(NONCE)).is_refused("39 other nonce", fenced).await;
        let of_another = json!(others.claim_nonce);
        let says = Says::of(&town, word, "f2", &held).with("claimNonce", of_another);
        says.is_refused("39 another holder's nonce", fenced).await;
    }
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    town.close().await;
}

#[tokio::test]
async fn a_word_about_what_nobody_holds_is_refused() {
    let town = Town::open().await;
    let bad = (409, "LEASE_NOT_HELD", "");
    town.submit("---\nidempotencyKey: first\npriority: critical\n---\nWork.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    let queued = town.submit("---\nidempotencyKey: queued\npriority: low\n---\nWork.").await.job.id;
    for (word, _) in LINES {
        let mut says = Says::of(&town, word, "f1", &held).with("leaseEpoch", json!(0));
        says.job = queued;
        says.is_refused("41 queued", bad).await;
    }
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    for word in [Word::Renew, Word::Patch] {
        let says = Says::of(&town, word, "f1", &held);
        says.is_refused("41 ended", bad).await;
    }
    let back = Says::of(&town, Word::Patch, "f1", &held).with("stage", json!("building"));
    back.is_refused("43 shipped to building", bad).await;
    let closed = (409, "RUN_CLOSED", "");
    Says::of(&town, Word::Progress, "f1", &held).is_refused("48 progress", closed).await;
    let otherwise = Says::of(&town, Word::Release, "f1", &held).with("disposition", json!("fail"));
    otherwise.is_refused("46 another completion", (409, "ALREADY_FINISHED", "")).await;
    town.close().await;
}

#[tokio::test]
async fn a_parked_job_is_nobodys_to_speak_of() {
    let town = Town::open().await;
    town.submit("---\nidempotencyKey: parked\nreviewPolicy: manual\n---\nWork.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let manual = (409, "INVALID_TRANSITION", "manual_review");
    let ship =
        |body: &str| Says::of(&town, Word::Release, "f1", &held).with("disposition", json!(body));
    ship("ship").is_refused("44 under manual", manual).await;
    let enter = |stage: &str| Says::of(&town, Word::Patch, "f1", &held).with("stage", json!(stage));
    enter("shipped").is_refused("44 by a patch", manual).await;
    assert_eq!(enter("review").over_http().await.status, 200);
    assert_eq!(ship("park").over_http().await.status, 200);
    for word in [Word::Renew, Word::Patch] {
        let says = Says::of(&town, word, "f1", &held);
        says.is_refused("41 parked", (409, "LEASE_NOT_HELD", "")).await;
    }
    town.close().await;
}

#[tokio::test]
async fn a_stage_that_does_not_follow_is_not_entered() {
    let town = Town::open().await;
    town.submit("---\nidempotencyKey: verified\nverify: 'true'\n---\nWork.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    let enter = |stage: &str| Says::of(&town, Word::Patch, "f1", &held).with("stage", json!(stage));
    let no = |reason| (409, "INVALID_TRANSITION", reason);
    enter("testing").is_refused("43 assigned to testing", no("not_confirmed")).await;
    town.build("f1", &held).await.unwrap();
    enter("queued").is_refused("43 building to queued", no("")).await;
    enter("shipped").is_refused("44 unverified", no("verify_required")).await;
    let ship = Says::of(&town, Word::Release, "f1", &held).with("disposition", json!("ship"));
    ship.is_refused("44 unverified", no("verify_required")).await;
    let failed = json!({ "passed": false });
    let against = Says::of(&town, Word::Release, "f1", &held)
        .with("disposition", json!("ship"))
        .with("verifyResult", failed);
    against.is_refused("44 a verdict against it", no("verify_required")).await;
    town.close().await;
}

#[tokio::test]
async fn what_a_holder_reports_is_judged_field_by_field() {
    let town = Town::open().await;
    town.submit("Work.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let progress = || Says::of(&town, Word::Progress, "f1", &held);
    let bad = |named| (400, "VALIDATION", named);
    progress().with("percent", json!(101)).is_refused("47 percent 101", bad("percent")).await;
    progress().with("percent", json!(-1)).is_refused("47 percent -1", bad("percent")).await;
    let five = progress().with("seq", json!(5)).with("percent", json!(50));
    assert_eq!(five.over_http().await.status, 200);
    let older = progress().with("seq", json!(4)).with("percent", json!(90));
    assert_eq!(older.over_http().await.status, 200, "47 an older number");
    let point = |base: &str| json!({ "wipBranch": "wip", "wipBase": base, "wipCommit": "c" });
    let patch = |point: Value| Says::of(&town, Word::Patch, "f1", &held).with("checkpoint", point);
    let mut two = point("a");
    two.as_object_mut().unwrap().remove("wipCommit");
    patch(two).is_refused("51 two of three parts", bad("checkpoint.wipCommit")).await;
    patch(point("")).is_refused("51 an empty part", bad("checkpoint")).await;
    assert_eq!(patch(point("a")).over_http().await.status, 200);
    patch(point("b")).is_refused("51 another base", bad("wip_base_fixed")).await;
    let kept = town.job(held.job.id).await["checkpoint"].clone();
    assert_eq!(kept["wipBase"], json!("a"), "{kept}");
    town.close().await;
}

#[tokio::test]
async fn the_same_completion_again_is_answered_as_before() {
    let town = Town::open().await;
    town.submit("Work.").await;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    let ship = Says::of(&town, Word::Release, "f1", &held).with("disposition", json!("ship"));
    let [first, again] = [ship.over_http().await, ship.over_http().await];
    assert_eq!((first.status, again.status), (200, 200), "45");
    assert_eq!(first.json()["stage"], again.json()["stage"]);
    assert_eq!(ship.over_bus().await, json!(null), "45 on the bus");
    assert_eq!(town.job(held.job.id).await["attempts"], json!(1));
    town.close().await;
}

#[tokio::test]
async fn what_an_operator_may_not_do_to_a_job_is_refused() {
    let town = Town::open().await;
    let ended = town.submit("---\nidempotencyKey: ended\n---\nWork.").await.job.id;
    let held = town.claim("f1", A_WHILE).await.unwrap();
    town.build("f1", &held).await.unwrap();
    town.ship("f1", &held).await.unwrap();
    let queued = town.submit("---\nidempotencyKey: queued\n---\nWork.").await.job.id;
    let act = |job: JobId, action: &str| {
        Spoken::new(&format!("POST /fleet/jobs/{job}/actions/{action}")).json("{}")
    };
    let no = |reason| (409, "INVALID_TRANSITION", reason);
    let cases = vec![
        case("49 cancel of a shipped job", act(ended, "cancel"), no("terminal")),
        case("50 an unknown action", act(queued, "explode"), (400, "UNKNOWN_ACTION", "")),
        case("50 redrive of a queued job", act(queued, "redrive"), no("not_ended")),
    ];
    hold(&town, cases).await;
    assert_eq!(town.job(ended).await["stage"], json!(StageName::Shipped));
    assert_eq!(act(queued, "cancel").to(town.address).await.status, 200);
    assert_eq!(act(queued, "cancel").to(town.address).await.status, 200, "49 said twice");
    town.close().await;
}

#[tokio::test]
async fn a_sign_of_life_is_judged_before_it_is_believed() {
    let town = Town::open().await;
    let beat = |field: &str, value: Value| {
        let mut body = json!(town.beat("f1"));
        body[field] = value;
        body
    };
    let tokens: Vec<String> = (0..257).map(|token| format!("t{token}")).collect();
    let another = json!(town.node.ids.mint());
    for (what, body, named) in [
        ("52 seats below 0", beat("seatLimit", json!(-1)), "seatLimit"),
        ("52 1025 seats", beat("seatLimit", json!(1025)), "seatLimit"),
        ("52 a load below 0", beat("load", json!(-1.0)), "load"),
        ("52 a load of text", beat("load", json!("x")), "load"),
        ("52 257 capabilities", beat("capabilities", json!(tokens)), "capabilities"),
        ("23 a health", beat("health", json!("ill")), "bad_enum"),
    ] {
        let spoken = Spoken::new("POST /fleet/factories/heartbeat").json(body.to_string());
        hold(&town, vec![case(what, spoken, (400, "VALIDATION", named))]).await;
        let over_bus = town.say_on_the_bus("f1", Word::Heartbeat, &body.to_string()).await;
        let error = &over_bus["error"];
        assert_eq!(error["code"], json!("VALIDATION"), "{what}: {over_bus}");
        assert!([&error["field"], &error["reason"]].contains(&&json!(named)), "{what}: {error}");
    }
    let missing = Spoken::new("GET /fleet/factories/f1").to(town.address).await;
    assert_eq!(missing.status, 404, "nothing of it was kept");
    let claim = |field: &str, value: Value| {
        let mut body = json!(town.claiming("f1", Duration::ZERO));
        body[field] = value;
        Spoken::new("POST /fleet/claim").json(body.to_string())
    };
    let many = claim("capabilities", json!(tokens));
    hold(&town, vec![case("257 offered", many, (400, "VALIDATION", "capabilities"))]).await;
    let busy = Spoken::new("POST /fleet/factories/heartbeat")
        .json(beat("load", json!(5000.0)).to_string());
    assert_eq!(busy.to(town.address).await.status, 200, "52 a high load is the highest");
    let shown = Spoken::new("GET /fleet/factories/f1").to(town.address).await.json();
    assert_eq!(shown["load"], json!(1000.0), "{shown}");
    let second = Spoken::new("POST /fleet/factories/heartbeat")
        .json(beat("incarnation", another).to_string());
    let in_use = (409, "CONFLICT", "incarnation_in_use");
    hold(&town, vec![case("53 a second agent", second, in_use)]).await;
    town.close().await;
}
