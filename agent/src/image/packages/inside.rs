//! Reading files of a tree by the names that they have in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2, readlinkat};
use rustix::io::Errno;

use super::PackagesError;
use crate::image::walk::WalkError;

/// The largest database that is read: ten times the largest known.
const SIZE_MAX: u64 = 64 << 20;

/// A tree in which every path is resolved as if it were the root.
pub(super) struct Inside(OwnedFd);

impl Inside {
    pub(super) fn open(root: &Path) -> Result<Self, WalkError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, root, flags, Mode::empty());
        fd.map(Self).map_err(|source| WalkError::new(root, source))
    }

    fn resolve(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, path, flags | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// How large what has this name is, if there is anything.
    pub(super) fn size(&self, path: &str) -> Option<u64> {
        let found = self.resolve(path, OFlags::PATH).and_then(fstat).ok()?;
        u64::try_from(found.st_size).ok()
    }

    /// The content of a file; `None` when there is none.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>, PackagesError> {
        self.read_up_to(path, SIZE_MAX)
    }

    /// The same for a file of another largest size.
    pub(super) fn read_up_to(&self, path: &str, most: u64) -> Result<Option<Vec<u8>>, PackagesError> {
        let error = |source| PackagesError::Read { path: path.to_owned(), source };
        let fd = match self.resolve(path, OFlags::NONBLOCK | OFlags::NOCTTY) {
            Ok(fd) => fd,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(errno) => return Err(error(errno.into())),
        };
        let stat = fstat(&fd).map_err(|errno| error(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(error(io::Error::other("it is no file")));
        }
        let mut content = Vec::new();
        File::from(fd).take(most + 1).read_to_end(&mut content).map_err(error)?;
        if content.len() as u64 > most {
            return Err(PackagesError::TooLarge(path.to_owned()));
        }
        Ok(Some(content))
    }

    /// The names in a directory; none when there is no such directory.
    pub(super) fn names(&self, path: &str) -> Result<Vec<String>, PackagesError> {
        let error = |source: Errno| PackagesError::Read { path: path.to_owned(), source: source.into() };
        let dir = match self.resolve(path, OFlags::DIRECTORY) {
            Ok(fd) => Dir::new(fd).map_err(error)?,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            Err(errno) => return Err(error(errno)),
        };
        let mut names = Vec::new();
        for entry in dir {
            // No package has a name that is not text.
            names.extend(entry.map_err(error)?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    /// Where a directory at the top leads to: `lib` to `usr/lib` where the two are one.
    pub(super) fn top(&self, name: &str) -> Option<Vec<u8>> {
        let target = readlinkat(&self.0, name, Vec::new()).ok()?;
        let target = Path::new(std::ffi::OsStr::from_bytes(target.as_bytes()));
        let target = target.strip_prefix("/").unwrap_or(target);
        Some([b"/", target.as_os_str().as_bytes()].concat())
    }
}
