//! One bucket that speaks as S3 does, on a folder: `s3s`, which checks every signature and its end,
//! and its own files. What that looks for before it writes is not bound to the write there, as
//! S3 binds it; here one such request comes after the other.

use std::fs;
use std::future::Future;
use std::net::{Ipv4Addr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::runtime::Builder;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use crate::{Trouble, io};

/// Its end, and its folder's, come with the drop.
#[derive(Debug)]
pub struct Bucket {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _folder: TempDir,
}

impl Bucket {
    pub const NAME: &str = "fleet";
    pub const ID: &str = "an-id-of-tests";
    pub const SECRET: &str = "a-secret-of-tests";

    /// Answers when it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start() -> Result<Self, Trouble> {
        let folder = tempfile::tempdir().map_err(io("make a folder for the server"))?;
        fs::create_dir(folder.path().join(Self::NAME)).map_err(io("make a bucket"))?;
        let failed = |error| io("open the bucket")(std::io::Error::other(format!("{error:?}")));
        let files = FileSystem::new(folder.path()).map_err(failed)?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(Self::ID, Self::SECRET));
        let door = Door { files: builder.build(), one: Arc::default() };
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(io("start a runtime"))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io("listen"))?;
        listener.set_nonblocking(true).map_err(io("listen"))?;
        let port = listener.local_addr().map_err(io("listen"))?.port();
        let (stop, stopped) = oneshot::channel();
        // Its own thread: whoever starts it may be within a runtime of theirs.
        let serve = move || runtime.block_on(serve(listener, door, stopped));
        let thread = thread::Builder::new().name("bucket".into()).spawn(serve);
        let thread = Some(thread.map_err(io("start a thread"))?);
        Ok(Self { port, stop: Some(stop), thread, _folder: folder })
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn serve(listener: TcpListener, door: Door, mut stopped: oneshot::Receiver<()>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), door.clone());
        connections.spawn(connection);
        while connections.try_join_next().is_some() {}
    }
}

#[derive(Clone)]
struct Door {
    files: S3Service,
    one: Arc<Mutex<()>>,
}

impl Service<Request<Incoming>> for Door {
    type Response = Response<s3s::Body>;
    type Error = s3s::HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { files, one } = self.clone();
        let query = request.uri().query().unwrap_or_default();
        let is_part = query.contains("partNumber=");
        let writes = matches!(*request.method(), Method::PUT | Method::POST) && !is_part;
        Box::pin(async move {
            let _alone = if writes { Some(one.lock().await) } else { None };
            files.call(request.map(s3s::Body::from)).await
        })
    }
}
