//! The bus as AsyncAPI 3.0 tells it, made from the table of subjects and the types that are said
//! on them. Nothing is written down twice: what changes in either changes here.

use std::collections::BTreeMap;

use protocol::{Code, Filter, Header, Kind, Party, Reason, Row};
use serde_json::{Map, Value, json};

use crate::lines::{self, Told};
use crate::said::{Line, Message};

/// Where answers go: a subject that the asker makes up for itself.
pub(crate) const INBOX: &str = "inbox";
/// The answer to whatever is asked, where it is a no.
const REFUSED: &str = "Refused";

pub(crate) fn document() -> Value {
    let mut settings = fleet::schema_settings();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let told = lines::all(&mut generator);
    let mut schemas = generator.take_definitions(true);
    schemas.insert("RequestHeaders".to_owned(), headers(&ASKED));
    schemas.insert("AnswerHeaders".to_owned(), headers(&ANSWERED));
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Gigamesh",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Messages are hints, records are truth: losing any of these may cost \
                time, never correctness. Where one request may stand on a subject, a list of up \
                to 64 of them may stand, answered by a list in the same order of {\"reply\": …} or \
                {\"error\": …}.",
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "defaultContentType": "application/json",
        "channels": channels(&told),
        "operations": operations(&told),
        "components": {
            "messages": messages(&told),
            "schemas": schemas,
            "parameters": parameters(),
        },
    })
}

/// The name of a line's channel: its subject without the names that stand open.
pub(crate) fn id(row: Row) -> String {
    let pattern = Filter::every(row).to_string();
    let tokens = pattern.split('.').skip(2).filter(|token| *token != "*");
    tokens.collect::<Vec<_>>().join(".")
}

/// The subject, with a parameter in the place of each name.
pub(crate) fn address(row: Row) -> String {
    let mut names = names(row).iter();
    let pattern = Filter::every(row).to_string();
    let token = |token: &str| match token {
        "*" => format!("{{{}}}", names.next().expect("a name for each open token")),
        word => word.to_owned(),
    };
    pattern.split('.').map(token).collect::<Vec<_>>().join(".")
}

fn names(row: Row) -> &'static [&'static str] {
    match row {
        Row::Submit
        | Row::SubmitYolo
        | Row::Plan
        | Row::Children
        | Row::ChildrenYolo
        | Row::Intake => &["product"],
        Row::Query(_) | Row::Operate(_) | Row::PutProfile | Row::Custody(_) => &["product"],
        Row::OfferAny | Row::DeadLetter => &["product"],
        Row::Offer | Row::Spoken(_) | Row::Command => &["product", "factory"],
        Row::Event | Row::Log => &["product", "job"],
        Row::Kick => &["product", "reason"],
    }
}

fn parameters() -> Value {
    json!({
        "product": { "description": "The tenant: 1 to 64 of A-Z a-z 0-9 _ -.", "examples": ["acme"] },
        "factory": { "description": "A worker host, named like a product.", "examples": ["f1"] },
        "job": {
            "description": "A job's id: j_ and 26 of a-z 2-7.",
            "examples": ["j_aaaaaaaaaaaaaaaaaaaaaaaaaa"],
        },
        "reason": {
            "description": "Why to look again.",
            "enum": Reason::ALL.map(Reason::as_str),
        },
    })
}

fn channels(told: &Told) -> Map<String, Value> {
    let mut channels = Map::new();
    for row in Row::all() {
        let line = told.lines.iter().find(|line| line.row == row);
        let said = line.map(|line| line.said.name.as_str());
        let open: Map<String, Value> = names(row)
            .iter()
            .map(|name| ((*name).to_owned(), at(&format!("/components/parameters/{name}"))))
            .collect();
        channels.insert(
            id(row),
            json!({
                "address": address(row),
                "description": carried(row, line.is_some()),
                "parameters": open,
                "messages": listed(said),
            }),
        );
    }
    let answers = told.lines.iter().filter_map(|line| line.answer.as_ref());
    let answers = answers.map(|answer| answer.name.as_str()).chain([REFUSED]);
    channels.insert(
        INBOX.to_owned(),
        json!({
            "address": null,
            "description": "The reply subject that a request brings with it.",
            "messages": listed(answers),
        }),
    );
    channels
}

fn carried(row: Row, spoken: bool) -> String {
    let route = row.route();
    let kind = match route.kind {
        Kind::Request => "Request: one asks, one of the listening group answers.",
        Kind::Notice => "Notice: at most once, losing it costs time only.",
        Kind::Stream => "Stream: kept until it was settled or is too old.",
    };
    let silent = if spoken { "" } else { " Kept free: nobody speaks here yet." };
    format!("{kind} From {} to {}.{silent}", Party::list(route.from), Party::list(route.to))
}

fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let named = |name: &str| (name.to_owned(), at(&format!("/components/messages/{name}")));
    names.into_iter().map(named).collect()
}

/// One for each role that speaks or hears on a line.
fn operations(told: &Told) -> Map<String, Value> {
    let mut operations = Map::new();
    for line in &told.lines {
        let route = line.row.route();
        for (roles, action, verb) in
            [(route.from, "send", "sends"), (route.to, "receive", "receives")]
        {
            for role in roles.iter().map(|party| party.as_str()) {
                let name = format!("{}.{verb}.{}", role.replace(' ', "-"), id(line.row));
                operations.insert(name, operation(line, action, role));
            }
        }
    }
    operations
}

fn operation(line: &Line, action: &str, role: &str) -> Value {
    let channel = id(line.row);
    let mut operation = json!({
        "action": action,
        "channel": at(&format!("/channels/{channel}")),
        "tags": [{ "name": role }],
        "messages": [at(&format!("/channels/{channel}/messages/{}", line.said.name))],
    });
    if let Some(answer) = &line.answer {
        let inbox = |name: &str| at(&format!("/channels/{INBOX}/messages/{name}"));
        operation["reply"] = json!({
            "channel": at(&format!("/channels/{INBOX}")),
            "messages": [inbox(&answer.name), inbox(REFUSED)],
        });
    }
    operation
}

fn messages(told: &Told) -> BTreeMap<String, Value> {
    let examples = lines::examples(told);
    let mut messages = BTreeMap::new();
    let mut add = |name: &str, message: &Message, headers: &str| {
        let shown = examples[&message.name].iter().map(|example| json!({ "payload": example }));
        messages.insert(
            name.to_owned(),
            json!({
                "name": name,
                "headers": at(&format!("/components/schemas/{headers}")),
                "payload": message.schema,
                "examples": shown.collect::<Vec<_>>(),
            }),
        );
    };
    for line in &told.lines {
        add(&line.said.name, &line.said, "RequestHeaders");
        line.answer.iter().for_each(|answer| add(&answer.name, answer, "AnswerHeaders"));
    }
    add(REFUSED, &told.refusal, "AnswerHeaders");
    messages
}

const ASKED: [Header; 5] =
    [Header::RequestId, Header::Product, Header::Actor, Header::Deadline, Header::TraceParent];
const ANSWERED: [Header; 3] = [Header::Status, Header::Code, Header::RequestId];

fn headers(these: &[Header]) -> Value {
    let named = |header: &Header| (header.as_str().to_owned(), value_of(*header));
    let properties: Map<String, Value> = these.iter().map(named).collect();
    json!({ "type": "object", "properties": properties })
}

fn value_of(header: Header) -> Value {
    match header {
        Header::RequestId => json!({
            "type": "string", "format": "uuid",
            "description": "Names a request in answers and logs; made where it is absent.",
        }),
        Header::Status => json!({
            "type": "string", "pattern": "^[0-9]{3}$", "description": "As HTTP would have it.",
        }),
        Header::Code => json!({
            "enum": Code::ALL,
            "description": "Of an answer that is an error; an answer without it is none.",
        }),
        Header::Product => json!({
            "type": "string", "description": "Which of its products a principal means.",
        }),
        Header::Actor => json!({
            "type": "string", "pattern": "^(user|token|factory|service):.+$",
            "description": "For whom the door asks, as events name them.",
        }),
        Header::Deadline => json!({
            "type": "string", "format": "date-time",
            "description": "The moment after which nobody waits: a request past it is dropped.",
        }),
        Header::TraceParent => json!({
            "type": "string", "description": "W3C trace context.",
        }),
    }
}

fn at(place: &str) -> Value {
    json!({ "$ref": format!("#{place}") })
}
