//! A client of NATS that sends whatever it is told: the protocol's own lines, as an attacker would.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::process::PATIENCE;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) subject: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

enum Came {
    Message(Heard),
    Refusal(String),
    Pong,
    Over,
}

pub(crate) struct Raw {
    stream: BufReader<TcpStream>,
    inbox: String,
    asked: u64,
    pub(crate) heard: Vec<Heard>,
}

impl Raw {
    /// What the server says instead, if it lets nobody in.
    pub(crate) async fn connect(url: &str, credentials: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(credentials).unwrap();
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
        let (token, key) = (line("ey"), KeyPair::from_seed(line("SU")).unwrap());
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let address = url.split_once("://").unwrap().1;
        let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
        let mut info = String::new();
        stream.read_line(&mut info).await.unwrap();
        let info: Value = serde_json::from_str(info.trim_start_matches("INFO ")).unwrap();
        let signed = key.sign(info["nonce"].as_str().unwrap().as_bytes()).unwrap();
        let connect = json!({
            "jwt": token, "sig": URL_SAFE_NO_PAD.encode(signed), "lang": "raw", "version": "1",
            "protocol": 1, "headers": true, "no_responders": true, "verbose": false,
        });
        let inbox = format!("_INBOX_{}.raw", claims["name"].as_str().unwrap());
        let mut raw = Self { stream, inbox, asked: 0, heard: Vec::new() };
        let refusals = raw.say(&format!("CONNECT {connect}\r\n")).await;
        if let Some(refusal) = refusals.into_iter().next() {
            return Err(refusal);
        }
        let listened = raw.subscribe(&format!("{}.>", raw.inbox.clone())).await;
        listened.map(|()| raw)
    }

    pub(crate) async fn publish(&mut self, subject: &str, body: &str) -> Result<(), String> {
        self.publish_to(subject, "", body).await
    }

    /// With a place for the answer.
    pub(crate) async fn publish_to(
        &mut self,
        subject: &str,
        reply: &str,
        body: &str,
    ) -> Result<(), String> {
        let refusals =
            self.say(&format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len())).await;
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    pub(crate) async fn subscribe(&mut self, subject: &str) -> Result<(), String> {
        self.asked += 1;
        let refusals = self.say(&format!("SUB {subject} s{}\r\n", self.asked)).await;
        refusals.into_iter().next().map_or(Ok(()), Err)
    }

    pub(crate) async fn request(&mut self, subject: &str, body: &Value) -> Value {
        let heard = self.request_with(subject, "", &body.to_string()).await;
        serde_json::from_slice(&heard.body).unwrap_or(Value::Null)
    }

    /// With these header lines, if any.
    pub(crate) async fn request_with(&mut self, subject: &str, headers: &str, body: &str) -> Heard {
        self.asked += 1;
        let reply = format!("{}.{}", self.inbox, self.asked);
        let words = if headers.is_empty() {
            format!("PUB {subject} {reply} {}\r\n{body}\r\n", body.len())
        } else {
            let head = format!("NATS/1.0\r\n{headers}\r\n\r\n");
            let (length, whole) = (head.len(), head.len() + body.len());
            format!("HPUB {subject} {reply} {length} {whole}\r\n{head}{body}\r\n")
        };
        assert_eq!(self.say(&words).await, Vec::<String>::new(), "{subject}");
        loop {
            if let Some(at) = self.heard.iter().position(|heard| heard.subject == reply) {
                return self.heard.remove(at);
            }
            match self.next().await {
                Came::Message(heard) => self.heard.push(heard),
                Came::Pong => {}
                Came::Refusal(why) => panic!("{subject}: {why}"),
                Came::Over => panic!("{subject}: the server hung up"),
            }
        }
    }

    /// The refusals that these words met; whatever came meanwhile is kept.
    pub(crate) async fn say(&mut self, words: &str) -> Vec<String> {
        let words = format!("{words}PING\r\n");
        let mut refusals = Vec::new();
        if self.stream.get_mut().write_all(words.as_bytes()).await.is_err() {
            return vec![String::from("the server hung up")];
        }
        loop {
            match self.next().await {
                Came::Message(heard) => self.heard.push(heard),
                Came::Refusal(why) => refusals.push(why),
                Came::Pong => return refusals,
                Came::Over => {
                    refusals.push(String::from("the server hung up"));
                    return refusals;
                }
            }
        }
    }

    /// What the server says last, when it hangs up.
    pub(crate) async fn end(&mut self) -> String {
        let mut last = String::new();
        loop {
            match self.next().await {
                Came::Refusal(why) => last = why,
                Came::Over => return last,
                Came::Message(_) | Came::Pong => {}
            }
        }
    }

    async fn next(&mut self) -> Came {
        timeout(PATIENCE, self.came()).await.expect("the server says something")
    }

    async fn came(&mut self) -> Came {
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return Came::Over;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["PONG"] => return Came::Pong,
                ["PING"] => self.stream.get_mut().write_all(b"PONG\r\n").await.unwrap(),
                ["-ERR", ..] => return Came::Refusal(line.trim().to_owned()),
                ["MSG", subject, _, .., length] => {
                    let (subject, length) = ((*subject).to_owned(), length.parse().unwrap());
                    return Came::Message(self.message(subject, 0, length).await);
                }
                ["HMSG", subject, _, .., head, length] => {
                    let subject = (*subject).to_owned();
                    let (head, length) = (head.parse().unwrap(), length.parse().unwrap());
                    return Came::Message(self.message(subject, head, length).await);
                }
                _ => {}
            }
        }
    }

    async fn message(&mut self, subject: String, head: usize, length: usize) -> Heard {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await.unwrap();
        bytes.truncate(length);
        let body = bytes.split_off(head);
        Heard { subject, headers: String::from_utf8(bytes).unwrap(), body }
    }
}
