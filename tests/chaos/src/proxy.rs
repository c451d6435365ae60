//! A way through TCP that can be cut, stalled and slowed down while it is used. Understands
//! nothing of what it carries; a tap may read along.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::tap::{Frame, Tap};

const CHUNK: usize = 16 * 1024;

/// Where the messages go that were read along, if anywhere.
pub(crate) type Ear = Option<mpsc::Sender<Frame>>;

/// How the way is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Connections end, and new ones end at once.
    Cut,
    /// Connections stay and carry nothing.
    Stalled,
    /// Each piece comes so much later.
    Slow(Duration),
}

/// One listening port before one address. It ends with the drop, and so do its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    way: watch::Sender<Way>,
    _carrying: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn before(target: SocketAddr, ear: Ear) -> io::Result<Self> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = door.local_addr()?.port();
        let (way, seen) = watch::channel(Way::Open);
        let mut carrying = JoinSet::new();
        carrying.spawn(serve(door, (target, ear), seen));
        Ok(Self { port, way, _carrying: carrying })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn serve(door: TcpListener, to: (SocketAddr, Ear), way: watch::Receiver<Way>) {
    let mut open = JoinSet::new();
    loop {
        // Out of descriptors, say: those who wait try again as we do.
        let Ok((near, _)) = door.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        while open.try_join_next().is_some() {}
        if *way.borrow() != Way::Cut {
            open.spawn(carry(near, to.clone(), way.clone()));
        }
    }
}

/// Until one side ends or the way is cut; then both are closed.
async fn carry(near: TcpStream, (target, ear): (SocketAddr, Ear), mut way: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    for stream in [&near, &far] {
        // Only costs time where it fails.
        let _slower = stream.set_nodelay(true);
    }
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let (there, back) = (way.clone(), way.clone());
    tokio::select! {
        biased;
        _cut = way.wait_for(|way| *way == Way::Cut) => {}
        () = pump(from_near, to_far, there, ear) => {}
        () = pump(from_far, to_near, back, None) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    ear: Ear,
) {
    let mut chunk = vec![0; CHUNK];
    let mut tap = Tap::default();
    loop {
        let now = *way.borrow_and_update();
        let read = tokio::select! {
            biased;
            changed = way.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut chunk), if now != Way::Stalled => read,
        };
        let Ok(length @ 1..) = read else { return };
        for frame in ear.iter().flat_map(|_| tap.take(&chunk[..length])) {
            overhear(ear.as_ref(), frame);
        }
        if let Way::Slow(lag) = now {
            sleep(lag).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}

/// What has no room is not repeated and not judged: the ear never holds up what it hears.
fn overhear(ear: Option<&mpsc::Sender<Frame>>, frame: Frame) {
    let records = frame.subject.starts_with('$');
    if let Some(ear) = ear.filter(|_| !records) {
        let _full = ear.try_send(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy before somebody who says everything back.
    async fn echoed() -> (Proxy, JoinSet<()>) {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let target = door.local_addr().unwrap();
        let mut echo = JoinSet::new();
        echo.spawn(async move {
            while let Ok((mut stream, _)) = door.accept().await {
                let (mut read, mut write) = stream.split();
                drop(tokio::io::copy(&mut read, &mut write).await);
            }
        });
        (Proxy::before(target, None).await.unwrap(), echo)
    }

    async fn said(stream: &mut TcpStream) -> io::Result<u8> {
        stream.write_all(b"x").await?;
        stream.read_u8().await
    }

    #[tokio::test]
    async fn an_open_way_carries_and_a_cut_one_ends_what_was_open() {
        let (proxy, _echo) = echoed().await;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.unwrap();
        assert_eq!(said(&mut stream).await.unwrap(), b'x');
        proxy.set(Way::Cut);
        assert!(stream.read_u8().await.is_err(), "a cut connection is still open");
        let mut late = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.unwrap();
        assert!(late.read_u8().await.is_err(), "a cut way takes a new connection");
    }

    #[tokio::test]
    async fn a_stalled_way_says_nothing_until_it_is_open_again() {
        let (proxy, _echo) = echoed().await;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).await.unwrap();
        assert_eq!(said(&mut stream).await.unwrap(), b'x');
        proxy.set(Way::Stalled);
        let waited = tokio::time::timeout(Duration::from_millis(200), said(&mut stream)).await;
        assert!(waited.is_err(), "a stalled way speaks");
        proxy.set(Way::Slow(Duration::from_millis(1)));
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
    }
}
