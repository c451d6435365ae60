//! `gigamesh demo`: a fleet in a temporary folder, factories as processes of their own, real
//! jobs, and a host that is killed in the middle. Fails if anything ends otherwise than it should.

mod bill;
mod crew;
mod house;
mod plot;
mod screen;
mod sight;

use std::time::Duration;

use clap::Args;
use protocol::AboutJob;
use serde_json::{Value, json};

use crate::demo::bill::{JOBS, VICTIM};
use crate::demo::crew::Crew;
use crate::demo::house::House;
use crate::demo::plot::{Plot, refusal};
use crate::demo::screen::Screen;
use crate::demo::sight::Sight;
use crate::say::Say;
use crate::signals::Interrupts;
use crate::trouble::Trouble;

const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The play takes about twenty seconds.
const CURTAIN: Duration = Duration::from_secs(55);

/// Show it all in half a minute: jobs shipped, a host killed, its zombie refused
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Demo {
    /// Leave the fleet running at the end, with its address
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, say: Say) -> Result<(), Trouble> {
        let mut interrupts = Interrupts::listen()?;
        let place = tempfile::Builder::new().prefix("gigamesh-demo-").tempdir()?;
        let house = House::open(place.path()).await?;
        let mut crew = Crew::at(place.path(), house.way());
        tokio::select! {
            biased;
            () = interrupts.next() => return Err(Trouble::interrupted()),
            () = house.broke_down() => return Err(Trouble::failed("the fleet broke down")),
            played = play(&house, &mut crew, say) => played?,
        }
        if self.keep {
            let way = house.way();
            say.talk(&format!(
                "it goes on; Ctrl-C ends it\n  gigamesh list --url {} --token-file {}",
                way.url,
                way.token_file.display()
            ));
            interrupts.next().await;
        }
        drop(crew);
        house.close().await
    }
}

async fn play(house: &House, crew: &mut Crew, say: Say) -> Result<(), Trouble> {
    let mut screen = Screen::new();
    for file in JOBS {
        house.submit(file).await?;
    }
    screen.tell(house.elapsed(), &format!("{} jobs are submitted; nobody works yet", JOBS.len()));
    screen.show(house.elapsed(), &Sight::all(house).await?);
    for factory in ["north", "south"] {
        crew.hire(factory)?;
    }
    screen.tell(house.elapsed(), "two factories start, north and south, a process each");
    let mut plot = Plot::Begins;
    loop {
        let seen = Sight::all(house).await?;
        screen.show(house.elapsed(), &seen);
        if let Some(told) = plot.go_on(house, crew, &seen).await? {
            screen.tell(house.elapsed(), &told);
        }
        if plot.is_over() && seen.iter().all(|sight| sight.ended) {
            screen.wipe();
            return end(house, &seen, say).await;
        }
        if let Some((factory, log)) = crew.deserter() {
            let what = format!("factory {factory} ended by itself");
            return Err(Trouble::failed(what).because(log));
        }
        if house.elapsed() > CURTAIN {
            return Err(Trouble::failed(format!("not done after {CURTAIN:?}")));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What came of it, and whether it is what had to come of it.
async fn end(house: &House, seen: &[Sight], say: Say) -> Result<(), Trouble> {
    let events = house.about(AboutJob::Events, VICTIM).await?;
    let refusals: Vec<String> = events.iter().filter_map(refusal).collect();
    let verified = house.verify().await?;
    let shipped = seen.iter().filter(|sight| sight.stage == "shipped").count();
    say.data(&json!({
        "apiVersion": "fleet/v1",
        "jobs": seen.iter().map(in_json).collect::<Vec<Value>>(),
        "refused": refusals,
        "violations": verified.violations.len(),
        "seconds": house.elapsed().as_secs(),
    }));
    let rows: Vec<Vec<String>> = seen.iter().map(in_columns).collect();
    say.table(&cli::table(&["JOB", "STAGE", "ATTEMPTS", "EPOCH", "FACTORY"], &rows));
    for refused in &refusals {
        say.talk(&format!("refused  {refused}"));
    }
    say.talk(&format!(
        "verified {} jobs and {} events: {} violations",
        verified.jobs,
        verified.events,
        verified.violations.len()
    ));
    say.talk(&format!("{shipped} of {} jobs shipped in {:.0?}", seen.len(), house.elapsed()));
    if shipped == seen.len() && !refusals.is_empty() && verified.violations.is_empty() {
        return Ok(());
    }
    Err(Trouble::failed("this is not how it should have ended"))
}

fn in_columns(sight: &Sight) -> Vec<String> {
    vec![
        sight.key.clone(),
        sight.stage.clone(),
        sight.attempts.to_string(),
        sight.epoch.to_string(),
        sight.factory.clone().unwrap_or_default(),
    ]
}

fn in_json(sight: &Sight) -> Value {
    json!({
        "key": sight.key,
        "stage": sight.stage,
        "attempts": sight.attempts,
        "leaseEpoch": sight.epoch,
        "factoryId": sight.factory,
    })
}
