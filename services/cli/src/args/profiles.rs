//! What can be typed about profiles.

use clap::{Args, Subcommand};
use fleet::ProfileRef;

/// The product's profiles, or one of them.
#[derive(Args, Clone, Debug, Default)]
pub struct Profiles {
    #[command(subcommand)]
    pub verb: Option<ProfilesVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ProfilesVerb {
    /// List the newest version of each
    List,
    /// Show a version, or the newest
    Get {
        #[arg(value_name = "NAME[@VERSION]")]
        profile: ProfileRef,
    },
    /// Make a version, once and for all
    Put(PutProfile),
}

#[derive(Args, Clone, Debug)]
pub struct PutProfile {
    #[arg(value_name = "NAME@VERSION", value_parser = versioned)]
    pub profile: ProfileRef,
    /// What runs are started with, as JSON: engine, args, env, …; - is standard input
    #[arg(value_name = "FILE")]
    pub file: String,
}

fn versioned(text: &str) -> Result<ProfileRef, String> {
    let named: ProfileRef = text.parse()?;
    if named.version.is_none() {
        return Err(format!("which version? write {text}@1, or the next one"));
    }
    Ok(named)
}
