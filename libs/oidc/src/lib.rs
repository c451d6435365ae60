//! Who an issuer elsewhere says that somebody is: tokens that it signed, and logins through it.
//! Never decides what they may do, never keeps an account, and never takes a key from a token.

mod algorithm;
mod claims;
mod fetch;
mod issuer;
mod json;
mod keys;
mod login;
mod outcome;
mod provider;
mod query;
mod seal;
mod spent;
mod token;
mod verifier;

pub use algorithm::Algorithm;
pub use keys::Keys;
pub use login::{Keep, Known, Login, Redirect};
pub use outcome::{LoginRefused, NotOurs};
pub use provider::{Fault, Faults, Provider};
pub use seal::{BadSecrets, SealKeys};
pub use token::{MAX_TOKEN, Token};
pub use verifier::Verifier;
