//! Artifacts come in, are listed, read and removed, and what is wrong with an upload is told with
//! nothing left of it.

use fleet::ArtifactKind;
use futures_util::stream;
use protocol::{Code, LinkArtifact, ListArtifacts, RemoveArtifact};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::custodian::{Custodian, END, NONCE, file, whole};
use crate::plain::{Said, Spoken};
use crate::town::{Town, refusal};

/// The digest of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn refused(what: &str, said: &Said, answer: (u16, &str, &str)) {
    let error = &said.json()["error"];
    assert_eq!((said.status, &error["code"]), (answer.0, &json!(answer.1)), "{what}: {error}");
    let named = [&error["field"], &error["reason"]].contains(&&json!(answer.2));
    assert!(answer.2.is_empty() || named, "{what}: {error} names no {}", answer.2);
    assert!(error["requestId"].is_string(), "{what}: {error}");
}

#[tokio::test]
async fn a_form_brings_an_artifact_that_is_counted_and_linked() {
    let custodian = Custodian::open().await;
    let linked = custodian.brought(&[("kind", "build"), ("name", "a b.txt")], "hello").await;
    let artifact = &linked.artifact;
    assert_eq!((artifact.size_bytes, artifact.sha256.as_deref()), (5, Some(HELLO)));
    assert_eq!((artifact.kind, artifact.name.as_deref()), (ArtifactKind::Build, Some("a b.txt")));
    assert_eq!(artifact.content_type, "text/plain", "that of the file's part");
    assert_eq!(custodian.read(&linked.link.url).await.body, "hello");
    let other = custodian.brought(&[("kind", "log"), ("contentType", "text/x-log")], "").await;
    assert_eq!((other.artifact.size_bytes, &*other.artifact.content_type), (0, "text/x-log"));
    assert_eq!(other.artifact.name.as_deref(), Some("out.txt"), "the file's own");
    let by_key = "POST /fleet/jobs/work/artifacts".to_owned();
    let inline = json!({ "kind": "log", "contentType": "text/plain", "base64": "aGVsbG8=" });
    let said = Spoken::new(&by_key).json(inline.to_string()).to(custodian.address).await;
    assert_eq!(said.status, 201, "{said:?}");
    let said = said.json();
    assert_eq!(said["artifact"]["sha256"], json!(HELLO));
    assert_eq!(custodian.read(said["link"]["url"].as_str().unwrap()).await.body, "hello");
}

#[tokio::test]
async fn who_holds_the_job_says_so_before_the_file() {
    let custodian = Custodian::open().await;
    let held = |epoch| {
        [("factoryId", "f1"), ("leaseEpoch", epoch), ("claimNonce", NONCE), ("kind", "log")]
    };
    custodian.brought(&held("1"), "hello").await;
    let before = custodian.left().await;
    let stale = custodian.form(&held("2"), "hello").to(custodian.address).await;
    refused("stale", &stale, (409, "FENCED", ""));
    assert_eq!(custodian.left().await, before, "nothing of it is kept");
    let form = [whole(&held("2")), file("hello"), END.to_owned()].concat();
    let apart = Spoken::new(&format!("POST {}?quarantine=1", custodian.path()))
        .with("Content-Type: multipart/form-data; boundary=b")
        .body(form)
        .to(custodian.address)
        .await;
    assert_eq!((apart.status, &apart.json()["artifact"]["quarantined"]), (201, &json!(true)));
    for (field, value) in [("leaseEpoch", "-1"), ("leaseEpoch", "x"), ("claimNonce", "7")] {
        let mut fields = held("1");
        fields.iter_mut().filter(|(name, _)| *name == field).for_each(|at| at.1 = value);
        let said = custodian.form(&fields, "hello").to(custodian.address).await;
        refused(value, &said, (400, "VALIDATION", field));
    }
    let half = [("factoryId", "f1"), ("kind", "log")];
    let said = custodian.form(&half, "hello").to(custodian.address).await;
    refused("half a hold", &said, (400, "VALIDATION", "leaseEpoch"));
}

#[tokio::test]
async fn a_form_that_is_none_is_refused_and_leaves_nothing() {
    let custodian = Custodian::open().await;
    let kind = whole(&[("kind", "log")]);
    let many = whole(&[("x", "y")]).repeat(10_000);
    let long = "y".repeat(5000);
    let cases = [
        ("no end", [&*kind, &file("hello")].concat(), ""),
        ("cut in the file", [&*kind, file("hello").get(..90).unwrap()].concat(), ""),
        ("no file", [&*kind, END].concat(), "file"),
        ("no part", END.to_owned(), "file"),
        ("nothing", String::new(), ""),
        ("no form", "hello".to_owned(), ""),
        ("a file without a kind", [&*file("hello"), END].concat(), "kind"),
        ("a kind behind the file", [&*file("hello"), &kind, END].concat(), "kind"),
        ("an unknown kind", [whole(&[("kind", "film")]), file("x"), END.into()].concat(), "kind"),
        ("another field", [&*whole(&[("knid", "log")]), END].concat(), "knid"),
        ("ten thousand parts", many, "x"),
        ("a kind twice", [&*kind, &kind, END].concat(), "kind"),
        ("a long name", [&*kind, &whole(&[("name", &long)]), &file("x"), END].concat(), "name"),
        ("a second file", [&*kind, &file("a"), &file("b"), END].concat(), "file"),
        ("a size", [whole(&[("sizeBytes", "x")]), kind.clone(), file("x")].concat(), "sizeBytes"),
    ];
    for (what, form, named) in cases {
        let said = custodian.posted(&form).to(custodian.address).await;
        refused(what, &said, (400, "VALIDATION", named));
        assert_eq!(custodian.left().await, (0, 0), "{what}");
    }
    let parts = whole(&[("kind", "log")]) + &whole(&[("name", "n")]).repeat(40);
    let said = custodian.posted(&parts).to(custodian.address).await;
    refused("forty parts", &said, (400, "VALIDATION", "name"));
    let bound = Spoken::new(&format!("POST {}", custodian.path()))
        .with("Content-Type: multipart/form-data")
        .body("x");
    let said = bound.to(custodian.address).await;
    refused("no boundary", &said, (400, "VALIDATION", "Content-Type"));
}

#[tokio::test]
async fn an_unknown_kind_is_told_with_the_five_that_are() {
    let custodian = Custodian::open().await;
    let said = custodian.form(&[("kind", "film")], "x").to(custodian.address).await;
    let error = &said.json()["error"];
    assert_eq!(error["reason"], "bad_enum");
    assert_eq!(error["hint"], "one of log coverage screenshot build other");
}

#[tokio::test]
async fn a_small_artifact_in_json_is_judged_like_any_body() {
    let custodian = Custodian::open().await;
    let post = |body: String| Spoken::new(&format!("POST {}", custodian.path())).json(body);
    let of = |base64: &str| {
        json!({ "kind": "log", "contentType": "text/plain", "base64": base64 }).to_string()
    };
    let bad = (400, "VALIDATION");
    let cases = [
        ("no base64", of("!!!"), "base64"),
        ("cut base64", of("aGVsbG8"), "base64"),
        ("no JSON", "{".to_owned(), "malformed"),
        ("no kind", json!({ "contentType": "a/b", "base64": "" }).to_string(), "kind"),
        ("no type", json!({ "kind": "log", "base64": "" }).to_string(), "contentType"),
        ("a typo", json!({ "knid": "log" }).to_string(), "knid"),
        ("a number", json!({ "kind": 7 }).to_string(), "kind"),
    ];
    for (what, body, named) in cases {
        let said = post(body).to(custodian.address).await;
        refused(what, &said, (bad.0, bad.1, named));
    }
    let empty = Spoken::new(&format!("POST {}", custodian.path())).to(custodian.address).await;
    refused("no body", &empty, (400, "VALIDATION", "malformed"));
    let text = post(String::new()).with("Content-Encoding: gzip").to(custodian.address).await;
    refused("gzip", &text, (415, "UNSUPPORTED_MEDIA", ""));
    let plain = Spoken::new(&format!("POST {}", custodian.path()))
        .with("Content-Type: text/plain")
        .body("hello");
    let said = plain.to(custodian.address).await;
    refused("text", &said, (415, "UNSUPPORTED_MEDIA", ""));
    // 4 letters stand for 3 bytes: the most, and one more.
    let most = (8 << 20) / 3 * 4;
    let said = post(of(&("AAAA".repeat(most / 4) + "AAA="))).to(custodian.address).await;
    assert_eq!(said.status, 201, "exactly 8 MiB");
    let said = post(of(&"AAAA".repeat(most / 4 + 1))).to(custodian.address).await;
    refused("a byte more", &said, (413, "TOO_LARGE", "base64"));
    assert_eq!(said.json()["error"]["limit"], json!(8 << 20));
    let said = post(of(&"A".repeat(13 << 20))).to(custodian.address).await;
    refused("a body of more than 12 MiB", &said, (413, "TOO_LARGE", ""));
    assert_eq!(custodian.left().await, (1, 1), "only the one that was answered with 201");
}

#[tokio::test]
async fn who_where_and_what_are_judged_in_this_order() {
    let custodian = Custodian::open().await;
    let nobody = "j_aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let none = format!("a_aaaaaaaaaaaaaaaaaaaaaaaaaa_{}", NONCE.replace('-', ""));
    let bare = Spoken::bare(&format!("POST {}", custodian.path())).body("x");
    refused("nobody", &bare.to(custodian.address).await, (401, "UNAUTHENTICATED", ""));
    let other = custodian.posted("x").with("Fleet-Product: globex");
    refused("elsewhere", &other.to(custodian.address).await, (403, "OUT_OF_SCOPE", ""));
    let named = [("productId", "globex"), ("kind", "log")];
    let said = custodian.form(&named, "x").to(custodian.address).await;
    refused("a field of elsewhere", &said, (403, "OUT_OF_SCOPE", ""));
    let line = format!("POST /fleet/jobs/{nobody}/artifacts");
    for media in ["multipart/form-data; boundary=b", "application/json", "text/xml"] {
        let lost = Spoken::new(&line).with(&format!("Content-Type: {media}")).body("x");
        refused(media, &lost.to(custodian.address).await, (404, "NOT_FOUND", ""));
    }
    let bad_flag = Spoken::new(&format!("POST {}?quarantine=maybe", custodian.path()));
    let said = bad_flag.body("x").to(custodian.address).await;
    refused("quarantine", &said, (400, "VALIDATION", "quarantine"));
    for id in ["x", "..", "%00", "%2e%2e%2f", "a_x_y", "$JS", &none] {
        for (verb, tail) in [("GET", ""), ("DELETE", ""), ("POST", "/commit")] {
            let line = format!("{verb} /fleet/artifacts/{id}{tail}");
            let said = Spoken::new(&line).to(custodian.address).await;
            refused(&line, &said, (404, "NOT_FOUND", ""));
        }
    }
    let said = Spoken::new(&format!("GET {}?limit=501", custodian.path()));
    refused("limit", &said.to(custodian.address).await, (400, "VALIDATION", "limit"));
    let said = Spoken::new(&format!("GET {}?kind=film", custodian.path()));
    refused("kind", &said.to(custodian.address).await, (400, "VALIDATION", "kind"));
    assert_eq!(custodian.left().await, (0, 0));
}

#[tokio::test]
async fn the_client_asks_for_artifacts_in_the_words_of_the_bus() {
    let custodian = Custodian::open().await;
    let linked = custodian.brought(&[("kind", "log")], "hello").await;
    let ask = ListArtifacts {
        job: "a key/with ü".into(),
        kind: Some(ArtifactKind::Log),
        limit: Some(7),
        cursor: Some("any=thing/at+all".into()),
    };
    let page = custodian.ask(&ask).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&linked.artifact));
    let said: ListArtifacts = serde_json::from_str(&page.next_cursor.unwrap()).unwrap();
    assert_eq!(said, ask);
    let link = LinkArtifact { artifact_id: linked.artifact.id, factory_id: None };
    let again = custodian.ask(&link).await.unwrap();
    assert_eq!(again.artifact, linked.artifact);
    let remove = RemoveArtifact { artifact_id: linked.artifact.id, hold: None };
    custodian.ask(&remove).await.unwrap();
    assert_eq!(refusal(custodian.ask(&remove).await).code, Code::NotFound);
    assert_eq!(refusal(custodian.ask(&link).await).code, Code::NotFound);
    let gone = custodian.read(&again.link.url).await;
    refused("a link to nothing", &gone, (404, "NOT_FOUND", ""));
}

#[tokio::test]
async fn whoever_goes_away_in_the_middle_leaves_nothing() {
    let custodian = Custodian::open().await;
    let form = [whole(&[("kind", "log")]), file(&"x".repeat(9 << 20)), END.into()].concat();
    let spoken = custodian.posted(&form);
    let mut stream = TcpStream::connect(custodian.address).await.unwrap();
    stream.write_all(spoken.head().as_bytes()).await.unwrap();
    stream.write_all(&form.as_bytes()[..6 << 20]).await.unwrap();
    while custodian.left().await.0 == 0 {
        tokio::task::yield_now().await;
    }
    drop(stream);
    while custodian.left().await.0 > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(custodian.left().await, (0, 0));
    assert_eq!(custodian.words(), ["begin", "remove"]);
}

#[tokio::test]
async fn bytes_are_taken_back_only_where_they_certainly_do_not_count() {
    let custodian = Custodian::open().await;
    let upload = || custodian.form(&[("kind", "log")], "hello");
    for code in [Code::Fenced, Code::Validation, Code::Conflict] {
        custodian.trouble.lock().unwrap().push((code, false));
        let said = upload().to(custodian.address).await;
        assert_eq!(said.json()["error"]["code"], json!(code.as_str()));
        assert_eq!(custodian.left().await, (0, 0), "{code:?}");
        assert_eq!(custodian.words(), ["begin", "keep", "remove"]);
    }
    // Nobody knows whether it was kept: it is said again, and was.
    custodian.trouble.lock().unwrap().push((Code::CommitUnknown, true));
    assert_eq!(upload().to(custodian.address).await.status, 201);
    assert_eq!((custodian.left().await, custodian.words().len()), ((1, 1), 3));
    // It was kept, and then the hold ended: the pointer stands, and so do its bytes.
    *custodian.trouble.lock().unwrap() = vec![(Code::Fenced, false), (Code::CommitUnknown, true)];
    let said = upload().to(custodian.address).await;
    assert_eq!(said.json()["error"]["code"], json!("FENCED"));
    assert_eq!(custodian.left().await, (2, 2));
    *custodian.trouble.lock().unwrap() = vec![(Code::Unavailable, false); 3];
    let said = upload().to(custodian.address).await;
    assert_eq!((said.status, said.json()["error"]["code"].as_str()), (503, Some("UNAVAILABLE")));
    assert_eq!(custodian.words().iter().filter(|word| **word == "keep").count(), 5);
}

#[tokio::test]
async fn the_clients_upload_and_fetch_are_the_same_bytes_back() {
    let custodian = Custodian::open().await;
    let piece = bytes::Bytes::from(vec![b'z'; 300 << 10]);
    let size = 30 * piece.len() as u64;
    let freight = client::Freight {
        job_id: custodian.job,
        kind: ArtifactKind::Build,
        name: Some("big \"one\".bin".into()),
        content_type: Some("application/zip".into()),
        hold: Some(Custodian::hold(1)),
        quarantine: false,
        size,
    };
    let pieces = || {
        let piece = piece.clone();
        stream::iter((0..30).map(move |_| Ok(piece.clone())))
    };
    let patience = custodian.patience();
    let linked = custodian.http.upload(&freight, pieces(), patience).await.unwrap();
    assert_eq!((linked.artifact.size_bytes, linked.artifact.name), (size, freight.name.clone()));
    let mut fetched = custodian.http.fetch(&linked.link).await.unwrap();
    assert_eq!(fetched.size, Some(size));
    let mut read = 0;
    while let Some(bytes) = fetched.next().await.unwrap() {
        assert!(bytes.iter().all(|byte| *byte == b'z'));
        read += bytes.len() as u64;
    }
    assert_eq!(read, size);
    let stale = client::Freight { hold: Some(Custodian::hold(2)), ..freight };
    let fenced = custodian.http.upload(&stale, pieces(), custodian.patience()).await;
    assert_eq!(refusal(fenced).code, Code::Fenced, "told though the body is long");
    let short = client::Freight { size: size + 1, ..stale };
    let broke = custodian.http.upload(&short, pieces(), custodian.patience()).await;
    assert!(broke.is_err(), "fewer bytes than were announced are no upload");
    assert_eq!(custodian.left().await, (1, 1));
}

#[tokio::test]
async fn the_door_is_not_ready_while_its_blobs_are_away() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("blobs");
    let ids = std::sync::Arc::new(clock::System::start());
    let blobs = blob::Blobs::disk(&folder, ids).unwrap();
    let open = gateway::Options { blobs, ..crate::town::options("127.0.0.1:0") };
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    let custodian = Custodian::over(open).await;
    let ready = Spoken::bare("GET /readyz").to(custodian.address).await;
    refused("not ready", &ready, (503, "UNAVAILABLE", "blobs"));
    let said = custodian.form(&[("kind", "log")], "hello").to(custodian.address).await;
    refused("not stored", &said, (503, "UNAVAILABLE", "blobs"));
    assert_eq!(custodian.words(), ["begin", "remove"]);
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    let ready = Spoken::bare("GET /readyz").to(custodian.address).await;
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true })));
}

#[tokio::test]
async fn what_is_too_long_is_refused_by_its_word_and_else_while_it_passes() {
    let custodian = Custodian::open().await;
    let by_word = |length: u64| {
        let head = Spoken::new(&format!("POST {}", custodian.path()));
        head.with("Content-Type: multipart/form-data; boundary=b")
            .with(&format!("Content-Length: {length}"))
    };
    // Of 2 GiB and more, only the length is sent.
    let said = by_word((2 << 30) + (2 << 20)).to(custodian.address).await;
    refused("by its length", &said, (413, "TOO_LARGE", ""));
    assert_eq!(said.json()["error"]["limit"], json!(2_u64 << 30));
    assert_eq!(custodian.words(), [""; 0], "nothing was begun for it");
    let small = Custodian::up_to(crate::town::options("127.0.0.1:0"), 1 << 20).await;
    let form = |length: usize| {
        let body = "x".repeat(length);
        let form = [whole(&[("kind", "log")]), file(&body), END.to_owned()].concat();
        small.posted(&form).chunked()
    };
    let said = form((1 << 20) + 1).to(small.address).await;
    refused("chunked", &said, (413, "TOO_LARGE", ""));
    assert_eq!(said.json()["error"]["limit"], json!(1 << 20));
    assert_eq!(small.left().await, (0, 0), "nothing of it is kept");
    assert_eq!(small.words(), ["begin", "remove"]);
    assert_eq!(form(1 << 20).to(small.address).await.status, 201, "exactly as much");
}

/// Everybody sends first and listens then; what the door reads of it is less than is sent.
#[tokio::test]
async fn an_early_refusal_is_heard_by_whoever_goes_on_sending() {
    let custodian = Custodian::open().await;
    let much = vec![b'x'; 48 << 20];
    let create = format!("PUT /fleet/blobs/fleet/acme/j/a-log?do=create&sig={}", "0".repeat(64));
    let altered = Spoken::bare(&create).body(much.clone()).to(custodian.address).await;
    refused("a link", &altered, (403, "FORBIDDEN", "link_altered"));
    let json = Spoken::new(&format!("POST {}", custodian.path())).json(much.clone());
    refused("JSON", &json.to(custodian.address).await, (413, "TOO_LARGE", ""));
    let submitted = Spoken::new("POST /fleet/jobs").json(much.clone()).to(custodian.address).await;
    refused("a job", &submitted, (413, "TOO_LARGE", ""));
    let stranger = Spoken::bare("POST /fleet/jobs").json(much.clone());
    refused("a stranger", &stranger.to(custodian.address).await, (401, "UNAUTHENTICATED", ""));
    let form = [whole(&[("knid", "log")]).into_bytes(), much].concat();
    let typo = Spoken::new(&format!("POST {}", custodian.path()))
        .with("Content-Type: multipart/form-data; boundary=b")
        .body(form);
    refused("a form", &typo.to(custodian.address).await, (400, "VALIDATION", "knid"));
}

#[tokio::test]
async fn another_products_artifact_is_not_there() {
    let town = Town::open().await;
    let job = town.submit("---\nidempotencyKey: a\n---\nx\n").await.job.id;
    let post = Spoken::new(&format!("POST /fleet/jobs/{job}/artifacts")).json(
        json!({ "kind": "log", "contentType": "text/plain", "base64": "aGVsbG8=" }).to_string(),
    );
    let brought = post.to(town.address).await.json();
    let id = brought["artifact"]["id"].as_str().unwrap();
    let product = "globex".parse().unwrap();
    let node = node::Node { tasks: node::Tasks::default(), ..town.node.clone() };
    let options = gateway::Options { product, ..crate::town::options("127.0.0.1:0") };
    let theirs = gateway::serve(node.clone(), options).await.unwrap();
    let of_job = format!("/fleet/jobs/{job}/artifacts");
    for line in [
        format!("GET /fleet/artifacts/{id}"),
        format!("DELETE /fleet/artifacts/{id}"),
        format!("GET {of_job}"),
        format!("GET /fleet/jobs/{job}/log"),
    ] {
        let said = Spoken::new(&line).to(theirs).await;
        refused(&line, &said, (404, "NOT_FOUND", ""));
    }
    let commit = json!({ "sizeBytes": 5, "sha256": HELLO }).to_string();
    let commit = Spoken::new(&format!("POST /fleet/artifacts/{id}/commit")).json(commit);
    refused("commit", &commit.to(theirs).await, (404, "NOT_FOUND", ""));
    let openly = Spoken::new(&format!("GET /fleet/artifacts/{id}")).with("Fleet-Product: globex");
    refused("openly", &openly.to(town.address).await, (403, "OUT_OF_SCOPE", ""));
    let ours = Spoken::new(&format!("GET /fleet/artifacts/{id}")).to(town.address).await;
    assert_eq!(ours.status, 200, "it is still there for its own: {ours:?}");
    node.tasks.stop();
    node.tasks.join().await.unwrap();
    town.close().await;
}
