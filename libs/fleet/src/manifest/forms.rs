//! What each form of value takes, and the one way it is written down afterwards. A fault says what
//! would have been right.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value as Json;

use super::MAX_BODY;
use super::fault::{Fault, Reason, Spot, quoted};
use super::keys::Leaf;
use super::node::{Node, Value};
use crate::capability::Capability;
use crate::content::{Backoff, ProfileRef};
use crate::grammar::{Glob, Span};
use crate::id::{BadId, EngineName, JobId, Key, LockName};
use crate::money::{MAX_COUNT, MicroUsd};
use crate::time::Timestamp;

type Read = Result<Json, Fault>;

const DAY: u64 = 86_400;
/// In seconds.
pub(crate) const LONGEST_ATTEMPT: u64 = 7 * DAY;
/// How far ahead a job may be put off.
pub(crate) const FARTHEST: Duration = Duration::from_secs(366 * DAY);

/// The normalised value of one leaf.
pub(crate) fn leaf(form: Leaf, node: &Node, spot: &Spot) -> Read {
    match form {
        Leaf::Engine => name::<EngineName>(node, spot),
        Leaf::Lock => name::<LockName>(node, spot),
        Leaf::Profile => profile(node, spot),
        Leaf::Command => command(node, spot),
        Leaf::Directory => directory(node, spot),
        Leaf::Flag => flag(node, spot),
        Leaf::Timeout => timeout(node, spot),
        Leaf::Word(words) => word(words, node, spot),
        Leaf::Capability => capability(node, spot),
        Leaf::Dependency => dependency(node, spot),
        Leaf::IdempotencyKey => name::<Key>(node, spot),
        Leaf::Line(most) => line(most, node, spot),
        Leaf::Count => count(0..=MAX_COUNT, node, spot),
        Leaf::Moment => moment(node, spot),
        Leaf::Glob => glob(node, spot),
        Leaf::Body => body(node, spot),
        Leaf::Attempts => count(1..=100, node, spot),
        Leaf::Backoff => backoff(node, spot),
        Leaf::Dollars => dollars(node, spot),
        Leaf::Tokens => count(1..=MAX_COUNT, node, spot),
        Leaf::Wall => wall(node, spot),
    }
}

pub(crate) fn bad_type(node: &Node, spot: &Spot, wanted: &str) -> Fault {
    let message = format!("{} must be {wanted}; this is {}", spot.field, node.what());
    let fault = spot.fault(Reason::BadType, message);
    match node.value {
        Value::Nothing => fault.hint("write a value, or leave the key out"),
        Value::Flag(_) | Value::Whole(_) | Value::Decimal(_) if wanted == "text" => {
            fault.hint("put it in quotes")
        }
        Value::Flag(_)
        | Value::Whole(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => fault,
    }
}

fn text<'a>(node: &'a Node, spot: &Spot) -> Result<&'a str, Fault> {
    match &node.value {
        Value::Text(text) => Ok(text),
        Value::Nothing
        | Value::Flag(_)
        | Value::Whole(_)
        | Value::Decimal(_)
        | Value::List(_)
        | Value::Map(_) => Err(bad_type(node, spot, "text")),
    }
}

fn bad_value(spot: &Spot, written: &str, why: &str) -> Fault {
    spot.fault(Reason::BadValue, format!("{} {}: {why}", spot.field, quoted(written)))
}

fn name<T>(node: &Node, spot: &Spot) -> Read
where
    T: std::str::FromStr<Err = BadId> + ToString,
{
    let text = text(node, spot)?;
    match text.parse::<T>() {
        Ok(name) => Ok(name.to_string().into()),
        Err(bad) => Err(bad_value(spot, text, bad.why)),
    }
}

fn profile(node: &Node, spot: &Spot) -> Read {
    let text = text(node, spot)?;
    match ProfileRef::try_from(text.to_owned()) {
        Ok(profile) => Ok(String::from(profile).into()),
        Err(why) => Err(bad_value(spot, text, &why).hint("write a name, or name@3")),
    }
}

fn command(node: &Node, spot: &Spot) -> Read {
    let Value::List(words) = &node.value else {
        let Value::Text(line) = &node.value else {
            return Err(bad_type(node, spot, "a command line or a list of words"));
        };
        return if line.trim().is_empty() || line.contains('\0') {
            Err(bad_value(spot, line, "must be a command line"))
        } else {
            Ok(line.as_str().into())
        };
    };
    let mut out = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let spot = spot.item(index, word.line);
        let word = text(word, &spot)?;
        if word.contains('\0') || (index == 0 && word.trim().is_empty()) {
            return Err(bad_value(&spot, word, "must be a word of a command"));
        }
        out.push(Json::from(word));
    }
    if out.is_empty() {
        let message = format!("{} is an empty list", spot.field);
        return Err(spot.fault(Reason::BadValue, message).hint("name the program to run"));
    }
    Ok(Json::Array(out))
}

fn directory(node: &Node, spot: &Spot) -> Read {
    const MOST: usize = 4096;
    let text = text(node, spot)?;
    let tidy = text.starts_with('/')
        && text.len() <= MOST
        && !text.chars().any(char::is_control)
        && !text.split('/').any(|part| part == "..");
    if tidy {
        return Ok(text.into());
    }
    Err(bad_value(spot, text, "must be an absolute path without a part .."))
}

fn flag(node: &Node, spot: &Spot) -> Read {
    match &node.value {
        Value::Flag(flag) => Ok((*flag).into()),
        Value::Nothing
        | Value::Whole(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => Err(bad_type(node, spot, "true or false")),
    }
}

fn timeout(node: &Node, spot: &Spot) -> Read {
    const HINT: &str = "write a duration from 1s to 7d, like 90m";
    let Value::Text(text) = &node.value else {
        return Err(bad_type(node, spot, "a duration").hint(HINT));
    };
    let Ok(span) = text.parse::<Span>() else {
        return Err(bad_value(spot, text, "is no duration").hint(HINT));
    };
    match span.whole_seconds() {
        Some(seconds @ 1..=LONGEST_ATTEMPT) => Ok(format!("{seconds}s").into()),
        Some(_) => Err(out_of_range(spot, text, "is longer than 7d").hint(HINT)),
        None => Err(bad_value(spot, text, "must be whole seconds").hint(HINT)),
    }
}

fn out_of_range(spot: &Spot, written: &str, why: &str) -> Fault {
    spot.fault(Reason::OutOfRange, format!("{} {} {why}", spot.field, quoted(written)))
}

fn word(words: &[&str], node: &Node, spot: &Spot) -> Read {
    let written = text(node, spot)?;
    if words.contains(&written) {
        return Ok(written.into());
    }
    let message = format!("{} {} is none of {}", spot.field, quoted(written), words.join(", "));
    Err(spot.fault(Reason::BadEnum, message).hint(format!("one of: {}", words.join(" "))))
}

fn capability(node: &Node, spot: &Spot) -> Read {
    let text = text(node, spot)?;
    match text.parse::<Capability>() {
        Ok(token) => Ok(token.to_string().into()),
        Err(_) => Err(bad_value(spot, text, "is no capability")
            .hint("write name, name:value or a version like node>=20.1")),
    }
}

/// Another job: by its key, or by its id when it has the form of one.
fn dependency(node: &Node, spot: &Spot) -> Read {
    let written = text(node, spot)?;
    if written.parse::<JobId>().is_ok() {
        return Ok(written.into());
    }
    name::<Key>(node, spot).map_err(|fault| fault.hint("write the job's idempotencyKey or id"))
}

fn line(most: usize, node: &Node, spot: &Spot) -> Read {
    let text = text(node, spot)?;
    if (1..=most).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.into());
    }
    Err(bad_value(spot, text, &format!("must be one line of 1 to {most} characters")))
}

fn count(range: RangeInclusive<u64>, node: &Node, spot: &Spot) -> Read {
    let fits = match node.value {
        Value::Whole(number) => u64::try_from(number).ok().filter(|number| range.contains(number)),
        // What a reader could not hold as a whole number.
        Value::Decimal(number) if number.abs() > MAX_COUNT as f64 => None,
        Value::Nothing
        | Value::Flag(_)
        | Value::Decimal(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_) => return Err(bad_type(node, spot, "a whole number")),
    };
    fits.map(Json::from).ok_or_else(|| {
        let (least, most) = range.into_inner();
        let message = format!("{} must be from {least} to {most}", spot.field);
        spot.fault(Reason::OutOfRange, message)
    })
}

/// A span stays as it was written, so that the same submission tomorrow is the same content.
fn moment(node: &Node, spot: &Spot) -> Read {
    const HINT: &str = "write a time like 2026-01-02T03:04:05Z, or a duration from now like 2h";
    let text = text(node, spot).map_err(|fault| fault.hint(HINT))?;
    if let Ok(span) = text.parse::<Span>() {
        return if span.duration() <= FARTHEST {
            Ok(text.into())
        } else {
            Err(out_of_range(spot, text, "is more than 366 days ahead").hint(HINT))
        };
    }
    match text.parse::<Timestamp>() {
        Ok(moment) => Ok(moment.to_string().into()),
        Err(_) => Err(bad_value(spot, text, "is neither a time nor a duration").hint(HINT)),
    }
}

fn glob(node: &Node, spot: &Spot) -> Read {
    let text = text(node, spot)?;
    match text.parse::<Glob>() {
        Ok(glob) => Ok(glob.as_str().into()),
        Err(why) => Err(bad_value(spot, text, &why.to_string())),
    }
}

fn body(node: &Node, spot: &Spot) -> Read {
    let text = text(node, spot)?;
    if text.len() > MAX_BODY {
        return Err(spot.too_large(MAX_BODY, text.len()));
    }
    Ok(text.into())
}

fn backoff(node: &Node, spot: &Spot) -> Read {
    const HINT: &str = "write exp, a number of seconds, or a duration like 30s";
    let read = match &node.value {
        Value::Text(text) => text.parse::<Backoff>(),
        Value::Whole(number) => {
            u64::try_from(*number).map_or_else(|_| Err(crate::content::NotABackoff), Backoff::fixed)
        }
        Value::Nothing | Value::Flag(_) | Value::Decimal(_) | Value::List(_) | Value::Map(_) => {
            return Err(bad_type(node, spot, "exp, seconds or a duration").hint(HINT));
        }
    };
    match (read, &node.value) {
        (Ok(Backoff::Exp), _) => Ok("exp".into()),
        (Ok(Backoff::Fixed(seconds)), _) => Ok(seconds.into()),
        (Err(_), Value::Text(text)) => Err(bad_value(spot, text, "is no backoff").hint(HINT)),
        (Err(_), _) => {
            let message = format!("{} is not from 0 to 604800 seconds", spot.field);
            Err(spot.fault(Reason::OutOfRange, message).hint(HINT))
        }
    }
}

fn dollars(node: &Node, spot: &Spot) -> Read {
    let dollars = match node.value {
        Value::Whole(number) => number as f64,
        Value::Decimal(number) => number,
        Value::Nothing | Value::Flag(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
            return Err(bad_type(node, spot, "a number of US dollars"));
        }
    };
    match MicroUsd::from_dollars(dollars) {
        Ok(amount) if amount > MicroUsd::ZERO => {
            serde_json::to_value(amount).map_err(|_| spot.fault(Reason::BadValue, "no amount"))
        }
        Ok(_) | Err(_) => {
            let message =
                format!("{} {dollars} is no amount above 0 in whole millionths", spot.field);
            Err(spot.fault(Reason::OutOfRange, message).hint("write dollars, like 2.50"))
        }
    }
}

fn wall(node: &Node, spot: &Spot) -> Read {
    const HINT: &str = "write seconds, or a duration like 2h";
    match &node.value {
        Value::Whole(_) => count(1..=MAX_COUNT, node, spot),
        Value::Text(text) => match text.parse::<Span>().ok().and_then(Span::whole_seconds) {
            Some(seconds) => Ok(seconds.into()),
            None => Err(bad_value(spot, text, "is no duration of whole seconds").hint(HINT)),
        },
        Value::Nothing | Value::Flag(_) | Value::Decimal(_) | Value::List(_) | Value::Map(_) => {
            Err(bad_type(node, spot, "seconds or a duration").hint(HINT))
        }
    }
}
