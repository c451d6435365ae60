//! Making a version of a profile, and profiles as they are listed.

use std::num::NonZeroU32;

use fleet::{EngineName, ProductId, Profile, ProfileName, Snapshot, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::message::Ask;
use crate::subject::{Row, Subject, Topic};

/// This version is to be this, once and for all. Said by the door alone, for an admin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PutProfile {
    pub name: ProfileName,
    pub version: NonZeroU32,
    pub snapshot: Snapshot,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileStands {
    /// `created`, or `existing`: it was this very one before.
    pub outcome: String,
    pub profile: Profile,
}

/// A profile as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ProfileView {
    /// The one that was asked for.
    Version(Box<Profile>),
    /// The newest of each, where nobody asked for one.
    Newest(NewestProfile),
}

/// The newest version of a profile, without what only a run needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewestProfile {
    pub name: ProfileName,
    /// The newest.
    pub version: u32,
    /// How many there are.
    pub versions: usize,
    pub engine: EngineName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    pub created_at: Timestamp,
}

impl NewestProfile {
    #[must_use]
    pub fn of(newest: &Profile, versions: usize) -> Self {
        Self {
            name: newest.name.clone(),
            version: newest.version,
            versions,
            engine: newest.snapshot.engine.clone(),
            model: newest.snapshot.model.clone(),
            created_at: newest.head.created_at,
        }
    }
}

impl Ask for PutProfile {
    type Reply = ProfileStands;

    fn row(&self) -> Row {
        Row::PutProfile
    }

    fn subject(&self, product: &ProductId) -> Subject {
        Subject::new(product, Topic::PutProfile)
    }
}
