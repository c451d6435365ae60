//! What a proven token says: whether it is meant for us and valid now, of whom it speaks, and
//! which products they come with. Believes nothing by itself; the signature was judged before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auth::{Binding, Principal, Who};
use fleet::{ProductId, Timestamp};
use protocol::Role;
use serde_json::{Map, Value};

use crate::json;
use crate::outcome::NotOurs;

/// How far the clock of an issuer may be from ours.
pub(crate) const LEEWAY: Duration = Duration::from_mins(1);
const MAX_SUBJECT: usize = 255;

/// What a proven token says.
#[derive(Debug)]
pub(crate) struct Claims(pub(crate) Map<String, Value>);

impl Claims {
    /// Whether it is meant for one of these, and valid at this moment.
    pub(crate) fn hold(&self, audience: &BTreeSet<String>, now: Timestamp) -> Result<(), NotOurs> {
        let named: Vec<&str> = match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(several @ Value::Array(_)) => json::texts(several).ok_or(NotOurs::Misdirected)?,
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                return Err(NotOurs::Misdirected);
            }
        };
        if !named.iter().any(|named| audience.contains(*named)) {
            return Err(NotOurs::Misdirected);
        }
        let expires = self.moment("exp")?.ok_or(NotOurs::Untimely)?;
        let begun = |at: Option<Timestamp>| at.is_none_or(|at| at <= now.plus(LEEWAY));
        let alive = now < expires.plus(LEEWAY);
        let timely = alive && begun(self.moment("nbf")?) && begun(self.moment("iat")?);
        if timely { Ok(()) } else { Err(NotOurs::Untimely) }
    }

    /// Of whom it speaks: a name that is unique at its issuer, and never given to another.
    pub(crate) fn subject(&self) -> Result<&str, NotOurs> {
        let subject = json::text(&self.0, "sub").ok_or(NotOurs::Malformed)?;
        let plain = subject.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = !subject.is_empty() && subject.len() <= MAX_SUBJECT && plain;
        if fits { Ok(subject) } else { Err(NotOurs::Malformed) }
    }

    /// Who comes, with the products that the token brings along.
    pub(crate) fn principal(
        &self,
        issuer: &str,
        product: &str,
        role: &str,
    ) -> Result<Principal, NotOurs> {
        // An issuer's address holds no `#`, so the two parts cannot be moved against each other.
        let who = Who::User(format!("{issuer}#{}", self.subject()?).into());
        Ok(Principal { who, bindings: self.bindings(product, role), scope: None })
    }

    /// A map of products to roles, or a list of products with one role for all. What cannot be
    /// read grants nothing, and neither does a factory's role, which needs an enrolled factory.
    pub(crate) fn bindings(&self, product: &str, role: &str) -> BTreeMap<ProductId, Binding> {
        let bound = |(name, role): (&str, Option<&Value>)| {
            let role = role.and_then(Value::as_str).and_then(person)?;
            Some((name.parse().ok()?, Binding { role, yolo: false }))
        };
        match self.0.get(product) {
            Some(Value::Object(map)) => map
                .iter()
                .map(|(name, role)| (name.as_str(), Some(role)))
                .filter_map(bound)
                .collect(),
            Some(Value::Array(list)) => {
                let role = self.0.get(role);
                list.iter()
                    .filter_map(Value::as_str)
                    .map(|name| (name, role))
                    .filter_map(bound)
                    .collect()
            }
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {
                BTreeMap::new()
            }
        }
    }

    /// Seconds since 1970, with or without a fraction.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<Timestamp>, NotOurs> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().ok_or(NotOurs::Untimely)?;
        if !(0.0..=LAST_SECOND).contains(&seconds) {
            return Err(NotOurs::Untimely);
        }
        let since = Duration::try_from_secs_f64(seconds).map_err(|_| NotOurs::Untimely)?;
        Ok(Some(Timestamp::EPOCH.plus(since)))
    }
}

/// The end of the year 9999, less what is added to it.
const LAST_SECOND: f64 = 253_402_000_000.0;

fn person(name: &str) -> Option<Role> {
    match Role::ALL.into_iter().find(|role| role.as_str() == name)? {
        Role::Factory => None,
        role @ (Role::Viewer | Role::Producer | Role::Operator | Role::Admin) => Some(role),
    }
}
