//! What can be typed about people and what they may do. Codes are shown once, and read from files.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use protocol::Role;

use super::credentials::{ROLES, Told};
use super::one_of;

/// The product's users, or one of them.
#[derive(Args, Clone, Debug, Default)]
pub struct Users {
    #[command(subcommand)]
    pub verb: Option<UsersVerb>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum UsersVerb {
    /// List those who may do anything in the product
    List,
    /// Say what a user may do from now on
    Bind(Bound),
    /// Let a user do nothing in the product any more
    Unbind {
        #[arg(value_name = "EMAIL|ID")]
        user: String,
    },
    /// Make a code to sign up with; it is shown this once, and good for an hour
    Invite {
        #[command(flatten)]
        told: Told,
    },
    /// Make a code to set another password with; for the owner of the fleet's host
    Reset {
        email: String,
        #[command(flatten)]
        told: Told,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Bound {
    #[arg(value_name = "EMAIL|ID")]
    pub user: String,
    #[arg(long, value_parser = one_of(ROLES, Role::as_str))]
    pub role: Role,
    /// Their jobs may run engines that approve their own tools
    #[arg(long)]
    pub yolo: bool,
}

#[derive(Args, Clone, Debug)]
pub struct Join {
    /// Whose password is read from the terminal or from standard input
    #[arg(value_name = "EMAIL")]
    pub email: String,
    /// How others see you
    #[arg(long)]
    pub name: String,
    /// A file with the code of an invitation
    #[arg(long, value_name = "FILE")]
    pub invite_file: Option<PathBuf>,
}

/// The newest lines of the trail.
#[derive(Args, Clone, Debug)]
pub struct Audit {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub limit: u16,
}
