//! Which factories could take the job now. Each is judged by the filters before a claim, in their
//! order; the furthest that any of them comes is what the job lacks.

use super::{Blocker, Cause, Host, Suits, SuitsCode, Truths, WhyCode, words};
use crate::capability::{Capability, unmet};
use crate::content::Priority;
use crate::factory::Health;
use crate::job::{DEGRADED_WAITS, Job};
use crate::time::Timestamp;

pub(super) fn judge(job: &Job, host: &Host, now: Timestamp) -> Suits {
    let (code, detail) = verdict(job, host, now);
    let fits = code == SuitsCode::Fits;
    Suits { factory_id: host.factory.factory_id.clone(), fits, code, detail }
}

fn verdict(job: &Job, host: &Host, now: Timestamp) -> (SuitsCode, String) {
    let factory = &host.factory;
    if let Some(away) = away(host, now) {
        return (SuitsCode::NoFactory, away);
    }
    let lacks = missing(job, &factory.capabilities);
    if !lacks.is_empty() {
        return (SuitsCode::Unroutable, format!("lacks {}", words::list(&lacks)));
    }
    let outside = host.scope.as_ref().map(|scope| missing(job, scope)).unwrap_or_default();
    if !outside.is_empty() {
        let told = format!("its credential does not cover {}", words::list(&outside));
        return (SuitsCode::TokenScope, told);
    }
    if let Some(engine) = job.content.engine.as_ref().filter(|it| !factory.engines.contains(it)) {
        return (SuitsCode::EngineUnavailable, format!("has no engine {engine}"));
    }
    let (taken, limit) = (host.held.len(), usize::try_from(factory.seat_limit).unwrap_or(0));
    if limit == 0 {
        return (SuitsCode::NoSeat, String::from("has no seats: it takes no work"));
    }
    if taken >= limit {
        return (SuitsCode::NoSeat, format!("{taken} of {} taken", seats(limit)));
    }
    if factory.health == Health::Degraded && !job.is_for_the_degraded(now) {
        let wait = words::span(DEGRADED_WAITS);
        let told =
            format!("degraded: takes high and critical jobs only, {wait} after others could");
        return (SuitsCode::DegradedOnly, told);
    }
    (SuitsCode::Fits, format!("{} of {} free", limit - taken, seats(limit)))
}

fn away(host: &Host, now: Timestamp) -> Option<String> {
    let factory = &host.factory;
    let heard = host
        .last_renewal
        .map_or(factory.last_heartbeat_at, |renewed| renewed.max(factory.last_heartbeat_at));
    if let Some(at) = factory.retired_at {
        Some(format!("retired at {at}"))
    } else if factory.health == Health::Down {
        Some(String::from("reports that it is down"))
    } else if factory.is_stale(host.last_renewal, now) {
        Some(format!("silent for {}", words::span(now.since(heard))))
    } else if factory.draining {
        Some(String::from("draining"))
    } else {
        None
    }
}

/// Why no factory takes it, if none does.
pub(super) fn cause(truths: &Truths, factories: &[Suits]) -> Option<Cause> {
    let furthest = factories.iter().map(|one| one.code).max().unwrap_or(SuitsCode::NoFactory);
    let of_code = |one: &&Suits| one.code == furthest;
    let closest: Vec<&Suits> = factories.iter().filter(of_code).collect();
    let cause = match furthest {
        SuitsCode::Fits => return None,
        SuitsCode::NoFactory => no_factory(truths, &closest),
        SuitsCode::Unroutable => unroutable(truths, &closest),
        SuitsCode::TokenScope => {
            let told = format!(
                "Factories fit, but their credentials do not cover it: {}.",
                said(&closest)
            );
            told_since(truths, WhyCode::TokenScope, told).then("gigamesh factories")
        }
        SuitsCode::EngineUnavailable => engine_unavailable(truths, &closest),
        SuitsCode::NoSeat => no_seat(truths, &closest),
        SuitsCode::DegradedOnly => degraded_only(truths, &closest),
    };
    let blockers: Vec<Blocker> = closest
        .iter()
        .map(|one| Blocker {
            factory_id: Some(one.factory_id.clone()),
            ..Blocker::new(cause.code, one.detail.clone())
        })
        .collect();
    let cause = if blockers.is_empty() { cause.blocking() } else { cause.blocked_by(blockers) };
    Some(cause)
}

pub(super) fn next_in_line(truths: &Truths, factories: &[Suits]) -> Cause {
    let fitting: Vec<String> =
        factories.iter().filter(|one| one.fits).map(|one| one.factory_id.to_string()).collect();
    let who = words::list(&fitting);
    let sentence = match truths.ahead {
        Some(0) => format!("Can be claimed now and is next in line; {who} could take it."),
        Some(ahead) => {
            let ahead = words::count(ahead, "job is", "jobs are");
            format!("Can be claimed now; {ahead} ahead of it; {who} could take it.")
        }
        None => format!("Can be claimed now; {who} could take it."),
    };
    let since = truths.job.claimable_since();
    Cause::new(WhyCode::NextInLine, since, sentence).then(truths.command("watch"))
}

fn no_factory(truths: &Truths, closest: &[&Suits]) -> Cause {
    if closest.is_empty() {
        let told = "No factory is enrolled in this product.";
        return told_since(truths, WhyCode::NoFactory, told).then("gigamesh factory");
    }
    let told = format!("No factory takes work: {}.", said(closest));
    let cause = told_since(truths, WhyCode::NoFactory, told);
    match closest.iter().find(|one| one.detail == "draining") {
        Some(draining) => cause.then(format!("gigamesh resume {}", draining.factory_id)),
        None => cause.then("gigamesh factories"),
    }
}

fn unroutable(truths: &Truths, closest: &[&Suits]) -> Cause {
    let asked = &truths.job.content.capabilities;
    let lacking = |one: &&Suits| {
        let host = truths.factories.iter().find(|host| host.factory.factory_id == one.factory_id);
        let offered = host.map(|host| host.factory.capabilities.as_slice()).unwrap_or_default();
        asked.iter().filter(|token| lacks(token, offered)).collect::<Vec<_>>()
    };
    let nearest = closest
        .iter()
        .map(|one| (lacking(one), &one.factory_id))
        .min_by_key(|(lacking, factory)| (lacking.len(), (*factory).clone()));
    let Some((lacking, nearest)) = nearest else {
        return told_since(truths, WhyCode::Unroutable, "No factory offers what it asks for.");
    };
    let names: Vec<String> = lacking.iter().map(ToString::to_string).collect();
    let nobody = closest.iter().all(|one| self::names(one, truths, lacking.first().copied()));
    let (first, all) = (names.first().cloned().unwrap_or_default(), words::list(&names));
    let told = if nobody {
        format!("No factory offers {first}; nearest is {nearest}, which lacks {all}.")
    } else {
        format!("No factory offers all that it asks for; nearest is {nearest}, which lacks {all}.")
    };
    let offers: Vec<String> = lacking
        .iter()
        .map(|token| format!("--capability {}", words::quoted(&token.as_offered())))
        .collect();
    told_since(truths, WhyCode::Unroutable, told)
        .then(format!("gigamesh factory {}", offers.join(" ")))
}

/// Whether this factory lacks the token too.
fn names(one: &Suits, truths: &Truths, token: Option<&Capability>) -> bool {
    let host = truths.factories.iter().find(|host| host.factory.factory_id == one.factory_id);
    let offered = host.map(|host| host.factory.capabilities.as_slice()).unwrap_or_default();
    token.is_some_and(|token| lacks(token, offered))
}

fn engine_unavailable(truths: &Truths, closest: &[&Suits]) -> Cause {
    let engine = truths.job.content.engine.as_ref().map(ToString::to_string).unwrap_or_default();
    let told = format!(
        "No fitting factory has engine {engine}; {} without it.",
        words::count(closest.len(), "fits", "fit"),
    );
    let cause = told_since(truths, WhyCode::EngineUnavailable, told);
    cause.then(format!("gigamesh factory --engine {engine}"))
}

fn no_seat(truths: &Truths, closest: &[&Suits]) -> Cause {
    let who = match closest.len() {
        1 => String::from("The one fitting factory is full"),
        many => format!("All {many} fitting factories are full"),
    };
    let place = truths.ahead.map(|ahead| format!("; position {} in the queue", ahead + 1));
    let told = format!("{who}: {}{}.", said(closest), place.unwrap_or_default());
    told_since(truths, WhyCode::NoSeat, told).then("gigamesh factories")
}

fn degraded_only(truths: &Truths, closest: &[&Suits]) -> Cause {
    let names: Vec<String> = closest.iter().map(|one| one.factory_id.to_string()).collect();
    let urgent = match truths.job.content.priority {
        Priority::Critical | Priority::High => true,
        Priority::Medium | Priority::Low => false,
    };
    let until = urgent.then(|| truths.job.claimable_since().plus(DEGRADED_WAITS));
    let rest = match until {
        Some(at) => format!("may take it at {}", truths.ahead_of_now(at)),
        None => format!(
            "takes no {} jobs while it is degraded",
            words::word(truths.job.content.priority),
        ),
    };
    let told = format!("Only degraded factories fit: {} {rest}.", words::list(&names));
    told_since(truths, WhyCode::DegradedOnly, told).until(until).then("gigamesh factories")
}

fn told_since(truths: &Truths, code: WhyCode, told: impl Into<String>) -> Cause {
    Cause::new(code, truths.job.claimable_since(), told)
}

/// `f1 (draining) and f2 (silent for 3 min)`.
fn said(factories: &[&Suits]) -> String {
    let each = factories.iter().map(|one| format!("{} ({})", one.factory_id, one.detail));
    words::list(&each.collect::<Vec<_>>())
}

fn missing(job: &Job, offered: &[Capability]) -> Vec<String> {
    let asked = job.content.capabilities.iter();
    asked.filter(|token| lacks(token, offered)).map(ToString::to_string).collect()
}

fn lacks(token: &Capability, offered: &[Capability]) -> bool {
    unmet(std::slice::from_ref(token), offered).is_some()
}

fn seats(count: usize) -> String {
    words::count(count, "seat", "seats")
}
