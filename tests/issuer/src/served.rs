//! A door on loopback that answers one request per connection and counts them. Knows nothing of
//! what is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What came.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// What goes back.
#[derive(Clone, Debug)]
pub enum Answer {
    Status(u16, String),
    /// To somewhere else.
    Moved(String),
    /// As many bytes, told one piece after the other without their number.
    Endless(usize),
    Silence,
    /// The connection ends.
    Hangup,
}

/// How each request is answered.
pub type Answers = dyn Fn(&Asked) -> Answer + Send + Sync;

/// Ends with the test that holds it.
#[derive(Debug)]
pub struct Door {
    pub at: SocketAddr,
    counted: Arc<Mutex<BTreeMap<String, usize>>>,
    _serving: JoinSet<()>,
}

impl Door {
    pub async fn open(answers: Arc<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let at = listener.local_addr().expect("it is bound");
        let counted: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, answers, Arc::clone(&counted)));
        Self { at, counted, _serving: serving }
    }

    /// How often this path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        locked(&self.counted).get(path).copied().unwrap_or(0)
    }

    pub fn asked_at_all(&self) -> usize {
        locked(&self.counted).values().sum()
    }
}

async fn serve(
    listener: TcpListener,
    answers: Arc<Answers>,
    counted: Arc<Mutex<BTreeMap<String, usize>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let (answers, counted) = (Arc::clone(&answers), Arc::clone(&counted));
        connections.spawn(async move {
            // A caller that leaves is no fault of the door's.
            let _left = converse(stream, answers, counted).await;
        });
    }
}

async fn converse(
    mut stream: TcpStream,
    answers: Arc<Answers>,
    counted: Arc<Mutex<BTreeMap<String, usize>>>,
) -> std::io::Result<()> {
    let asked = read(&mut stream).await?;
    *locked(&counted).entry(asked.path.clone()).or_default() += 1;
    match answers(&asked) {
        Answer::Status(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await
        }
        Answer::Moved(location) => {
            let head = format!(
                "HTTP/1.1 302 x\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await
        }
        Answer::Endless(most) => {
            stream.write_all(b"HTTP/1.1 200 x\r\nconnection: close\r\n\r\n").await?;
            for _ in 0..most / 1_024 {
                stream.write_all(&[b' '; 1_024]).await?;
            }
            Ok(())
        }
        Answer::Silence => std::future::pending().await,
        Answer::Hangup => Ok(()),
    }
}

async fn read(stream: &mut TcpStream) -> std::io::Result<Asked> {
    let (mut text, mut asked) = (Vec::new(), None);
    loop {
        let mut piece = [0; 4_096];
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&piece[..read]);
        if asked.is_none() {
            asked = head(&text);
        }
        let Some((length, whole)) = &asked else { continue };
        if text.len() >= length + wanted(whole) {
            let body = String::from_utf8_lossy(&text[*length..]).into_owned();
            return Ok(Asked { body, ..whole.clone() });
        }
    }
}

fn head(text: &[u8]) -> Option<(usize, Asked)> {
    let end = text.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&text[..end]).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    };
    Some((end, Asked { path, headers: lines.filter_map(header).collect(), body: String::new() }))
}

fn wanted(asked: &Asked) -> usize {
    asked.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// A test that failed while it held this fails for a reason of its own.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
