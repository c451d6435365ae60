//! Submissions that are wrong by their shape alone, with the number of the row that they belong to.
//! What each is answered is not written here: the table beside the tests of this crate says it, and
//! every door must say the same.

use std::fmt::Write;

use fleet::JobId;
use serde_json::json;

/// Every row, in the order of the table.
#[must_use]
pub(crate) fn rows() -> Vec<(&'static str, Input)> {
    let mut rows = names();
    rows.extend(shapes());
    rows.extend(sizes());
    rows.extend(keys());
    rows.extend(values());
    rows.extend(numbers());
    rows.extend(jobs());
    rows
}

/// What is sent: a job file, or the keys of one.
#[derive(Debug)]
pub(crate) enum Input {
    File(Vec<u8>),
    Json(Vec<u8>),
}

impl Input {
    /// As the table shows it.
    #[must_use]
    pub(crate) fn shown(&self) -> String {
        let (door, bytes) = match self {
            Self::File(bytes) => ("file", bytes),
            Self::Json(bytes) => ("json", bytes),
        };
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix("---\nengine: echo\n").unwrap_or(&text);
        let text = text.strip_suffix("\n---\n").unwrap_or(text);
        let mut short: String = text.chars().take(72).collect();
        if short.len() < text.len() {
            write!(short, "… {} bytes", bytes.len()).unwrap();
        }
        format!("{door} {short:?}")
    }
}

/// The front matter holds `engine: echo` on line 2, so that a row is wrong in one way.
fn front(keys: &str) -> Input {
    Input::File(format!("---\nengine: echo\n{keys}\n---\n").into_bytes())
}

fn file(text: impl Into<Vec<u8>>) -> Input {
    Input::File(text.into())
}

fn object(text: impl Into<Vec<u8>>) -> Input {
    Input::Json(text.into())
}

fn names() -> Vec<(&'static str, Input)> {
    let lock = |name: &str| object(json!({"engine": "echo", "lock": name}).to_string());
    vec![
        ("15 a lock with a dot", lock("a.b")),
        ("15 a lock that is a wildcard", lock("*")),
        ("15 a lock that is the rest", lock(">")),
        ("15 a lock of nothing", lock("")),
        ("15 a lock of 65 characters", lock(&"x".repeat(65))),
        ("15 a lock that climbs", lock("../x")),
        ("15 a lock with a slash", lock("a/b")),
        ("15 a lock with a space", lock("a b")),
        ("15 a lock that is encoded", lock("%00")),
        ("15 a lock with a line break", lock("a\r\nb")),
        ("15 a lock with a control character", lock("a\u{7}")),
        ("15 a lock in another alphabet", lock("\u{430}cme")),
        ("15 a reserved lock", lock("_x")),
        ("15 a profile with a dot", object(r#"{"profile":"a.b"}"#)),
        ("15 a profile of no version", object(r#"{"profile":"coder@0"}"#)),
        ("15 an engine with a slash", object(r#"{"engine":"a/b"}"#)),
        ("15 locks that are wrong", front("locks: [a, 'b c', '>']")),
    ]
}

fn shapes() -> Vec<(&'static str, Input)> {
    let deep =
        |levels: usize| format!("{{\"engine\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let nested = |levels: usize| format!("budget: {}{}", "[".repeat(levels), "]".repeat(levels));
    let many: Vec<String> = (0..512).map(|item| item.to_string()).collect();
    let wide = object(format!("{{\"engine\":[{}0]}}", "0,".repeat(30_000)));
    vec![
        ("16 no JSON", object("priority: high")),
        ("16 nothing", object("")),
        ("16 cut off", object(r#"{"engine":"echo""#)),
        ("16 more than one", object(r#"{"engine":"echo"}{}"#)),
        ("16 a list", object("[]")),
        ("16 not UTF-8", object(b"{\"engine\":\"\xff\"}".to_vec())),
        ("16 a lone surrogate", object(r#"{"engine":"\ud800"}"#)),
        ("16 a key twice", object(r#"{"engine":"echo","engine":"shell"}"#)),
        ("16 a key twice, within", object(r#"{"engine":"echo","budget":{"usd":1,"usd":2}}"#)),
        ("16 a key twice, then cut off", object(r#"{"engine":"echo","engine":"shell","lock":"#)),
        ("16 nested 33 levels", object(deep(32))),
        ("16 nested 100 000 levels", object(deep(100_000))),
        ("16 more values than a submission has", wide),
        ("16 a file that is not UTF-8", file(b"---\nengine: echo\n---\nab\xffc".to_vec())),
        ("21 two spellings of one key", front("engineClass: command\nengine-class: command")),
        ("21 an anchor", front("cwd: &here /srv")),
        ("21 an alias", front("cwd: *here")),
        ("21 an anchor and an alias", front("cwd: &here /srv\nrepo: *here")),
        ("21 a tag", front("priority: !!str high")),
        ("21 a tag of a list", front("deps: !set [a]")),
        ("21 a merge key", front("<<: {priority: high}")),
        ("21 a key twice", front("priority: high\npriority: low")),
        ("21 two documents", front("priority: high\n...\n--- {}")),
        ("21 a key that is a list", front("? [a, b]\n: 1\npriority: high")),
        ("21 a list of keys", file("---\n- engine\n---\n")),
        ("21 a word", file("---\nengine\n---\n")),
        ("21 an anchor, then no YAML", front("cwd: &a /srv\ndeps: [a")),
        ("21 no YAML", front("deps: [a, b")),
        ("21 a tab", front("retry:\n\tmax: 3")),
        ("21 nested 7 levels", front(&nested(6))),
        ("21 nested 10 000 levels", front(&nested(10_000))),
        ("21 more than 512 values", front(&format!("deps: [{}]", many.join(", ")))),
        ("22 never closed", file("---\nengine: echo\n\nbody")),
        ("22 opened and nothing more", file("---")),
    ]
}

fn sizes() -> Vec<(&'static str, Input)> {
    let body = |length: usize| "x".repeat(length);
    let escapes = "\u{1}".repeat(200 << 10);
    let long = format!("---\nengine: echo\nrepo: {}\n---\n", "r".repeat(64 << 10));
    let command = json!({"engine": "shell", "command": "c".repeat(64 << 10)});
    vec![
        ("18 a submission of 8 MiB + 1", object(vec![b' '; (8 << 20) + 1])),
        ("19 a body of 512 KiB + 1", file(body((512 << 10) + 1))),
        (
            "19 a body of 512 KiB + 1 in JSON",
            object(json!({"engine": "echo", "bodyMd": body((512 << 10) + 1)}).to_string()),
        ),
        ("19 front matter beyond 64 KiB", file(long)),
        ("19 a manifest beyond 64 KiB in JSON", object(command.to_string())),
        (
            "19 a job beyond 900 KiB by escapes",
            object(json!({"engine": "echo", "bodyMd": escapes}).to_string()),
        ),
    ]
}

fn keys() -> Vec<(&'static str, Input)> {
    vec![
        ("20 a key with a letter missing", front("priorty: high")),
        ("20 the same in JSON", object(r#"{"engine":"echo","priorty":"high"}"#)),
        ("20 a key like no other", front("colour: red")),
        ("20 a key in snake case", front("engine_class: command")),
        ("20 a key of a map", front("retry: {max: 2, back: exp}")),
        ("20 a key with control characters", object(r#"{"engine":"echo","a\u0007\nb":1}"#)),
        ("20 many at once, by line", front("timout: 1h\npriority: urgent\nlok: a\nyolo: 1")),
        ("20 the body as a key of a file", front("bodyMd: x")),
        ("23 a priority", front("priority: urgent")),
        ("23 a kind", front("kind: Leaf")),
        ("23 a depsMode", front("depsMode: firm")),
        ("23 an onDepFailure", front("onDepFailure: ignore")),
        ("23 a reviewPolicy", front("reviewPolicy: none")),
        ("23 an engineClass", object(r#"{"engineClass":"agentic"}"#)),
        ("24 a number for text", front("repo: 7")),
        ("24 text for a flag", front("yolo: 'true'")),
        ("24 a word of old YAML for a flag", front("yolo: yes")),
        ("24 nothing for a value", front("priority:")),
        ("24 null for a value", object(r#"{"engine":"echo","priority":null}"#)),
        ("24 a map for a list", front("deps: {a: b}")),
        ("24 a list for a map", front("budget: [1]")),
        ("24 text for locks", front("locks: a")),
        ("24 a number among texts", front("deps: [a, 2]")),
        ("24 a list for text", front("engineClass: [command]")),
    ]
}

fn values() -> Vec<(&'static str, Input)> {
    let key = |key: &str| object(json!({"engine": "echo", "idempotencyKey": key}).to_string());
    let tokens: Vec<String> = (0..65).map(|token| format!("t{token}")).collect();
    vec![
        ("25 an empty key", key("")),
        ("25 a key of 257 characters", key(&"k".repeat(257))),
        ("25 a key like a job id", key(&format!("j_{}", "a".repeat(26)))),
        ("25 a key with a control character", key("a\u{7}b")),
        ("25 a key with a space at its end", key("a ")),
        ("25 a key that is a number", front("idempotencyKey: 12")),
        ("26 a timeout of 0s", front("timeout: 0s")),
        ("26 a timeout of -1m", front("timeout: -1m")),
        ("26 a timeout of 8d", front("timeout: 8d")),
        ("26 a timeout of 1.5h", front("timeout: 1.5h")),
        ("26 a timeout of 90", front("timeout: 90")),
        ("26 a timeout of soon", front("timeout: soon")),
        ("26 a timeout of 500ms", front("timeout: 500ms")),
        ("29 a capability without a value", front("capabilities: [git, 'os:']")),
        ("29 a capability with two signs", front("capabilities: ['node>>1']")),
        ("29 a capability with no number", front("capabilities: ['node>=x']")),
        ("29 a capability alone", front("capabilities: '1st'")),
        ("29 65 capabilities", front(&format!("capabilities: [{}]", tokens.join(", ")))),
        ("30 a relative cwd", front("cwd: src")),
        ("30 a cwd with ..", front("cwd: /srv/../etc")),
        ("30 a home directory", front("cwd: ~/src")),
        ("31 a notBefore that is no time", front("notBefore: tomorrow")),
        ("31 a notBefore 367 days ahead", front("notBefore: 2027-01-04T03:04:06Z")),
        ("31 a notBefore in 367 days", front("notBefore: 367d")),
        ("31 a notBefore that is a number", front("notBefore: 1767322800")),
        ("31 a date alone", front("notBefore: 2026-02-01")),
        ("a pattern that climbs", front("allowedScope: [src/**, ../x]")),
        ("a pattern from the root", front("artifacts: /etc/*")),
        ("a pattern with braces", front("artifacts: '*.{a,b}'")),
        ("a command of nothing", object(r#"{"command":""}"#)),
        ("a command of no words", object(r#"{"command":[]}"#)),
        ("a command of numbers", object(r#"{"command":["sleep",1]}"#)),
        ("a repo of two lines", front("repo: \"a\\nb\"")),
        ("an item id of nothing", front("trackerItemId: ''")),
    ]
}

fn numbers() -> Vec<(&'static str, Input)> {
    vec![
        ("27 a retry of 0", front("retry: 0")),
        ("27 a retry of 101", front("retry: 101")),
        ("27 a retry that is text", front("retry: often")),
        ("27 a retry without max", front("retry: {backoff: exp}")),
        ("27 a retry of nothing", front("retry: {}")),
        ("27 max 0 within", front("retry: {max: 0}")),
        ("27 max 1.5", front("retry: {max: 1.5}")),
        ("27 backoff fast", front("retry: {max: 2, backoff: fast}")),
        ("27 backoff beyond a week", front("retry: {max: 2, backoff: 604801}")),
        ("27 backoff in milliseconds", front("retry: {max: 2, backoff: 10ms}")),
        ("27 on oom", front("retry: {max: 2, on: [oom, crash]}")),
        ("28 a budget of 0", front("budget: {usd: 0}")),
        ("28 a negative budget", front("budget: {usd: -1, tokens: -1, wall: -1}")),
        ("28 a budget of NaN", front("budget: {usd: .nan}")),
        ("28 a budget of NaN in JSON", object(r#"{"engine":"echo","budget":{"usd":NaN}}"#)),
        ("28 a budget of 1e400", front("budget: {usd: 1e400}")),
        ("28 a budget of 1e400 in JSON", object(r#"{"engine":"echo","budget":{"usd":1e400}}"#)),
        ("28 a budget finer than a millionth", front("budget: {usd: 0.0000001}")),
        ("28 an unknown unit", front("budget: {wall: 2w}")),
        ("28 an unknown kind of budget", front("budget: {eur: 2}")),
        ("28 a budget of nothing", front("budget: {}")),
        ("28 half a token", front("budget: {tokens: 0.5}")),
        ("tokens beyond what JSON holds", front("budget: {tokens: 9007199254740992}")),
        ("a sequence below 0", front("sequence: -1")),
        ("a sequence of 2^64", object(r#"{"engine":"echo","sequence":18446744073709551616}"#)),
        ("a sequence that is text", front("sequence: '1'")),
    ]
}

fn jobs() -> Vec<(&'static str, Input)> {
    let deps: Vec<String> = (0..257).map(|dep| format!("d{dep}")).collect();
    let children = vec![json!({"engine": "echo"}); 51];
    let own = JobId::of(&"acme".parse().unwrap(), &"a".parse().unwrap());
    let children = json!({"engine": "echo", "children": children}).to_string();
    vec![
        ("32 its own key among deps", front("idempotencyKey: a\ndeps: [b, a]")),
        ("32 its own id among deps", front(&format!("idempotencyKey: a\ndeps: [{own}]"))),
        ("32 its own parent", front("idempotencyKey: a\nparent: a")),
        (
            "33 a child that waits for its parent",
            front("idempotencyKey: a\nchildren: [{engine: echo, deps: a}]"),
        ),
        ("34 257 deps", object(json!({"engine": "echo", "deps": deps}).to_string())),
        ("34 51 children", object(children)),
        ("34 a dep that is no key", front("deps: [' a', '']")),
        ("35 an unknown profile", object(r#"{"profile":"painter"}"#)),
        ("35 an unknown version", object(r#"{"profile":"coder@9"}"#)),
        ("35 nothing that runs it", object("{}")),
        ("35 a file without a word of an engine", file("do something\n")),
        ("54 yolo without the grant", front("yolo: true")),
        ("a command for another engine", front("command: make")),
        ("a command for a profile", object(r#"{"profile":"coder","command":"make"}"#)),
        ("a composite without children", front("kind: composite")),
        ("a leaf with children", front("kind: leaf\nchildren: [{engine: echo}]")),
        ("no children", front("children: []")),
        ("children that are none", front("children: [a, [b]]")),
        ("grandchildren", front("children: [{engine: echo, children: [{engine: echo}]}]")),
        ("a child with another parent", front("children: [{engine: echo, parent: b}]")),
        ("children and a parent", front("parent: b\nchildren: [{engine: echo}]")),
        (
            "two children of one key",
            front(
                "children:\n- {engine: echo, idempotencyKey: c}\n- {engine: echo, idempotency-key: c}",
            ),
        ),
        (
            "faults of children",
            front(
                "children:\n- engine: echo\n  priorty: high\n- engine: echo\n  timeout: 1\n- bodyMd: x",
            ),
        ),
        ("nine locks in two keys", front("lock: a\nlocks: [b, c, d, e, f, g, h, i]")),
    ]
}
