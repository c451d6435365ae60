//! A door that answers as written, for routes whose answers need no fleet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::place::{Place, Typed};

/// What is answered to each request line, `GET /fleet/stats`.
pub(crate) struct Door {
    listener: TcpListener,
    answers: BTreeMap<String, Vec<(u16, String)>>,
    /// Bodies that were sent, in their order.
    pub(crate) heard: Mutex<Vec<String>>,
}

impl Door {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, answers: BTreeMap::new(), heard: Mutex::default() }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(crate) fn place(&self) -> Place {
        Place::before(&format!("http://{}", self.address()), "gm_a-token-for-tests")
    }

    /// The next time that is asked, this is answered; the last one from then on.
    pub(crate) fn answer(&mut self, line: &str, status: u16, body: &Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.answers.entry(line.to_owned()).or_default().push((status, body));
    }

    /// Answers for as long as the typing takes.
    pub(crate) async fn during<T>(&self, typing: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            typed = typing => typed,
            () = self.serve() => panic!("the door closed"),
        }
    }

    pub(crate) async fn piped(&self, words: &str) -> Typed {
        let place = self.place();
        self.during(place.in_a_pipe(words)).await
    }

    /// The command on a terminal, then in a pipe.
    pub(crate) async fn told(&self, words: &str) -> String {
        let place = self.place();
        let shown = self.during(place.told(words, true)).await;
        shown + &self.during(place.told(words, false)).await
    }

    async fn serve(&self) {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        while let Ok((mut stream, _)) = self.listener.accept().await {
            let (line, body) = request(&mut stream).await;
            self.heard.lock().unwrap().push(body);
            let times = asked.entry(line.clone()).or_default();
            let answers = self.answers.get(&line).unwrap_or_else(|| panic!("not written: {line}"));
            let (status, body) = &answers[(*times).min(answers.len() - 1)];
            *times += 1;
            // No status at all is a connection that breaks.
            if *status == 0 {
                continue;
            }
            let head = format!(
                "HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all((head + body).as_bytes()).await.unwrap();
        }
    }
}

async fn request(stream: &mut TcpStream) -> (String, String) {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    (line, String::from_utf8(body).unwrap())
}
