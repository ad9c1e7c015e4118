//! A walk over the files of a directory tree that was put together by somebody else.
//!
//! Nothing in the tree is trusted: no symbolic link is followed, no mount is entered, names are bytes, and a
//! directory that cannot be read is counted and passed by. What is held at a time is one open directory for each
//! level, so a tree that is deeper than the limit of open files is counted in part, and says so.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2, statat};
use rustix::io::{Errno, read};

/// A walk that cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the directory {}: {source}", path.display())]
pub struct WalkError {
    /// The directory.
    path: PathBuf,
    /// Why.
    source: Errno,
}

impl WalkError {
    pub(super) fn new(path: &Path, source: Errno) -> Self {
        Self { path: path.to_owned(), source }
    }
}

/// What was passed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Directories and files that could not be read, in whole or in part.
    pub unreadable: u64,
    /// Directories on which something else is mounted.
    pub mounts: u64,
    /// Symbolic links, which are other names of what is counted where it is.
    pub links: u64,
    /// Devices, sockets and pipes.
    pub special: u64,
}

/// A regular file.
#[derive(Debug)]
pub struct Found<'a> {
    /// Its path, beginning with a slash, as it is below the root.
    pub path: &'a [u8],
    dir: BorrowedFd<'a>,
    name: &'a CStr,
}

/// What a file can be used for, beside being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Code {
    /// It can be started, or could be if somebody set a bit: any `x` bit, a script, or an ELF file that is not
    /// named like a library.
    pub executable: bool,
    /// It is named like a library, and is an ELF file or has an `x` bit.
    pub library: bool,
}

impl Found<'_> {
    /// What it can be used for.
    pub fn code(&self) -> Result<Code, Errno> {
        let library = self.name.to_bytes().windows(3).any(|part| part == b".so");
        let stat = statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(Code::default());
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH) {
            return Ok(Code { executable: true, library });
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(self.dir, self.name, flags, Mode::empty())?;
        let mut head = [0; 4];
        let len = read(&file, &mut head)?;
        let head = head.get(..len).unwrap_or(&head);
        let elf = head == b"\x7fELF";
        Ok(Code { executable: head.starts_with(b"#!") || (elf && !library), library: elf && library })
    }
}

/// A directory that is being read, and how long the path is without its entries.
struct Level {
    dir: Dir,
    len: usize,
}

/// Shows `visit` every regular file below `root`; what cannot be read there is counted as unreadable.
pub fn walk(root: &Path, mut visit: impl FnMut(&Found<'_>) -> Result<(), Errno>) -> Result<Left, WalkError> {
    let error = |source| WalkError::new(root, source);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let top = openat(CWD, root, flags, Mode::empty()).and_then(Dir::new).map_err(error)?;
    let mut left = Left::default();
    let mut path = Vec::new();
    let mut levels = vec![Level { dir: top, len: 0 }];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.len);
        let entry = match level.dir.read() {
            Some(Ok(entry)) => entry,
            Some(Err(_)) => {
                left.unreadable += 1;
                levels.pop();
                continue;
            }
            None => {
                levels.pop();
                continue;
            }
        };
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        path.push(b'/');
        path.extend_from_slice(name.to_bytes());
        let here = level.dir.fd().map_err(error)?;
        // Not every file system says the type with the name.
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            kind = statat(here, name, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(kind, |stat| FileType::from_raw_mode(stat.st_mode));
        }
        match kind {
            FileType::Directory => match enter(here, name).and_then(Dir::new) {
                Ok(dir) => levels.push(Level { dir, len: path.len() }),
                Err(Errno::XDEV) => left.mounts += 1,
                Err(_) => left.unreadable += 1,
            },
            FileType::RegularFile => {
                if visit(&Found { path: &path, dir: here, name }).is_err() {
                    left.unreadable += 1;
                }
            }
            FileType::Symlink => left.links += 1,
            FileType::Fifo | FileType::Socket | FileType::CharacterDevice | FileType::BlockDevice => {
                left.special += 1;
            }
            FileType::Unknown => left.unreadable += 1,
        }
    }
    Ok(left)
}

/// Opens a directory, but none of another mount.
fn enter(dir: impl AsFd, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    openat2(dir, name, flags, Mode::empty(), resolve)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::testing::TempDir;

    fn found(root: &Path) -> (BTreeMap<String, (bool, bool)>, Left) {
        let mut files = BTreeMap::new();
        let left = walk(root, |file| {
            let Code { executable, library } = file.code()?;
            files.insert(file.path.escape_ascii().to_string(), (executable, library));
            Ok(())
        });
        (files, left.unwrap())
    }

    fn put(path: &Path, text: &[u8], mode: u32) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_are_told_from_programs() {
        let dir = TempDir::new("walk");
        let root = dir.path();
        put(&root.join("usr/bin/tool"), b"", 0o755);
        put(&root.join("usr/lib/libx.so"), b"\x7fELF\x02", 0o644);
        put(&root.join("usr/lib/ld.so.2"), b"\x7fELF", 0o755);
        put(&root.join("opt/elf"), b"\x7fELF\x02", 0o644);
        put(&root.join("opt/not.so"), b"", 0o644);
        put(&root.join("opt/script"), b"#!/bin/sh\n", 0o644);
        put(&root.join("opt/empty"), b"", 0o644);
        put(&root.join("opt/other").join(OsStr::from_bytes(b"a\n\xff")), b"\x7fEL", 0o644);
        let (files, left) = found(root);
        assert_eq!(left, Left::default());
        let wanted = [
            ("/opt/empty", (false, false)),
            ("/opt/elf", (true, false)),
            ("/opt/not.so", (false, false)),
            ("/opt/other/a\\n\\xff", (false, false)),
            ("/opt/script", (true, false)),
            ("/usr/bin/tool", (true, false)),
            ("/usr/lib/ld.so.2", (true, true)),
            ("/usr/lib/libx.so", (false, true)),
        ];
        assert_eq!(files, wanted.map(|(path, code)| (path.to_owned(), code)).into());
    }

    #[test]
    fn nothing_leads_out_of_the_tree() {
        let dir = TempDir::new("walk");
        let root = dir.path().join("root");
        put(&dir.path().join("outside/secret"), b"", 0o644);
        put(&root.join("a"), b"", 0o644);
        symlink("../outside", root.join("dir")).unwrap();
        symlink("../outside/secret", root.join("file")).unwrap();
        symlink(".", root.join("again")).unwrap();
        let _socket = UnixListener::bind(root.join("s")).unwrap();
        let (files, left) = found(&root);
        assert_eq!(files.len(), 1);
        assert_eq!(left, Left { links: 3, special: 1, ..Left::default() });
    }

    #[test]
    fn deep_trees_end() {
        let dir = TempDir::new("walk");
        let mut path = dir.path().to_owned();
        for _ in 0..200 {
            path.push("d");
        }
        put(&path.join("file"), b"", 0o644);
        let (files, left) = found(dir.path());
        assert_eq!((files.len(), left), (1, Left::default()));
    }

    #[test]
    fn what_is_no_directory_is_an_error() {
        let dir = TempDir::new("walk");
        put(&dir.path().join("file"), b"", 0o644);
        for name in ["file", "none"] {
            let error = walk(&dir.path().join(name), |_| Ok(())).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_counted() {
        let dir = TempDir::new("walk");
        put(&dir.path().join("file"), b"", 0o644);
        let left = walk(dir.path(), |_| Err(Errno::ACCESS)).unwrap();
        assert_eq!(left, Left { unreadable: 1, ..Left::default() });
    }
}
