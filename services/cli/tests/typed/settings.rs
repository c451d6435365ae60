//! Which of several settings counts, and what is said of one that is wrong.

use cli::Exit;
use expect_test::expect_file;

use crate::place::Place;

async fn url(place: &Place, words: &str) -> String {
    let typed = place.in_a_pipe(&format!("{words}config explain url --json value,origin")).await;
    let said: serde_json::Value = serde_json::from_str(&typed.out).unwrap();
    format!("{} {}", said["value"].as_str().unwrap(), said["origin"].as_str().unwrap())
}

#[tokio::test]
async fn the_nearest_setting_counts() {
    let mut place = Place::empty();
    assert_eq!(url(&place, "").await, "http://127.0.0.1:4600 default");
    place.file(".gigamesh/url", "http://left:1\n");
    place.file(".gigamesh/token", "gm_left\n");
    assert_eq!(url(&place, "").await, "http://left:1 /here/.gigamesh/url");
    let home = place.folder().join("home").display().to_string();
    place.file("home/gigamesh/config.toml", "product = \"shop\"\nurl = \"http://home:2\"\n");
    place.environment.insert("XDG_CONFIG_HOME".to_owned(), home);
    assert_eq!(url(&place, "").await, "http://home:2 /here/home/gigamesh/config.toml:2");
    place.file("gigamesh.toml", "url = \"http://here:3\"\n");
    assert_eq!(url(&place, "").await, "http://here:3 /here/gigamesh.toml:1");
    place.environment.insert("GIGAMESH_URL".to_owned(), "http://variable:4".to_owned());
    assert_eq!(url(&place, "").await, "http://variable:4 GIGAMESH_URL");
    assert_eq!(url(&place, "--url http://flag:5 ").await, "http://flag:5 --url");
}

#[tokio::test]
async fn the_local_token_is_shown_to_no_other_address() {
    let place = Place::empty();
    place.file(".gigamesh/url", "http://127.0.0.1:1\n");
    place.file(".gigamesh/token", "gm_left-by-dev\n");
    let here = place.in_a_pipe("open").await;
    assert_eq!(here.out, "http://127.0.0.1:1/#token=gm_left-by-dev\n");
    let other = place.in_a_pipe("open --url http://127.0.0.1:2").await;
    assert_eq!(other.out, "http://127.0.0.1:2/\n");
}

#[tokio::test]
async fn settings_are_explained_without_their_secrets() {
    let mut place = Place::empty();
    place.environment.insert("GIGAMESH_TOKEN".to_owned(), "gm_secret-secret-secret".to_owned());
    let mut told = place.told("config explain", true).await;
    told += &place.told("config explain token", false).await;
    told += &place.told("config explain colour", true).await;
    for text in ["ulr = \"http://x\"\n", "\n\ntoken = \"gm_x\"\n", "url = 3\n", "url = \n"] {
        place.file("gigamesh.toml", text);
        told += &place.told("list", true).await;
    }
    place.file("gigamesh.toml", "timeout = \"soon\"\n");
    told += &place.told("list", true).await;
    assert!(!told.contains("secret-secret"));
    expect_file!["../golden/settings.txt"].assert_eq(&told);
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_an_error_of_usage() {
    let mut place = Place::empty();
    for words in ["list --url ftp://x", "list --token-file nowhere", "list -o name --json id"] {
        assert_eq!(place.in_a_pipe(words).await.exit, Exit::Usage, "{words}");
    }
    place.environment.insert("GIGAMESH_OUTPUT".to_owned(), "loud".to_owned());
    assert_eq!(place.in_a_pipe("list").await.exit, Exit::Usage);
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_told_before_it_is_sent() {
    let mut place = Place::before("http://127.0.0.1:1", "gm_x");
    place.environment.remove("GIGAMESH_TOKEN");
    for (text, why) in [("\n", "it is empty"), ("one\ntwo\n", "one word")] {
        place.file("token", text);
        let typed = place.in_a_pipe("list --token-file token").await;
        assert_eq!(typed.exit, Exit::Usage, "{}", typed.err);
        assert!(typed.err.contains("there is no token in token"), "{}", typed.err);
        assert!(typed.err.contains(why) && !typed.err.contains("two"), "{}", typed.err);
    }
}
