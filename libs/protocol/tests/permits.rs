//! Every line of the table against every principal, as a committed text. `UPDATE_EXPECT=1`
//! rewrites it; a changed letter is a changed power.

use std::fmt::Write;

use expect_test::expect_file;
use protocol::{Filter, Permits, Principal, Purpose, Row, is_inbox};

fn principal(role: Purpose) -> Principal<'static> {
    Principal { purpose: role, product: "acme", factory: "f1", name: "me" }
}

/// How a line is written for a principal, and how for any.
fn written(role: Purpose, row: Row) -> String {
    let open = Filter::every(row).to_string();
    if role.is_service() {
        return open;
    }
    let own = open.replacen('*', "acme", 1);
    if role == Purpose::Factory { own.replacen('*', "f1", 1) } else { own }
}

#[test]
fn every_line_of_the_table_is_judged_for_every_principal() {
    let mut table = format!("{:<34}", "s: may say, h: may hear");
    for role in Purpose::ALL {
        write!(table, " {}", role.as_str()).expect("a string takes all");
    }
    table.push('\n');
    for row in Row::all() {
        write!(table, "{:<34}", Filter::every(row).to_string()).expect("a string takes all");
        for role in Purpose::ALL {
            let (permits, subject) = (principal(role).permits(), written(role, row));
            let says = if permits.publish.contains(&subject) { 's' } else { '.' };
            let hears = if permits.subscribe.contains(&subject) { 'h' } else { '.' };
            let width = role.as_str().len();
            write!(table, " {:<width$}", format!("{says}{hears}")).expect("a string takes all");
        }
        let end = table.trim_end().len();
        table.truncate(end);
        table.push('\n');
    }
    for role in Purpose::ALL {
        let permits = principal(role).permits();
        let lines: Vec<_> = Row::all().map(|row| written(role, row)).collect();
        let besides = |all: &[String]| {
            all.iter().filter(|one| !lines.contains(one)).cloned().collect::<Vec<_>>().join(" ")
        };
        let Permits { publish, subscribe, forbidden, answers } = &permits;
        writeln!(
            table,
            "{}: besides says [{}], hears [{}], never [{}], answers {}",
            role.as_str(),
            besides(publish),
            besides(subscribe),
            forbidden.join(" "),
            answers.unwrap_or(0),
        )
        .expect("a string takes all");
    }
    expect_file!["permits.txt"].assert_eq(&table);
}

#[test]
fn every_line_has_somebody_who_says_it_and_a_service_or_factory_that_hears_it() {
    for row in Row::all() {
        let by = |may: fn(&Permits) -> &Vec<String>| {
            Purpose::ALL
                .into_iter()
                .filter(|role| *role != Purpose::All)
                .filter(|role| may(&principal(*role).permits()).contains(&written(*role, row)))
                .count()
        };
        assert!(by(|permits| &permits.publish) > 0, "nobody says {row:?}");
        // Dead letters are kept for people, who read them through a service.
        assert!(by(|permits| &permits.subscribe) > 0 || row == Row::DeadLetter, "{row:?}");
    }
}

#[test]
fn nobody_outside_has_a_place_that_is_not_its_own() {
    for role in Purpose::ALL.into_iter().filter(|role| !role.is_service()) {
        let permits = principal(role).permits();
        let open = permits.publish.iter().filter(|subject| subject.contains(['*', '>']));
        assert_eq!(open.count(), 0, "{role:?} says to places that stand open");
        for subject in permits.publish.iter().chain(&permits.subscribe) {
            let own = subject.starts_with("fleet.v1.acme.") || subject.starts_with("_INBOX_me.");
            let nobodys = [protocol::NOWHERE, "fleet.v1.readyz.f.readyz.cmd"];
            assert!(own || nobodys.contains(&subject.as_str()), "{role:?} {subject}");
        }
        assert!(role == Purpose::Factory || permits.answers.is_none(), "{role:?} answers");
    }
}

/// A request to an inbox of one's own would name any place at all as that of its answer.
#[test]
fn whoever_may_answer_says_nothing_to_itself() {
    for role in Purpose::ALL {
        let permits = principal(role).permits();
        if permits.answers.is_none() || role.is_service() {
            continue;
        }
        let both = permits.publish.iter().filter(|subject| permits.subscribe.contains(subject));
        assert_eq!(both.count(), 0, "{role:?}");
        assert!(!permits.publish.iter().any(|subject| subject.starts_with("_INBOX")), "{role:?}");
    }
}

#[test]
fn names_cannot_be_put_together_to_be_anothers() {
    let [a, ab] = ["a", "a-b"].map(|product| product.parse().expect("a product"));
    let names = [
        Principal::name_of(Purpose::Factory, Some(&a), "b-c"),
        Principal::name_of(Purpose::Factory, Some(&ab), "c"),
        Principal::name_of(Purpose::Viewer, Some(&ab), "c"),
        Principal::name_of(Purpose::Submit, None, "a-b-c"),
    ];
    let different: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(different.len(), names.len());
    assert!(names.iter().all(|name| !name.contains(['.', '*', '>', ' '])));
}

#[test]
fn an_answer_goes_to_an_inbox_and_nowhere_else() {
    for inbox in ["_INBOX.abc", "_INBOX.abc.1", "_INBOX_factory~acme~f1.abc.1", "_INBOX_x.y"] {
        assert!(is_inbox(inbox), "{inbox}");
    }
    for other in [
        "",
        "_INBOX",
        "_INBOX.",
        "_INBOX_",
        "_INBOX_.x",
        "_INBOX_x",
        "_INBOXES.x",
        "_INBOX.>",
        "_INBOX.a b",
        "$KV.fleet_jobs_0.acme.j",
        "$JS.API.STREAM.DELETE.KV_fleet_jobs_0",
        "$JS.ACK.FLEET_INTAKE.x",
        "fleet.v1.acme.f.f2.release",
        "fleet._INBOX.x",
    ] {
        assert!(!is_inbox(other), "{other}");
    }
}
