//! What can be typed about credentials: tokens, a factory's enrolment, coming in and going out. No
//! secret is ever an argument: other processes could read it there.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet::{Capability, FactoryId, Span};
use protocol::Role;

use super::one_of;

pub(super) const ROLES: [Role; 4] = [Role::Viewer, Role::Producer, Role::Operator, Role::Admin];

/// The product's tokens, or one of them.
#[derive(Args, Clone, Debug, Default)]
pub struct Tokens {
    #[command(subcommand)]
    pub verb: Option<TokensVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum TokensVerb {
    /// List them, without what they are
    List,
    /// Make one for a program; it is shown this once
    Issue(Issue),
    /// End one, everywhere within seconds
    Revoke {
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Issue {
    /// What it is called in lists
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it may do
    #[arg(long, value_parser = one_of(ROLES, Role::as_str))]
    pub role: Role,
    /// Its jobs may run engines that approve their own tools
    #[arg(long)]
    pub yolo: bool,
    /// It ends after so long, like 30d
    #[arg(long, value_name = "SPAN")]
    pub expires: Option<Span>,
    #[command(flatten)]
    pub told: Told,
}

/// Where a secret that is shown once goes.
#[derive(Args, Clone, Debug, Default)]
pub struct Told {
    /// Into this new file, for you alone, instead of standard output
    #[arg(long, value_name = "FILE")]
    pub token_out: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum FactoryVerb {
    /// Make the token of a factory; it is shown this once
    Enroll(Enroll),
    /// Make another token of a factory; the old one is good for a while
    Rotate(Rotate),
    /// End all tokens of a factory
    Revoke(Revoke),
}

#[derive(Args, Clone, Debug)]
pub struct Enroll {
    pub factory: FactoryId,
    /// Of what it advertises, only these count; may be repeated; without, all
    #[arg(long = "capability", value_name = "TOKEN")]
    pub capabilities: Vec<Capability>,
    /// It ends after so long, like 30d
    #[arg(long, value_name = "SPAN")]
    pub expires: Option<Span>,
    #[command(flatten)]
    pub told: Told,
}

#[derive(Args, Clone, Debug)]
pub struct Rotate {
    pub factory: FactoryId,
    /// How long the old one stays good, at most a day; ten minutes without
    #[arg(long, value_name = "SPAN")]
    pub grace: Option<Span>,
    #[command(flatten)]
    pub told: Told,
}

#[derive(Args, Clone, Debug)]
pub struct Revoke {
    pub factory: FactoryId,
    /// Take what it holds from it at once
    #[arg(long)]
    pub fence: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Login {
    /// Whose password is read from the terminal or from standard input
    #[arg(value_name = "EMAIL", required_unless_present = "with_token")]
    pub email: Option<String>,
    /// Keep a token that is read there instead
    #[arg(long, conflicts_with = "email")]
    pub with_token: bool,
}
