//! Every verb against a whole fleet, as people and as scripts see it. `UPDATE_EXPECT=1` rewrites
//! the committed texts.

use cli::Exit;
use expect_test::expect_file;
use fleet::Disposition;

use crate::town::Town;

const ONE: &str = "---\nidempotencyKey: nightly\npriority: high\n---\nWrite the report.\n";
const TWO: &str = "---\nidempotencyKey: build\ndeps: [nightly]\n---\nBuild.\n";

async fn both(town: &Town, words: &str) -> String {
    town.place.told(words, true).await + &town.place.told(words, false).await
}

#[tokio::test]
async fn jobs_are_handed_in_and_looked_at() {
    let town = Town::open().await;
    town.place.file("one.md", ONE);
    town.place.file("two.md", TWO);
    let mut told = town.place.told("submit two.md one.md", true).await;
    for words in [
        "submit one.md",
        "submit one.md -o name",
        "submit one.md -o none --quiet",
        "get nightly",
        "list --all",
        "ls --all --stage queued -o wide",
        "list --all -o json --json id,stage,priority",
        "list --all -o name",
        "events nightly",
        "runs nightly",
        "open nightly",
    ] {
        told += &town.place.told(words, words.starts_with("events")).await;
    }
    told += &both(&town, "get nightly --json id,stage").await;
    told += &town.place.told("list --all", true).await;
    expect_file!["../golden/looking.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn a_job_that_is_held_is_shown_with_its_run_and_lease() {
    let town = Town::open().await;
    town.place.file("one.md", ONE);
    town.place.in_a_pipe("submit one.md").await;
    let held = town.build().await;
    let mut told = String::new();
    for words in ["get nightly", "runs nightly", "lease nightly", "events nightly"] {
        told += &both(&town, words).await;
    }
    town.end(&held, Disposition::Ship).await;
    told += &town.place.told("get nightly", true).await;
    expect_file!["../golden/held.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn actions_change_jobs_and_say_how_they_stand() {
    let town = Town::open().await;
    for key in ["a", "b", "c"] {
        town.place.file(&format!("{key}.md"), &format!("---\nidempotencyKey: {key}\n---\nWork.\n"));
    }
    town.place.in_a_pipe("submit a.md b.md c.md").await;
    let mut told = both(&town, "cancel a --reason enough").await;
    for words in [
        "redrive a --json stage,idempotencyKey",
        "ship b --force --reason seen --json stage",
        "ship b --json stage",
        "cancel a missing c --now -o name",
        "approve c",
        "redrive --all",
        "redrive --all --yes",
    ] {
        told += &town.place.told(words, false).await;
    }
    expect_file!["../golden/acting.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn flags_change_what_a_file_says() {
    let town = Town::open().await;
    town.place.file("plain.md", "Work.\n");
    town.place.file("job.json", r#"{"bodyMd": "Work.", "priority": "low"}"#);
    let set = town.place.in_a_pipe("submit plain.md --set priority=critical --key k1").await;
    assert_eq!(set.exit, Exit::Done, "{}", set.err);
    let got = town.place.in_a_pipe("get k1 -o json --json priority").await;
    assert!(got.out.contains("\"critical\""), "{}", got.out);
    let first = town.place.in_a_pipe("submit plain.md --once -o name").await;
    let again = town.place.in_a_pipe("submit plain.md --once -o name").await;
    assert_eq!(first.out, again.out);
    let other = town.place.in_a_pipe("submit plain.md --once --set priority=low -o name").await;
    assert_ne!(first.out, other.out);
    let json = town.place.in_a_pipe("submit job.json --set priority=high --key j1").await;
    assert_eq!(json.exit, Exit::Done, "{}", json.err);
    let got = town.place.in_a_pipe("get j1 --json priority").await;
    assert!(got.out.contains("\"high\""), "{}", got.out);
    town.close().await;
}

#[tokio::test]
async fn a_job_comes_in_by_standard_input() {
    let mut town = Town::open().await;
    town.place.input = ONE;
    let typed = town.place.in_a_pipe("submit - -o name").await;
    let got = town.place.in_a_pipe("get nightly -o name").await;
    assert_eq!((typed.exit, typed.out), (Exit::Done, got.out));
    town.close().await;
}

#[tokio::test]
async fn colours_are_of_stages_only_and_only_where_allowed() {
    let mut town = Town::open().await;
    town.place.colour = true;
    town.place.file("one.md", ONE);
    town.place.on_a_terminal("submit one.md").await;
    town.place.on_a_terminal("ship nightly --force").await;
    let shown = town.place.on_a_terminal("list").await.out;
    assert!(shown.contains("\u{1b}[32mshipped\u{1b}[0m"), "{shown}");
    for words in ["list --no-color", "list -o json"] {
        assert!(!town.place.on_a_terminal(words).await.out.contains('\u{1b}'), "{words}");
    }
    town.place.environment.insert("NO_COLOR".to_owned(), "1".to_owned());
    assert!(!town.place.on_a_terminal("list").await.out.contains('\u{1b}'));
    town.close().await;
}

#[tokio::test]
async fn what_a_job_says_is_printed_as_it_said_it() {
    let town = Town::open().await;
    town.place.file("one.md", ONE);
    town.place.in_a_pipe("submit one.md").await;
    let held = town.build().await;
    let mut told = both(&town, "logs nightly").await;
    town.say(&held, 0, "first\n\u{1b}[31msecond\u{1b}[0m\n").await;
    town.say(&held, 22, "third\n").await;
    for words in ["logs nightly", "logs nightly --tail 1", "logs nightly --tail 2 -o json"] {
        told += &both(&town, words).await;
    }
    town.end(&held, Disposition::Ship).await;
    for words in
        ["logs nightly -f", "logs nightly --attempt 1 --tail 1", "logs nightly -f --tail 1"]
    {
        told += &town.place.told(words, false).await;
    }
    for words in ["logs nightly --attempt 2", "logs missing"] {
        told += &town.place.told(words, false).await;
    }
    expect_file!["../golden/logs.txt"].assert_eq(&told);
    town.close().await;
}

#[tokio::test]
async fn following_a_log_ends_with_its_job_and_tells_how() {
    let town = Town::open().await;
    town.place.file("job.md", "---\nidempotencyKey: nightly\nretry: 1\n---\nWork.\n");
    town.place.in_a_pipe("submit job.md").await;
    let held = town.build().await;
    let speaking = async {
        for number in 0..20 {
            let from = (0..number).map(|n: u64| format!("line {n}\n").len() as u64).sum();
            town.say(&held, from, &format!("line {number}\n")).await;
        }
        town.end(&held, Disposition::Fail).await;
    };
    let (typed, ()) = tokio::join!(town.place.in_a_pipe("logs nightly --follow"), speaking);
    let said: String = (0..20).map(|number| format!("line {number}\n")).collect();
    assert_eq!((typed.exit, typed.out), (Exit::Failed, said));
    assert!(typed.err.starts_with("nightly dead_letter"), "{}", typed.err);
    town.close().await;
}
