//! HTTP by hand, so that a test can say what no well-behaved client says.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::town::TOKEN;

/// One answer, taken apart.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Said {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// A request as it will stand on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    line: String,
    host: String,
    headers: Vec<String>,
    body: Vec<u8>,
    chunked: bool,
}

impl Spoken {
    /// With the right token.
    pub(crate) fn new(line: &str) -> Self {
        Self::bare(line).with(&format!("Authorization: Bearer {TOKEN}"))
    }

    pub(crate) fn bare(line: &str) -> Self {
        let (line, host) = (line.to_owned(), "localhost".to_owned());
        Self { line, host, headers: Vec::new(), body: Vec::new(), chunked: false }
    }

    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.with("Content-Type: application/json").body(body)
    }

    /// Without telling how long the body is.
    pub(crate) fn chunked(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Sends all but the body, and waits until somebody wants that.
    pub(crate) async fn announced(&self, door: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(door).await.unwrap();
        let head = self.clone().with("Expect: 100-continue").head();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut wanted = [0; 25];
        stream.read_exact(&mut wanted).await.unwrap();
        assert_eq!(&wanted, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }

    /// All that goes before the body.
    pub(crate) fn head(&self) -> String {
        let Self { line, host, .. } = self;
        let mut head = format!("{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for header in &self.headers {
            head += header;
            head += "\r\n";
        }
        match (self.chunked, self.body.is_empty()) {
            (true, _) => head += "Transfer-Encoding: chunked\r\n",
            (false, false) => head += &format!("Content-Length: {}\r\n", self.body.len()),
            (false, true) => {}
        }
        head + "\r\n"
    }

    pub(crate) async fn to(&self, door: SocketAddr) -> Said {
        let mut stream = TcpStream::connect(door).await.unwrap();
        stream.write_all(self.head().as_bytes()).await.unwrap();
        if self.chunked {
            for chunk in self.body.chunks(64 << 10) {
                let size = format!("{:x}\r\n", chunk.len());
                stream.write_all(size.as_bytes()).await.unwrap();
                stream.write_all(chunk).await.unwrap();
                stream.write_all(b"\r\n").await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        } else {
            stream.write_all(&self.body).await.unwrap();
        }
        rest(&mut stream).await
    }
}

/// The answer, once the door has ended the connection.
pub(crate) async fn rest(stream: &mut TcpStream) -> Said {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.unwrap();
    Said::read(&String::from_utf8_lossy(&text))
}
