//! Taking back: what is silent, what is left over by a crash, what overstays; never what lives.

use std::sync::Arc;
use std::time::Duration;

use fleet::{Action, Checkpoint, Code, Disposition, RunResult, StageName};
use futures_util::future::join_all;
use ledger::Reaped;
use store::{Broken, Memory, Store};

use crate::stage::{Shuffled, Staged, dying_after};
use crate::support::{Yard, added, code, noon, on_each_store, secs, someone, usd};

#[tokio::test(start_paused = true)]
async fn a_silent_job_comes_back_with_its_checkpoint_and_a_higher_epoch() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let checkpoint = Checkpoint {
            wip_branch: "wip/j/e1".into(),
            wip_base: "a".repeat(40),
            wip_commit: "b".repeat(40),
        };
        let patch = fleet::Patch { checkpoint: Some(checkpoint.clone()), ..yard.saying(&holding) };
        yard.patched(id, patch).await;
        let mut keeper = yard.keeper();
        let reaped = keeper.watch(secs(32)).await;
        assert_eq!(reaped, Reaped { expired: 1, requeued: 1, ..Reaped::default() });
        let job = yard.job(id).await;
        assert_eq!((job.stage.name(), job.lease_epoch.get()), (StageName::Queued, 2));
        assert_eq!((job.reaps, job.attempts, job.checkpoint), (1, 1, Some(checkpoint)));
        yard.follow().await;
        assert_eq!(yard.runs(id).await[0].result, Some(RunResult::LeaseExpired));
        let before = (yard.job(id).await.head.rev, yard.lease(id).await.unwrap().head.rev);
        assert_eq!(keeper.watch(secs(40)).await, Reaped::default());
        assert_eq!(yard.sweep().await, Reaped::default());
        let after = (yard.job(id).await.head.rev, yard.lease(id).await.unwrap().head.rev);
        assert_eq!(before, after, "a second round changes no document");
        assert_eq!(yard.lease(id).await.unwrap().lease_epoch.get(), 2);
        assert_eq!(yard.granted(id, "f2").await.attempt, 2);
    })
    .await;
}

/// R20: how often one epoch was taken back.
async fn keepers_together(store: Arc<dyn Store>, seed: u64) -> (u32, usize) {
    let staged = Staged::over(&store);
    let yard = Yard::new(&Shuffled::over(&staged.store(), seed), noon(), seed);
    let id = yard.submit("j", "").await;
    yard.running(id, "f1").await;
    let mut keepers = [yard.keeper(), yard.keeper(), yard.keeper()];
    for keeper in &mut keepers {
        keeper.round().await;
    }
    yard.wait(secs(31)).await;
    staged.take_writes();
    let rounds = join_all(keepers.iter_mut().map(async |keeper| keeper.round().await)).await;
    let sum = rounds.into_iter().fold(Reaped::default(), added);
    (sum.requeued, staged.take_writes()["fleet_jobs"])
}

#[tokio::test(start_paused = true)]
async fn three_keepers_at_once_take_one_epoch_back_once() {
    for seed in 0..100 {
        let taken = keepers_together(Arc::new(Memory::new()), seed).await;
        assert_eq!(taken, (1, 1), "seed {seed}");
    }
    on_each_store(async |store| assert_eq!(keepers_together(store, 1).await, (1, 1))).await;
    let mut wrong = 0;
    for seed in 0..100 {
        wrong += usize::from(keepers_together(Arc::new(Broken::new()), seed).await != (1, 1));
    }
    assert!(wrong > 0, "checking before writing must take one epoch twice");
}

/// R5: a completion and a taking-back; one of shipped and requeued, and the answers agree.
async fn complete_against_reap(store: Arc<dyn Store>, seed: u64) -> (bool, bool, StageName) {
    let yard = Yard::new(&Shuffled::over(&store, seed), noon(), seed);
    let id = yard.submit("j", "").await;
    let holding = yard.running(id, "f1").await;
    let mut keeper = yard.keeper();
    keeper.round().await;
    yard.wait(secs(31)).await;
    let (shipped, reaped) = tokio::join!(yard.ship(id, &holding), keeper.round());
    (code(&shipped).is_none(), reaped.requeued == 1, yard.stage(id).await)
}

#[tokio::test(start_paused = true)]
async fn a_completion_and_a_taking_back_never_both_win() {
    let mut shipped = 0;
    for seed in 0..200 {
        let ended = complete_against_reap(Arc::new(Memory::new()), seed).await;
        match ended {
            (true, false, StageName::Shipped) => shipped += 1,
            (false, true, StageName::Queued) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(shipped > 10 && shipped < 190, "both orders must occur: {shipped}");
    on_each_store(async |store| {
        let (shipped, requeued, _) = complete_against_reap(store, 2).await;
        assert_ne!(shipped, requeued);
    })
    .await;
    let mut wrong = 0;
    for seed in 0..200 {
        let (shipped, requeued, _) = complete_against_reap(Arc::new(Broken::new()), seed).await;
        wrong += usize::from(shipped && requeued);
    }
    assert!(wrong > 0, "checking before writing must do both");
}

/// The lease is dead and the job not yet taken: nobody else has it.
#[tokio::test(start_paused = true)]
async fn a_completion_between_the_lease_and_the_job_is_accepted() {
    on_each_store(async |inner| {
        let staged = Staged::over(&inner);
        let yard = Yard::paused(&staged.store());
        let other = yard.beside(&inner, 8);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        keeper.round().await;
        yard.wait(secs(31)).await;
        staged.hold("fleet_jobs");
        let ship = async {
            staged.reached().await;
            other.ship(id, &holding).await.done().unwrap();
            staged.let_go();
        };
        let (reaped, ()) = tokio::join!(keeper.round(), ship);
        assert_eq!((reaped.expired, reaped.requeued), (1, 0));
        assert_eq!(yard.stage(id).await, StageName::Shipped);
        assert_eq!(yard.lease(id).await.unwrap().lease_epoch.get(), 1, "no epoch was given");
    })
    .await;
}

/// X-08 for the taking-back and for the repair: whatever was written, others finish it.
#[tokio::test(start_paused = true)]
async fn a_taking_back_that_dies_after_any_write_is_finished_by_others() {
    on_each_store(kill_a_taking_back).await;
}

async fn kill_a_taking_back(inner: Arc<dyn Store>) {
    for writes in 0..12 {
        let staged = Staged::over(&inner);
        let yard = Yard::new(&staged.store(), noon(), 500 + writes as u64);
        let id = yard.submit(&format!("j{writes}"), "").await;
        let holding = yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        let dying = async {
            keeper.watch(secs(32)).await;
            yard.follow().await;
        };
        let done = dying_after(&staged, writes, dying).await.is_some();
        let restarted = yard.beside(&inner, 600 + writes as u64);
        heal(&restarted).await;
        let job = restarted.job(id).await;
        assert_eq!(job.stage.name(), StageName::Queued, "after {writes} writes");
        assert_eq!(job.lease_epoch.get(), 2, "after {writes} writes");
        assert!(!restarted.lease(id).await.unwrap().is_held());
        let run = &restarted.runs(id).await[0];
        assert_eq!(run.result, Some(RunResult::LeaseExpired), "after {writes} writes");
        assert_eq!(code(&restarted.ship(id, &holding).await), Some(Code::Fenced));
        if done {
            return;
        }
    }
    panic!("a taking-back never ends");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_dies_after_any_write_is_finished_by_others() {
    on_each_store(kill_a_release).await;
}

async fn kill_a_release(inner: Arc<dyn Store>) {
    for writes in 0..12 {
        let staged = Staged::over(&inner);
        let yard = Yard::new(&staged.store(), noon(), 700 + writes as u64);
        let id = yard.submit(&format!("j{writes}"), r#""lock":"gpu""#).await;
        let holding = yard.running(id, "f1").await;
        let release = yard.letting_go(&holding, Disposition::Ship);
        let dying = async {
            let _ = yard.release(id, release.clone()).await;
            yard.follow().await;
        };
        let done = dying_after(&staged, writes, dying).await.is_some();
        let restarted = yard.beside(&inner, 800 + writes as u64);
        // The holder, which never heard, says it again.
        restarted.release(id, release).await.done().unwrap();
        heal(&restarted).await;
        assert_eq!(restarted.stage(id).await, StageName::Shipped);
        assert!(!restarted.lease(id).await.unwrap().is_held(), "after {writes} writes");
        assert_eq!(restarted.runs(id).await[0].result, Some(RunResult::Shipped));
        let numbers = restarted.numbers(id).await;
        let job = restarted.job(id).await;
        assert_eq!(numbers, (1..=job.event_seq).collect::<Vec<_>>());
        assert!(job.outbox.is_empty());
        let next = restarted.submit(&format!("next{writes}"), r#""lock":"gpu""#).await;
        let grant = restarted.granted(next, "f2").await;
        restarted.yielded(next, &grant.holding).await;
        restarted.operate(next, Action::CancelNow).await.done().unwrap();
        if done {
            return;
        }
    }
    panic!("a release never ends");
}

/// What a restarted process does on its own.
async fn heal(yard: &Yard) {
    yard.sweep().await;
    let mut keeper = yard.keeper();
    keeper.watch(secs(45)).await;
    yard.sweep().await;
    yard.follow().await;
}

/// The scheduler died right after the claim: nobody was told, no lease was made.
#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_was_told_of_goes_back_uncharged() {
    on_each_store(async |inner| {
        let yard = Yard::paused(&inner);
        let id = yard.submit("j", "").await;
        yard.granted(id, "f1").await;
        let restarted = yard.beside(&inner, 8);
        restarted.sweep().await;
        let mut keeper = restarted.keeper();
        let early = keeper.watch(secs(9)).await;
        assert_eq!(early, Reaped::default(), "its grant still stands");
        let reaped = keeper.watch(secs(3)).await;
        assert_eq!(reaped.requeued, 1);
        let job = restarted.job(id).await;
        assert_eq!((job.reaps, job.failures, job.lease_epoch.get()), (0, 0, 2));
        assert_eq!(job.retry_not_before, None);
        restarted.granted(id, "f2").await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_was_never_confirmed_goes_back_uncharged_at_its_deadline() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        yard.granted(id, "f1").await;
        yard.follow().await;
        let mut keeper = yard.keeper();
        assert_eq!(keeper.watch(secs(10)).await.requeued, 0);
        assert_eq!(keeper.watch(secs(2)).await.requeued, 1);
        let job = yard.job(id).await;
        assert_eq!((job.reaps, job.attempts), (0, 1));
    })
    .await;
}

/// R32
#[tokio::test(start_paused = true)]
async fn a_job_that_kills_its_factories_is_given_up_after_its_reaps() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let yard = Yard::paused(&store);
    let id = yard.submit("j", "").await;
    let mut keeper = yard.keeper();
    for attempt in 1..=6 {
        yard.wait(secs(400)).await;
        yard.running(id, &format!("f{attempt}")).await;
        let reaped = keeper.watch(secs(32)).await;
        assert_eq!(reaped.requeued + reaped.dead_lettered, 1, "attempt {attempt}");
    }
    let job = yard.job(id).await;
    assert_eq!(job.stage, fleet::Stage::DeadLetter(fleet::DeadReason::Poison));
    assert_eq!((job.reaps, job.attempts), (5, 6));
}

/// R6: the same factory claims again; what it still says of its old claim is worth nothing.
#[tokio::test(start_paused = true)]
async fn a_zombies_word_is_refused_though_the_same_factory_holds_the_job_again() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let old = yard.running(id, "f1").await;
        yard.keeper().watch(secs(32)).await;
        let new = yard.running(id, "f1").await;
        assert_eq!((old.factory_id.clone(), new.lease_epoch.get()), (new.factory_id.clone(), 3));
        let rev = yard.job(id).await.head.rev;
        for _ in 0..30 {
            assert_eq!(code(&yard.ship(id, &old).await), Some(Code::Fenced));
        }
        assert_eq!(yard.job(id).await.head.rev, rev);
        let notes = yard.ledger.events_of(id).await.unwrap();
        let notes: Vec<_> = notes.into_iter().filter_map(|note| note.data.refused).collect();
        assert_eq!(notes.len(), 20, "the rest is counted only");
        assert_eq!((notes[0].op.as_str(), notes[0].nonce_matches), ("release", false));
        assert_eq!((notes[0].caller_epoch.get(), notes[0].current_epoch.get()), (1, 3));
        assert!(yard.ship(id, &new).await.done().is_some());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_run_beyond_its_timeout_is_ended_whatever_it_renews() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""timeout":"60s""#).await;
        let holding = yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        let reaped = renewing(&yard, &mut keeper, (id, &holding), secs(360)).await;
        assert_eq!(reaped, Reaped::default());
        renewing(&yard, &mut keeper, (id, &holding), secs(2)).await;
        let job = yard.job(id).await;
        assert_eq!(job.stage, fleet::Stage::Failed(fleet::FailureReason::Timeout));
        assert_eq!(job.lease_epoch.get(), 2);
        assert!(!yard.lease(id).await.unwrap().is_held());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_spent_wall_budget_ends_the_job_though_its_holder_reports_nothing() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""budget":{"wall":"90s"}"#).await;
        let holding = yard.running(id, "f1").await;
        let mut keeper = yard.keeper();
        renewing(&yard, &mut keeper, (id, &holding), secs(89)).await;
        assert_eq!(yard.stage(id).await, StageName::Building);
        renewing(&yard, &mut keeper, (id, &holding), secs(2)).await;
        let job = yard.job(id).await;
        assert_eq!(job.stage, fleet::Stage::DeadLetter(fleet::DeadReason::BudgetExceeded));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_spends_on_is_stopped_a_minute_after_its_jobs_money_is_gone() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""budget":{"usd":1.0}"#).await;
        let holding = yard.running(id, "f1").await;
        let insights = fleet::Insights { cost_usd: Some(usd(1.5)), ..Default::default() };
        let patch = fleet::Patch { insights: Some(insights), ..yard.saying(&holding) };
        yard.patched(id, patch).await;
        yard.follow().await;
        let mut keeper = yard.keeper();
        renewing(&yard, &mut keeper, (id, &holding), secs(58)).await;
        assert_eq!(yard.stage(id).await, StageName::Building, "it has a minute to stop");
        renewing(&yard, &mut keeper, (id, &holding), secs(3)).await;
        let job = yard.job(id).await;
        assert_eq!(job.stage, fleet::Stage::DeadLetter(fleet::DeadReason::BudgetExceeded));
    })
    .await;
}

/// L6: no sweep is needed for it.
#[tokio::test(start_paused = true)]
async fn a_graceful_cancel_ends_within_a_minute_and_one_round() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", "").await;
        let holding = yard.running(id, "f1").await;
        yard.operate(id, Action::CancelGraceful).await.done().unwrap();
        yard.follow().await;
        let mut keeper = yard.keeper();
        renewing(&yard, &mut keeper, (id, &holding), secs(60)).await;
        assert_eq!(yard.stage(id).await, StageName::Building);
        renewing(&yard, &mut keeper, (id, &holding), secs(1)).await;
        let job = yard.job(id).await;
        assert_eq!(job.stage, fleet::Stage::Failed(fleet::FailureReason::Cancelled));
    })
    .await;
}

/// A holder that renews every nine seconds, under a keeper that looks every second.
async fn renewing(
    yard: &Yard,
    keeper: &mut crate::support::Keeper,
    (id, holding): (fleet::JobId, &fleet::Holding),
    span: Duration,
) -> Reaped {
    let mut sum = Reaped::default();
    let end = yard.clock.uptime() + span;
    while yard.clock.uptime() < end {
        let _ = yard.ledger.renew(&yard.product, id, holding).await.unwrap();
        let left = end - yard.clock.uptime();
        let mut ticks = left.min(secs(9)).as_secs();
        while ticks > 0 {
            yard.wait(secs(1)).await;
            sum = added(sum, keeper.round().await);
            ticks -= 1;
        }
    }
    sum
}

/// One record that cannot be read must not stop the keeper from all the others.
#[tokio::test(start_paused = true)]
async fn a_record_from_the_future_is_passed_over_and_left_as_it_is() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let (new, old) = (yard.submit("new", "").await, yard.submit("old", "").await);
        yard.running(old, "f1").await;
        let text = crate::stage::raw(&store, "fleet_jobs", "acme", &new.to_string()).await;
        let text = text.replace(r#""schemaVersion":1"#, r#""schemaVersion":99"#);
        crate::stage::set_raw(&store, "fleet_jobs", "acme", &new.to_string(), &text).await;
        let by = someone();
        let refused = yard.ledger.operate(
            &yard.product,
            new,
            &by,
            fleet::Operation { action: Action::CancelNow, op: None, reason: None },
        );
        assert!(matches!(refused.await, Err(ledger::LedgerError::SchemaTooNew { .. })));
        yard.keeper().watch(secs(32)).await;
        yard.sweep().await;
        yard.follow().await;
        assert_eq!(yard.stage(old).await, StageName::Queued);
        let after = crate::stage::raw(&store, "fleet_jobs", "acme", &new.to_string()).await;
        assert_eq!(after, text, "untouched");
        assert!(yard.claim_next(&crate::support::bidder("f2")).await.is_some());
    })
    .await;
}

/// X-46: what a newer version wrote beside what is known here is written back.
#[tokio::test(start_paused = true)]
async fn fields_that_are_not_known_here_outlive_a_whole_life() {
    on_each_store(async |store| {
        let yard = Yard::paused(&store);
        let id = yard.submit("j", r#""lock":"gpu""#).await;
        let holding = yard.running(id, "f1").await;
        let key = id.to_string();
        let places = [
            ("fleet_jobs", "acme", key.clone()),
            ("fleet_leases", key.as_str(), key.clone()),
            ("fleet_runs", key.as_str(), format!("{key}-1")),
            ("fleet_locks", "acme", "gpu".to_owned()),
        ];
        for (kind, partition, id) in &places {
            let text = crate::stage::raw(&store, kind, partition, id).await;
            let text = text.replacen('{', r#"{"fromTheFuture":{"deep":[1,2]},"#, 1);
            crate::stage::set_raw(&store, kind, partition, id, &text).await;
        }
        yard.ledger.renew(&yard.product, id, &holding).await.unwrap().done().unwrap();
        yard.ship(id, &holding).await.done().unwrap();
        yard.follow().await;
        for (kind, partition, id) in &places {
            let text = crate::stage::raw(&store, kind, partition, id).await;
            assert!(text.contains(r#""fromTheFuture":{"deep":[1,2]}"#), "{kind}");
        }
    })
    .await;
}
