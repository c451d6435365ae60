//! Commands that stay: waiting, following, watching, and being told to end.

use std::time::Duration;

use cli::Exit;
use fleet::Disposition;

use crate::town::Town;

const FILE: &str = "---\nidempotencyKey: nightly\nretry: 1\n---\nWork.\n";

#[tokio::test]
async fn a_wait_ends_with_its_job_and_tells_how() {
    let town = Town::open().await;
    town.place.file("job.md", FILE);
    for (key, disposition, exit) in
        [("good", Disposition::Ship, Exit::Done), ("bad", Disposition::Fail, Exit::Failed)]
    {
        let words = format!("submit job.md --key {key} --wait --json job");
        let ending = async {
            let held = town.build().await;
            town.end(&held, disposition).await;
        };
        let (typed, ()) = tokio::join!(town.place.in_a_pipe(&words), ending);
        assert_eq!(typed.exit, exit, "{}{}", typed.out, typed.err);
        let stage = if exit == Exit::Done { "shipped" } else { "dead_letter" };
        assert!(typed.out.contains(&format!("\"{stage}\"")), "{}", typed.out);
        assert!(typed.err.starts_with(&format!("{key} {stage}")), "{}", typed.err);
    }
    town.close().await;
}

#[tokio::test]
async fn a_wait_that_takes_too_long_is_given_up() {
    let town = Town::open().await;
    town.place.file("job.md", FILE);
    // Somebody works on it, and does not end in time.
    let waiting = town.place.in_a_pipe("submit job.md --wait --timeout 1s");
    let (typed, _held) = tokio::join!(waiting, town.build());
    assert_eq!(typed.exit, Exit::TimedOut, "{}", typed.err);
    assert!(typed.err.starts_with("gave up waiting: "), "{}", typed.err);
    assert!(typed.out.contains("\"building\""), "as it stands now: {}", typed.out);
    town.close().await;
}

#[tokio::test]
async fn following_tells_every_event_once_and_ends_with_the_job() {
    let town = Town::open().await;
    town.place.file("job.md", FILE);
    let ending = async {
        let held = town.build().await;
        town.end(&held, Disposition::Ship).await;
    };
    let submit = town.place.in_a_pipe("submit job.md --follow");
    let (typed, ()) = tokio::join!(submit, ending);
    assert_eq!(typed.exit, Exit::Done, "{}", typed.err);
    let seqs: Vec<u64> = typed
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert!(seqs.len() > 3 && seqs.iter().copied().eq(1..=seqs.len() as u64), "{seqs:?}");
    let later = town.place.in_a_pipe("events nightly -f").await;
    assert_eq!((later.exit, later.out), (Exit::Done, typed.out));
    let watched = town.place.in_a_pipe("watch nightly").await;
    assert_eq!(watched.exit, Exit::Done);
    town.close().await;
}

#[tokio::test]
async fn following_a_submission_tells_what_it_says_between_its_events() {
    for terminal in [false, true] {
        let town = Town::open().await;
        town.place.file("job.md", FILE);
        let ending = async {
            let held = town.build().await;
            town.say(&held, 0, "one\ntw").await;
            town.say(&held, 6, "o\n").await;
            town.say(&held, 8, "\u{1b}[31mred\u{1b}[0m\n").await;
            town.end(&held, Disposition::Ship).await;
        };
        let submit = town.place.typed("submit job.md --follow", terminal, std::future::pending());
        let (typed, ()) = tokio::join!(submit, ending);
        assert_eq!(typed.exit, Exit::Done, "{}", typed.err);
        let told: Vec<String> = if terminal {
            let lines = typed.out.lines().filter_map(|line| line.strip_prefix("| "));
            lines.map(str::to_owned).collect()
        } else {
            let lines = typed.out.lines();
            let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let said = lines.filter(|line| line["type"] == "log" && line["epoch"] == 1);
            said.map(|line| line["line"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(told, ["one", "two", "\u{1b}[31mred\u{1b}[0m"], "{}", typed.out);
        assert!(typed.out.contains("shipped"), "and its events: {}", typed.out);
        town.close().await;
    }
}

#[tokio::test]
async fn watching_draws_over_itself_and_gives_the_cursor_back_when_it_is_told_to_end() {
    let town = Town::open().await;
    town.place.file("job.md", FILE);
    town.place.in_a_pipe("submit job.md").await;
    let told = tokio::time::sleep(Duration::from_secs(3));
    let typed = town.place.typed("watch", true, told).await;
    assert_eq!(typed.exit, Exit::Interrupted);
    assert!(typed.out.starts_with("\u{1b}[?25l\r\u{1b}[J"), "{:?}", typed.out);
    assert!(typed.out.contains("\u{1b}[2A\r\u{1b}[J"), "{:?}", typed.out);
    assert!(typed.out.ends_with("\u{1b}[?25h"), "{:?}", typed.out);
    let piped = town.place.typed("watch", false, tokio::time::sleep(Duration::from_millis(200)));
    let piped = piped.await;
    assert_eq!((piped.exit, piped.out), (Exit::Interrupted, String::new()));
    town.close().await;
}
