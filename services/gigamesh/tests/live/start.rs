//! How it starts, and how it says why it does not.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::process::{Running, eventually, ran};

fn said(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_killed_dev_goes_on_with_all_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let dev = Running::dev(place.path(), &["--factories", "0"]).await;
    for n in 0..20 {
        let file = format!("---\nidempotencyKey: k{n}\ncommand: 'true'\n---\nwork\n");
        dev.submit(&file).await.unwrap();
    }
    let token = std::fs::read(&dev.token_file).unwrap();
    dev.kill().await;
    let dev = Running::dev(place.path(), &["--factories", "1", "--seats", "4"]).await;
    assert_eq!(std::fs::read(&dev.token_file).unwrap(), token, "whoever was let in still is");
    eventually("all twenty are shipped", async || {
        let jobs = dev.jobs().await.items;
        assert_eq!(jobs.len(), 20);
        jobs.iter().all(|job| job.stage == fleet::StageName::Shipped).then_some(())
    })
    .await;
    assert_eq!(dev.stop().await, Some(0));
}

#[tokio::test]
async fn what_runs_when_dev_is_stopped_is_handed_back_uncharged_and_runs_again() {
    let place = tempfile::tempdir().unwrap();
    let dev = Running::dev(place.path(), &[]).await;
    let marker = place.path().join("marker");
    let file = format!(
        "---\nidempotencyKey: long\ncommand: test -e {0} || {{ touch {0}; sleep 600; }}\n---\nx\n",
        marker.display()
    );
    dev.submit(&file).await.unwrap();
    eventually("it runs", async || marker.exists().then_some(())).await;
    assert_eq!(dev.stop().await, Some(0));
    let dev = Running::dev(place.path(), &[]).await;
    let job = eventually("it ships", async || {
        Some(dev.job("long").await).filter(|job| job["stage"] == "shipped")
    })
    .await;
    assert_eq!(job["failures"], 0, "a shutdown is nobody's failure");
}

#[tokio::test]
async fn a_second_dev_on_the_same_data_is_told_whose_they_are() {
    let place = tempfile::tempdir().unwrap();
    let _first = Running::dev(place.path(), &["--factories", "0"]).await;
    let second = ran(place.path(), &["dev", "--port", "0"]).await;
    assert_eq!(second.status.code(), Some(64));
    let said = said(&second);
    assert!(said.contains("in use by another gigamesh process"), "{said}");
    assert!(said.contains("--data"), "it names the remedy: {said}");
}

#[tokio::test]
async fn a_port_in_use_is_named_with_the_remedy() {
    let place = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = ran(place.path(), &["dev", "--port", &port]).await;
    assert_eq!(refused.status.code(), Some(64));
    let said = said(&refused);
    assert!(said.contains(&format!("127.0.0.1:{port} is in use")), "{said}");
    assert!(said.contains("--port"), "it names the remedy: {said}");
}

#[tokio::test]
async fn words_that_are_none_end_with_sixty_four() {
    let place = tempfile::tempdir().unwrap();
    for words in [
        &["frobnicate"][..],
        &["dev", "--seats", "0"],
        &["serve", "submit"],
        &["serve", "all", "--store", "nats"],
        &["serve", "all", "--listen", "0.0.0.0:0"],
        &["--log", "loud", "dev"],
    ] {
        let ended = ran(place.path(), words).await;
        assert_eq!(ended.status.code(), Some(64), "{words:?}: {}", said(&ended));
        assert!(!said(&ended).is_empty(), "{words:?}");
    }
}

#[tokio::test]
async fn a_door_beyond_loopback_needs_a_token_that_was_given_and_a_name() {
    let place = tempfile::tempdir().unwrap();
    let (strong, weak) = (place.path().join("strong"), place.path().join("weak"));
    std::fs::write(&strong, "s".repeat(32)).unwrap();
    std::fs::write(&weak, "w".repeat(31)).unwrap();
    let strong = ["--token-file", strong.to_str().unwrap()];
    let weak = ["--token-file", weak.to_str().unwrap()];
    let named = ["--allow-host", "fleet.example"];
    for half in [&[][..], &named, &strong, &[weak, named].concat()] {
        let words = [&["serve", "all", "--listen", "0.0.0.0:0"], half].concat();
        let refused = ran(place.path(), &words).await;
        assert_eq!(refused.status.code(), Some(64), "{half:?}");
        for remedy in ["127.0.0.1", "32 characters", "--token-file", "--allow-host"] {
            assert!(said(&refused).contains(remedy), "{half:?}: {}", said(&refused));
        }
    }
    let mut whole = crate::process::gigamesh(place.path());
    whole.args(["serve", "all", "--listen", "0.0.0.0:0"]).args(named).args(strong);
    let fleet = Running::with_token(whole, &"s".repeat(32)).await;
    fleet.submit("---\nengine: echo\n---\nx\n").await.unwrap();
    assert!(!place.path().join(".gigamesh/token").exists(), "a given token is kept nowhere");
    assert_eq!(fleet.stop().await, Some(0));
}

#[tokio::test]
async fn a_door_beyond_loopback_warns_that_there_is_no_tls() {
    let place = tempfile::tempdir().unwrap();
    let token = place.path().join("token");
    std::fs::write(&token, "s".repeat(32)).unwrap();
    // A port that is taken ends it after the warning.
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let words = ["serve", "all", "--allow-host", "fleet.example", "--listen", &listen];
    let words = [&words[..], &["--token-file", token.to_str().unwrap()]].concat();
    let warned = ran(place.path(), &words).await;
    assert_eq!(warned.status.code(), Some(64), "{}", said(&warned));
    assert!(said(&warned).contains("THE DOOR HAS NO TLS"), "{}", said(&warned));
}

#[tokio::test]
async fn health_is_what_the_side_port_says() {
    let place = tempfile::tempdir().unwrap();
    let mut serve = crate::process::gigamesh(place.path());
    serve.args(["serve", "all", "--listen", "127.0.0.1:0", "--side-port", "0"]);
    let fleet = Running::of(serve).await;
    let port = fleet.said["side"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let healthy = ran(place.path(), &["health", "--side-port", &port]).await;
    assert_eq!(healthy.status.code(), Some(0), "{}", said(&healthy));
    assert!(String::from_utf8_lossy(&healthy.stdout).contains("\"ready\":true"));
    assert_eq!(fleet.stop().await, Some(0));
    let gone = ran(place.path(), &["health", "--side-port", &port]).await;
    assert_eq!(gone.status.code(), Some(8), "{}", said(&gone));
    assert!(said(&gone).contains("nobody answers"), "{}", said(&gone));
}

#[tokio::test]
async fn a_side_port_that_names_what_is_missing_is_not_healthy() {
    let place = tempfile::tempdir().unwrap();
    let side = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = side.local_addr().unwrap().port().to_string();
    let answering = async {
        let (mut stream, _) = side.accept().await.unwrap();
        let mut asked = [0; 1024];
        let heard = stream.read(&mut asked).await.unwrap();
        assert!(asked[..heard].starts_with(b"GET /readyz HTTP/1.1\r\n"));
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\nstore\n").await.unwrap();
    };
    let words = ["health", "--side-port", &port];
    let ((), ill) = tokio::join!(answering, ran(place.path(), &words));
    assert_eq!(ill.status.code(), Some(1), "{}", said(&ill));
    assert!(said(&ill).contains("store"), "{}", said(&ill));
}

#[tokio::test]
async fn the_store_is_chosen_by_either_variable() {
    let place = tempfile::tempdir().unwrap();
    for (variable, kept) in [("GIGAMESH_STORE", "embedded"), ("DB_PROVIDER", "memory")] {
        let mut command = crate::process::gigamesh(place.path());
        command.args(["serve", "all", "--listen", "127.0.0.1:0", "--data", kept]);
        command.env(variable, kept);
        let fleet = Running::of(command).await;
        fleet.submit("---\nengine: echo\n---\nx\n").await.unwrap();
        let on_disk = place.path().join(kept).join("store").exists();
        assert_eq!(on_disk, kept == "embedded", "{variable}={kept}");
        assert_eq!(fleet.stop().await, Some(0));
    }
}

#[tokio::test]
async fn doctor_tells_a_store_in_use_from_one_that_cannot_be_read() {
    let place = tempfile::tempdir().unwrap();
    let dev = Running::dev(place.path(), &["--factories", "0"]).await;
    let healthy = ran(place.path(), &["doctor"]).await;
    assert_eq!(healthy.status.code(), Some(0), "{}", said(&healthy));
    assert!(String::from_utf8_lossy(&healthy.stdout).contains("in use by a running fleet"));
    assert_eq!(dev.stop().await, Some(0));
    let log = place.path().join(".gigamesh/store/store.log");
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    let ill = ran(place.path(), &["doctor"]).await;
    assert_eq!(ill.status.code(), Some(1), "{}", String::from_utf8_lossy(&ill.stdout));
}
