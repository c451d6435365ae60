//! What a factory does with a grant: confirms it, renews, reports, sometimes sleeps beyond its
//! lease and speaks on as if nothing had been, and says how it ended until somebody answers.

use fleet::{
    Checkpoint, Disposition, Holding, Job, JobId, OpId, Patch, Release, RunResult, StageName,
};
use futures_util::FutureExt;
use ledger::{ProgressReport, Stop};

use super::ask::Answer;
use super::factory::{Disk, Factory, Kept, Word};
use super::history::{Facts, Op, Phase};
use super::world::{Desk, nap};
use super::wrong;

/// How often a word is said again before its speaker looks after its lease.
const REPEATS: u32 = 6;

impl Factory {
    /// The first of what is kept, to its end.
    pub(super) async fn work(&mut self, disk: &mut Disk) {
        self.begin(disk, 0);
        while let Some(kept) = disk.kept.front().cloned() {
            let end = self.carry_out(&kept, disk).await;
            // Decided and on disk in the same moment.
            if let Some(word) = end {
                let facts = Facts { id: Some(word.release.op.uuid()), ..Facts::default() };
                self.world.history.call(&self.by, Op::Finish, Some(kept.job), facts);
                disk.outbox.push_back(word);
            }
            disk.kept.pop_front();
            self.note(Op::Work, Phase::Ok, &kept);
        }
    }

    /// What was taken up beyond the first so many is worked on beside them.
    fn begin(&self, disk: &Disk, known: usize) {
        for kept in disk.kept.iter().skip(known) {
            self.note(Op::Work, Phase::Call, kept);
        }
    }

    fn note(&self, op: Op, phase: Phase, kept: &Kept) {
        let facts = spoken(&kept.holding, None);
        self.world.history.push(&self.by, (op, phase), Some(kept.job), (facts, Facts::default()));
    }

    /// How it ends; nothing, when the factory was told that it is not its own any more.
    async fn carry_out(&mut self, kept: &Kept, disk: &mut Disk) -> Option<Word> {
        match self.move_to(kept, StageName::Building).await {
            Phase::Ok => {}
            Phase::No => return Some(self.last_word(kept, Disposition::Yield)),
            Phase::Call | Phase::Unknown => return None,
        }
        for step in 1..=1 + self.dice.below(4) {
            nap(&mut self.dice, 300, 3_000).await;
            let zombie = self.dice.chance(self.world.plan.zombies) && !self.world.is_healed();
            if zombie {
                self.world.history.fate(&self.by, "sleeps");
                nap(&mut self.dice, 8_000, 25_000).await;
            }
            let known = disk.kept.len();
            self.take_late(disk);
            self.begin(disk, known);
            self.report(kept, step).await;
            // One that slept may speak on before it asks whether it still may.
            if zombie && self.dice.chance(500) {
                continue;
            }
            match self.renewed(kept).await {
                Ok(None) => {}
                Ok(Some(end)) => return Some(end),
                Err(()) => return None,
            }
        }
        self.come_to_an_end(kept).await
    }

    /// A renewal that got no answer is followed by the next one; a refusal ends the work.
    async fn renewed(&mut self, kept: &Kept) -> Result<Option<Word>, ()> {
        let (phase, stop) = self.renew_once(kept).await;
        match (phase, stop) {
            (Phase::No, _) => Err(()),
            (_, Some(Stop::Cancel)) => {
                let mut word = self.last_word(kept, Disposition::Fail);
                word.release.result = Some(RunResult::Cancelled);
                Ok(Some(word))
            }
            (Phase::Call | Phase::Ok | Phase::Unknown, _) => Ok(None),
        }
    }

    async fn come_to_an_end(&mut self, kept: &Kept) -> Option<Word> {
        let fate = if self.world.is_healed() { 0 } else { self.dice.below(100) };
        if fate < 72 && kept.manual {
            let moved = self.move_to(kept, StageName::Review).await;
            return (moved == Phase::Ok).then(|| self.last_word(kept, Disposition::Park));
        }
        let disposition = match fate {
            0..72 => Disposition::Ship,
            72..90 => Disposition::Fail,
            _ => Disposition::Yield,
        };
        Some(self.last_word(kept, disposition))
    }

    async fn report(&mut self, kept: &Kept, step: u64) {
        match self.dice.below(4) {
            0 => self.progress(kept, step).await,
            1 => {
                let checkpoint = Checkpoint {
                    wip_branch: format!("wip/{}", kept.holding.lease_epoch),
                    wip_base: "base".to_owned(),
                    wip_commit: format!("c{step}"),
                };
                let patch = Patch { checkpoint: Some(checkpoint), ..self.patch_of(kept, None) };
                self.say_patch(kept.job, patch).await;
            }
            _ => {}
        }
    }

    async fn progress(&mut self, kept: &Kept, step: u64) {
        let report = ProgressReport {
            holding: kept.holding.clone(),
            percent: u8::try_from(step * 20).expect("a few steps"),
            step: None,
            message: None,
            seq: step,
        };
        let (job, args) = (kept.job, spoken(&kept.holding, None));
        self.world.history.call(&self.by, Op::Progress, Some(job), args.clone());
        let serve = move |desk: Desk| {
            let report = report.clone();
            async move { desk.ledger.progress(&desk.world.product, job, &report).await }.boxed()
        };
        let answer = self.world.ask(&mut self.dice, serve).await.0;
        self.answered(Op::Progress, job, args, &answer);
    }

    async fn move_to(&mut self, kept: &Kept, stage: StageName) -> Phase {
        let patch = self.patch_of(kept, Some(stage));
        self.say_patch(kept.job, patch).await
    }

    async fn say_patch(&mut self, job: JobId, patch: Patch) -> Phase {
        let mut args = spoken(&patch.holding, Some(patch.op));
        args.stage = patch.stage;
        for _ in 0..REPEATS {
            self.world.history.call(&self.by, Op::Patch, Some(job), args.clone());
            let answer = self.ask_patch(job, patch.clone()).await;
            let phase = self.answered(Op::Patch, job, args.clone(), &answer);
            if phase != Phase::Unknown {
                return phase;
            }
            nap(&mut self.dice, 200, 1_000).await;
        }
        Phase::Unknown
    }

    async fn ask_patch(&mut self, job: JobId, patch: Patch) -> Answer<Job> {
        let serve = move |desk: Desk| {
            let said = patch.clone();
            async move { wrong::patch(&desk, job, said).await }.boxed()
        };
        self.world.ask(&mut self.dice, serve).await.0
    }

    pub(super) async fn renew(&mut self, kept: &Kept) -> Phase {
        self.renew_once(kept).await.0
    }

    async fn renew_once(&mut self, kept: &Kept) -> (Phase, Option<Stop>) {
        let (job, holding) = (kept.job, kept.holding.clone());
        let args = spoken(&holding, None);
        self.world.history.call(&self.by, Op::Renew, Some(job), args.clone());
        let serve = move |desk: Desk| {
            let holding = holding.clone();
            async move { desk.ledger.renew(&desk.world.product, job, &holding).await }.boxed()
        };
        let answer = self.world.ask(&mut self.dice, serve).await.0;
        let phase = self.answered(Op::Renew, job, args, &answer);
        let stop = match answer {
            Answer::Ok(renewed) => renewed.stop,
            Answer::No(_) | Answer::Unknown => None,
        };
        (phase, stop)
    }

    /// In the order they were decided, each until it is answered, whatever the answer is.
    pub(super) async fn send_outbox(&mut self, disk: &mut Disk) {
        while let Some(word) = disk.outbox.front().cloned() {
            // It has its log to bring away first.
            nap(&mut self.dice, 100, 1_500).await;
            if self.say_release(&word).await != Phase::Unknown {
                disk.outbox.pop_front();
            }
        }
    }

    async fn say_release(&mut self, word: &Word) -> Phase {
        let (job, release) = (word.job, word.release.clone());
        let mut args = spoken(&release.holding, Some(release.op));
        args.word = release.disposition.map(|disposition| format!("{disposition:?}"));
        self.world.history.call(&self.by, Op::Release, Some(job), args.clone());
        let serve = move |desk: Desk| {
            let release = release.clone();
            async move { wrong::release(&desk, job, release).await }.boxed()
        };
        let answer = self.world.ask(&mut self.dice, serve).await.0;
        self.answered(Op::Release, job, args, &answer)
    }

    fn answered<T>(&self, op: Op, job: JobId, args: Facts, answer: &Answer<T>) -> Phase {
        let (phase, word) = match answer {
            Answer::Ok(_) => (Phase::Ok, None),
            Answer::No(no) => (Phase::No, Some(format!("{:?}", no.code))),
            Answer::Unknown => (Phase::Unknown, None),
        };
        let result = Facts { word, ..Facts::default() };
        self.world.history.push(&self.by, (op, phase), Some(job), (args, result));
        phase
    }

    fn patch_of(&self, kept: &Kept, stage: Option<StageName>) -> Patch {
        Patch {
            holding: kept.holding.clone(),
            op: OpId::from_uuid(self.ids.mint()),
            stage,
            checkpoint: None,
            note: None,
            verify: None,
            insights: None,
        }
    }

    pub(super) fn last_word(&self, kept: &Kept, disposition: Disposition) -> Word {
        let release = Release {
            holding: kept.holding.clone(),
            op: OpId::from_uuid(self.ids.mint()),
            disposition: Some(disposition),
            result: (disposition == Disposition::Fail).then_some(RunResult::Failed),
            exit: None,
            verify: None,
            insights: None,
            checkpoint: None,
            reason: None,
            artifacts: Vec::new(),
        };
        Word { job: kept.job, release }
    }
}

fn spoken(holding: &Holding, op: Option<OpId>) -> Facts {
    Facts {
        epoch: Some(holding.lease_epoch.get()),
        factory: Some(holding.factory_id.to_string()),
        nonce: Some(holding.claim_nonce),
        id: op.map(OpId::uuid),
        ..Facts::default()
    }
}
