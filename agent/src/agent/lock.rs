//! One agent on a node: a lock that the kernel lets go of when the agent is gone, however it went.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where the lock is.
pub const PATH: &str = "/run/stockade/agent.lock";

/// Why this is not the only agent.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one runs.
    #[error("another agent is running on this node (pid {0}); stop it first. Nothing was changed.")]
    Held(String),
    /// The lock cannot be used.
    #[error("cannot lock {path}: {source}")]
    Io {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Held as long as it lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Becomes the only agent.
pub fn acquire(path: &Path) -> Result<Lock, LockError> {
    let fail = |source| LockError::Io { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(fail)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The number is a courtesy; the lock is what counts.
            let _ = (&mut file).take(32).read_to_string(&mut pid);
            let pid = pid.trim();
            return Err(LockError::Held(if pid.is_empty() { "unknown".to_owned() } else { pid.to_owned() }));
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    write(&mut file).map_err(fail)?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn the_second_learns_who_is_first() {
        let dir = TempDir::new("lock");
        let path = dir.path().join("x/agent.lock");
        let first = acquire(&path).unwrap();
        let error = acquire(&path).unwrap_err();
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        acquire(&path).unwrap();
    }
}
