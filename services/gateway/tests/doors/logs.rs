//! What a job says, from its holder to those who read and follow: every byte once and in order,
//! whatever is lost, repeated, merged or restarted in between.

use std::sync::Arc;
use std::time::Duration;

use blob::{Named, RunLog};
use bus::{Bus, Faulty, Memory, Odds};
use client::{CallError, Follow, LogPart, News, OverHttp};
use dev::Shape;
use fleet::{Artifact, ArtifactKind, Disposition, JobId, OpId};
use protocol::{
    AppendLog, ArtifactPage, Code, Filter, Granted, JobAction, ListArtifacts, LogPiece, Operate,
    ReleaseJob, Row,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::plain::Spoken;
use crate::town::{TOKEN, Town, refusal};

const A_WHILE: Duration = Duration::from_secs(20);
const WHOLE: LogPart = LogPart { attempt: None, tail: None };

/// One who holds a job and says things.
struct Speaker {
    held: Granted,
    said: String,
}

impl Speaker {
    async fn of(town: &Town) -> Self {
        let held = town.claim("f1", A_WHILE).await.unwrap();
        town.build("f1", &held).await.unwrap();
        Self { held, said: String::new() }
    }

    async fn new(town: &Town, file: &str) -> Self {
        town.submit(file).await;
        Self::of(town).await
    }

    fn job(&self) -> JobId {
        self.held.job.id
    }

    fn word(&self, text: &str) -> AppendLog {
        AppendLog {
            job_id: self.held.job.id,
            factory_id: "f1".parse().unwrap(),
            lease_epoch: self.held.lease_epoch,
            claim_nonce: self.held.claim_nonce,
            from: self.said.len() as u64,
            text: text.to_owned(),
        }
    }

    async fn say(&mut self, town: &Town, text: &str) {
        town.ask(&self.word(text)).await.unwrap();
        self.said += text;
    }

    async fn release(&self, town: &Town, disposition: Disposition) {
        let mut release: ReleaseJob = town.shipping("f1", &self.held);
        release.disposition = Some(disposition);
        town.ask(&release).await.unwrap();
    }

    fn log(&self, town: &Town) -> RunLog {
        let (product, job) = ("acme".parse().unwrap(), self.job());
        RunLog::of(&town.blobs, &Named { product, job, epoch: self.held.lease_epoch })
    }
}

/// All that a reader is told until the end.
async fn heard_to_the_end(follow: &mut Follow) -> Vec<LogPiece> {
    let mut heard = Vec::new();
    while let Some(piece) = next(follow).await {
        heard.push(piece);
    }
    heard
}

async fn next(follow: &mut Follow) -> Option<LogPiece> {
    loop {
        match tokio::time::timeout(A_WHILE, follow.next()).await.expect("in time").unwrap() {
            News::Event(piece) => return Some(serde_json::from_value(piece).unwrap()),
            News::Here | News::Away => {}
            News::Gap => panic!("nothing was lost"),
            News::End => return None,
        }
    }
}

/// Each byte once and in its place.
fn text(pieces: &[LogPiece]) -> String {
    let mut all = String::new();
    for piece in pieces {
        assert_eq!(piece.from, all.len() as u64, "no gap and no repeat");
        all += &piece.text;
    }
    all
}

async fn read(town: &Town, job: JobId, part: LogPart) -> String {
    let mut log = town.http.read_log(job, part, town.patience()).await.unwrap();
    let mut all = Vec::new();
    while let Some(bytes) = log.next().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    String::from_utf8(all).unwrap()
}

async fn logs_of(town: &Town, job: JobId) -> Vec<Artifact> {
    let (kind, limit, cursor) = (Some(ArtifactKind::Log), None, None);
    let ask = ListArtifacts { job: job.to_string(), kind, limit, cursor };
    let page: ArtifactPage = town.ask_bus(&ask).await.unwrap();
    page.items
}

/// Until the pieces of this run became its artifact.
async fn closed(town: &Town, speaker: &Speaker) -> Artifact {
    let closing = async {
        loop {
            let gone = speaker.log(town).pieces().await.unwrap().is_empty();
            if let (true, Some(log)) = (gone, logs_of(town, speaker.job()).await.pop()) {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(A_WHILE, closing).await.expect("in time")
}

#[tokio::test]
async fn what_is_said_is_at_the_tail_and_afterwards_in_one_artifact() {
    let town = Town::open().await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    speaker.say(&town, "first\n").await;
    let mut follow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    let mut heard = vec![next(&mut follow).await.unwrap()];
    speaker.say(&town, "\u{1b}[31mred\u{1b}[0m and ä\n").await;
    heard.push(next(&mut follow).await.unwrap());
    // Said again since nobody answered: it is there once.
    let mut again = speaker.word("");
    (again.from, again.text) = (6, "\u{1b}[31mred\u{1b}[0m and ä\n".to_owned());
    town.ask(&again).await.unwrap();
    speaker.say(&town, "last\n").await;
    assert_eq!(read(&town, speaker.job(), WHOLE).await, speaker.said);
    speaker.release(&town, Disposition::Ship).await;
    heard.extend(heard_to_the_end(&mut follow).await);
    assert_eq!(text(&heard), speaker.said);
    let log = closed(&town, &speaker).await;
    assert_eq!(log.name.as_deref(), Some("attempt-1.log"));
    assert_eq!(
        (log.epoch, log.run_id),
        (Some(speaker.held.lease_epoch), Some(speaker.held.claim_nonce))
    );
    assert_eq!(log.size_bytes, speaker.said.len() as u64);
    assert_eq!(read(&town, speaker.job(), WHOLE).await, speaker.said);
    let mut late = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    assert_eq!(text(&heard_to_the_end(&mut late).await), speaker.said);
    town.close().await;
}

#[tokio::test]
async fn without_a_single_notice_the_tail_is_complete_only_later() {
    let bus = Arc::new(Faulty::new(Memory::default(), 1, Odds::default()));
    bus.partition(Filter::every(Row::Log));
    bus.partition(Filter::every(Row::Event));
    let town = Town::over(bus, Shape::Together).await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    let mut follow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    let speaking = async {
        for number in 0..50 {
            speaker.say(&town, &format!("line {number}\n")).await;
        }
        speaker.release(&town, Disposition::Ship).await;
        speaker.said.clone()
    };
    let (said, heard) = tokio::join!(speaking, heard_to_the_end(&mut follow));
    assert_eq!(text(&heard), said);
    town.close().await;
}

#[tokio::test]
async fn notices_that_come_twice_late_or_overtaken_repeat_nothing() {
    let most = Duration::from_millis(20);
    let odds = Odds { duplicate: 300, delay: 200, reorder: 200, most, ..Odds::default() };
    let bus: Arc<dyn Bus> = Arc::new(Faulty::new(Memory::default(), 7, odds));
    let town = Town::over(bus, Shape::Apart(2)).await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    let mut follow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    let speaking = async {
        for number in 0..150 {
            speaker.say(&town, &format!("line {number} {}\n", "x".repeat(number))).await;
        }
        speaker.release(&town, Disposition::Ship).await;
        speaker.said.clone()
    };
    let (said, heard) = tokio::join!(speaking, heard_to_the_end(&mut follow));
    assert_eq!(text(&heard), said);
    let log = closed(&town, &speaker).await;
    assert_eq!(log.size_bytes, said.len() as u64, "two replicas closed it, and it is one");
    assert_eq!(logs_of(&town, speaker.job()).await.len(), 1);
    town.close().await;
}

#[tokio::test]
async fn a_reader_goes_on_where_its_connection_broke() {
    let town = Town::open().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let mut speaker = Speaker::new(&town, "Work.").await;
    for number in 0..5 {
        speaker.say(&town, &format!("line {number}\n")).await;
    }
    let reading = async {
        let through = OverHttp::new(&address, TOKEN).unwrap();
        let mut follow = through.follow_log(speaker.job(), WHOLE, town.patience());
        let mut heard = vec![next(&mut follow).await.unwrap()];
        for number in 5..8 {
            speaker.say(&town, &format!("line {number}\n")).await;
            heard.push(next(&mut follow).await.unwrap());
        }
        assert_eq!(text(&heard), speaker.said);
    };
    tokio::select! {
        () = break_after_each(&listener, town.address) => panic!("nobody called"),
        () = reading => {}
    }
    town.close().await;
}

/// A way to the door whose every connection ends after its first frame.
async fn break_after_each(listener: &tokio::net::TcpListener, door: std::net::SocketAddr) {
    while let Ok((mut caller, _)) = listener.accept().await {
        let mut stream = TcpStream::connect(door).await.unwrap();
        let mut head = [0; 4096];
        let length = caller.read(&mut head).await.unwrap();
        stream.write_all(&head[..length]).await.unwrap();
        let mut text = Vec::new();
        while !(text.ends_with(b"\n\n") && text.windows(5).any(|five| five == b"data:")) {
            text.push(stream.read_u8().await.unwrap());
        }
        caller.write_all(&text).await.unwrap();
    }
}

#[tokio::test]
async fn words_are_merged_and_services_restarted_under_a_reader() {
    let mut town = Town::open().await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    let mut follow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    let mut heard = Vec::new();
    for number in 0..200_usize {
        speaker.say(&town, &format!("line {number} {}\n", "y".repeat(number % 70))).await;
        if number % 80 == 79 {
            town.restart_services().await;
        }
        if number % 50 == 49 {
            heard.push(next(&mut follow).await.unwrap());
        }
    }
    let pieces = speaker.log(&town).pieces().await.unwrap().len();
    assert!(pieces < 150, "{pieces} pieces of 200 words");
    speaker.release(&town, Disposition::Ship).await;
    heard.extend(heard_to_the_end(&mut follow).await);
    assert_eq!(text(&heard), speaker.said);
    town.close().await;
}

#[tokio::test]
async fn a_tail_goes_on_over_later_attempts_and_each_is_read_by_itself() {
    let town = Town::open().await;
    let mut first = Speaker::new(&town, "Work.").await;
    let job = first.job();
    let mut follow = town.http.follow_log(job, WHOLE, town.patience());
    first.say(&town, "one\n").await;
    let mut heard = vec![next(&mut follow).await.unwrap()];
    first.release(&town, Disposition::Yield).await;
    let mut second = Speaker::of(&town).await;
    let stale = refusal(town.ask(&first.word("a ghost\n")).await);
    assert_eq!(stale.code, Code::Fenced);
    second.say(&town, "two\nthree\n").await;
    second.release(&town, Disposition::Ship).await;
    heard.extend(heard_to_the_end(&mut follow).await);
    let said: Vec<_> = heard.iter().map(|piece| (piece.epoch, piece.text.as_str())).collect();
    let expected = [(first.held.lease_epoch, "one\n"), (second.held.lease_epoch, "two\nthree\n")];
    assert_eq!(said, expected);
    let of = |attempt| LogPart { attempt: Some(attempt), tail: None };
    assert_eq!(read(&town, job, of(1)).await, "one\n");
    assert_eq!(read(&town, job, of(2)).await, "two\nthree\n");
    let last = LogPart { attempt: None, tail: Some(1) };
    assert_eq!(read(&town, job, last).await, "three\n");
    let mut only = town.http.follow_log(job, of(1), town.patience());
    assert_eq!(text(&heard_to_the_end(&mut only).await), "one\n");
    town.close().await;
}

#[tokio::test]
async fn what_a_factory_said_before_it_lost_its_job_is_kept() {
    let town = Town::open().await;
    let mut speaker = Speaker::new(&town, "---\nidempotencyKey: nightly\n---\nWork.\n").await;
    speaker.say(&town, "half of it\n").await;
    let cancel = Operate {
        action: JobAction::Cancel,
        job_id: speaker.job(),
        op_id: Some(OpId::from_uuid(town.node.ids.mint())),
        reason: None,
        force: false,
        now: true,
        alone: false,
    };
    town.ask(&cancel).await.unwrap();
    let refused = refusal(town.ask(&speaker.word("and the rest\n")).await);
    assert_eq!(refused.code.http(), 409, "{refused:?}");
    assert_eq!(closed(&town, &speaker).await.size_bytes, 11);
    assert_eq!(read(&town, speaker.job(), WHOLE).await, "half of it\n");
    town.close().await;
}

#[tokio::test]
async fn a_slow_reader_misses_nothing_though_nothing_is_queued_for_it() {
    let town = Town::open().await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    speaker.say(&town, "begin\n").await;
    let mut slow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
    let mut heard = vec![next(&mut slow).await.unwrap()];
    let line = format!("{}\n", "z".repeat(60_000));
    for _ in 0..100 {
        speaker.say(&town, &line).await;
    }
    speaker.release(&town, Disposition::Ship).await;
    heard.extend(heard_to_the_end(&mut slow).await);
    assert_eq!(text(&heard).len(), speaker.said.len());
    town.close().await;
}

#[tokio::test]
async fn what_cannot_be_a_word_or_a_question_is_refused() {
    let town = Town::open().await;
    let mut speaker = Speaker::new(&town, "Work.").await;
    let job = speaker.job();
    let mut word = speaker.word("too early\n");
    word.from = 5;
    let gap = refusal(town.ask(&word).await);
    assert_eq!((gap.code, gap.reason.as_deref()), (Code::Validation, Some("gap")));
    let large = refusal(town.ask(&speaker.word(&"x".repeat((64 << 10) + 1))).await);
    assert_eq!((large.code, large.limit), (Code::TooLarge, Some(64 << 10)));
    let mut stranger = speaker.word("not mine\n");
    stranger.claim_nonce = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    assert_eq!(refusal(town.ask(&stranger).await).code, Code::Fenced);
    speaker.say(&town, "so it is\n").await;
    for (query, status) in [
        ("attempt=0", 400),
        ("attempt=9", 404),
        ("tail=-1", 400),
        ("tail=100001", 400),
        ("follow=perhaps", 400),
        ("lines=3", 400),
        ("tail=0", 200),
    ] {
        let said =
            Spoken::new(&format!("GET /fleet/jobs/{job}/log?{query}")).to(town.address).await;
        assert_eq!(said.status, status, "{query}");
    }
    let at = Spoken::new(&format!("GET /fleet/jobs/{job}/log?follow=1")).with("Last-Event-ID: x");
    assert_eq!(at.to(town.address).await.status, 400);
    let nobody = "GET /fleet/jobs/j_aaaaaaaaaaaaaaaaaaaaaaaaaa/log";
    assert_eq!(Spoken::new(nobody).to(town.address).await.status, 404);
    assert_eq!(Spoken::new(&format!("{nobody}?follow=1")).to(town.address).await.status, 404);
    town.close().await;
}

#[tokio::test]
async fn a_tail_too_many_is_sent_away() {
    let town = Town::open().await;
    let speaker = Speaker::new(&town, "Work.").await;
    let mut open = Vec::new();
    for _ in 0..128 {
        let mut follow = town.http.follow_log(speaker.job(), WHOLE, town.patience());
        assert!(matches!(follow.next().await, Ok(News::Here)));
        open.push(follow);
    }
    let address = format!("GET /fleet/jobs/{}/log?follow=1", speaker.job());
    let said = Spoken::new(&address).to(town.address).await;
    assert_eq!((said.status, said.header("retry-after")), (429, Some("1")));
    drop(open);
    town.close().await;
}

#[tokio::test]
async fn a_stranger_reads_nothing() {
    let town = Town::open().await;
    let speaker = Speaker::new(&town, "Work.").await;
    let stranger = OverHttp::new(&format!("http://{}", town.address), "gm_of-another-town");
    let mut follow = stranger.unwrap().follow_log(speaker.job(), WHOLE, town.patience());
    let refused = follow.next().await;
    assert!(matches!(refused, Err(CallError::Refused(problem)) if problem.code.http() == 401));
    town.close().await;
}
