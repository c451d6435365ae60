//! What a door is told when it is opened: where, for which product, and who may come in.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use blob::Blobs;
use fleet::ProductId;
use identity::Identity;
use subtle::ConstantTimeEq;

use crate::host::HostName;

/// What may be tried from elsewhere is longer than what is tried on one host.
const STRONG: usize = 32;

/// Where and for whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port 0 takes any that is free. Not on loopback only with `hosts` and a token of 32
    /// characters or more.
    pub address: SocketAddr,
    pub product: ProductId,
    /// Whoever has it owns this host, and may do everything in `product`.
    pub token: LocalToken,
    /// Names besides those of loopback that the door may be asked under.
    pub hosts: Vec<HostName>,
    /// The bytes of artifacts pass through the door; who may have them is not for it to say.
    pub blobs: Blobs,
    /// Everybody else.
    pub identity: Identity,
}

/// The one secret that opens the door. Never printed.
#[derive(Clone)]
pub struct LocalToken(Box<str>);

/// A secret that could be guessed, or that no header can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token is 16 to 256 visible ASCII characters")]
pub struct NotAToken;

impl Options {
    /// Whether more than this host may reach the door.
    pub(crate) fn may_be_public(&self) -> bool {
        !self.hosts.is_empty() && self.token.0.len() >= STRONG
    }
}

impl LocalToken {
    /// Takes as long for a token that is nearly right as for one that is not.
    pub(crate) fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

impl FromStr for LocalToken {
    type Err = NotAToken;

    fn from_str(text: &str) -> Result<Self, NotAToken> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (16..=256).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(NotAToken)
        }
    }
}

impl fmt::Debug for LocalToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LocalToken(…)")
    }
}
