//! Waiting for what a server does, by asking again; bounded, and never for a time alone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use rustls::pki_types::{IpAddr, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

const TURN: Duration = Duration::from_millis(1);
const TURNS: u32 = 20_000;
/// A server that is frozen takes a connection and never answers.
const ANSWER: Duration = Duration::from_secs(2);

/// The first answer that is there, or nothing at the bound. `None` from `probe` asks again.
pub(crate) fn until<T>(mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..TURNS {
        let answer = probe();
        if answer.is_some() {
            return answer;
        }
        sleep(TURN);
    }
    None
}

/// The whole answer to a GET, head and body.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    ask(port, "GET", path)
}

/// The whole answer to a request without a body.
pub(crate) fn ask(port: u16, method: &str, path: &str) -> Option<String> {
    ask_over(None, (port, method, path))
}

/// The same, over TLS where somebody is named who knows whom to trust.
pub(crate) fn ask_over(
    client: Option<Arc<ClientConfig>>,
    (port, method, path): (u16, &str, &str),
) -> Option<String> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    let asked = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let Some(client) = client else { return answer(stream, &asked) };
    let name = ServerName::IpAddress(IpAddr::from(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let sealed = ClientConnection::new(client, name).ok()?;
    answer(StreamOwned::new(sealed, stream), &asked)
}

fn answer(mut stream: impl Read + Write, asked: &str) -> Option<String> {
    stream.write_all(asked.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Whether its JetStream takes requests.
pub(crate) fn is_healthy(port: u16) -> bool {
    let ok = |answer: &str| answer.split(' ').nth(1) == Some("200");
    get(port, "/healthz").is_some_and(|answer| ok(&answer))
}
