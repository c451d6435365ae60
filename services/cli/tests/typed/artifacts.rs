//! What a job left behind, as people and scripts get at it.

use cli::Exit;
use expect_test::expect_file;
use serde_json::json;

use crate::scripted::Door;
use crate::town::Town;

const FILE: &str = "---\nidempotencyKey: nightly\n---\nWork.\n";

async fn with_job() -> Town {
    let town = Town::open().await;
    town.place.file("job.md", FILE);
    assert_eq!(town.place.in_a_pipe("submit job.md").await.exit, Exit::Done);
    town
}

/// The id of what was brought, as it is and not as a transcript shows it.
async fn brought(town: &Town, words: &str) -> String {
    let typed = town.place.exactly(&format!("artifacts put nightly {words} -o name")).await;
    assert_eq!(typed.exit, Exit::Done, "{}", typed.err);
    typed.out.trim().to_owned()
}

#[tokio::test]
async fn artifacts_are_brought_listed_fetched_and_removed() {
    let town = with_job().await;
    town.place.file("out.txt", "hello\n");
    town.place.file("trace.log", &"x".repeat(3000));
    let mut told = town.place.told("artifacts nightly", true).await;
    for words in [
        "artifacts put nightly out.txt --kind build --content-type text/plain",
        "artifacts put nightly trace.log --kind log --name run.log",
        "artifacts nightly --kind log",
    ] {
        told += &town.place.told(words, true).await;
    }
    for words in ["artifacts nightly -o json --kind build", "artifacts nightly -o name"] {
        told += &town.place.told(words, false).await;
    }
    expect_file!["../golden/artifacts.txt"].assert_eq(&told);
    let listed = town.place.exactly("artifacts nightly --kind build -o name").await;
    let id = listed.out.trim().to_owned();
    let piped = town.place.in_a_pipe(&format!("artifacts get {id}")).await;
    assert_eq!((piped.exit, &*piped.out, &*piped.err), (Exit::Done, "hello\n", ""));
    let taken = town.place.on_a_terminal(&format!("artifacts get {id}")).await;
    assert_eq!(taken.exit, Exit::Usage, "out.txt is there already: {}", taken.err);
    let over = town.place.on_a_terminal(&format!("artifacts get {id} --yes")).await;
    assert_eq!(over.exit, Exit::Done, "{}", over.err);
    assert!(over.err.contains("saved /here/out.txt (6 bytes)"), "{}", over.err);
    let into = town.place.on_a_terminal(&format!("artifacts get {id} -O copy")).await;
    assert_eq!(into.exit, Exit::Done, "{}", into.err);
    assert_eq!(std::fs::read_to_string(town.place.folder().join("copy")).unwrap(), "hello\n");
    let link = town.place.in_a_pipe(&format!("artifacts get {id} --link")).await;
    assert!(link.out.starts_with("http://fleet/fleet/blobs/fleet/acme/"), "{}", link.out);
    let removed = town.place.on_a_terminal(&format!("artifacts rm {id}")).await;
    assert!(removed.out.starts_with("removed a_"), "{}", removed.out);
    for words in ["get", "rm"] {
        let gone = town.place.in_a_pipe(&format!("artifacts {words} {id}")).await;
        assert_eq!(gone.exit, Exit::NotFound, "{words}: {}", gone.err);
        assert!(gone.err.contains("there is no artifact"), "{}", gone.err);
    }
    town.close().await;
}

#[tokio::test]
async fn what_cannot_be_brought_or_listed_is_told_with_a_remedy() {
    let town = with_job().await;
    town.place.file("out.txt", "hello\n");
    let mut told = String::new();
    for words in [
        "artifacts missing",
        "artifacts put missing out.txt",
        "artifacts put nightly nowhere.txt",
        "artifacts put nightly .",
        "artifacts put nightly out.txt --name a/b",
        "artifacts put nightly out.txt --content-type text",
        "artifacts get a_aaaaaaaaaaaaaaaaaaaaaaaaaa_01890a5dac96774bbcceb302099a8057",
    ] {
        told += &town.place.told(words, true).await;
    }
    expect_file!["../golden/artifact-errors.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn a_fetch_that_is_interrupted_or_broken_leaves_no_file() {
    let id = "a_aaaaaaaaaaaaaaaaaaaaaaaaaa_01890a5dac96774bbcceb302099a8057";
    let artifact = json!({ "id": id, "productId": "acme", "schemaVersion": 1, "rev": 1,
        "createdAt": "2026-01-02T03:04:05.678Z", "updatedAt": "2026-01-02T03:04:05.678Z",
        "jobId": "j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "kind": "log", "name": "run.log",
        "blobKey": "x", "contentType": "text/plain", "sizeBytes": 9, "state": "ready" });
    let link = |url: &str| {
        json!({ "artifact": artifact, "link": { "url": url,
            "expiresAt": "2026-01-02T03:04:05.678Z" } })
    };
    let asked = format!("GET /fleet/artifacts/{}", id.replace('_', "%5F"));
    for (url, status, exit) in [
        ("/short", 200, Exit::Error),
        ("/gone", 403, Exit::Unknown),
        ("/broken", 0, Exit::Unknown),
        ("/endless", 200, Exit::Error),
        ("http://elsewhere.example/x", 200, Exit::Error),
    ] {
        let mut door = Door::open().await;
        door.answer(&asked, 200, &link(url));
        door.answer(&format!("GET {url}"), status, &json!(url));
        let place = door.place();
        let typed = door.during(place.on_a_terminal(&format!("artifacts get {id}"))).await;
        assert_eq!(typed.exit, exit, "{url}: {}", typed.err);
        assert!(typed.err.contains("next: "), "{}", typed.err);
        assert_eq!(std::fs::read_dir(place.folder()).unwrap().count(), 0, "{url}");
    }
    let town = with_job().await;
    std::fs::write(town.place.folder().join("big"), vec![b'x'; 8 << 20]).unwrap();
    let id = brought(&town, "big").await;
    let before = std::fs::read_dir(town.place.folder()).unwrap().count();
    let words = format!("artifacts get {id} -O copy");
    let soon = async {
        tokio::task::yield_now().await;
    };
    let typed = town.place.typed(&words, true, soon).await;
    assert_eq!(typed.exit, Exit::Interrupted);
    assert_eq!(std::fs::read_dir(town.place.folder()).unwrap().count(), before);
    town.close().await;
}
