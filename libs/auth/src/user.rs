//! A person: an address, a name, and what they may do in which product. Never leaves the
//! coordinator; what does is `protocol::AuthUser`.

use std::collections::BTreeMap;

use fleet::{Code, Head, ProductId, Record, Rejection, Timestamp};
use protocol::{AuthUser, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::email::Email;
use crate::principal::{Binding, Principal, Who};
use crate::stored::{Form, Stored};

/// In how many products one person may be something.
pub const MOST_BINDINGS: usize = 64;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct User {
    pub id: String,
    #[serde(flatten)]
    pub head: Head,
    pub email: String,
    pub email_lower: String,
    pub name: String,
    pub email_verified: bool,
    pub bindings: Vec<Bound>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    #[serde(flatten)]
    pub unknown: BTreeMap<String, Value>,
}

/// A binding as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bound {
    pub product_id: ProductId,
    pub role: Role,
    pub yolo: bool,
}

#[derive(Clone, Debug)]
pub enum UserCommand {
    Bind(Bound),
    Unbind(ProductId),
    /// Takes back what this one's last change left a product with, if it is still so.
    Restore {
        former: Bound,
        left: Option<Bound>,
    },
    /// The address is theirs.
    Prove,
    Disable,
    Enable,
}

#[derive(Clone, Debug)]
pub enum UserEvent {
    Bound(Bound),
    Unbound(ProductId),
    Proven,
    Disabled(Timestamp),
    Enabled,
}

impl User {
    #[must_use]
    pub fn new(id: String, email: &Email, name: String, now: Timestamp) -> Stored<Self> {
        Self::known_as(id, Some(email), name, now)
    }

    /// Of whom an issuer need not tell an address.
    #[must_use]
    pub fn known_as(
        id: String,
        email: Option<&Email>,
        name: String,
        now: Timestamp,
    ) -> Stored<Self> {
        Stored(Self {
            id,
            head: Head::new(ProductId::system(), now),
            email: email.map(|email| email.shown().to_owned()).unwrap_or_default(),
            email_lower: email.map(|email| email.lower().to_owned()).unwrap_or_default(),
            name,
            email_verified: false,
            bindings: Vec::new(),
            disabled_at: None,
            unknown: BTreeMap::new(),
        })
    }

    #[must_use]
    pub fn binding(&self, product: &ProductId) -> Option<&Bound> {
        self.bindings.iter().find(|bound| bound.product_id == *product)
    }

    /// Whether they may do everything in a product.
    #[must_use]
    pub fn is_admin_of(&self, product: &ProductId) -> bool {
        let bound = self.binding(product);
        self.disabled_at.is_none() && bound.is_some_and(|bound| bound.role == Role::Admin)
    }

    #[must_use]
    pub fn principal(&self) -> Principal {
        let bindings = self.bindings.iter().map(|bound| {
            (bound.product_id.clone(), Binding { role: bound.role, yolo: bound.yolo })
        });
        let who = Who::User(self.id.as_str().into());
        Principal { who, bindings: bindings.collect(), scope: None }
    }

    #[must_use]
    pub fn shown(&self) -> AuthUser {
        let roles: BTreeMap<_, _> =
            self.bindings.iter().map(|bound| (bound.product_id.clone(), bound.role)).collect();
        AuthUser {
            id: self.id.clone(),
            email: self.email.clone(),
            name: self.name.clone(),
            email_verified: self.email_verified,
            product_ids: roles.keys().cloned().collect(),
            roles,
        }
    }

    /// As the admins of one product may see them: what else they are is not told.
    #[must_use]
    pub fn shown_in(&self, product: &ProductId) -> AuthUser {
        let mut shown = self.shown();
        shown.roles.retain(|bound, _| bound == product);
        shown.product_ids.retain(|bound| bound == product);
        shown
    }

    fn bound(&self, bound: &Bound) -> Result<Vec<UserEvent>, Rejection> {
        if bound.role == Role::Factory {
            return Err(Rejection::new(Code::Validation).because("no_factory"));
        }
        match self.binding(&bound.product_id) {
            Some(already) if already == bound => Ok(Vec::new()),
            None if self.bindings.len() >= MOST_BINDINGS => {
                Err(Rejection::new(Code::Conflict).because("too_many"))
            }
            Some(_) | None => Ok(vec![UserEvent::Bound(bound.clone())]),
        }
    }
}

impl Record for Stored<User> {
    type Command = UserCommand;
    type Event = UserEvent;
    type Rejection = Rejection;

    fn decide(&self, command: &UserCommand, now: Timestamp) -> Result<Vec<UserEvent>, Rejection> {
        let event = match command {
            UserCommand::Bind(bound) => return self.bound(bound),
            UserCommand::Unbind(product) => {
                self.binding(product).map(|_| UserEvent::Unbound(product.clone()))
            }
            UserCommand::Restore { former, left } => {
                let unchanged = self.binding(&former.product_id) == left.as_ref();
                unchanged.then(|| UserEvent::Bound(former.clone()))
            }
            UserCommand::Prove => (!self.email_verified).then_some(UserEvent::Proven),
            UserCommand::Disable => self.disabled_at.is_none().then_some(UserEvent::Disabled(now)),
            UserCommand::Enable => self.disabled_at.map(|_| UserEvent::Enabled),
        };
        Ok(event.into_iter().collect())
    }

    fn evolve(mut self, event: &UserEvent) -> Self {
        match event {
            UserEvent::Bound(bound) => {
                self.0.bindings.retain(|other| other.product_id != bound.product_id);
                self.0.bindings.push(bound.clone());
            }
            UserEvent::Unbound(product) => {
                self.0.bindings.retain(|bound| bound.product_id != *product);
            }
            UserEvent::Proven => self.0.email_verified = true,
            UserEvent::Disabled(at) => self.0.disabled_at = Some(*at),
            UserEvent::Enabled => self.0.disabled_at = None,
        }
        self
    }

    fn head(&self) -> &Head {
        &self.0.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.0.head
    }
}

impl Form for User {
    fn write<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, out)
    }

    fn read<'de, D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Self::deserialize(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Stored<User> {
        let email = Email::read("Ada@Example.com").unwrap();
        User::new("u_1".to_owned(), &email, "Ada".to_owned(), Timestamp::EPOCH)
    }

    fn told(user: Stored<User>, command: &UserCommand) -> Stored<User> {
        let events = user.decide(command, Timestamp::EPOCH).unwrap();
        events.iter().fold(user, Stored::<User>::evolve)
    }

    fn bound(product: &str, role: Role) -> Bound {
        Bound { product_id: product.parse().unwrap(), role, yolo: false }
    }

    #[test]
    fn a_new_user_may_do_nothing_until_bound() {
        let ada = ada();
        assert!(ada.principal().bindings.is_empty());
        let ada = told(ada, &UserCommand::Bind(bound("shop", Role::Viewer)));
        let ada = told(ada, &UserCommand::Bind(bound("shop", Role::Admin)));
        assert_eq!(ada.bindings, [bound("shop", Role::Admin)]);
        assert!(ada.is_admin_of(&"shop".parse().unwrap()));
        assert_eq!(ada.shown().roles.len(), 1);
        let ada = told(ada, &UserCommand::Unbind("shop".parse().unwrap()));
        assert!(ada.bindings.is_empty());
    }

    #[test]
    fn who_is_disabled_is_nobodys_admin() {
        let ada = told(ada(), &UserCommand::Bind(bound("shop", Role::Admin)));
        let ada = told(ada, &UserCommand::Disable);
        assert!(!ada.is_admin_of(&"shop".parse().unwrap()));
        assert!(told(ada, &UserCommand::Enable).is_admin_of(&"shop".parse().unwrap()));
    }

    #[test]
    fn nobody_is_bound_as_a_factory_nor_to_endless_products() {
        let refused = |user: &Stored<User>, bound| {
            user.decide(&UserCommand::Bind(bound), Timestamp::EPOCH).unwrap_err().reason
        };
        assert_eq!(refused(&ada(), bound("shop", Role::Factory)), Some("no_factory"));
        let full = (0..MOST_BINDINGS).fold(ada(), |ada, n| {
            told(ada, &UserCommand::Bind(bound(&format!("p{n}"), Role::Viewer)))
        });
        assert_eq!(refused(&full, bound("shop", Role::Viewer)), Some("too_many"));
        assert_eq!(told(full, &UserCommand::Bind(bound("p1", Role::Admin))).bindings.len(), 64);
    }

    #[test]
    fn a_user_reads_back_with_what_a_newer_version_added() {
        let mut stored: Value = serde_json::from_slice(&ada().encode().unwrap()).unwrap();
        stored["fromTheFuture"] = 1.into();
        let read = Stored::<User>::decode(stored.to_string().as_bytes()).unwrap();
        let again: Value = serde_json::from_slice(&read.encode().unwrap()).unwrap();
        assert_eq!(again, stored);
    }
}
