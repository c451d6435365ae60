//! The whole way of a job, each service and each factory in a process of its own, with credentials
//! of its own and TLS on both sides.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use client::OverHttp;
use clock::System;
use protocol::{ListArtifacts, SubmitJob};
use serde_json::json;
use tokio::process::Child;

use super::town::Town;
use crate::mesh::{Role, patience, stage};
use crate::process::{eventually, gigamesh, ran, terminate};

const PRODUCT: &str = "Acme";

const JOB: &str = "---\ncommand: |\n  echo told line by line\n  \
                   echo kept > \"$GIGAMESH_ARTIFACTS_DIR/kept.txt\"\n---\nwork\n";

/// The services, each as itself; the door is the last.
async fn roles(town: &Town) -> Vec<Role> {
    let (url, monitor) = (town.url(), town.server.monitor());
    let mut roles = Vec::new();
    let door = ["gateway", "--listen", "127.0.0.1:0", "--product", PRODUCT];
    for words in [&["scheduler"][..], &["lease-keeper"], &["submit"], &["artifact"], &door] {
        let whom = town.as_whom(&town.issue(&words[..1]).await);
        let words: Vec<_> = words.iter().copied().chain(whom.iter().map(String::as_str)).collect();
        roles.push(Role::start(town.folder(), (&url, &monitor), &words).await);
    }
    roles
}

async fn factory(town: &Town, id: &str, (url, token): (&str, &str)) -> Child {
    let credentials = town.issue(&["factory", "--product", PRODUCT, "--factory", id]).await;
    let mut factory = gigamesh(town.folder());
    factory.args(["factory", "--id", id, "--product", PRODUCT, "--nats", &town.url()]);
    factory.args(town.as_whom(&credentials)).args(["--url", url, "--token-file", token]);
    factory.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_its_whole_way_with_everybody_as_itself_over_tls() {
    let town = Town::sealed().await;
    let admin = town.issue(&["admin", "--product", PRODUCT, "--name", "founder"]).await;
    let (url, whom) = (town.url(), town.as_whom(&admin));
    let as_admin = |words: &[&str]| {
        let mut all: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        all.extend(["--nats".to_owned(), url.clone(), "--product".into(), PRODUCT.into()]);
        all.into_iter().chain(whom.clone()).collect::<Vec<_>>()
    };
    let run = async |words: &[&str]| {
        let words = as_admin(words);
        ran(town.folder(), &words.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let made = run(&["admin", "init"]).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let roles = roles(&town).await;
    for role in &roles {
        let ready = role.side("/readyz").await;
        assert_eq!(ready.0, 200, "{ready:?} of {}", role.said);
    }
    let said = &roles.last().expect("the door").said;
    let door = said["url"].as_str().unwrap();
    let file = PathBuf::from(said["tokenFile"].as_str().unwrap());
    let token = std::fs::read_to_string(&file).unwrap();
    let (link, time) = (OverHttp::new(door, token.trim()).unwrap(), System::start());
    let at_the_door = (door, file.to_str().unwrap());
    let mut factories =
        [factory(&town, "F1", at_the_door).await, factory(&town, "F2", at_the_door).await];
    let mut jobs = Vec::new();
    for _ in 0..4 {
        let ask = SubmitJob { file: Some(JOB.to_owned()), ..SubmitJob::default() };
        jobs.push(link.call(&ask, patience(&time)).await.unwrap().job.id.to_string());
    }
    for job in &jobs {
        eventually("it ships", async || {
            (stage(&link, &time, job).await == json!("shipped")).then_some(())
        })
        .await;
        let ask = ListArtifacts { job: job.clone(), kind: None, limit: None, cursor: None };
        eventually("its log and its file are kept", async || {
            let items = link.call(&ask, patience(&time)).await.unwrap().items;
            (items.len() == 2).then_some(())
        })
        .await;
    }
    for factory in &mut factories {
        terminate(factory);
        let ended = factory.wait().await.unwrap();
        assert_eq!(ended.code(), Some(0), "it says goodbye");
    }
    let verified = run(&["doctor", "--write", "--nats-monitor", &town.server.monitor()]).await;
    let seen = String::from_utf8_lossy(&verified.stdout);
    assert!(verified.status.success(), "{seen} {}", String::from_utf8_lossy(&verified.stderr));
    assert!(seen.contains("durable, single"), "{seen}");
    let swept = run(&["admin", "sweep"]).await;
    assert!(swept.status.success(), "{}", String::from_utf8_lossy(&swept.stderr));
    for role in roles {
        assert_eq!(role.stop().await, Some(0));
    }
    // Whatever a list had forgotten would be there by the name of its subject.
    let log = town.server.log();
    let refused: Vec<_> = log.lines().filter(|line| line.contains("Violation")).collect();
    assert_eq!(refused, Vec::<&str>::new());
    assert!(log.contains("JetStream"), "it is the log: {log}");
}

/// Nothing is tried again that trying does not mend; each is told with its file.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_not_let_in_says_why_and_ends() {
    let town = Town::sealed().await;
    let good = town.issue(&["submit"]).await;
    let url = town.url();
    let at = |name: &str| town.folder().join(name).to_str().unwrap().to_owned();
    let (creds, ca) = (good.to_str().unwrap(), at("ca.pem"));
    let (cert, key) = (at("client.pem"), at("client.key"));
    std::fs::write(town.folder().join("empty.creds"), "").unwrap();
    let shared = town.issue(&["submit", "--out", "shared.creds"]).await;
    std::fs::set_permissions(&shared, Permissions::from_mode(0o644)).unwrap();
    let other = town.issue(&["viewer", "--product", "Acme", "--name", "me"]).await;
    let other = other.to_str().unwrap();
    let over = town.issue(&["submit", "--ttl", "1s", "--out", "over.creds"]).await;
    let sealed = ["--nats-ca", &ca, "--nats-cert", &cert, "--nats-key", &key];
    let cases: [(Vec<&str>, &str, i32); 8] = [
        ([&["--nats-creds", "nowhere.creds"], &sealed[..]].concat(), "nowhere.creds", 7),
        ([&["--nats-creds", "empty.creds"], &sealed[..]].concat(), "empty.creds", 7),
        ([&["--nats-creds", other], &sealed[..]].concat(), "its credentials are another role's", 7),
        (sealed.to_vec(), "lets nobody in without a credential", 7),
        (vec!["--nats-creds", creds], "TLS", 7),
        (vec!["--nats-creds", "shared.creds"], "others on this host may read a key", 7),
        (vec!["--nats-creds", creds, "--nats-ca", "nowhere.pem"], "nowhere.pem", 7),
        (vec!["--nats-creds", creds, "--nats-cert", &cert], "--nats-key", 64),
    ];
    for (words, why, code) in &cases {
        let words = [&["serve", "submit", "--nats", &url][..], words].concat();
        let refused = ran(town.folder(), &words).await;
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(*code), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
    let (over, time) = (over.to_str().unwrap().to_owned(), System::start());
    eventually("a second is over", async || {
        (clock::Clock::uptime(&time).as_millis() > 1_500).then_some(())
    })
    .await;
    let words = [&["factory", "--id", "F1", "--nats", &url, "--nats-creds", &over], &sealed[..]];
    let refused = ran(town.folder(), &words.concat()).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("over.creds") && said.contains("ended at"), "{said}");
    assert_eq!(refused.status.code(), Some(7));
}

/// It would stand there and hear nothing, and nobody would notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_with_the_credentials_of_another_role_ends_and_names_what_it_may_not_hear() {
    let town = Town::plain().await;
    town.init().await;
    let (url, monitor) = (town.url(), town.server.monitor());
    let submit = town.issue(&["submit"]).await;
    let other = town.issue(&["factory", "--product", PRODUCT, "--factory", "F2"]).await;
    let scheduler = ["serve", "scheduler", "--nats", &url, "--nats-monitor", &monitor];
    let factory = ["factory", "--id", "F1", "--product", PRODUCT, "--nats", &url];
    for (words, credentials, named) in
        [(&scheduler[..], &submit, "fleet.v1."), (&factory, &other, "fleet.v1.Acme.offer.f.F1")]
    {
        let whom = town.as_whom(credentials);
        let words: Vec<_> = words.iter().copied().chain(whom.iter().map(String::as_str)).collect();
        let ended = ran(town.folder(), &words).await;
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success(), "{said}");
        assert!(said.contains("Permissions Violation for Subscription"), "{said}");
        assert!(said.contains(named), "{said}");
    }
}
