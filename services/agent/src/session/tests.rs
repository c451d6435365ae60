//! The session as transcripts: what came in when, and what followed.

use std::fmt::Write;
use std::time::Duration;

use expect_test::{Expect, expect};
use fleet::{Epoch, Exit, JobId, Key, ProductId};
use protocol::{Code, OfferSeen};

use crate::hold::{Ending, Grant, Grip, Why};
use crate::session::{Event, Pace, Session};

struct Story {
    session: Session,
    text: String,
}

fn job(name: &str) -> JobId {
    JobId::of(&"acme".parse::<ProductId>().unwrap(), &name.parse::<Key>().unwrap())
}

fn grip(name: &str, epoch: u64) -> Grip {
    Grip { job: job(name), epoch: Epoch::new(epoch) }
}

fn grant(name: &str, sent: u64) -> Grant {
    Grant {
        grip: grip(name, 1),
        sent: Duration::from_secs(sent),
        ttl: Duration::from_secs(30),
        margin: Duration::from_secs(3),
        timeout: Duration::from_secs(600),
        verify: false,
        manual: false,
        cwd: None,
    }
}

fn exited(grip: Grip, code: i32) -> Event {
    let exit = Exit { code: Some(code), signal: None };
    let ending = Ending::Exited { exit, insights: None };
    Event::Ended { grip, ending, took: Duration::from_secs(1) }
}

fn offered(name: &str, epoch: u64) -> Event {
    let offer = OfferSeen { job_id: job(name), epoch_seen: Epoch::new(epoch) };
    Event::Offered { offer, wait: Duration::from_secs(1) }
}

fn renewed(grip: Grip, sent: u64, stop: Option<Why>) -> Event {
    Event::Renewed { grip, sent: Duration::from_secs(sent), stop }
}

impl Story {
    fn of(seats: u32) -> Self {
        let session = Session::new(Pace { seats, ..Pace::default() });
        let mut story = Self { session, text: String::new() };
        story.at(0, "welcome", Event::Welcome { draining: false });
        story
    }

    fn granted(grant: Grant) -> Self {
        let grip = grant.grip;
        let mut story = Self::of(1);
        let sent = grant.sent.as_secs();
        story.at(sent, "granted", Event::Granted(Box::new(grant)));
        story.at(sent, "entered", Event::Entered(grip));
        story.text.clear();
        story
    }

    fn at(&mut self, seconds: u64, what: &str, event: Event) {
        let actions = self.session.apply(event, Duration::from_secs(seconds));
        writeln!(self.text, "{seconds} {what}").unwrap();
        for action in actions {
            let mut said = action.to_string();
            for name in ["a", "b"] {
                said = said.replace(&job(name).to_string(), name);
            }
            writeln!(self.text, "  {said}").unwrap();
        }
    }

    fn reads(&self, expected: &Expect) {
        expected.assert_eq(&self.text);
    }
}

#[test]
fn a_job_is_claimed_run_and_shipped() {
    let mut story = Story::of(1);
    story.at(1, "granted a", Event::Granted(Box::new(grant("a", 1))));
    story.at(2, "entered a", Event::Entered(grip("a", 1)));
    story.at(3, "ended a", exited(grip("a", 1), 0));
    story.at(4, "reported a", Event::Reported(grip("a", 1)));
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        1 granted a
          keep a/1
          enter Building a/1
        2 entered a
          run a/1
        3 ended a
          report a/1: shipped
        4 reported a
          forget a/1
          ask, 1 free
    "#]]);
}

#[test]
fn a_verified_job_passes_review_and_testing() {
    let a = grip("a", 1);
    let mut story = Story::granted(Grant { verify: true, ..grant("a", 0) });
    story.at(1, "ended", exited(a, 0));
    story.at(2, "entered", Event::Entered(a));
    story.at(3, "verified", exited(a, 0));
    story.at(4, "entered", Event::Entered(a));
    story.reads(&expect![[r#"
        1 ended
          enter Review a/1
        2 entered
          verify a/1
        3 verified
          enter Testing a/1, verify passed: true
        4 entered
          report a/1: shipped
    "#]]);
}

#[test]
fn a_failed_verification_fails_the_job() {
    let a = grip("a", 1);
    let mut story = Story::granted(Grant { verify: true, ..grant("a", 0) });
    story.at(1, "ended", exited(a, 0));
    story.at(2, "entered", Event::Entered(a));
    story.at(3, "verified", exited(a, 1));
    story.reads(&expect![[r#"
        1 ended
          enter Review a/1
        2 entered
          verify a/1
        3 verified
          report a/1: VerifyFailed, exit code Some(0)
    "#]]);
}

#[test]
fn a_job_that_a_person_accepts_is_parked() {
    let a = grip("a", 1);
    let mut story = Story::granted(Grant { manual: true, ..grant("a", 0) });
    story.at(1, "ended", exited(a, 0));
    story.at(2, "entered", Event::Entered(a));
    story.at(3, "entered", Event::Entered(a));
    story.reads(&expect![[r#"
        1 ended
          enter Review a/1
        2 entered
          enter Testing a/1
        3 entered
          report a/1: parked
    "#]]);
}

#[test]
fn without_a_renewal_the_work_is_stopped_in_time_and_nothing_is_reported() {
    let a = grip("a", 1);
    let mut story = Story::granted(grant("a", 0));
    story.at(9, "renewed, sent at 8", renewed(a, 8, None));
    story.at(34, "tick", Event::Tick);
    story.at(35, "tick", Event::Tick);
    story.at(36, "tick", Event::Tick);
    story.at(37, "tick", Event::Tick);
    story.at(38, "ended well", exited(a, 0));
    story.reads(&expect![[r#"
        9 renewed, sent at 8
        34 tick
        35 tick
          term a/1
        36 tick
        37 tick
          kill a/1
        38 ended well
          quarantine a/1
          ask, 1 free
    "#]]);
}

#[test]
fn a_success_that_comes_after_the_term_is_none() {
    let mut story = Story::granted(grant("a", 0));
    story.at(27, "ended well", exited(grip("a", 1), 0));
    story.reads(&expect![[r#"
        27 ended well
          term a/1
          quarantine a/1
          ask, 1 free
    "#]]);
}

#[test]
fn a_grant_that_comes_late_is_run_once_a_renewal_was_good() {
    let mut story = Story::of(1);
    story.at(28, "granted, sent at 1", Event::Granted(Box::new(grant("a", 1))));
    story.at(30, "renewed, sent at 29", renewed(grip("a", 1), 29, None));
    story.at(31, "entered", Event::Entered(grip("a", 1)));
    story.at(55, "tick", Event::Tick);
    story.at(56, "tick", Event::Tick);
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        28 granted, sent at 1
          keep a/1
        30 renewed, sent at 29
          enter Building a/1
        31 entered
          run a/1
        55 tick
        56 tick
          term a/1
    "#]]);
}

#[test]
fn a_late_grant_that_nothing_proves_is_handed_back() {
    let mut story = Story::of(1);
    story.at(28, "granted, sent at 1", Event::Granted(Box::new(grant("a", 1))));
    story.at(55, "tick", Event::Tick);
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        28 granted, sent at 1
          keep a/1
        55 tick
          report a/1: yielded, its factory hands it back
    "#]]);
}

#[test]
fn a_fenced_holder_stops_at_once() {
    for code in [Code::Fenced, Code::LeaseLost, Code::EpochUnknown, Code::LeaseNotHeld] {
        let mut story = Story::granted(grant("a", 0));
        story.at(5, "refused", Event::Refused(grip("a", 1), code));
        story.at(7, "tick", Event::Tick);
        assert_eq!(story.text, "5 refused\n  term a/1\n7 tick\n  kill a/1\n", "{code:?}");
    }
}

#[test]
fn a_loss_hurries_an_end_that_was_asked_for() {
    let a = grip("a", 1);
    let mut story = Story::granted(grant("a", 0));
    story.at(1, "renewed, cancel", renewed(a, 1, Some(Why::Cancelled)));
    story.at(2, "fenced", Event::Refused(a, Code::Fenced));
    story.at(4, "tick", Event::Tick);
    story.at(5, "ended", exited(a, 0));
    story.reads(&expect![[r#"
        1 renewed, cancel
          term a/1
        2 fenced
        4 tick
          kill a/1
        5 ended
          quarantine a/1
          ask, 1 free
    "#]]);
}

#[test]
fn a_cancelled_job_is_let_go_as_such() {
    let a = grip("a", 1);
    let mut story = Story::granted(grant("a", 0));
    story.at(1, "renewed, cancel", renewed(a, 1, Some(Why::Cancelled)));
    story.at(2, "ended", exited(a, 143));
    story.reads(&expect![[r#"
        1 renewed, cancel
          term a/1
        2 ended
          report a/1: Cancelled, exit code Some(143)
    "#]]);
}

#[test]
fn a_job_that_takes_too_long_is_asked_then_killed() {
    let a = grip("a", 1);
    let mut story = Story::granted(Grant { timeout: Duration::from_secs(5), ..grant("a", 0) });
    story.at(5, "tick", Event::Tick);
    story.at(20, "renewed", renewed(a, 20, None));
    story.at(34, "tick", Event::Tick);
    story.at(35, "tick", Event::Tick);
    story.at(36, "ended", exited(a, 0));
    story.reads(&expect![[r#"
        5 tick
          term a/1
        20 renewed
        34 tick
        35 tick
          kill a/1
        36 ended
          report a/1: Timeout, exit code Some(0)
    "#]]);
}

#[test]
fn as_many_claims_as_free_seats_and_no_more() {
    let mut story = Story::of(2);
    story.at(1, "tick", Event::Tick);
    story.at(2, "granted a", Event::Granted(Box::new(grant("a", 2))));
    story.at(3, "nothing", Event::Nothing);
    story.at(4, "unheard", Event::Unheard { jitter: Duration::from_secs(1) });
    story.at(5, "tick", Event::Tick);
    story.at(6, "tick", Event::Tick);
    story.reads(&expect![[r#"
        0 welcome
          ask, 2 free
          ask, 2 free
        1 tick
        2 granted a
          keep a/1
          enter Building a/1
        3 nothing
          ask, 1 free
        4 unheard
        5 tick
        6 tick
          ask, 1 free
    "#]]);
}

#[test]
fn a_grant_beyond_the_seats_goes_back_at_once() {
    let mut story = Story::of(1);
    story.at(1, "granted a", Event::Granted(Box::new(grant("a", 1))));
    story.at(1, "granted a again", Event::Granted(Box::new(grant("a", 1))));
    story.at(1, "granted b", Event::Granted(Box::new(grant("b", 1))));
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        1 granted a
          keep a/1
          enter Building a/1
        1 granted a again
        1 granted b
          give back b/1
    "#]]);
}

#[test]
fn trouble_makes_an_agent_wait_longer_each_time() {
    let mut story = Story::of(1);
    let mut now = 0;
    for wait in [1, 2, 4, 8, 15, 15] {
        let trouble = Event::Unheard { jitter: Duration::ZERO };
        assert_eq!(story.session.apply(trouble, Duration::from_secs(now)), []);
        assert_eq!(story.session.due(), Some(Duration::from_secs(now + wait)));
        now += wait;
        assert_eq!(story.session.apply(Event::Tick, Duration::from_secs(now)).len(), 1);
    }
}

#[test]
fn jobs_of_one_folder_run_one_after_the_other() {
    let cwd = Some(String::from("/srv/repo"));
    let mut story = Story::of(2);
    for name in ["a", "b"] {
        let grant = Grant { cwd: cwd.clone(), ..grant(name, 0) };
        story.at(0, "granted", Event::Granted(Box::new(grant)));
    }
    story.text.clear();
    story.at(1, "entered a", Event::Entered(grip("a", 1)));
    story.at(1, "entered b", Event::Entered(grip("b", 1)));
    story.at(2, "ended a", exited(grip("a", 1), 0));
    story.reads(&expect![[r#"
        1 entered a
          run a/1
        1 entered b
        2 ended a
          report a/1: shipped
          run b/1
    "#]]);
}

#[test]
fn a_stopping_agent_hands_everything_back_and_asks_no_more() {
    let a = grip("a", 1);
    let mut story = Story::granted(grant("a", 0));
    story.at(1, "stop", Event::Stop);
    story.at(11, "tick", Event::Tick);
    story.at(12, "ended", exited(a, 0));
    assert!(!story.session.is_over(Duration::from_secs(12)));
    story.at(13, "reported", Event::Reported(a));
    assert!(story.session.is_over(Duration::from_secs(13)));
    story.reads(&expect![[r#"
        1 stop
          term a/1
        11 tick
          kill a/1
        12 ended
          report a/1: yielded, its factory hands it back
        13 reported
          forget a/1
    "#]]);
}

#[test]
fn a_stopping_agent_does_not_wait_for_ever() {
    let mut story = Story::granted(grant("a", 0));
    story.at(1, "stop", Event::Stop);
    assert!(!story.session.is_over(Duration::from_secs(30)));
    assert!(story.session.is_over(Duration::from_secs(31)));
}

#[test]
fn an_agent_that_is_not_welcome_or_drains_asks_for_nothing() {
    let mut story = Story::of(2);
    story.at(1, "unwelcome", Event::Unwelcome);
    story.at(2, "nothing", Event::Nothing);
    story.at(3, "welcome, draining", Event::Welcome { draining: true });
    story.at(4, "welcome", Event::Welcome { draining: false });
    story.reads(&expect![[r#"
        0 welcome
          ask, 2 free
          ask, 2 free
        1 unwelcome
        2 nothing
        3 welcome, draining
        4 welcome
          ask, 2 free
    "#]]);
}

#[test]
fn an_offer_ends_the_wait_after_trouble_and_is_taken_up_once() {
    let mut story = Story::of(1);
    story.at(1, "unheard", Event::Unheard { jitter: Duration::from_secs(9) });
    story.at(2, "offered a", offered("a", 3));
    story.at(3, "its time", Event::Tick);
    story.at(4, "unheard", Event::Unheard { jitter: Duration::from_secs(9) });
    story.at(5, "offered a again", offered("a", 3));
    story.at(6, "its time", Event::Tick);
    story.at(7, "offered a anew", offered("a", 4));
    story.at(8, "its time", Event::Tick);
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        1 unheard
        2 offered a
        3 its time
          ask, 1 free, offered a/3
        4 unheard
        5 offered a again
        6 its time
        7 offered a anew
        8 its time
          ask, 1 free, offered a/4
    "#]]);
}

#[test]
fn an_offer_reminds_a_claim_that_waits_unless_it_is_answered_first() {
    let mut story = Story::of(1);
    story.at(1, "offered a", offered("a", 1));
    story.at(2, "too early", Event::Tick);
    story.at(3, "its time", Event::Tick);
    story.at(4, "offered b", offered("b", 1));
    story.at(5, "granted b", Event::Granted(Box::new(grant("b", 4))));
    story.at(6, "its time", Event::Tick);
    story.at(7, "offered a anew", offered("a", 2));
    story.at(9, "no free seat", Event::Tick);
    story.reads(&expect![[r#"
        0 welcome
          ask, 1 free
        1 offered a
        2 too early
        3 its time
          remind, offered a/1
        4 offered b
        5 granted b
          keep b/1
          enter Building b/1
        6 its time
        7 offered a anew
        9 no free seat
    "#]]);
}
