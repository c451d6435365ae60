//! What a job says, between its events: whole lines, told as they come. A log that cannot be heard
//! costs its lines here and is told once; nobody's wait depends on it.

use std::time::Duration;

use client::{CallError, Follow, LogPart, News};
use fleet::JobId;
use protocol::LogPiece;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::trouble::Trouble;

/// For the rest of what was said, once the job has ended.
const LAST_LINES: Duration = Duration::from_secs(5);
/// A line that is longer is told in parts.
const LONGEST_LINE: usize = 64 << 10;

pub(super) struct Spoken {
    job: JobId,
    /// None where nobody wants to hear it, and once all was heard.
    follow: Option<Follow>,
    /// The beginning of a line.
    half: String,
    piece: Value,
}

impl Spoken {
    pub(super) fn of(desk: &Desk, job: JobId, wanted: bool) -> Self {
        let follow = wanted.then(|| desk.follow_log(job, LogPart::default()));
        Self { job, follow, half: String::new(), piece: Value::Null }
    }

    /// What is heard next. Dropping a call of it loses nothing.
    pub(super) async fn next(&mut self) -> Result<News, CallError> {
        match &mut self.follow {
            Some(follow) => follow.next().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn tell(
        &mut self,
        desk: &mut Desk,
        news: Result<News, CallError>,
    ) -> Result<(), Trouble> {
        match news {
            Ok(News::Event(said)) => match serde_json::from_value::<LogPiece>(said) {
                Ok(piece) => self.told(desk, &piece),
                Err(_) => Ok(()),
            },
            Ok(News::Gap) => {
                desk.printer.talk("some of its lines are gone");
                Ok(())
            }
            Ok(News::Here | News::Away) => Ok(()),
            Ok(News::End) => self.ended(desk),
            Err(error) => {
                let trouble = desk.refused(error);
                desk.printer.talk(&format!("its lines are not told: {}", trouble.what));
                self.ended(desk)
            }
        }
    }

    /// Tells the rest, now that the job has ended.
    pub(super) async fn rest(&mut self, desk: &mut Desk) -> Result<(), Trouble> {
        let until = desk.uptime() + LAST_LINES;
        while self.follow.is_some() {
            let left = until.saturating_sub(desk.uptime());
            match tokio::time::timeout(left, self.next()).await {
                Ok(news) => self.tell(desk, news)?,
                Err(_) => {
                    desk.printer.talk("the rest of its lines is not there yet: gigamesh logs JOB");
                    return self.ended(desk);
                }
            }
        }
        Ok(())
    }

    fn told(&mut self, desk: &mut Desk, piece: &LogPiece) -> Result<(), Trouble> {
        let run = json!({ "type": "log", "jobId": self.job, "epoch": piece.epoch });
        if run != self.piece {
            self.line(desk)?;
            self.piece = run;
        }
        self.half += &piece.text;
        while let Some(end) = self.half.find('\n') {
            let rest = self.half.split_off(end + 1);
            self.line(desk)?;
            self.half = rest;
        }
        if self.half.len() > LONGEST_LINE { self.line(desk) } else { Ok(()) }
    }

    fn line(&mut self, desk: &mut Desk) -> Result<(), Trouble> {
        let line = std::mem::take(&mut self.half);
        if line.is_empty() {
            return Ok(());
        }
        desk.printer.said(&self.piece, line.trim_end_matches(['\n', '\r']))
    }

    fn ended(&mut self, desk: &mut Desk) -> Result<(), Trouble> {
        self.follow = None;
        self.line(desk)
    }
}
