//! Submissions that nobody waits for, published while not one service runs.

use std::time::Duration;

use bus::Message;
use futures_util::StreamExt;
use protocol::{DeadLetter, Filter, Row, Subject, SubmitJob, Topic};

use crate::scene::Scene;
use crate::town::{Town, shipped};

const PATIENCE: Duration = Duration::from_secs(60);

async fn publish(scene: &Scene, body: Vec<u8>, dedup: &str) {
    let subject = Subject::new(&"acme".parse().unwrap(), Topic::Intake);
    scene.node().bus.append(Message::new(subject, body), dedup).await.unwrap();
}

fn job(key: &str) -> Vec<u8> {
    let file = Some(format!("---\nidempotencyKey: {key}\n---\nWork."));
    serde_json::to_vec(&SubmitJob { file, ..SubmitJob::default() }).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_published_while_every_service_is_down_becomes_a_job_once() {
    let mut scene = Scene::bare().await;
    publish(&scene, job("one"), "first").await;
    publish(&scene, job("one"), "again, under another name").await;
    publish(&scene, b"{ no submission".to_vec(), "garbled").await;
    publish(&scene, job("two"), "second").await;
    scene.serve_all().await;
    let filter = Filter::within(Row::DeadLetter, &"acme".parse().unwrap());
    let mut letters = scene.node().bus.consume(&filter, "operators").await.unwrap();
    let letter = tokio::time::timeout(PATIENCE, letters.next()).await.unwrap().unwrap();
    let letter: DeadLetter = serde_json::from_slice(&letter.message.body).unwrap();
    assert_eq!(
        (letter.error.code.as_str(), letter.submission.as_str()),
        ("VALIDATION", "{ no submission")
    );
    let town = Town::on(scene);
    assert_eq!(town.work_off("f1", Duration::from_secs(10)).await, 2);
    for key in ["one", "two"] {
        let id = fleet::JobId::of(&"acme".parse().unwrap(), &key.parse().unwrap());
        let job = town.job(id).await;
        assert_eq!((&job["stage"], &job["attempts"]), (&shipped(), &1.into()), "{job}");
    }
    town.stop().await;
}
