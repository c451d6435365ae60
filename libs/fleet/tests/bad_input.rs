//! Every way in which a submission can be wrong by its shape alone, and what its sender is told.
//! `UPDATE_EXPECT=1` rewrites `bad_input.txt`; a changed line there is a changed answer.

#![expect(clippy::unwrap_used, reason = "what cannot be set up stops the test")]

#[path = "support/submissions.rs"]
mod submissions;

use std::collections::BTreeMap;
use std::fmt::Write;

use expect_test::expect_file;
use fleet::{Invalid, ProfileTerms, Reason, Submission, Terms, Timestamp, normalise};
use uuid::Uuid;

use submissions::{Input, rows};

#[test]
fn bad_input_is_answered_with_its_field_its_line_and_a_remedy() {
    let mut out = String::new();
    for (name, input) in rows() {
        let faults = match judge(&input) {
            Ok(()) => panic!("{name}: taken"),
            Err(invalid) => invalid.faults,
        };
        writeln!(out, "{name}\n    {}", input.shown()).unwrap();
        for fault in faults {
            let line = fault.line.map_or_else(|| "-".into(), |line| line.to_string());
            let field = if fault.field.is_empty() { "-" } else { &fault.field };
            writeln!(out, "  line {line} · {field} · {}", shown_reason(&fault.reason)).unwrap();
            writeln!(out, "    {}", fault.message).unwrap();
            if let Some(hint) = fault.hint {
                writeln!(out, "    → {hint}").unwrap();
            }
        }
        out.push('\n');
    }
    expect_file!["./bad_input.txt"].assert_eq(&out);
}

fn shown_reason(reason: &Reason) -> String {
    let code = reason.code();
    if let Reason::DependencyCycle { path } = reason {
        return format!("{code} {}", path.join(" → "));
    }
    if let Reason::TooLarge { limit, actual } = reason {
        return format!("{code} limit {limit} actual {actual}");
    }
    code.into()
}

fn judge(input: &Input) -> Result<(), Invalid> {
    let submission = match input {
        Input::File(bytes) => Submission::from_markdown(bytes)?,
        Input::Json(bytes) => Submission::from_json(bytes)?,
    };
    normalise(&submission, &terms()).map(drop)
}

fn terms() -> Terms {
    let profile = ProfileTerms {
        engine: "claude".parse().unwrap(),
        timeout_sec: None,
        verify: None,
        capabilities: Vec::new(),
        takes_command: false,
    };
    Terms {
        product: "acme".parse().unwrap(),
        submitted_by: "t_1".into(),
        now: "2026-01-02T03:04:05.678Z".parse::<Timestamp>().unwrap(),
        auto_key: Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057),
        defaults: serde_json::Map::new(),
        profiles: BTreeMap::from([("coder".to_owned(), profile)]),
        allow_yolo: false,
        dev_engine: None,
    }
}
