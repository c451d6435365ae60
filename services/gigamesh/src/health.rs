//! `gigamesh health`: asks a side port once whether its role can work, for those that look at
//! containers; so an image needs no other program for it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;
use cli::Exit;
use node::side::READY;
use serde_json::json;

use crate::say::Say;
use crate::trouble::Trouble;

/// A role asks each of its parts for two seconds at most.
const WITHIN: Duration = Duration::from_secs(4);
/// A list of parts fits many times.
const LONGEST: u64 = 8 << 10;

/// Ask a service's side port whether it can work
#[derive(Args, Clone, Debug)]
pub(crate) struct Health {
    /// The side port on 127.0.0.1
    #[arg(long, env = "GIGAMESH_SIDE_PORT", value_name = "PORT")]
    pub(crate) side_port: u16,
}

impl Health {
    pub(crate) fn run(&self, say: Say) -> Result<(), Trouble> {
        let address = format!("127.0.0.1:{}", self.side_port);
        let away = |error: io::Error| {
            Trouble::new(Exit::Unknown, format!("nobody answers at http://{address}{READY}"))
                .caused_by(&error)
                .next("start the service with --side-port")
        };
        let (ready, said) = asked(&address).map_err(away)?;
        say.data(&json!({ "ready": ready, "said": said }));
        say.table(&said);
        if ready {
            return Ok(());
        }
        Err(Trouble::failed("the service cannot work").because(said))
    }
}

/// Whether it is ready, and in which words it says so.
fn asked(address: &str) -> io::Result<(bool, String)> {
    let at = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&at, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    stream.set_write_timeout(Some(WITHIN))?;
    let ask = format!("GET {READY} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
    let status = head.split(' ').nth(1).ok_or(io::ErrorKind::InvalidData)?;
    Ok((status == "200", body.trim_end().to_owned()))
}
