//! The event log on disk: `events.jsonl`, and the one before it, `events.jsonl.1`.
//!
//! A write that fails (a full disk) is counted and never stops the agent; what is in the file stays
//! whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Name of the log in the state directory.
pub const FILE: &str = "events.jsonl";
/// Name of the log before it.
pub const OLD: &str = "events.jsonl.1";
/// Size at which the log is moved aside.
pub const ROTATE_AT: u64 = 64 << 20;

/// The writing end.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    old: PathBuf,
    rotate_at: u64,
    open: Option<(File, u64)>,
    errors: u64,
    last_error: Option<String>,
}

impl Log {
    /// A log in `dir`. The file is opened at the first write.
    pub fn new(dir: &Path, rotate_at: u64) -> Self {
        Self { path: dir.join(FILE), old: dir.join(OLD), rotate_at, open: None, errors: 0, last_error: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Failed writes so far, and the last failure if the last write failed.
    pub fn errors(&self) -> (u64, Option<&str>) {
        (self.errors, self.last_error.as_deref())
    }

    /// Appends whole lines. Says whether this is the first failure after a success, which is the one
    /// worth a word in the agent's own log.
    pub fn append(&mut self, lines: &[u8]) -> Option<String> {
        match self.try_append(lines) {
            Ok(()) => {
                self.last_error = None;
                None
            }
            Err(error) => {
                self.errors = self.errors.saturating_add(1);
                self.open = None;
                let message = format!("{}: {error}", self.path.display());
                let first = self.last_error.replace(message.clone()).is_none();
                first.then_some(message)
            }
        }
    }

    fn try_append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        if self.open.as_ref().is_some_and(|(_, size)| *size >= self.rotate_at) {
            self.open = None;
            fs::rename(&self.path, &self.old)?;
        }
        let (file, size) = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(open(&self.path)?),
        };
        if let Err(error) = file.write_all(lines) {
            // Half a line would spoil the next one.
            file.set_len(*size)?;
            return Err(error);
        }
        *size = size.saturating_add(lines.len() as u64);
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new()
        .append(true)
        .read(true)
        .create(true)
        .mode(0o600)
        .custom_flags(nofollow)
        .open(path)?;
    let size = file.metadata()?.len();
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    if last != *b"\n" {
        // The machine went down in the middle of a line.
        (&file).write_all(b"\n")?;
        return Ok((file, size + 1));
    }
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn rotates_and_keeps_one() {
        let dir = TempDir::new("log");
        let mut log = Log::new(dir.path(), 10);
        for n in 0..5 {
            assert_eq!(log.append(format!("line {n}\n").as_bytes()), None);
        }
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "line 4\n");
        assert_eq!(fs::read_to_string(dir.path().join(OLD)).unwrap(), "line 2\nline 3\n");
    }

    #[test]
    fn a_torn_line_is_ended() {
        let dir = TempDir::new("torn");
        fs::write(dir.path().join(FILE), "half").unwrap();
        let mut log = Log::new(dir.path(), 1000);
        assert_eq!(log.append(b"whole\n"), None);
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "half\nwhole\n");
    }

    #[test]
    fn failures_are_counted_and_told_once() {
        let dir = TempDir::new("fail");
        let gone = dir.path().join("missing");
        let mut log = Log::new(&gone, 1000);
        assert!(log.append(b"a\n").is_some());
        assert!(log.append(b"b\n").is_none());
        assert_eq!(log.errors().0, 2);
        fs::create_dir(&gone).unwrap();
        assert_eq!(log.append(b"c\n"), None);
        assert_eq!(log.errors(), (2, None));
        assert_eq!(fs::read_to_string(gone.join(FILE)).unwrap(), "c\n");
    }
}
