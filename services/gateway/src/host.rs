//! Under which name the door was asked. A page of a stranger can make a browser ask this machine
//! under the stranger's own name (DNS rebinding), and would then be let read the answers; the door
//! is on loopback and answers to the names of loopback alone.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// Whether every name that the request gives is one of loopback; one is needed.
pub(crate) fn is_ours(uri: &Uri, headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(HOST).iter();
    let (Some(only), None) = (named.next(), named.next()) else { return false };
    let only = only.to_str().ok().and_then(|name| name.parse::<Authority>().ok());
    only.is_some_and(|name| is_loopback(&name)) && uri.authority().is_none_or(is_loopback)
}

fn is_loopback(name: &Authority) -> bool {
    let host = name.host().trim_start_matches('[').trim_end_matches(']');
    let plain = !name.as_str().contains('@');
    let named = host.eq_ignore_ascii_case("localhost");
    plain && (named || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback()))
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
}
