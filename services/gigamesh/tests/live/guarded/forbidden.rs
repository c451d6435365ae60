//! Every subject of the table, and every one of the servers' own that could do harm, tried by every
//! principal; beside it the lists say what is to come of it.

use std::collections::BTreeSet;

use node::open;
use protocol::{Filter, Permits, Principal, Purpose, Row};

use super::raw::Raw;
use super::town::Town;

/// In capitals too: no server is to read one name as another.
const PRODUCT: &str = "Acme";
const FACTORY: &str = "F1";
const PARTITIONS: usize = 8;

/// Who is let in, and what the lists say it may do.
async fn principal(town: &Town, role: Purpose) -> (Raw, Permits) {
    let name = role.as_str();
    let product = PRODUCT.parse().unwrap();
    let (words, full) = if role == Purpose::Factory {
        let name_of = Principal::name_of(role, Some(&product), FACTORY);
        (vec![name, "--product", PRODUCT, "--factory", FACTORY], name_of)
    } else if role.is_service() {
        (vec![name], Principal::name_of(role, None, "any"))
    } else {
        let name_of = Principal::name_of(role, Some(&product), "me");
        (vec![name, "--product", PRODUCT, "--name", "me"], name_of)
    };
    let principal = Principal { purpose: role, product: PRODUCT, factory: FACTORY, name: &full };
    let mut permits = principal.permits();
    permits.publish.extend(open::inner_subjects(role, PARTITIONS));
    (town.raw(&words).await, permits)
}

/// Every line for us, for another factory and for another product.
fn lines() -> Vec<String> {
    let mut all = Vec::new();
    for row in Row::all() {
        let open = Filter::every(row).to_string();
        for (product, factory) in [(PRODUCT, FACTORY), (PRODUCT, "F2"), ("acme", FACTORY)] {
            let line = open.replacen('*', product, 1);
            all.push(line.replacen('*', factory, 1));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// What the servers themselves listen to, and others' inboxes.
fn inner() -> Vec<String> {
    let inner = [
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.LIST",
        "$JS.API.STREAM.INFO.KV_fleet_jobs_0",
        "$JS.API.STREAM.INFO.FLEET_EVENTS",
        "$JS.API.STREAM.UPDATE.KV_fleet_jobs_0",
        "$JS.API.STREAM.PURGE.KV_fleet_jobs_0",
        "$JS.API.STREAM.DELETE.KV_fleet_jobs_0",
        "$JS.API.STREAM.DELETE.FLEET_INTAKE",
        "$JS.API.STREAM.MSG.GET.KV_fleet_jobs_0",
        "$JS.API.STREAM.MSG.DELETE.KV_fleet_jobs_0",
        "$JS.API.STREAM.MSG.GET.FLEET_EVENTS",
        "$JS.API.STREAM.SNAPSHOT.KV_fleet_jobs_0",
        "$JS.API.DIRECT.GET.KV_fleet_jobs_0",
        "$JS.API.DIRECT.GET.KV_fleet_jobs_0.$KV.fleet_jobs_0.Acme.j",
        "$JS.API.CONSUMER.CREATE.FLEET_INTAKE.mine.fleet.v1.x.in",
        "$JS.API.CONSUMER.CREATE.FLEET_INTAKE.submit~fleet~v1~+~in",
        "$JS.API.CONSUMER.CREATE.FLEET_INTAKE.submit~fleet~v1~+~in.fleet.v1.x.in",
        "$JS.API.CONSUMER.DURABLE.CREATE.FLEET_INTAKE.submit~fleet~v1~+~in",
        "$JS.API.CONSUMER.CREATE.FLEET_EVENTS.mine.fleet.v1.x.ev.j",
        "$JS.API.CONSUMER.CREATE.KV_fleet_jobs_0.mine",
        "$JS.API.CONSUMER.DELETE.FLEET_INTAKE.submit~fleet~v1~+~in",
        "$JS.API.CONSUMER.MSG.NEXT.FLEET_INTAKE.submit~fleet~v1~+~in",
        "$JS.ACK.FLEET_INTAKE.submit~fleet~v1~+~in.1.1.1.1.0",
        "$KV.fleet_jobs_0.Acme.j",
        "$KV.fleet_leases_7.j.j",
        "$KV.fleet_control.meta.meta",
        "$KV.fleet_tokens.t.t",
        "$KV.fleet_sessions.s.s",
        "$JS.API.DIRECT.GET.KV_fleet_tokens.$KV.fleet_tokens.t.t",
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.CLAIMS.UPDATE",
        "$SRV.PING",
        "_INBOX.x",
        "_INBOX_submit~any.x",
        "_INBOX_factory~Acme~F1.x",
        "_INBOX_factory~Acme~F2.x",
        "_INBOX_producer~Acme~me.x",
        "fleet.v1",
        "fleet.v2.Acme.submit",
        "fleet.v1._.nobody",
        "anything",
    ];
    inner.map(str::to_owned).to_vec()
}

/// As servers match: token by token.
fn covers(list: &[String], subject: &str) -> bool {
    list.iter().any(|allowed| {
        let (mut allowed, mut tokens) = (allowed.split('.').peekable(), subject.split('.'));
        loop {
            match (allowed.next(), tokens.next()) {
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(token)) if token != ">" => {}
                (Some(wanted), Some(token)) if wanted == token => {}
                (None, None) => return true,
                (_, _) => return false,
            }
        }
    })
}

fn may(list: &[String], permits: &Permits, subject: &str) -> bool {
    covers(list, subject) && !covers(&permits.forbidden, subject)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_principal_may_not_say_the_server_refuses_and_nobody_hears() {
    let town = Town::plain().await;
    let mut witness = town.witness().await;
    for role in Purpose::ALL {
        let (mut raw, permits) = principal(&town, role).await;
        let mut said = BTreeSet::new();
        for subject in lines().into_iter().chain(inner()) {
            let outcome = raw.publish(&subject, "x").await;
            let allowed = may(&permits.publish, &permits, &subject);
            assert_eq!(outcome.is_ok(), allowed, "{role:?} to {subject}: {outcome:?}");
            match outcome {
                Ok(()) => drop(said.insert(subject)),
                Err(why) => assert!(
                    why.contains("Permissions Violation") && why.contains(&subject),
                    "{why} names what is forbidden"
                ),
            }
        }
        assert_eq!(witness.say("").await, Vec::<String>::new());
        let heard = std::mem::take(&mut witness.heard);
        let heard: BTreeSet<_> = heard
            .into_iter()
            .filter(|heard| heard.body == b"x")
            .map(|heard| heard.subject)
            .collect();
        assert_eq!(heard, said, "{role:?}: exactly what was allowed was heard");
        assert!(!said.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_principal_may_not_hear_the_server_refuses() {
    let town = Town::plain().await;
    let wide = [
        ">",
        "*.>",
        "fleet.>",
        "fleet.v1.>",
        "fleet.v1.Acme.>",
        "fleet.v1.*.f.>",
        "fleet.*.*.*",
        "fleet.v1.Acme.f.*.cmd",
        "fleet.v1.Acme.offer.f.*",
        "fleet.v1.Acme.offer.>",
        "$JS.>",
        "$KV.>",
        "$SYS.>",
        "$SRV.>",
        "*.v1.Acme.f.F1.cmd",
        "fleet.v1.*.offer.any",
        "_INBOX.>",
        "_INBOX_submit~any.>",
        "_INBOX_factory~Acme~F2.>",
        "_INBOX_producer~Acme~me.>",
    ];
    let open = Row::all().map(|row| Filter::every(row).to_string());
    let all: Vec<_> =
        lines().into_iter().chain(inner()).chain(wide.map(str::to_owned)).chain(open).collect();
    for role in Purpose::ALL {
        let (mut raw, permits) = principal(&town, role).await;
        for subject in &all {
            let outcome = raw.subscribe(subject).await;
            let allowed = may(&permits.subscribe, &permits, subject);
            assert_eq!(outcome.is_ok(), allowed, "{role:?} on {subject}: {outcome:?}");
        }
    }
}

/// The lists themselves could be wrong; these are not read from them.
#[tokio::test(flavor = "multi_thread")]
async fn the_powers_that_matter_most_are_as_people_would_write_them() {
    let town = Town::plain().await;
    let (mut factory, _) = principal(&town, Purpose::Factory).await;
    for forbidden in [
        "fleet.v1.Acme.f.F2.release",
        "fleet.v1.Acme.f.F1.cmd",
        "fleet.v1.acme.f.F1.claim",
        "fleet.v1.Acme.submit",
        "fleet.v1.Acme.in",
        "fleet.v1.Acme.op.cancel",
        "fleet.v1.Acme.q.list",
        "fleet.v1.Acme.ev.j",
        "$KV.fleet_jobs_0.Acme.j",
        "_INBOX_factory~Acme~F1.x",
    ] {
        factory.publish(forbidden, "x").await.expect_err(forbidden);
    }
    for allowed in ["fleet.v1.Acme.f.F1.claim", "fleet.v1.Acme.f.F1.artifact.begin"] {
        factory.publish(allowed, "x").await.expect(allowed);
    }
    let (mut viewer, _) = principal(&town, Purpose::Viewer).await;
    viewer.publish("fleet.v1.Acme.q.list", "x").await.expect("it may look");
    for forbidden in ["fleet.v1.Acme.submit", "fleet.v1.acme.q.list", "fleet.v1.Acme.op.pause"] {
        viewer.publish(forbidden, "x").await.expect_err(forbidden);
    }
    let (mut gateway, _) = principal(&town, Purpose::Gateway).await;
    gateway.publish("$KV.fleet_jobs_0.Acme.j", "x").await.expect_err("it writes no job");
    gateway.publish("$KV.fleet_tokens.t.t", "x").await.expect("it knows people");
    let (mut submit, _) = principal(&town, Purpose::Submit).await;
    submit.publish("fleet.v1.Acme.f.F1.cmd", "x").await.expect_err("it commands nobody");
    submit.publish("$KV.fleet_tokens.t.t", "x").await.expect_err("it makes nobody");
    submit.publish("$JS.API.STREAM.DELETE.KV_fleet_jobs_0", "").await.expect_err("nor deletes");
    let reader = "FLEET_INTAKE.submit~fleet~v1~+~in";
    submit.publish(&format!("$JS.API.CONSUMER.MSG.NEXT.{reader}"), "").await.expect("it takes");
    // A reader of its own making could have the server write any record.
    let made = format!("$JS.API.CONSUMER.CREATE.{reader}.fleet.v1.x.in");
    submit.publish(&made, "").await.expect_err("it makes no reader");
    let (mut admin, _) = principal(&town, Purpose::Admin).await;
    admin.publish(&made, "").await.expect("whoever makes the streams makes it");
}

/// Whoever may answer could be made to speak anywhere by a request that names the place.
#[tokio::test(flavor = "multi_thread")]
async fn a_factory_cannot_widen_its_power_by_asking_itself() {
    let town = Town::plain().await;
    let (mut factory, permits) = principal(&town, Purpose::Factory).await;
    let target = "$KV.fleet_jobs_0.Acme.j";
    for own in permits.subscribe.iter().map(|subject| subject.replace('>', "x")) {
        factory.publish_to(&own, target, "x").await.expect_err("what it hears it cannot say");
    }
    for own in &permits.publish {
        factory.publish_to(own, target, "x").await.expect("its own words");
        factory.publish(target, "x").await.expect_err("and no place is opened by them");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_good_token_is_let_in() {
    let town = Town::plain().await;
    let credentials = town.issue(&["viewer", "--product", PRODUCT, "--name", "me"]).await;
    let text = std::fs::read_to_string(&credentials).unwrap();
    let altered = town.folder().join("altered.creds");
    let token = text.lines().find(|line| line.starts_with("ey")).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let claims = {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
        URL_SAFE_NO_PAD.encode(claims.replace("product:Acme", "product:acme"))
    };
    let forged = format!("{}.{claims}.{}", parts[0], parts[2]);
    std::fs::write(&altered, text.replace(token, &forged)).unwrap();
    let refused = Raw::connect(&town.server.url(), &altered).await.err().expect("it was altered");
    assert!(refused.contains("Authorization Violation"), "{refused}");
    let stranger = Town::plain().await;
    let foreign = stranger.issue(&["viewer", "--product", PRODUCT, "--name", "me"]).await;
    let refused = Raw::connect(&town.server.url(), &foreign).await.err().expect("another fleet's");
    assert!(refused.contains("Authorization Violation"), "{refused}");
    Raw::connect(&town.server.url(), &credentials).await.expect("the good one is");
}
