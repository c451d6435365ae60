//! What keeps a queued job from every factory alike: a pause, its own time, locks and budgets.

use super::{Blocker, Cause, LockSeen, Truths, WhyCode, words};
use crate::budget::Budget;
use crate::event::EventType;
use crate::lock::{LOCK_GRACE, Lock, Owner};
use crate::money::MicroUsd;

pub(super) fn causes(truths: &Truths) -> Vec<Cause> {
    let timed = [paused(truths), not_before(truths), retry_backoff(truths)];
    let gates = [lock_held(truths), budget_exhausted(truths)];
    timed.into_iter().chain(gates).flatten().collect()
}

pub(super) fn paused(truths: &Truths) -> Option<Cause> {
    let product = &truths.product;
    if !product.paused {
        return None;
    }
    let since = product.head.updated_at;
    let by = product.paused_by.as_ref().map_or("an operator", |by| by.id.as_str());
    let reason = product.paused_reason.as_ref().map(|reason| format!(": {reason}"));
    let sentence = format!(
        "Product {} is paused by {by} since {}{}.",
        product.id,
        truths.ago(since),
        reason.unwrap_or_default(),
    );
    Some(Cause::new(WhyCode::Paused, since, sentence).blocking().then("gigamesh unpause"))
}

fn not_before(truths: &Truths) -> Option<Cause> {
    let start = truths.job.content.not_before.filter(|start| truths.now < *start)?;
    let sentence = format!("Starts not before {}.", truths.ahead_of_now(start));
    let cause = Cause::new(WhyCode::NotBefore, truths.queued_at(), sentence).until(start);
    Some(cause.blocking().then(truths.command("watch")))
}

fn retry_backoff(truths: &Truths) -> Option<Cause> {
    let job = &truths.job;
    let start = job.retry_not_before.filter(|start| truths.now < *start)?;
    let since = truths.last(&[EventType::RetryScheduled]).unwrap_or_else(|| truths.queued_at());
    let how = job.claim.last_result.map_or_else(|| "failed".into(), words::plain);
    let sentence = format!(
        "Attempt {} ended ({how}) at {}; the next one begins at {}.",
        job.attempts,
        truths.ago(since),
        truths.ahead_of_now(start),
    );
    let cause = Cause::new(WhyCode::RetryBackoff, since, sentence).until(start);
    Some(cause.blocking().then(truths.command("runs")))
}

fn lock_held(truths: &Truths) -> Option<Cause> {
    let taken: Vec<(&LockSeen, &Lock)> =
        truths.locks.iter().filter_map(|seen| Some((seen, taken(truths, seen)?))).collect();
    let (seen, lock) = *taken.first()?;
    let sentence = told_of_lock(truths, seen, lock);
    let since = lock.slot().map(|slot| slot.at).or_else(|| lock.fenced.map(|fenced| fenced.at));
    let blockers: Vec<Blocker> =
        taken.iter().map(|(seen, lock)| blocker_of_lock(truths, seen, lock)).collect();
    let cause =
        Cause::new(WhyCode::LockHeld, since.unwrap_or_else(|| truths.queued_at()), sentence);
    let cause = cause.blocked_by(blockers);
    let cause = match &seen.holder {
        Some(holder) => cause.then(format!("gigamesh why {}", holder.id)),
        None => cause,
    };
    Some(cause.then("gigamesh locks"))
}

/// The lock, unless this job could take it now.
fn taken<'a>(truths: &Truths, seen: &'a LockSeen) -> Option<&'a Lock> {
    let lock = seen.lock.as_ref()?;
    let owner = lock.slot().map_or(Owner::Gone, |slot| Owner::of(seen.holder.as_ref(), slot));
    (!lock.is_free_for(truths.job.id, owner, truths.now)).then_some(lock)
}

fn told_of_lock(truths: &Truths, seen: &LockSeen, lock: &Lock) -> String {
    let name = &seen.name;
    let waiters = match seen.ahead {
        0 => String::from("nobody waits before this job"),
        more => format!("{} before this job", words::count(more, "waiter", "waiters")),
    };
    let Some(slot) = lock.slot() else {
        let grace = words::span(LOCK_GRACE);
        return format!("Lock {name} is kept for {grace} after its holder was fenced; {waiters}.");
    };
    let job = seen.holder.as_ref().map_or_else(
        || slot.job_id.to_string(),
        |holder| holder.content.idempotency_key.to_string(),
    );
    if let Owner::FencedAt(at) = Owner::of(seen.holder.as_ref(), slot) {
        let free = truths.ahead_of_now(at.plus(LOCK_GRACE));
        let whose = format!("job {job}, whose holder {} was fenced", slot.factory_id);
        return format!("Lock {name} is kept until {free} for {whose}; {waiters}.");
    }
    let since = truths.ago(slot.at);
    format!("Lock {name} is held by job {job} on {} since {since}; {waiters}.", slot.factory_id)
}

fn blocker_of_lock(truths: &Truths, seen: &LockSeen, lock: &Lock) -> Blocker {
    let blocker = Blocker::new(WhyCode::LockHeld, told_of_lock(truths, seen, lock));
    let blocker = match &seen.holder {
        Some(holder) => blocker.about(holder),
        None => blocker,
    };
    let factory_id = lock.slot().map(|slot| slot.factory_id.clone());
    Blocker { lock: Some(seen.name.clone()), factory_id, ..blocker }
}

fn budget_exhausted(truths: &Truths) -> Option<Cause> {
    let refuses = |budget: &&Budget| budget.refuses(&truths.job, &truths.product, truths.now);
    let refusing: Vec<&Budget> = truths.budgets.iter().filter(refuses).collect();
    let first = *refusing.first()?;
    let resets_at = first.standing(truths.now).resets_at;
    let cause = Cause::new(
        WhyCode::BudgetExhausted,
        truths.queued_at().max(first.window_start),
        told_of_budget(truths, first),
    );
    let blockers = refusing.iter().map(|budget| Blocker {
        budget: Some(budget.id.clone()),
        until: budget.standing(truths.now).resets_at,
        ..Blocker::new(WhyCode::BudgetExhausted, told_of_budget(truths, budget))
    });
    Some(cause.until(resets_at).blocked_by(blockers).then("gigamesh budgets"))
}

fn told_of_budget(truths: &Truths, budget: &Budget) -> String {
    let now = budget.standing(truths.now);
    let (usd, tokens) = truths.job.estimate(&truths.product, None);
    let dollars = budget.limit_usd.map(|limit| {
        let kept = now.reserved_usd;
        let wish = if usd > MicroUsd::ZERO { format!(", {usd} wanted") } else { String::new() };
        format!("{} USD spent and {kept} USD reserved of {limit} USD{wish}", now.spent_usd)
    });
    let counted = budget.limit_tokens.map(|limit| {
        let kept = now.reserved_tokens;
        let wish = if tokens > 0 { format!(", {tokens} wanted") } else { String::new() };
        format!("{} tokens spent and {kept} reserved of {limit}{wish}", now.spent_tokens)
    });
    let sums: Vec<String> = dollars.into_iter().chain(counted).collect();
    let resets = match now.resets_at {
        Some(at) => format!("it begins anew at {}", truths.ahead_of_now(at)),
        None => String::from("it never begins anew by itself"),
    };
    format!("Budget {} has no room: {}; {resets}.", budget.id, sums.join("; "))
}
