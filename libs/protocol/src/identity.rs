//! What people, tokens and factories say and hear about who they are: over HTTP only, never on a
//! subject. These are the only forms of identity that leave a coordinator; the stored ones are
//! `auth`'s and stay.

use std::collections::BTreeMap;

use fleet::{Actor, Capability, FactoryId, ProductId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::role::Role;
use crate::secret::Secret;

/// A user as clients may see one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthUser {
    pub id: String,
    pub email: String,
    pub name: String,
    pub email_verified: bool,
    pub roles: BTreeMap<ProductId, Role>,
    pub product_ids: Vec<ProductId>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignUp {
    pub email: String,
    #[serde(serialize_with = "Secret::sent")]
    pub password: Secret,
    pub name: String,
    /// Asked for where people are let in by invitation.
    #[serde(
        default,
        serialize_with = "Secret::sent_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub invite: Option<Secret>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignIn {
    pub email: String,
    #[serde(serialize_with = "Secret::sent")]
    pub password: Secret,
}

/// The answer to a sign-in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignedIn {
    pub user: AuthUser,
    pub expires_at: Timestamp,
    /// For those who keep no cookies.
    #[serde(
        default,
        serialize_with = "Secret::sent_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub token: Option<Secret>,
    /// What a request that changes something says in `Fleet-Csrf` if a cookie signs it.
    #[serde(serialize_with = "Secret::sent")]
    pub csrf: Secret,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionShown {
    pub session: SessionTimes,
    pub user: AuthUser,
    #[serde(serialize_with = "Secret::sent")]
    pub csrf: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionTimes {
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub last_seen_at: Timestamp,
}

/// What a token is good for: a program's calls, or one factory's.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    Api,
    Factory,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssueToken {
    pub name: String,
    pub role: Role,
    #[serde(default)]
    pub yolo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A token as lists show it, without what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenShown {
    pub id: String,
    pub kind: TokenKind,
    pub name: String,
    /// How it begins.
    pub hint: String,
    pub role: Role,
    pub yolo: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factory_id: Option<FactoryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// It was replaced, and is good until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A new token, said this once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    #[serde(serialize_with = "Secret::sent")]
    pub token: Secret,
    pub shown: TokenShown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrollFactory {
    pub factory_id: FactoryId,
    /// Of what it advertises, only these will count; without, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<Capability>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// A factory's new token, said this once.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enrolled {
    #[serde(serialize_with = "Secret::sent")]
    pub token: Secret,
    pub factory_id: FactoryId,
    /// Empty where nothing was narrowed.
    pub capabilities: Vec<Capability>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RotateToken {
    /// How long the old one stays good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86400))]
    pub grace_sec: Option<u32>,
}

/// What a user may do in a product from now on; without a role, nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bind {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(default)]
    pub yolo: bool,
}

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditShown {
    pub id: String,
    pub at: Timestamp,
    pub actor: Actor,
    pub action: String,
    pub target: String,
    pub result: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AskReset {
    pub email: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reset {
    #[serde(serialize_with = "Secret::sent")]
    pub code: Secret,
    #[serde(serialize_with = "Secret::sent")]
    pub password: Secret,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyEmail {
    #[serde(serialize_with = "Secret::sent")]
    pub code: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "correct horse battery";

    #[test]
    fn a_request_with_a_password_prints_without_it() {
        let asked: SignUp = serde_json::from_value(serde_json::json!({
            "email": "ada@example.com", "password": PASSWORD, "name": "Ada", "invite": "gc_abc",
        }))
        .unwrap();
        let printed = format!("{asked:?}");
        assert!(printed.contains("ada@example.com"), "{printed}");
        assert!(!printed.contains(PASSWORD) && !printed.contains("gc_abc"), "{printed}");
        let sent = serde_json::to_value(&asked).unwrap();
        assert_eq!((&sent["password"], &sent["invite"]), (&PASSWORD.into(), &"gc_abc".into()));
    }

    #[test]
    fn a_request_with_an_unknown_field_is_refused() {
        let refused = |text: &str| serde_json::from_str::<SignIn>(text).is_err();
        assert!(refused(r#"{"email":"a@b.c","password":"x","product":"shop"}"#));
        assert!(!refused(r#"{"email":"a@b.c","password":"x"}"#));
        assert!(serde_json::from_str::<Bind>(r#"{"role":"admin","productId":"bank"}"#).is_err());
    }
}
