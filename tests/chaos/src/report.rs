//! What a campaign comes to, for people and for programs: a table of figures, and for everything
//! that must not have been the whole history of its job. Judges nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use fleet::JobId;
use serde::Serialize;

use crate::campaign::{Course, Settings};
use crate::check::stock::log_of_a_run;
use crate::check::{Finding, unseen};
use crate::history::{By, History, Said, Version};

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    seed: u64,
    seconds: u64,
    servers: usize,
    /// Whether records were kept in one.
    account: bool,
    jobs: usize,
    acknowledged: usize,
    shipped: usize,
    failed: usize,
    /// Grants that were written.
    claims: usize,
    /// Jobs taken from a silent holder.
    taken_back: usize,
    versions: usize,
    unseen_versions: u64,
    events: usize,
    /// How many of each kind, and the longest and middle time until the fleet wrote again.
    faults: BTreeMap<&'static str, Faults>,
    repeated: BTreeMap<&'static str, u64>,
    /// Words of holders that were none any more, by who spoke.
    zombies_refused: BTreeMap<&'static str, usize>,
    artifacts: Artifacts,
    ended_by_themselves: Vec<String>,
    drained_in_ms: u64,
    verify: String,
    violations: Vec<String>,
}

/// Of bytes, at the end and on their way there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifacts {
    /// With their bytes, logs among them.
    ready: usize,
    bytes: u64,
    logs: usize,
    uploads_begun: u64,
    uploads_kept: usize,
    /// By code.
    uploads_refused: BTreeMap<String, u64>,
    /// Words of running jobs that were acknowledged, and sought in their logs.
    lines_acknowledged: usize,
    swept_uploads: u64,
    swept_blobs: u64,
    /// Writes that a crash cut short.
    unfinished_files: usize,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Faults {
    many: usize,
    recovery_ms_median: u64,
    recovery_ms_longest: u64,
}

impl Report {
    pub(crate) fn of(settings: &Settings, course: &Course, findings: &[Finding]) -> Self {
        let history = &course.history;
        let ends = |word: &str| {
            history.at_the_end.values().filter(|end| end.stage.as_str() == word).count()
        };
        Self {
            seed: settings.seed,
            seconds: settings.seconds,
            servers: settings.nodes,
            account: settings.account,
            jobs: history.at_the_end.len(),
            acknowledged: history.acknowledged.len(),
            shipped: ends("shipped"),
            failed: ends("failed") + ends("dead_letter"),
            claims: steps(history, |one, next| next.holder.is_some() && next.epoch > one.epoch),
            taken_back: steps(history, |one, next| {
                one.holder.is_some() && next.holder.is_none() && next.epoch > one.epoch
            }),
            versions: history.versions.values().map(Vec::len).sum(),
            unseen_versions: unseen(history),
            events: history.told.values().map(std::collections::BTreeSet::len).sum(),
            faults: recoveries(course),
            repeated: course.repeated.into_iter().collect(),
            zombies_refused: refused(&history.words),
            artifacts: Artifacts::of(course),
            ended_by_themselves: course.revived.clone(),
            drained_in_ms: millis(course.drained_in),
            verify: course.verified.clone(),
            violations: findings.iter().map(ToString::to_string).collect(),
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            // A string takes whatever is written to it.
            let _written = writeln!(text, "{name:<22} {value}");
        };
        let account = if self.account { " and an account" } else { "" };
        let Self { seed, seconds, servers, .. } = self;
        row("seed", format!("{seed}, {seconds} s, {servers} server(s){account}"));
        row("jobs", format!("{}, {} acknowledged", self.jobs, self.acknowledged));
        row("ended", format!("{} shipped, {} failed", self.shipped, self.failed));
        row("cycles", format!("{} claims, {} taken back", self.claims, self.taken_back));
        row("versions", format!("{} seen, {} unseen", self.versions, self.unseen_versions));
        row("events", self.events.to_string());
        for (kind, faults) in &self.faults {
            let Faults { many, recovery_ms_median: middle, recovery_ms_longest: most } = faults;
            row(kind, format!("{many} ×, writing again after {middle} ms, at most {most} ms"));
        }
        for (what, many) in &self.repeated {
            row(what, format!("{many} requests"));
        }
        for (who, many) in &self.zombies_refused {
            row("zombies refused", format!("{many} words of {who}"));
        }
        self.artifacts.rows(&mut row);
        row("ended by themselves", self.ended_by_themselves.join(" "));
        row("drained in", format!("{} ms", self.drained_in_ms));
        row("verify", self.verify.clone());
        row("violations", self.violations.len().to_string());
        text
    }
}

impl Artifacts {
    fn of(Course { freight, stock, .. }: &Course) -> Self {
        let ready = stock.pointers.iter().filter(|pointer| pointer.is_ready());
        Self {
            ready: ready.clone().count(),
            bytes: ready.clone().map(|pointer| pointer.size_bytes).sum(),
            logs: ready.filter_map(log_of_a_run).count(),
            uploads_begun: freight.begun,
            uploads_kept: freight.kept.len(),
            uploads_refused: freight.refused.clone(),
            lines_acknowledged: freight.lines.len(),
            swept_uploads: stock.swept.0,
            swept_blobs: stock.swept.1,
            unfinished_files: stock.unfinished,
        }
    }

    fn rows(&self, row: &mut impl FnMut(&str, String)) {
        let Self { ready, bytes, logs, lines_acknowledged: lines, .. } = self;
        row("artifacts", format!("{ready}, {bytes} bytes"));
        row("logs", format!("{logs} of them, of {lines} acknowledged words"));
        let Self { uploads_begun: begun, uploads_kept: kept, uploads_refused: refused, .. } = self;
        let refused: Vec<String> =
            refused.iter().map(|(code, many)| format!("{many} × {code}")).collect();
        let refused = if refused.is_empty() { "none".to_owned() } else { refused.join(", ") };
        row("uploads", format!("{begun} begun, {kept} kept; refused: {refused}"));
        let Self { swept_uploads: uploads, swept_blobs: blobs, unfinished_files: files, .. } = self;
        row("swept", format!("{uploads} uploads, {blobs} blobs; {files} torn files spared"));
    }
}

/// Everything about one job, in the order in which it was seen.
pub(crate) fn story(history: &History, job: JobId) -> String {
    let mut lines: Vec<(Duration, String)> = Vec::new();
    let versions = history.versions.get(&job).into_iter().flatten();
    lines.extend(versions.map(|version| (version.at, version.to_string())));
    let words = history.words.iter().filter(|said| said.job == job);
    lines.extend(words.map(|said| (said.at, said.to_string())));
    lines.sort();
    let mut text: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
    if let Some(end) = history.at_the_end.get(&job) {
        // As above.
        let _written = writeln!(text, "at the end: {end}");
    }
    text
}

fn steps(history: &History, is: impl Fn(&Version, &Version) -> bool) -> usize {
    let of_one =
        |versions: &Vec<Version>| versions.windows(2).filter(|pair| is(&pair[0], &pair[1])).count();
    history.versions.values().map(of_one).sum()
}

/// From the end of each fault to the next write of any job.
fn recoveries(course: &Course) -> BTreeMap<&'static str, Faults> {
    let mut writes: Vec<Duration> =
        course.history.versions.values().flatten().map(|version| version.at).collect();
    writes.sort();
    let next = |until: Duration| {
        let place = writes.partition_point(|at| *at < until);
        writes.get(place).map_or(0, |at| millis(at.saturating_sub(until)))
    };
    let of = |deeds: Vec<crate::deeds::Deed>| {
        let mut spans: Vec<u64> = deeds.iter().map(|deed| next(deed.until)).collect();
        spans.sort_unstable();
        Faults {
            many: spans.len(),
            recovery_ms_median: spans.get(spans.len() / 2).copied().unwrap_or_default(),
            recovery_ms_longest: spans.last().copied().unwrap_or_default(),
        }
    };
    course.world.by_kind().into_iter().map(|(kind, deeds)| (kind.words(), of(deeds))).collect()
}

fn refused(words: &[Said]) -> BTreeMap<&'static str, usize> {
    let mut refused = BTreeMap::new();
    for said in words.iter().filter(|said| said.is_fenced()) {
        let who = match said.by {
            By::Factory => "factories",
            By::Copy => "copies",
            By::Ghost => "ghosts",
        };
        *refused.entry(who).or_default() += 1;
    }
    refused
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
