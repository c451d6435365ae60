//! What a table shows of each kind of record, and which fields it can have. Prints nothing.

mod credentials;
mod profile;

use std::time::Duration;

use fleet::Timestamp;
use serde_json::Value;

pub(crate) use credentials::{AUDIT, CODE, ENROLLED, TOKEN, USER};
pub(crate) use profile::{PROFILE, STANDS, VERSION};

/// One kind of thing that is shown.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Where its name stands, for `-o name`.
    pub(crate) id: &'static str,
    pub(crate) columns: &'static [Column],
    /// Fields that `--json` may name, also where no item has them.
    pub(crate) fields: &'static [&'static str],
}

#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) head: &'static str,
    pub(crate) read: Read,
    /// Only where there is room or it was asked for.
    pub(crate) wide: bool,
}

/// How a cell is read from a record; members of members are written with `/`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Read {
    Text(&'static str),
    /// A text that is of no use unless all of it is there: a row that has one is not cut.
    Whole(&'static str),
    Stage(&'static str),
    /// How long ago it was.
    Age(&'static str),
    /// The names in a list, or their number where they are no texts.
    Several(&'static str),
    /// Millionths of a dollar.
    Usd(&'static str),
    /// How many bytes.
    Bytes(&'static str),
}

const fn thin(head: &'static str, read: Read) -> Column {
    Column { head, read, wide: false }
}

const fn wide(head: &'static str, read: Read) -> Column {
    Column { head, read, wide: true }
}

pub(crate) const JOB: Shape = Shape {
    id: "id",
    columns: &[
        thin("ID", Read::Text("id")),
        thin("KEY", Read::Text("idempotencyKey")),
        thin("STAGE", Read::Stage("stage")),
        thin("PRIORITY", Read::Text("priority")),
        thin("FACTORY", Read::Text("holderFactoryId")),
        thin("TRIES", Read::Text("attempts")),
        thin("AGE", Read::Age("createdAt")),
        wide("ENGINE", Read::Text("engine")),
        wide("EPOCH", Read::Text("leaseEpoch")),
        wide("RESULT", Read::Text("result")),
        wide("UPDATED", Read::Age("updatedAt")),
    ],
    fields: &[
        "admitted",
        "admittedAt",
        "allowedScope",
        "artifactGlobs",
        "assignedAt",
        "attempts",
        "baseBranch",
        "bodyMd",
        "budget",
        "buildingAt",
        "capabilities",
        "children",
        "command",
        "contentHash",
        "createdAt",
        "cwd",
        "depIds",
        "deps",
        "depsMode",
        "engine",
        "etag",
        "eventSeq",
        "failureReason",
        "failures",
        "finishedAt",
        "generation",
        "holderFactoryId",
        "id",
        "idempotencyKey",
        "kind",
        "leaseEpoch",
        "locks",
        "manifestSnapshot",
        "nextRetryAt",
        "notBefore",
        "parentId",
        "priority",
        "productId",
        "profile",
        "queuedAt",
        "repo",
        "result",
        "retry",
        "rev",
        "reviewPolicy",
        "runId",
        "stage",
        "submittedBy",
        "timeoutSec",
        "tokensUsed",
        "updatedAt",
        "usdUsed",
        "verified",
        "verify",
        "wallUsedSec",
        "yolo",
    ],
};

pub(crate) const RECEIPT: Shape = Shape {
    id: "job/id",
    columns: &[
        thin("OUTCOME", Read::Text("outcome")),
        thin("ID", Read::Text("job/id")),
        thin("KEY", Read::Text("job/idempotencyKey")),
        thin("STAGE", Read::Stage("job/stage")),
        thin("FILE", Read::Text("file")),
        wide("GENERATION", Read::Text("generation")),
    ],
    fields: &["file", "generation", "job", "outcome", "unknownDeps", "warnings"],
};

pub(crate) const PLAN: Shape = Shape {
    id: "jobId",
    columns: &[
        thin("OUTCOME", Read::Text("outcome")),
        thin("ID", Read::Text("jobId")),
        thin("KEY", Read::Text("idempotencyKey")),
        thin("EXPECT", Read::Text("expect")),
        thin("FITTING", Read::Several("fitting")),
        thin("UNKNOWN DEPS", Read::Several("unknownDeps")),
        thin("CYCLE", Read::Several("cycle")),
        thin("FILE", Read::Text("file")),
    ],
    fields: &[
        "contentHash",
        "cycle",
        "expect",
        "factories",
        "file",
        "fitting",
        "idempotencyKey",
        "jobId",
        "manifest",
        "outcome",
        "unknownDeps",
        "warnings",
    ],
};

pub(crate) const RUN: Shape = Shape {
    id: "id",
    columns: &[
        thin("ATTEMPT", Read::Text("attempt")),
        thin("FACTORY", Read::Text("factoryId")),
        thin("ENGINE", Read::Text("engine")),
        thin("RESULT", Read::Text("result")),
        thin("EXIT", Read::Text("exit/code")),
        thin("PERCENT", Read::Text("progress/percent")),
        thin("STARTED", Read::Age("startedAt")),
        thin("ENDED", Read::Age("endedAt")),
        wide("EPOCH", Read::Text("leaseEpoch")),
        wide("RUN", Read::Text("runId")),
    ],
    fields: &[
        "attempt",
        "buildingAt",
        "endedAt",
        "engine",
        "exit",
        "factoryId",
        "id",
        "insights",
        "jobId",
        "leaseEpoch",
        "progress",
        "result",
        "runId",
        "startedAt",
        "verifyResult",
    ],
};

pub(crate) const EVENT: Shape = Shape {
    id: "id",
    columns: &[
        thin("SEQ", Read::Text("seq")),
        thin("EVENT", Read::Stage("type")),
        thin("BY", Read::Text("actor/id")),
        thin("EPOCH", Read::Text("epoch")),
        thin("REASON", Read::Text("data/reason")),
        thin("AGE", Read::Age("at")),
        wide("ID", Read::Text("id")),
    ],
    fields: &["actor", "at", "data", "epoch", "id", "jobId", "productId", "seq", "type"],
};

pub(crate) const LEASE: Shape = Shape {
    id: "jobId",
    columns: &[
        thin("JOB", Read::Text("jobId")),
        thin("STATUS", Read::Text("status")),
        thin("FACTORY", Read::Text("holderFactoryId")),
        thin("EPOCH", Read::Text("leaseEpoch")),
        thin("RENEWALS", Read::Text("renewals")),
        thin("ACQUIRED", Read::Age("acquiredAt")),
        thin("RENEWED", Read::Age("renewedAt")),
        thin("EXPIRES", Read::Text("expiresAt")),
    ],
    fields: &[
        "acquiredAt",
        "claimNonce",
        "expiresAt",
        "holderFactoryId",
        "id",
        "jobId",
        "leaseEpoch",
        "renewals",
        "renewedAt",
        "runId",
        "status",
    ],
};

pub(crate) const ARTIFACT: Shape = Shape {
    id: "id",
    columns: &[
        thin("ID", Read::Whole("id")),
        thin("KIND", Read::Text("kind")),
        thin("NAME", Read::Text("name")),
        thin("SIZE", Read::Bytes("sizeBytes")),
        thin("TYPE", Read::Text("contentType")),
        thin("AGE", Read::Age("createdAt")),
        wide("EPOCH", Read::Text("epoch")),
        wide("QUARANTINED", Read::Text("quarantined")),
        wide("SHA256", Read::Text("sha256")),
    ],
    fields: &[
        "blobKey",
        "contentType",
        "createdAt",
        "epoch",
        "id",
        "jobId",
        "kind",
        "name",
        "productId",
        "quarantined",
        "removed",
        "runId",
        "sha256",
        "sizeBytes",
        "state",
        "updatedAt",
    ],
};

pub(crate) const FACTORY: Shape = Shape {
    id: "factoryId",
    columns: &[
        thin("FACTORY", Read::Text("factoryId")),
        thin("HEALTH", Read::Text("health")),
        thin("DRAINING", Read::Text("draining")),
        thin("STALE", Read::Text("stale")),
        thin("USED", Read::Text("seatsUsed")),
        thin("SEATS", Read::Text("seatLimit")),
        thin("ENGINES", Read::Several("engines")),
        thin("HEARD", Read::Age("lastHeartbeatAt")),
        wide("CAPABILITIES", Read::Several("capabilities")),
        wide("HOST", Read::Text("descriptor/hostname")),
    ],
    fields: &[
        "capabilities",
        "descriptor",
        "draining",
        "engines",
        "factoryId",
        "health",
        "id",
        "jobs",
        "lastHeartbeatAt",
        "load",
        "registeredAt",
        "retiredAt",
        "seatLimit",
        "seatsUsed",
        "stale",
    ],
};

pub(crate) const LOCK: Shape = Shape {
    id: "name",
    columns: &[
        thin("LOCK", Read::Text("name")),
        thin("JOB", Read::Text("holders/0/jobId")),
        thin("FACTORY", Read::Text("holders/0/factoryId")),
        thin("STATE", Read::Text("holders/0/state")),
        thin("SINCE", Read::Age("holders/0/since")),
        thin("WAITERS", Read::Several("waiters")),
    ],
    fields: &["holders", "name", "waiters"],
};

pub(crate) const BUDGET: Shape = Shape {
    id: "id",
    columns: &[
        thin("BUDGET", Read::Text("id")),
        thin("WINDOW", Read::Text("window")),
        thin("SPENT", Read::Usd("spentUsd")),
        thin("LIMIT", Read::Usd("limitUsd")),
        thin("TOKENS", Read::Text("spentTokens")),
        thin("TOKEN LIMIT", Read::Text("limitTokens")),
        thin("ENABLED", Read::Text("enabled")),
    ],
    fields: &[
        "enabled",
        "id",
        "limitTokens",
        "limitUsd",
        "match",
        "now",
        "reserved",
        "softPct",
        "spentTokens",
        "spentUsd",
        "window",
        "windowStart",
    ],
};

pub(crate) const FINDING: Shape = Shape {
    id: "jobId",
    columns: &[
        thin("JOB", Read::Text("jobId")),
        thin("INVARIANT", Read::Text("invariant")),
        thin("DETAIL", Read::Text("detail")),
    ],
    fields: &["events", "jobs", "violations"],
};

pub(crate) const SETTING: Shape = Shape {
    id: "key",
    columns: &[
        thin("KEY", Read::Text("key")),
        thin("VALUE", Read::Text("value")),
        thin("ORIGIN", Read::Text("origin")),
    ],
    fields: &["key", "origin", "value"],
};

/// Told by all its members, whatever they are.
pub(crate) const PRODUCT: Shape = Shape { id: "productId", columns: &[], fields: &[] };

pub(crate) const WHY: Shape = Shape {
    id: "jobId",
    columns: &[],
    fields: &[
        "blockers",
        "code",
        "factories",
        "jobId",
        "next",
        "nextAt",
        "position",
        "sentence",
        "since",
        "stage",
    ],
};

impl Read {
    pub(crate) fn cell(self, item: &Value, now: Timestamp) -> String {
        match self {
            Self::Text(path) | Self::Whole(path) | Self::Stage(path) => text(at(item, path)),
            Self::Age(path) => at(item, path)
                .as_str()
                .and_then(|said| said.parse::<Timestamp>().ok())
                .map_or_else(String::new, |moment| age(now.since(moment))),
            Self::Bytes(path) => at(item, path).as_u64().map_or_else(String::new, bytes),
            Self::Several(path) => several(at(item, path)),
            Self::Usd(path) => at(item, path).as_u64().map_or_else(String::new, |micros| {
                format!("${}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
            }),
        }
    }
}

/// The member at the end of the path, or nothing.
pub(crate) fn at<'a>(item: &'a Value, path: &str) -> &'a Value {
    const NOTHING: &Value = &Value::Null;
    item.pointer(&format!("/{path}")).unwrap_or(NOTHING)
}

pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn several(value: &Value) -> String {
    let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
        return String::new();
    };
    let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    words.map_or_else(|| items.len().to_string(), |words| words.join(" "))
}

/// As people say it, with at most one digit behind the point.
pub(crate) fn bytes(count: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, shift)| count >> shift > 0);
    unit.map_or_else(
        || format!("{count} B"),
        |(unit, shift)| {
            let tenths = (count >> (shift - 10)) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

/// As people say it: nobody needs the seconds of an hour.
fn age(span: Duration) -> String {
    match span.as_secs() {
        0..10 => "now".to_owned(),
        seconds @ 10..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Every scalar of a record with its path, for what has no columns.
pub(crate) fn leaves(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), value)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Object(members) => {
                let below = |name: &String| match path.as_str() {
                    "" => name.clone(),
                    path => format!("{path}.{name}"),
                };
                open.extend(members.iter().rev().map(|(name, value)| (below(name), value)));
            }
            Value::Null => {}
            Value::Array(_) => found.push((path, several(value))),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push((path, text(value))),
        }
    }
    found
}
