//! The part of an address after the question mark, judged as strictly as a body: unknown names are
//! refused, since a filter that is silently left out shows the wrong things.

use percent_encoding::percent_decode_str;
use protocol::Code;
use uuid::Uuid;

use crate::problem::Refusal;

/// Never looked at, and so no reason to refuse: a credential in an address is no credential.
const IGNORED: [&str; 2] = ["token", "access_token"];

/// Names and values in their order, for those who know these names.
///
/// # Errors
/// A name that is not among `known`, or text that is no UTF-8.
pub(crate) fn pairs(
    query: &str,
    known: &[&str],
    request_id: Uuid,
) -> Result<Vec<(String, String)>, Refusal> {
    let refused = || Refusal::new(Code::Validation, request_id);
    let mut pairs = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            return Err(refused().at("query", "malformed", "the query is not UTF-8"));
        };
        if IGNORED.contains(&name.as_str()) {
            continue;
        }
        if !known.contains(&name.as_str()) {
            let near = node::shape::nearest(&name, known);
            let hint = near.unwrap_or_else(|| format!("known parameters: {}", known.join(" ")));
            let message = format!("unknown parameter {name:?}");
            return Err(refused().at(&name, "unknown_key", message).hint(hint));
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    Some(percent_decode_str(&spaced).decode_utf8().ok()?.into_owned())
}
