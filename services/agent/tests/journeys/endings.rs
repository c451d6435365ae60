//! How jobs end by themselves: shipped, failed, verified or not, out of time.

use protocol::{AboutJob, PutProfile};
use serde_json::{Value, json};

use crate::town::{Town, is_gone, pid_in};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_job_ships() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let script = "cat; cmp - $GIGAMESH_BODY_FILE < $GIGAMESH_BODY_FILE; echo $GIGAMESH_KEY; \
                  echo $GIGAMESH_EPOCH $GIGAMESH_ATTEMPT $GIGAMESH_PRODUCT; \
                  printf '40\\thalf\\n' > $GIGAMESH_PROGRESS_FILE; \
                  echo '{\"tokensIn\":7}' > $GIGAMESH_INSIGHTS_FILE; pwd; echo bad >&2";
    let file = format!("---\nidempotencyKey: k\ncommand: |\n  {script}\n---\nThe body.\n");
    let job = town.submit(&file).await;
    town.stage_is(job, "shipped").await;
    let log = town.log(job);
    assert!(log.contains("The body.\nk\n1 1 acme\n") && log.contains("/work\nbad\n"), "{log}");
    let found = town.job_is(job, |job| job["tokensUsed"] == json!(7)).await;
    assert_eq!(found["attempts"], json!(1));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_run_as_they_stand_and_echo_prints_the_body() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let words = town.submit("---\ncommand: [echo, \"$HOME; b\"]\n---\nBody.\n").await;
    let echo = town.submit("---\nengine: echo\n---\nSay this.\n").await;
    town.stage_is(words, "shipped").await;
    town.stage_is(echo, "shipped").await;
    assert_eq!(town.log(words), "$HOME; b\n");
    assert_eq!(town.log(echo), "Say this.\n");
    factory.stop().await;
}

async fn put(town: &Town, name: &str, snapshot: Value) {
    let snapshot = serde_json::from_value(snapshot).unwrap();
    let (name, version) = (name.parse().unwrap(), 1.try_into().unwrap());
    town.ask(&PutProfile { name, version, snapshot }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_gives_its_runs_words_variables_and_the_frame_of_their_prompt() {
    let town = Town::new().await;
    let maker = json!({
        "engine": "shell", "args": ["one", "two words"], "model": "m-1",
        "env": {"COLOUR": "green", "API_TOKEN": "not-for-any-log"},
        "promptTemplate": "Do this:\n{body}Thanks.\n",
    });
    put(&town, "maker", maker).await;
    put(&town, "greeter", json!({"engine": "shell", "args": ["echo", "hello; $HOME"]})).await;
    put(&town, "frame", json!({"engine": "echo", "promptTemplate": "<{body}>"})).await;
    let factory = town.factory().await;
    let script = "cat; echo $# $2 $COLOUR $GIGAMESH_MODEL $API_TOKEN ${#API_TOKEN}";
    let keys = format!("profile: maker@1\ncommand: |\n  {script}\nverify: test $COLOUR = green");
    let maker = town.submit(&format!("---\n{keys}\n---\nBody.\n")).await;
    let greeter = town.submit("---\nprofile: greeter\n---\nBody.\n").await;
    let frame = town.submit("---\nprofile: frame\n---\nBody.\n").await;
    for job in [maker, greeter, frame] {
        town.stage_is(job, "shipped").await;
    }
    let log = town.log(maker);
    assert!(log.starts_with("Do this:\nBody.\nThanks.\n2 two words green m-1 "), "{log}");
    assert!(log.ends_with(" 15\n") && !log.contains("not-for-any-log"), "{log}");
    assert_eq!(town.log(greeter), "hello; $HOME\n");
    assert_eq!(town.log(frame), "<Body.\n>\n");
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_command_fails_with_its_exit_code() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit("---\ncommand: exit 3\n---\nBody.\n").await;
    let crash = town.submit("---\ncommand: kill -9 $$\n---\nOther.\n").await;
    let failed = town.stage_is(job, "failed").await;
    assert_eq!(failed["failureReason"], json!("failed"));
    let crashed = town.stage_is(crash, "failed").await;
    assert_eq!(crashed["failureReason"], json!("crash"));
    let events = town.found(AboutJob::Events, job).await;
    let told = events.iter().any(|event| event.to_string().contains("\"exit\":{\"code\":3}"));
    assert!(told, "{events:?}");
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_ships_if_its_verification_passes_and_fails_if_not() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let file = |key: &str, verify: &str| {
        format!("---\nidempotencyKey: {key}\ncommand: echo x > made\nverify: {verify}\n---\nDo.\n")
    };
    let good = town.submit(&file("good", "test -s made")).await;
    let bad = town.submit(&file("bad", "test -s missing")).await;
    town.stage_is(good, "shipped").await;
    let failed = town.stage_is(bad, "failed").await;
    assert_eq!(failed["failureReason"], json!("verify_failed"));
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_kills_the_whole_group_though_it_ignores_term() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let script = "trap '' TERM; sleep 1000 & echo $! > child; echo $$ > leader; \
                  while true; do sleep 1; done";
    let job = town.submit(&format!("---\ntimeout: 1s\ncommand: |\n  {script}\n---\nHang.\n")).await;
    let child = pid_in(&town.in_work(job, 1, "child")).await;
    let leader = pid_in(&town.in_work(job, 1, "leader")).await;
    let failed = town.stage_is(job, "failed").await;
    assert_eq!(failed["failureReason"], json!("timeout"));
    is_gone(child).await;
    is_gone(leader).await;
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_group_outlives_its_leader() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit("---\ncommand: sleep 1000 & echo $! > child\n---\nLeave.\n").await;
    town.stage_is(job, "shipped").await;
    is_gone(pid_in(&town.in_work(job, 1, "child")).await).await;
    factory.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_outside_the_roots_is_refused() {
    let town = Town::new().await;
    let factory = town.factory().await;
    let job = town.submit("---\ncwd: /\ncommand: pwd\n---\nBody.\n").await;
    let failed = town.stage_is(job, "failed").await;
    assert_eq!(failed["failureReason"], json!("cwd_refused"));
    factory.stop().await;
}
