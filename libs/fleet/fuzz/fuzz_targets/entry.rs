//! What holds for any bytes at either door. The fuzzer and the seeded mutations of the test suite
//! both come in here.

use std::collections::BTreeMap;

use fleet::{Accepted, Invalid, Submission, Terms, Timestamp, normalise};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Whether the file and the JSON door took them.
///
/// # Panics
/// A refusal says nothing, or what was accepted is not the same when it is sent again.
pub(crate) fn judge(bytes: &[u8]) -> [bool; 2] {
    [Submission::from_markdown(bytes), Submission::from_json(bytes)].map(taken)
}

fn taken(read: Result<Submission, Invalid>) -> bool {
    let judged = read.and_then(|submission| normalise(&submission, &terms()));
    match &judged {
        Ok(accepted) => stands_again(accepted),
        Err(invalid) => says_why(invalid),
    }
    judged.is_ok()
}

fn says_why(invalid: &Invalid) {
    assert!(!invalid.faults.is_empty(), "a refusal without a fault");
    for fault in &invalid.faults {
        assert!(!fault.message.is_empty(), "a fault without a word: {fault:?}");
        assert!(!fault.field.chars().any(char::is_control), "not to be shown: {fault:?}");
    }
}

/// The stored snapshot, sent as JSON, is the same content.
fn stands_again(accepted: &Accepted) {
    for child in &accepted.children {
        assert_eq!(child.content.parent_id, Some(accepted.job), "a child of another");
        assert!(accepted.content.dep_ids.contains(&child.job), "a child nobody waits for");
    }
    if !accepted.children.is_empty() {
        return;
    }
    let mut again = accepted.content.manifest_snapshot.fields();
    again.insert("bodyMd".into(), accepted.content.body_md.as_str().into());
    let again = Value::Object(again).to_string();
    let read = Submission::from_json(again.as_bytes());
    let second = read.and_then(|submission| normalise(&submission, &terms()));
    let second = second.unwrap_or_else(|invalid| panic!("{again}\nrefused: {invalid}"));
    assert_eq!(second.content.content_hash, accepted.content.content_hash, "{again}");
    assert_eq!(second.job, accepted.job, "{again}");
}

fn terms() -> Terms {
    Terms {
        product: "acme".parse().expect("a name"),
        submitted_by: "t_1".into(),
        now: Timestamp::from_millis(1_767_323_045_678),
        auto_key: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        defaults: Map::new(),
        profiles: BTreeMap::new(),
        allow_yolo: true,
        dev_engine: Some("echo".parse().expect("a name")),
    }
}
