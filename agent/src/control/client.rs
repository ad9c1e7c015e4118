//! The asking side: blocking, one connection for each request.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{DEFAULT_SOCKET, RESPONSE_MAX, Request, Response, SOCKET_ENV};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error(
        "no agent is running: nothing listens on {0}\n\
         Start it as root: stockade agent --profiles /etc/stockade/profiles --state /var/lib/stockade\n\
         (`stockade doctor` tells whether this node can enforce; {SOCKET_ENV} names another socket)"
    )]
    NotRunning(PathBuf),
    /// The socket is not for this user.
    #[error("the agent's socket {0} is for root only; run this as root")]
    NotRoot(PathBuf),
    /// The agent took too long.
    #[error("the agent on {0} does not answer within {1:?}")]
    Silent(PathBuf, Duration),
    /// The connection failed.
    #[error("the agent on {path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The answer makes no sense.
    #[error("the agent on {path} gave an answer this version does not understand: {source}")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

/// The socket to use.
pub fn socket() -> PathBuf {
    std::env::var_os(SOCKET_ENV)
        .filter(|path| !path.is_empty())
        .map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from)
}

/// Asks the agent.
pub fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Response, ClientError> {
    let answer = exchange(socket, request, timeout).map_err(|source| failure(socket, timeout, source))?;
    serde_json::from_slice(&answer).map_err(|source| ClientError::Answer { path: socket.to_owned(), source })
}

fn failure(socket: &Path, timeout: Duration, source: io::Error) -> ClientError {
    use io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied, TimedOut, WouldBlock};
    let socket = socket.to_owned();
    let is = |kinds: [io::ErrorKind; 2]| kinds.contains(&source.kind());
    if is([NotFound, ConnectionRefused]) {
        ClientError::NotRunning(socket)
    } else if is([WouldBlock, TimedOut]) {
        ClientError::Silent(socket, timeout)
    } else if source.kind() == PermissionDenied {
        ClientError::NotRoot(socket)
    } else {
        ClientError::Io { path: socket, source }
    }
}

fn exchange(socket: &Path, request: &Request, timeout: Duration) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(RESPONSE_MAX).read_until(b'\n', &mut answer)?;
    if answer.last() == Some(&b'\n') {
        return Ok(answer);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before the answer did"))
}
