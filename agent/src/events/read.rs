//! Reads the event log back, and follows it while it grows and rotates.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::log::{FILE, OLD};
use super::record::Record;

/// No line of ours is longer; more is not a log.
const LINE_MAX: u64 = 1 << 20;

/// A position in the log.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    open: Option<Open>,
    /// Whether the file before the first one read was looked for.
    began: bool,
    /// Lines that are not events.
    bad: u64,
}

#[derive(Debug)]
struct Open {
    inode: u64,
    file: BufReader<File>,
    /// A line whose end is not written yet.
    partial: Vec<u8>,
}

impl Reader {
    /// From the oldest event on.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), open: None, began: false, bad: 0 }
    }

    /// Lines found that are not events.
    pub fn bad_lines(&self) -> u64 {
        self.bad
    }

    /// Hands over every event that is there and has not been handed over yet.
    pub fn read(&mut self, show: &mut impl FnMut(&str, Record) -> io::Result<()>) -> io::Result<()> {
        if !self.began {
            self.began = true;
            self.open = open(&self.dir.join(OLD))?;
        }
        loop {
            if let Some(current) = &mut self.open {
                current.drain(&mut self.bad, show)?;
            }
            let Some(next) = self.next()? else { return Ok(()) };
            // The writer may have added lines between our last read and its rotation.
            if let Some(current) = &mut self.open {
                current.drain(&mut self.bad, show)?;
            }
            self.open = Some(next);
        }
    }

    /// The file after the open one, if there is one.
    fn next(&self) -> io::Result<Option<Open>> {
        let current = self.open.as_ref().map(|open| open.inode);
        let Some(newest) = open(&self.dir.join(FILE))? else { return Ok(None) };
        if current == Some(newest.inode) {
            return Ok(None);
        }
        let old = open(&self.dir.join(OLD))?;
        Ok(match old {
            // Two rotations since the last look: the file between is whole and unread.
            Some(old) if current.is_some() && current != Some(old.inode) => Some(old),
            Some(_) | None => Some(newest),
        })
    }
}

fn open(path: &Path) -> io::Result<Option<Open>> {
    match File::open(path) {
        Ok(file) => {
            let inode = file.metadata()?.ino();
            Ok(Some(Open { inode, file: BufReader::new(file), partial: Vec::new() }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Open {
    fn drain(
        &mut self,
        bad: &mut u64,
        show: &mut impl FnMut(&str, Record) -> io::Result<()>,
    ) -> io::Result<()> {
        loop {
            let room = LINE_MAX.saturating_sub(self.partial.len() as u64);
            (&mut self.file).take(room).read_until(b'\n', &mut self.partial)?;
            if self.partial.last() != Some(&b'\n') {
                if room > 0 {
                    return Ok(());
                }
                *bad += 1;
                self.partial.clear();
                continue;
            }
            let line = std::mem::take(&mut self.partial);
            let line = std::str::from_utf8(&line).unwrap_or("").trim_end();
            match serde_json::from_str(line) {
                Ok(record) => show(line, record)?,
                Err(_) => *bad += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::log::Log;
    use super::super::record::tests::sample;
    use super::*;
    use crate::testing::TempDir;

    fn seen(reader: &mut Reader) -> Vec<u64> {
        let mut generations = Vec::new();
        reader
            .read(&mut |_, record| {
                generations.push(record.generation);
                Ok(())
            })
            .unwrap();
        generations
    }

    fn line(generation: u64) -> Vec<u8> {
        let mut line = serde_json::to_vec(&Record { generation, ..sample() }).unwrap();
        line.push(b'\n');
        line
    }

    #[test]
    fn follows_across_rotations() {
        let dir = TempDir::new("follow");
        let mut reader = Reader::new(dir.path());
        assert_eq!(seen(&mut reader), [] as [u64; 0]);
        let size = line(1).len() as u64;
        let mut log = Log::new(dir.path(), size * 2);
        let mut next = 1;
        let mut write = |count: u64| {
            for _ in 0..count {
                assert_eq!(log.append(&line(next)), None);
                next += 1;
            }
        };
        write(1);
        assert_eq!(seen(&mut reader), [1]);
        write(2);
        assert_eq!(seen(&mut reader), [2, 3]);
        // Rotates twice between two looks.
        write(4);
        assert_eq!(seen(&mut reader), [4, 5, 6, 7]);
        assert_eq!(seen(&mut reader), [] as [u64; 0]);
        assert_eq!(seen(&mut Reader::new(dir.path())), [5, 6, 7]);
    }

    #[test]
    fn half_lines_wait_and_bad_lines_count() {
        let dir = TempDir::new("half");
        let path = dir.path().join(FILE);
        let whole = line(1);
        fs::write(&path, &whole[..10]).unwrap();
        let mut reader = Reader::new(dir.path());
        assert_eq!(seen(&mut reader), [] as [u64; 0]);
        let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
        io::Write::write_all(&mut file, &whole[10..]).unwrap();
        io::Write::write_all(&mut file, b"nonsense\n").unwrap();
        assert_eq!(seen(&mut reader), [1]);
        assert_eq!(reader.bad_lines(), 1);
    }
}
