//! The answering side. Only root may ask; nobody can make it hold more than its share of memory.

use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, process};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{REQUEST_MAX, Request, Response};

/// Requests answered at once.
const AT_ONCE: usize = 16;
/// How long a peer may take to send its request or to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its process id, when the kernel knows it.
    pub pid: Option<u32>,
}

/// What answers.
pub trait Answer: Send + Sync + 'static {
    /// Why this caller gets no answer, root or not; `None` for one that does.
    fn refusal(&self, caller: Caller) -> Option<String>;

    /// Answers one request.
    fn answer(&self, request: Request, caller: Caller) -> impl Future<Output = Response> + Send;
}

/// Opens the socket at `path`, for root only. The caller holds the lock that makes it the only agent, so
/// a socket that is there is a dead one's.
pub fn open(path: &Path) -> io::Result<UnixListener> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    // Under another name first: the socket appears with its final permissions, or not at all.
    let new = path.with_extension(format!("new-{}", process::id()));
    for stale in [&new, path] {
        match fs::remove_file(stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// Answers until the listener fails.
pub async fn serve<A: Answer>(listener: UnixListener, answerer: Arc<A>) -> io::Result<()> {
    let mut open = JoinSet::new();
    loop {
        while open.len() >= AT_ONCE {
            // A connection that failed concerns only its peer.
            let _ = open.join_next().await;
        }
        let (stream, _) = match listener.accept().await {
            Ok(connection) => connection,
            // Out of descriptors or memory for the moment: the peer sees a reset, the agent goes on.
            Err(error) if is_passing(&error) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        while open.try_join_next().is_some() {}
        let answerer = Arc::clone(&answerer);
        open.spawn(async move {
            if let Err(error) = converse(stream, &*answerer).await {
                tracing::debug!(%error, "control connection");
            }
        });
    }
}

fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS, Errno::CONNABORTED, Errno::INTR];
    error.raw_os_error().is_some_and(|code| passing.iter().any(|errno| errno.raw_os_error() == code))
}

async fn converse(mut stream: UnixStream, answerer: &impl Answer) -> io::Result<()> {
    let peer = stream.peer_cred()?;
    let caller = Caller { pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0) };
    // Read in any case: whoever still writes when the connection ends does not see why.
    let request = match timeout(PATIENCE, request(&mut stream)).await {
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        Ok(request) => request?,
    };
    let refusal = if peer.uid() == 0 {
        answerer.refusal(caller)
    } else {
        Some("the agent answers root only".to_owned())
    };
    let response = match (refusal, request) {
        (Some(message), _) | (None, Err(message)) => Response::Refused { message },
        (None, Ok(request)) => answerer.answer(request, caller).await,
    };
    let mut line = serde_json::to_vec(&response)?;
    line.push(b'\n');
    timeout(PATIENCE, stream.write_all(&line)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn request(stream: &mut UnixStream) -> io::Result<Result<Request, String>> {
    let mut line = Vec::new();
    BufReader::new(stream).take(REQUEST_MAX).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        let message = if line.len() as u64 >= REQUEST_MAX {
            "the request is too long"
        } else {
            "the request ends before its line does"
        };
        return Ok(Err(message.to_owned()));
    }
    Ok(serde_json::from_slice(&line).map_err(|error| {
        format!("the agent does not understand the request, is it of another version? {error}")
    }))
}

#[cfg(test)]
mod tests {
    use super::super::client::{self, ClientError};
    use super::*;
    use crate::testing::TempDir;

    struct Echo;

    impl Answer for Echo {
        fn refusal(&self, caller: Caller) -> Option<String> {
            caller.pid.is_none().then(|| "nobody".to_owned())
        }

        async fn answer(&self, request: Request, caller: Caller) -> Response {
            assert_eq!(caller.pid, Some(process::id()));
            Response::Where { state: format!("{request:?}") }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn asks_and_is_answered() {
        let dir = TempDir::new("control");
        let path = dir.path().join("a/agent.sock");
        let ask = |path: std::path::PathBuf| {
            tokio::task::spawn_blocking(move || client::ask(&path, &Request::Where, PATIENCE))
        };
        assert!(matches!(ask(path.clone()).await.unwrap(), Err(ClientError::NotRunning(_))));
        let listener = open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let serving = tokio::spawn(serve(listener, Arc::new(Echo)));
        let answer = ask(path.clone()).await.unwrap().unwrap();
        let expected = if rustix::process::getuid().is_root() {
            Response::Where { state: "Where".to_owned() }
        } else {
            Response::Refused { message: "the agent answers root only".to_owned() }
        };
        assert_eq!(answer, expected);
        serving.abort();
        // The socket of a dead agent is in nobody's way.
        drop(serving);
        open(&path).unwrap();
    }

    #[tokio::test]
    async fn nonsense_is_refused() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        ours.write_all(b"nonsense\n").await.unwrap();
        let mut theirs = theirs;
        assert!(request(&mut theirs).await.unwrap().is_err());
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        drop(ours);
        assert!(request(&mut theirs).await.unwrap().is_err());
    }
}
