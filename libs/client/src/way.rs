//! The way to bytes that are kept elsewhere: where a link leads, and who has to be there. Sealed by
//! TLS on every way that leaves this machine. Opens connections, and sends nothing itself.

mod pipe;
mod trust;

use std::io;
use std::net::IpAddr;

use hyper::Uri;
use hyper::http::uri::{PathAndQuery, Scheme};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use pipe::Pipe;
pub use trust::{BadTrust, Trust};

/// One that can be connected to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Host and port.
    target: String,
    seal: Option<Seal>,
}

/// Who has to be there, and who says so.
#[derive(Clone, Debug)]
struct Seal {
    name: ServerName<'static>,
    trust: Trust,
}

/// A link taken apart that leads past our own door.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    pub(crate) place: Place,
    pub(crate) authority: String,
    pub(crate) path: String,
}

/// Why a link is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLead {
    #[error("the link that was given is no address")]
    NoAddress,
    /// Whoever listens on the way would hold the link, and with it the bytes.
    #[error("the link that was given leads off this machine without TLS")]
    Unsealed,
}

impl Place {
    /// Spoken to as it is.
    pub(crate) fn plain(target: String) -> Self {
        Self { target, seal: None }
    }

    pub(crate) async fn connect(&self) -> io::Result<Pipe> {
        let stream = TcpStream::connect(&self.target).await?;
        stream.set_nodelay(true)?;
        let Some(Seal { name, trust }) = &self.seal else { return Ok(Pipe::Plain(stream)) };
        let sealed = TlsConnector::from(trust.config()).connect(name.clone(), stream).await?;
        Ok(Pipe::Sealed(Box::new(sealed)))
    }
}

impl Lead {
    pub(crate) fn of(url: &str, trust: &Trust) -> Result<Self, NoLead> {
        let parsed: Uri = url.parse().map_err(|_| NoLead::NoAddress)?;
        let authority = parsed.authority().ok_or(NoLead::NoAddress)?;
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(NoLead::NoAddress);
        }
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let (port, seal) = match parsed.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => {
                let name = ServerName::try_from(bare.to_owned()).map_err(|_| NoLead::NoAddress)?;
                (443, Some(Seal { name, trust: trust.clone() }))
            }
            Some(scheme) if *scheme == Scheme::HTTP && is_here(bare) => (80, None),
            Some(scheme) if *scheme == Scheme::HTTP => return Err(NoLead::Unsealed),
            Some(_) | None => return Err(NoLead::NoAddress),
        };
        let port = authority.port_u16().unwrap_or(port);
        let place = Place { target: format!("{host}:{port}"), seal };
        let path = parsed.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        Ok(Self { place, authority: authority.to_string(), path })
    }
}

/// By its number, or by the one name that no resolver may answer with another machine.
fn is_here(host: &str) -> bool {
    host.parse::<IpAddr>().map_or_else(|_| host == "localhost", |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_followed_over_tls_anywhere_and_without_it_on_this_machine_alone() {
        let lead = |url: &str| Lead::of(url, &Trust::default());
        for (url, target, path) in [
            ("https://blobs.example/a/b?sig=x%2F", "blobs.example:443", "/a/b?sig=x%2F"),
            ("https://[2001:db8::1]:8443/a", "[2001:db8::1]:8443", "/a"),
            ("https://192.0.2.1", "192.0.2.1:443", "/"),
        ] {
            let lead = lead(url).unwrap();
            assert_eq!((lead.place.target.as_str(), lead.path.as_str()), (target, path));
            assert!(lead.place.seal.is_some(), "{url}");
        }
        for (url, target) in [
            ("http://127.0.0.1:10000/a", "127.0.0.1:10000"),
            ("http://[::1]/a", "[::1]:80"),
            ("http://localhost/a", "localhost:80"),
        ] {
            let lead = lead(url).unwrap();
            assert!(lead.place.target == target && lead.place.seal.is_none(), "{lead:?}");
        }
        for url in ["http://blobs.example/a", "http://10.0.0.1/a", "http://127.0.0.1.example/a"] {
            assert_eq!(lead(url).unwrap_err(), NoLead::Unsealed, "{url}");
        }
        for url in ["", "/a", "a", "ftp://a/b", "https://", "https://u:p@a/b", "https://a b/"] {
            assert_eq!(lead(url).unwrap_err(), NoLead::NoAddress, "{url:?}");
        }
    }
}
