//! Under which name the door was asked. A page of a stranger can make a browser ask this machine
//! under the stranger's own name (DNS rebinding), and would then be let read the answers; the door
//! answers to the names of loopback, and to others only where it was told them.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// A name that the door is known by elsewhere; without a port it counts with any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    name: String,
    port: Option<u16>,
}

/// What nobody could be asked under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a host is a name or an address, with a port or without, like fleet.example:4600")]
pub struct NotAHost;

impl HostName {
    fn is(&self, asked: &Authority) -> bool {
        let port = self.port.is_none_or(|port| asked.port_u16().unwrap_or(80) == port);
        port && plain(asked) && asked.host().eq_ignore_ascii_case(&self.name)
    }
}

impl FromStr for HostName {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let named: Authority = text.parse().map_err(|_| NotAHost)?;
        let (host, port) = (named.host(), named.port_u16());
        let any = bare(host).parse().is_ok_and(|address: IpAddr| address.is_unspecified());
        // Without a number behind its colon there is no port, and without a name no host.
        let whole = port.map_or_else(|| text == host, |port| text == format!("{host}:{port}"));
        if !plain(&named) || host.is_empty() || host.contains('*') || any || !whole {
            return Err(NotAHost);
        }
        Ok(Self { name: host.to_owned(), port })
    }
}

/// Whether every name that the request gives is one of loopback or one of `hosts`; one is needed.
pub(crate) fn is_ours(hosts: &[HostName], uri: &Uri, headers: &HeaderMap) -> bool {
    let ours = |name: &Authority| is_loopback(name) || hosts.iter().any(|host| host.is(name));
    let mut named = headers.get_all(HOST).iter();
    let (Some(only), None) = (named.next(), named.next()) else { return false };
    let only = only.to_str().ok().and_then(|name| name.parse::<Authority>().ok());
    only.is_some_and(|name| ours(&name)) && uri.authority().is_none_or(ours)
}

/// Whether the request was made under a name of loopback.
pub(crate) fn is_local(headers: &HeaderMap) -> bool {
    let named = headers.get(HOST).and_then(|name| name.to_str().ok());
    named.and_then(|name| name.parse().ok()).is_some_and(|name: Authority| is_loopback(&name))
}

fn is_loopback(name: &Authority) -> bool {
    let host = bare(name.host());
    let named = host.eq_ignore_ascii_case("localhost");
    plain(name) && (named || host.parse().is_ok_and(|address: IpAddr| address.is_loopback()))
}

/// Without a user before it.
fn plain(name: &Authority) -> bool {
    !name.as_str().contains('@')
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_loopback_are_ours() {
        for ours in ["localhost", "LOCALHOST:4600", "127.0.0.1", "127.1.2.3:80", "[::1]:4600"] {
            assert!(is_loopback(&ours.parse().unwrap()), "{ours}");
        }
        let foreign = [
            "evil.example",
            "evil.example:4600",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1@evil.example",
            "a@localhost",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "localhost.",
        ];
        for name in foreign {
            assert!(!is_loopback(&name.parse().unwrap()), "{name}");
        }
    }

    #[test]
    fn a_named_host_is_that_host_and_no_other() {
        let is = |host: &str, asked: &str| {
            host.parse::<HostName>().unwrap().is(&asked.parse::<Authority>().unwrap())
        };
        for (host, asked) in [
            ("gateway", "gateway"),
            ("gateway", "GATEWAY:4600"),
            ("gateway:4600", "gateway:4600"),
            ("Fleet.example:80", "fleet.example"),
            ("10.0.0.7", "10.0.0.7:4600"),
            ("[fd00::7]:4600", "[fd00::7]:4600"),
        ] {
            assert!(is(host, asked), "{host} {asked}");
        }
        for (host, asked) in [
            ("gateway", "gateway.evil.example"),
            ("gateway", "evil.example"),
            ("gateway", "evil@gateway"),
            ("gateway:4600", "gateway:4601"),
            ("gateway:4600", "gateway"),
        ] {
            assert!(!is(host, asked), "{host} {asked}");
        }
    }

    #[test]
    fn what_is_no_host_is_none() {
        let bad = [
            "",
            "*",
            "*.example",
            "a@b",
            "a/b",
            "http://a",
            "a:",
            "a:x",
            "a:99999",
            "0.0.0.0",
            "[::]:4600",
            "two words",
            ":4600",
        ];
        for text in bad {
            assert_eq!(text.parse::<HostName>(), Err(NotAHost), "{text:?}");
        }
    }
}
