//! What NATS servers are like, and what lies on them, judged line by line. Looks once, and does
//! not wait for a server to come.

use std::sync::Arc;
use std::time::Duration;

use bus::Bus;
use client::{CallError, OverBus};
use fleet::ProductId;
use node::open::{self, Durability, Look, Reach, Standing};

use crate::doctor::{Finding, clocked};
use crate::trouble::Trouble;

pub(super) async fn look(asked: &Look, product: &ProductId) -> Vec<Finding> {
    let process = crate::admin::process("gigamesh-doctor");
    match Box::pin(open::look(asked, &process)).await {
        Ok((standing, bus)) => {
            let mut findings = judged(&standing);
            findings.extend(answers(bus, product).await);
            findings
        }
        Err(error) => {
            let trouble = Trouble::from(error).0;
            vec![Finding::bad("nats", trouble.why.join(": "))]
        }
    }
}

/// Where records lie in an account: what carries the news.
pub(super) async fn look_beside(reach: &Reach, product: &ProductId) -> Vec<Finding> {
    let process = crate::admin::process("gigamesh-doctor");
    match Box::pin(open::look_at_streams(reach, &process)).await {
        Ok((found, bus)) => {
            let mut findings = match found {
                Ok(standing) => vec![streams(&standing)],
                Err(faults) => {
                    faults.into_iter().map(|fault| Finding::bad("made", fault)).collect()
                }
            };
            findings.extend(answers(bus, product).await);
            findings
        }
        Err(error) => {
            let trouble = Trouble::from(error).0;
            vec![Finding::bad("nats", trouble.why.join(": "))]
        }
    }
}

fn judged(standing: &Standing) -> Vec<Finding> {
    let mut findings = vec![server(standing), durability(standing.durability), records(standing)];
    findings.push(room(standing.fullest.as_ref()));
    if !standing.streams.is_empty() {
        findings.push(streams(&standing.streams));
    }
    findings.extend(standing.faults.iter().map(|fault| Finding::bad("made", fault.clone())));
    findings.extend(latency("latency", "an answer of the server takes", &standing.asked));
    findings.extend(latency("write", "a conditional write takes", &standing.written));
    findings
}

fn server(standing: &Standing) -> Finding {
    let Standing { version, server, cluster, max_payload, .. } = standing;
    let whole = match cluster {
        Some(cluster) => format!("in the cluster {cluster}"),
        None => "alone".to_owned(),
    };
    let said = format!(
        "nats-server {version} with JetStream, {server}, {whole}; messages of up to {max_payload} bytes"
    );
    Finding::ok("nats", said)
}

fn durability(durability: Durability) -> Finding {
    let said = durability.to_string();
    match durability {
        Durability::Replicated(_) | Durability::Single | Durability::Embedded => {
            Finding::ok("durability", said)
        }
        Durability::NotKnown => Finding::note("durability", said),
        Durability::Majority(_) => Finding::ok("durability", said),
        Durability::Weak(_) | Durability::Nothing => Finding::bad("durability", said),
    }
}

fn records(standing: &Standing) -> Finding {
    let Standing { generation, replicas, buckets, documents, behind, .. } = standing;
    let said = format!(
        "{buckets} buckets of {replicas} each, generation {generation}, {documents} documents"
    );
    if behind.is_empty() {
        return Finding::ok("records", said);
    }
    Finding::note("records", format!("{said}; replicas are behind: {}", behind.join(" ")))
        .next("wait until they are level before a server is stopped")
}

fn room(fullest: Option<&(bool, String)>) -> Finding {
    match fullest {
        Some((true, said)) => Finding::bad("bounds", format!("{said}; no new jobs are taken"))
            .next("gigamesh admin init --max-bytes SIZE, with more than they have"),
        Some((false, said)) => Finding::ok("bounds", said.clone()),
        None => {
            Finding::note("bounds", "no bucket has a bound: a full disk stops jobs that run too")
                .next("gigamesh admin init --max-bytes SIZE")
        }
    }
}

fn streams(standing: &[(&str, u64)]) -> Finding {
    let each = standing.iter().map(|(stream, messages)| format!("{stream} {messages}"));
    Finding::ok("streams", each.collect::<Vec<_>>().join(", "))
}

/// None where nothing was measured.
fn latency(what: &'static str, said: &str, took: &[Duration]) -> Option<Finding> {
    let [half, most] = [took.get(took.len() / 2)?, took.get(took.len() * 99 / 100)?];
    Some(Finding::ok(what, format!("{said} {half:.1?}, 99 in 100 at most {most:.1?}")))
}

/// Whether a service answers, and whether its clock agrees with ours.
async fn answers(bus: Arc<dyn Bus>, product: &ProductId) -> Vec<Finding> {
    let link = OverBus::new(bus, product.clone());
    match clocked(async |ask, patience| link.call(ask, patience).await).await {
        Ok(found) => found.findings("a scheduler over NATS"),
        Err(CallError::Bus(_)) => vec![
            Finding::note("fleet", "no scheduler answers over NATS")
                .next("gigamesh serve all --nats URL"),
        ],
        Err(error @ (CallError::Refused(_) | CallError::Garbled(_))) => {
            vec![Finding::bad("fleet", format!("a scheduler answers with trouble: {error}"))]
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::doctor::State;

    fn sound() -> Standing {
        Standing {
            version: "2.15.1".into(),
            server: "n1".into(),
            cluster: None,
            max_payload: 2 << 20,
            generation: "g1".into(),
            replicas: 1,
            buckets: 57,
            documents: 12,
            fullest: Some((false, "the bucket b holds 1 of 16 MiB".into())),
            behind: Vec::new(),
            streams: vec![("FLEET_INTAKE", 0), ("FLEET_EVENTS", 7), ("FLEET_DLQ", 0)],
            faults: Vec::new(),
            durability: Durability::Single,
            asked: (1..=100).map(Duration::from_micros).collect(),
            written: Vec::new(),
        }
    }

    fn told(standing: &Standing) -> String {
        let rows: Vec<_> = judged(standing).iter().map(Finding::in_columns).collect();
        cli::table(&["CHECK", "STATE", "FOUND"], &rows)
    }

    #[test]
    fn a_sound_server_is_told_line_by_line() {
        expect![[r#"
            CHECK       STATE  FOUND
            nats        ok     nats-server 2.15.1 with JetStream, n1, alone; messages of up to 2097152 bytes
            durability  ok     durable, single: synced before every answer, on one disk
            records     ok     57 buckets of 1 each, generation g1, 12 documents
            bounds      ok     the bucket b holds 1 of 16 MiB
            streams     ok     FLEET_INTAKE 0, FLEET_EVENTS 7, FLEET_DLQ 0
            latency     ok     an answer of the server takes 51.0µs, 99 in 100 at most 100.0µs"#]]
        .assert_eq(&told(&sound()));
    }

    #[test]
    fn whatever_is_wrong_has_a_line_of_its_own_and_its_name() {
        let late = Duration::from_mins(2);
        let written = (1..=50).map(Duration::from_millis).collect();
        let wrong = Standing {
            cluster: Some("c".into()),
            replicas: 3,
            behind: vec!["fleet_jobs_0".into()],
            fullest: Some((true, "the bucket b holds 15 of 16 MiB".into())),
            streams: Vec::new(),
            faults: vec!["the bucket x is missing: its data was lost".into(), "another".into()],
            durability: Durability::Weak(late),
            written,
            ..sound()
        };
        expect![[r#"
            CHECK       STATE  FOUND
            nats        ok     nats-server 2.15.1 with JetStream, n1, in the cluster c; messages of up to 2097152 bytes
            durability  BAD    weak: synced up to 120 s after the answer, so that a power cut loses what was acknowledged; set sync_interval: always on the server
            records     note   57 buckets of 3 each, generation g1, 12 documents; replicas are behind: fleet_jobs_0; try wait until they are level before a server is stopped
            bounds      BAD    the bucket b holds 15 of 16 MiB; no new jobs are taken; try gigamesh admin init --max-bytes SIZE, with more than they have
            made        BAD    the bucket x is missing: its data was lost
            made        BAD    another
            latency     ok     an answer of the server takes 51.0µs, 99 in 100 at most 100.0µs
            write       ok     a conditional write takes 26.0ms, 99 in 100 at most 50.0ms"#]]
        .assert_eq(&told(&wrong));
        let bad = judged(&wrong).into_iter().filter(|finding| finding.state == State::Bad);
        assert_eq!(bad.count(), 4);
    }

    #[test]
    fn what_nobody_can_tell_is_no_fault_and_the_way_to_know_it_is_named() {
        let finding = durability(Durability::NotKnown);
        assert_eq!(finding.state, State::Note);
        assert!(finding.said.contains("--nats-monitor http://HOST:8222"), "{finding:?}");
    }
}
