//! A telling and a coordinator that does as it is told, in paused time.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use bus::{BusError, Memory};
use client::{CallError, NotBrought, Parcel, Patience};
use clock::{System, Virtual};
use fleet::{Epoch, Incarnation, Key, Nonce, ProductId, Timestamp};
use node::{Node, Tasks};
use protocol::{
    Beat, Beaten, BeginArtifact, Begun, ClaimWork, Code, CommitArtifact, Deregister, Granted,
    JobView, Linked, PatchJob, Problem, ReleaseJob, RenewAnswer, RenewLeases, ReportProgress,
    Upload,
};
use uuid::Uuid;

use super::*;
use crate::Identity;
use crate::hints::Reminders;

/// What becomes of lines that are said.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Hears,
    /// Takes so long over each piece.
    Slow(Duration),
    /// Hears every piece, and its answers are lost.
    Mute,
    Away,
    Fenced,
    Hangs,
}

#[derive(Debug)]
struct Ear {
    mood: Mutex<Mood>,
    heard: Mutex<Vec<(u64, String)>>,
}

#[async_trait]
impl Coordinator for Ear {
    async fn log(&self, ask: &AppendLog, _: Patience) -> Told<()> {
        let mood = *self.mood.lock().unwrap();
        let hears = || self.heard.lock().unwrap().push((ask.from, ask.text.clone()));
        match mood {
            Mood::Hears => hears(),
            Mood::Slow(span) => {
                sleep(span).await;
                hears();
            }
            Mood::Mute => {
                hears();
                return Err(CallError::Bus(BusError::TimedOut).into());
            }
            Mood::Away => {
                let away = BusError::Unavailable("cut".into());
                return Err(CallError::Bus(away).into());
            }
            Mood::Fenced => {
                let problem = Problem::new(Code::Fenced, Uuid::nil());
                return Err(CallError::Refused(Box::new(problem)).into());
            }
            Mood::Hangs => std::future::pending().await,
        }
        Ok(())
    }

    async fn claim(&self, _: &ClaimWork, _: Patience) -> Told<Option<Granted>> {
        unreachable!("a telling tells")
    }
    async fn renew(&self, _: &RenewLeases, _: Patience) -> Told<RenewAnswer> {
        unreachable!("a telling tells")
    }
    async fn patch(&self, _: &PatchJob, _: Patience) -> Told<JobView> {
        unreachable!("a telling tells")
    }
    async fn progress(&self, _: &ReportProgress, _: Patience) -> Told<()> {
        unreachable!("a telling tells")
    }
    async fn release(&self, _: &ReleaseJob, _: Patience) -> Told<JobView> {
        unreachable!("a telling tells")
    }
    async fn heartbeat(&self, _: &Beat, _: Patience) -> Told<Beaten> {
        unreachable!("a telling tells")
    }
    async fn deregister(&self, _: &Deregister, _: Patience) -> Told<()> {
        unreachable!("a telling tells")
    }
    async fn begin(&self, _: &BeginArtifact, _: Patience) -> Told<Begun> {
        unreachable!("a telling tells")
    }
    async fn bring(&self, _: &Upload, _: Parcel) -> Result<(), NotBrought> {
        unreachable!("a telling tells")
    }
    async fn commit(&self, _: &CommitArtifact, _: Patience) -> Told<Linked> {
        unreachable!("a telling tells")
    }
}

struct Stage {
    home: tempfile::TempDir,
    ear: Arc<Ear>,
    journal: Arc<Journal>,
    telling: Telling,
    calls: Arc<Calls<Ear>>,
    tasks: Tasks,
}

impl Stage {
    fn with(mood: Mood) -> Self {
        let home = tempfile::tempdir().unwrap();
        let ear = Arc::new(Ear { mood: Mutex::new(mood), heard: Mutex::default() });
        let journal = Arc::new(Journal::at(home.path().join("log.txt")));
        let system = Arc::new(System::start());
        let tasks = Tasks::default();
        let node = Node {
            bus: Arc::new(Memory::default()),
            clock: Arc::clone(&system) as _,
            ids: system,
            tasks: tasks.clone(),
        };
        let who = Identity {
            factory: "f1".parse().unwrap(),
            incarnation: Incarnation::from_uuid(Uuid::nil()),
            engines: Vec::new(),
            capabilities: Vec::new(),
            descriptor: None,
        };
        let calls = Arc::new(Calls {
            node,
            link: Arc::clone(&ear),
            who,
            seats: 1,
            reminders: Reminders::default(),
            logs_are_kept: AtomicBool::new(false),
        });
        let product: ProductId = "acme".parse().unwrap();
        let as_holder = AppendLog {
            job_id: JobId::of(&product, &"k".parse::<Key>().unwrap()),
            factory_id: "f1".parse().unwrap(),
            lease_epoch: Epoch::new(1),
            claim_nonce: Nonce::from_uuid(Uuid::nil()),
            from: 0,
            text: String::new(),
        };
        let teller = Teller { calls: Arc::clone(&calls), journal: Arc::clone(&journal), as_holder };
        let (telling, work) = teller.begin();
        tasks.spawn::<String>("log", async move {
            work.await;
            Ok(())
        });
        Self { home, ear, journal, telling, calls, tasks }
    }

    fn mood(&self, mood: Mood) {
        *self.ear.mood.lock().unwrap() = mood;
    }

    fn pieces(&self) -> Vec<(u64, String)> {
        self.ear.heard.lock().unwrap().clone()
    }

    /// What a reader makes of the pieces: bytes that it has are skipped, and none is missing.
    fn read(&self) -> String {
        let mut text = String::new();
        for (from, piece) in self.pieces() {
            let known = text.len() - usize::try_from(from).unwrap();
            text.push_str(piece.get(known..).unwrap_or_default());
        }
        text
    }

    fn kept(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log.txt")).unwrap()
    }

    /// How long the last report waits, and what was told by then.
    async fn end(self) -> (Duration, String, String) {
        let time = Virtual::starting_at(Timestamp::from_millis(1));
        let (ear, home, journal) = (Arc::clone(&self.ear), self.home, self.journal);
        self.telling.end(&journal).await;
        let took = clock::Clock::uptime(&time);
        self.tasks.stop();
        self.tasks.join().await.unwrap();
        let told = ear.heard.lock().unwrap().iter().map(|(_, text)| text.as_str()).collect();
        (took, told, std::fs::read_to_string(home.path().join("log.txt")).unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_line_is_told_at_once_and_the_next_ones_together() {
    let stage = Stage::with(Mood::Hears);
    stage.journal.add("first\n");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.pieces(), [(0, String::from("first\n"))]);
    for number in 0..10 {
        stage.journal.add(&format!("{number}\n"));
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(stage.pieces().len(), 1);
    sleep(BREATH).await;
    assert_eq!(stage.pieces()[1], (6, String::from("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")));
    stage.journal.add("last\n");
    let (took, told, kept) = stage.end().await;
    assert!(told.ends_with("9\nlast\n") && took < Duration::from_millis(50), "{took:?}");
    assert_eq!(told, kept);
}

#[tokio::test(start_paused = true)]
async fn lines_are_repeated_until_they_are_answered_and_come_in_order() {
    let stage = Stage::with(Mood::Mute);
    stage.journal.add("a\n");
    sleep(Duration::from_secs(3)).await;
    stage.journal.add("b\n");
    assert!(stage.pieces().len() > 1);
    assert!(stage.pieces().iter().all(|piece| *piece == (0, String::from("a\n"))));
    stage.mood(Mood::Away);
    sleep(Duration::from_secs(60)).await;
    stage.mood(Mood::Hears);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(stage.read(), "a\nb\n");
    assert_eq!(stage.kept(), "a\nb\n");
}

#[tokio::test(start_paused = true)]
async fn much_that_waits_is_told_without_pauses_in_pieces_that_may_be_said() {
    let stage = Stage::with(Mood::Hears);
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..2000 {
        stage.journal.add(&line);
    }
    let (took, told, kept) = stage.end().await;
    assert!(took < Duration::from_millis(50), "{took:?}");
    assert_eq!(told.len(), 2_000_000);
    assert_eq!(told, kept);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_away_delays_the_end_for_a_while_and_the_loss_is_noted() {
    for mood in [Mood::Away, Mood::Hangs] {
        let stage = Stage::with(Mood::Hears);
        stage.journal.add("a\n");
        sleep(Duration::from_secs(1)).await;
        stage.mood(mood);
        stage.journal.add("lost\n");
        let (took, told, kept) = stage.end().await;
        assert!(took >= LAST_WORDS && took <= LAST_WORDS + 2 * LAST_LINE, "{mood:?}: {took:?}");
        assert_eq!(told, "a\n");
        assert_eq!(kept, "a\nlost\n[gigamesh: 5 bytes of this log did not get through]\n");
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_keeps_logs_the_end_is_hardly_delayed() {
    let stage = Stage::with(Mood::Away);
    stage.journal.add("a\n");
    sleep(Duration::from_secs(60)).await;
    assert!(!stage.calls.logs_are_kept.load(Ordering::Relaxed));
    let (took, ..) = stage.end().await;
    assert!(took <= LAST_WORDS_TO_NOBODY + 2 * LAST_LINE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_service_is_told_how_much_is_missing() {
    let stage = Stage::with(Mood::Slow(Duration::from_millis(600)));
    let line = format!("{}\n", "x".repeat(999));
    for _ in 0..4000 {
        stage.journal.add(&line);
    }
    let ear = Arc::clone(&stage.ear);
    let (took, told, kept) = stage.end().await;
    assert!(took <= LAST_WORDS + 3 * LAST_LINE, "{took:?}");
    let (from, last) = ear.heard.lock().unwrap().last().cloned().unwrap();
    let missing = 4_000_000 - from;
    assert_eq!(last, format!("[gigamesh: {missing} more bytes did not get through in time]\n"));
    assert!(told.len() as u64 > from && kept.contains("did not get through"));
}

#[tokio::test(start_paused = true)]
async fn a_fenced_run_tells_no_more_and_delays_nothing() {
    let stage = Stage::with(Mood::Fenced);
    stage.journal.add("a\n");
    sleep(Duration::from_secs(1)).await;
    stage.mood(Mood::Hears);
    stage.journal.add("b\n");
    sleep(Duration::from_secs(1)).await;
    let (took, told, _) = stage.end().await;
    assert_eq!((took, told), (Duration::ZERO, String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_forgotten_is_told_no_further() {
    let Stage { ear, journal, telling, tasks, home, .. } = Stage::with(Mood::Away);
    journal.add("a\n");
    sleep(Duration::from_secs(1)).await;
    drop(telling);
    *ear.mood.lock().unwrap() = Mood::Hears;
    // Its task ends by itself.
    tasks.join().await.unwrap();
    assert_eq!(ear.heard.lock().unwrap().len(), 0);
    drop(home);
}
