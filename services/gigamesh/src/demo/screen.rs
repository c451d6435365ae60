//! What the audience sees while the play goes on: on a terminal a table that is drawn anew, with
//! what happened above it; elsewhere one line for each thing that happened.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::demo::sight::Sight;

#[derive(Debug)]
pub(crate) struct Screen {
    live: bool,
    drawn: usize,
    shown: Vec<Sight>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { live: io::stderr().is_terminal(), drawn: 0, shown: Vec::new() }
    }

    /// Something happened that the jobs themselves do not tell.
    pub(crate) fn tell(&mut self, at: Duration, line: &str) {
        self.wipe();
        say(&format!("{:>6.1} s  {line}", at.as_secs_f64()));
    }

    pub(crate) fn show(&mut self, at: Duration, seen: &[Sight]) {
        if seen == self.shown {
            return;
        }
        if self.live {
            self.wipe();
            let table = table(seen);
            self.drawn = table.lines().count();
            say(table.trim_end());
        } else {
            for sight in seen.iter().filter(|sight| !self.shown.contains(sight)) {
                say(&format!("{:>6.1} s  {}", at.as_secs_f64(), in_words(sight)));
            }
        }
        self.shown = seen.to_vec();
    }

    /// The last picture goes; what happened stays.
    pub(crate) fn wipe(&mut self) {
        if self.drawn > 0 {
            let _unseen = write!(io::stderr().lock(), "\x1b[{}A\x1b[J", self.drawn);
            self.drawn = 0;
            self.shown.clear();
        }
    }
}

fn say(line: &str) {
    // Nobody may be listening any more.
    let _unheard = writeln!(io::stderr().lock(), "{line}");
}

fn table(seen: &[Sight]) -> String {
    let row = |sight: &Sight| {
        vec![
            sight.key.clone(),
            sight.stage.clone(),
            sight.attempts.to_string(),
            sight.epoch.to_string(),
            sight.factory.clone().unwrap_or_default(),
            sight.progress.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = seen.iter().map(row).collect();
    cli::table(&["JOB", "STAGE", "ATTEMPT", "EPOCH", "FACTORY", "PROGRESS"], &rows)
}

fn in_words(sight: &Sight) -> String {
    let mut words = format!("{:<20} {}", sight.key, sight.stage);
    if let Some(holder) = &sight.holder {
        words += &format!(" on {holder}, attempt {}, epoch {}", sight.attempts, sight.epoch);
    }
    if let Some(progress) = &sight.progress {
        words += &format!(", {progress}");
    }
    words
}
