//! The demonstration, as it is promised.

use std::time::Duration;

use serde_json::Value;

use crate::process::ran;

#[tokio::test]
async fn the_demo_ships_every_job_and_hears_no_zombie() {
    let place = tempfile::tempdir().unwrap();
    let began = place.path().metadata().unwrap().modified().unwrap();
    let ended = ran(place.path(), &["demo"]).await;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "{told}");
    let said: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let jobs = said["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 8);
    assert!(jobs.iter().all(|job| job["stage"] == "shipped"), "{said}");
    let of = |key: &str| jobs.iter().find(|job| job["key"] == key).unwrap();
    assert!(of("example-night-shift")["leaseEpoch"].as_u64() > Some(1), "it was claimed again");
    assert!(of("example-flaky")["attempts"].as_u64() > Some(1), "its first attempt fails");
    let refused = said["refused"].as_array().unwrap();
    assert!(refused.iter().any(|word| word.as_str().unwrap().contains("under epoch 1")), "{said}");
    assert_eq!(said["violations"], 0);
    assert!(told.contains("killed with -9"), "{told}");
    assert!(began.elapsed().unwrap() < Duration::from_secs(60), "it is over within a minute");
}
