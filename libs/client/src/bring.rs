//! Bytes on their way to a blob: one PUT, streamed from a file page by page, so that memory stays
//! the same however long the file is. Never repeats it by itself, and follows no redirection.

use std::fs::File;
use std::io;
use std::mem::take;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper_util::rt::TokioIo;
use protocol::{Envelope, Upload};
use tokio::io::{AsyncRead, ReadBuf};

use crate::http::read_answer;
use crate::way::{Lead, NoLead, Place, Trust};

const PAGE: usize = 256 << 10;
/// A door that takes nothing and says nothing for so long has gone.
const STALLED: Duration = Duration::from_secs(30);

/// The bytes of one blob, from where the file stands.
#[derive(Debug)]
pub struct Parcel {
    pub file: File,
    pub length: u64,
}

/// Why bytes did not arrive; each calls for another reaction.
#[derive(Debug, thiserror::Error)]
pub enum NotBrought {
    /// Bytes never travel in messages.
    #[error("bytes go through the HTTP door, and none was named: give --url, or GIGAMESH_URL")]
    NoDoor,
    /// No try gets there, from here.
    #[error(transparent)]
    NoWay(#[from] NoLead),
    /// It was said no. A link that was used says so as well: the bytes may be there.
    #[error("the door said {status}{}", .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Refused { status: u16, why: Option<String> },
    /// It may work another time, and may have worked this time.
    #[error("the connection broke: {0}")]
    Broke(String),
    /// The file is not what it was.
    #[error("the file cannot be read: {0}")]
    Unread(io::Error),
}

/// The door that an address beginning with `/` belongs to.
#[derive(Clone, Debug)]
pub(crate) struct OwnDoor<'a> {
    pub(crate) place: &'a Place,
    pub(crate) authority: &'a str,
    pub(crate) credential: Arc<str>,
}

/// Where it goes, taken apart.
struct Way {
    lead: Lead,
    /// For our own door alone: a provider's address carries its own leave.
    credential: Option<Arc<str>>,
}

pub(crate) async fn bring(
    door: Option<OwnDoor<'_>>,
    trust: &Trust,
    (to, parcel): (&Upload, Parcel),
) -> Result<(), NotBrought> {
    let way = Way::to(door, &to.url, trust)?;
    let passage = Arc::<Passage>::default();
    let sheets = Sheets::of(parcel, Arc::clone(&passage));
    let mut request = Request::put(&way.lead.path).header(HOST, &way.lead.authority);
    for (name, value) in &to.headers {
        request = request.header(name, value);
    }
    if let Some(credential) = &way.credential {
        request = request.header(AUTHORIZATION, &**credential);
    }
    let request = request.body(sheets).map_err(|_| NoLead::NoAddress)?;
    let mut sent = Box::pin(send(&way.lead.place, request, &passage));
    let mut before = 0;
    loop {
        if let Ok(sent) = tokio::time::timeout(STALLED, sent.as_mut()).await {
            return sent;
        }
        let now = passage.moved.load(Ordering::Relaxed);
        if now == before {
            return Err(NotBrought::Broke("nothing moved for half a minute".to_owned()));
        }
        before = now;
    }
}

impl Way {
    fn to(door: Option<OwnDoor<'_>>, url: &str, trust: &Trust) -> Result<Self, NotBrought> {
        if !url.starts_with('/') {
            return Ok(Self { lead: Lead::of(url, trust)?, credential: None });
        }
        let door = door.ok_or(NotBrought::NoDoor)?;
        let (place, authority) = (door.place.clone(), door.authority.to_owned());
        let lead = Lead { place, authority, path: url.to_owned() };
        Ok(Self { lead, credential: Some(door.credential) })
    }
}

async fn send(
    place: &Place,
    request: Request<Sheets>,
    passage: &Passage,
) -> Result<(), NotBrought> {
    let stream = place.connect().await.map_err(|error| passage.broken(&error))?;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(|error| passage.broken(&error))?;
    let mut connection = Box::pin(connection);
    let answered = async { read_answer(sender.send_request(request).await?).await };
    let mut answered = std::pin::pin!(answered);
    let answer = tokio::select! {
        biased;
        answer = answered.as_mut() => answer,
        // What arrived before the end may still be the whole answer.
        _ended = connection.as_mut() => answered.await,
    };
    let (status, body) = answer.map_err(|error| passage.broken(&error))?;
    if status.is_success() {
        return Ok(());
    }
    let why = serde_json::from_slice::<Envelope>(&body).ok();
    Err(refused(status.as_u16(), why))
}

fn refused(status: u16, why: Option<Envelope>) -> NotBrought {
    let why = why.map(|envelope| envelope.error.message);
    match status {
        408 | 429 | 500.. => {
            NotBrought::Broke(format!("the door said {status}, {}", why.unwrap_or_default()))
        }
        _ => NotBrought::Refused { status, why },
    }
}

/// What happens to a body on its way; a file that cannot be read is told by it alone.
#[derive(Debug, Default)]
struct Passage {
    moved: AtomicU64,
    unread: OnceLock<io::ErrorKind>,
}

impl Passage {
    fn broken(&self, why: &dyn std::fmt::Display) -> NotBrought {
        match self.unread.get() {
            Some(kind) => NotBrought::Unread((*kind).into()),
            None => NotBrought::Broke(why.to_string()),
        }
    }
}

/// A file as the body of a request.
struct Sheets {
    file: tokio::fs::File,
    left: u64,
    page: BytesMut,
    passage: Arc<Passage>,
}

impl Sheets {
    fn of(parcel: Parcel, passage: Arc<Passage>) -> Self {
        let file = tokio::fs::File::from_std(parcel.file);
        Self { file, left: parcel.length, page: BytesMut::new(), passage }
    }
}

impl Body for Sheets {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let me = self.get_mut();
        if me.left == 0 {
            return Poll::Ready(None);
        }
        if me.page.is_empty() {
            let most = usize::try_from(me.left).map_or(PAGE, |left| left.min(PAGE));
            me.page = BytesMut::zeroed(most);
        }
        let mut room = ReadBuf::new(&mut me.page);
        let read = ready!(Pin::new(&mut me.file).poll_read(cx, &mut room));
        let length = room.filled().len();
        let mut page = take(&mut me.page);
        page.truncate(length);
        me.left = me.left.saturating_sub(length as u64);
        me.passage.moved.fetch_add(length as u64, Ordering::Relaxed);
        let whole = read.and_then(|()| match length {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(Frame::data(page.freeze())),
        });
        Poll::Ready(Some(whole.inspect_err(|error| {
            let _first = me.passage.unread.set(error.kind());
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{Read, Seek, Write};
    use std::net::TcpListener;

    use fleet::Timestamp;

    use super::*;

    /// A door that hears one request, answers it, and says what it heard.
    fn door(answer: &'static str) -> (String, std::thread::JoinHandle<(String, u64)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap().to_string();
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            let (_, after) = head.split_once("content-length: ").unwrap();
            let length: u64 = after.split_once('\r').unwrap().0.parse().unwrap();
            let body = io::copy(&mut Read::by_ref(&mut stream).take(length), &mut io::sink());
            stream.write_all(answer.as_bytes()).unwrap();
            (head, body.unwrap())
        });
        (target, heard)
    }

    fn upload(url: String) -> Upload {
        let headers = BTreeMap::from([("if-none-match".to_owned(), "*".to_owned())]);
        Upload { url, headers, expires_at: Timestamp::from_millis(0) }
    }

    fn parcel(length: u64) -> Parcel {
        let mut file = tempfile::tempfile().unwrap();
        file.set_len(length).unwrap();
        file.rewind().unwrap();
        Parcel { file, length }
    }

    #[tokio::test]
    async fn a_file_of_many_pages_arrives_whole_with_its_headers_and_our_credential() {
        let (target, heard) = door("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
        let place = Place::plain(target.clone());
        let own = OwnDoor { place: &place, authority: &target, credential: "Bearer secret".into() };
        let length = 3 * PAGE as u64 + 7;
        let to = upload("/fleet/blobs/a?sig=1".to_owned());
        bring(Some(own), &Trust::default(), (&to, parcel(length))).await.unwrap();
        let (head, counted) = heard.join().unwrap();
        assert_eq!(counted, length);
        assert!(head.starts_with("put /fleet/blobs/a?sig=1 "), "{head}");
        assert!(head.contains("if-none-match: *") && head.contains("bearer secret"), "{head}");
    }

    #[tokio::test]
    async fn a_providers_address_never_sees_our_credential() {
        let (target, heard) = door("HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n");
        let place = Place::plain("nowhere".to_owned());
        let own =
            OwnDoor { place: &place, authority: "nowhere", credential: "Bearer secret".into() };
        bring(Some(own), &Trust::default(), (&upload(format!("http://{target}/b?sas")), parcel(1)))
            .await
            .unwrap();
        assert!(!heard.join().unwrap().0.contains("secret"));
    }

    #[tokio::test]
    async fn what_helps_is_told_from_what_does_not() {
        let (target, heard) = door("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
        let refused =
            bring(None, &Trust::default(), (&upload(format!("http://{target}/b")), parcel(1)))
                .await;
        assert!(matches!(refused, Err(NotBrought::Refused { status: 403, .. })), "{refused:?}");
        heard.join().unwrap();
        let (target, heard) = door("HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n");
        let away =
            bring(None, &Trust::default(), (&upload(format!("http://{target}/b")), parcel(1)))
                .await;
        assert!(matches!(away, Err(NotBrought::Broke(_))), "{away:?}");
        heard.join().unwrap();
        for url in ["http://blobs.example/a", "ftp://a/b"] {
            let no_way = bring(None, &Trust::default(), (&upload(url.to_owned()), parcel(1))).await;
            assert!(matches!(no_way, Err(NotBrought::NoWay(_))), "{no_way:?}");
        }
        let ours = upload("/fleet/blobs/a".to_owned());
        let no_door = bring(None, &Trust::default(), (&ours, parcel(1))).await;
        assert!(matches!(no_door, Err(NotBrought::NoDoor)), "{no_door:?}");
    }

    #[tokio::test]
    async fn a_file_that_shrank_is_not_brought() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/b", listener.local_addr().unwrap());
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // Broken off by the sender.
            let _cut = io::copy(&mut stream, &mut io::sink());
        });
        let shrunk = Parcel { length: 9, ..parcel(4) };
        let unread = bring(None, &Trust::default(), (&upload(url), shrunk)).await;
        assert!(matches!(unread, Err(NotBrought::Unread(_))), "{unread:?}");
        heard.join().unwrap();
    }
}
