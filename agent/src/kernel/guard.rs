//! What is the agent's own, and is changed by no labelled process whatever its profile grants: known to the
//! programs by inode, so that no mount gives it another name.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::{fs, io};

use rustix::fs::{CWD, Mode, OFlags, openat};
use stockade_abi::known::Guard;

use super::error::KernelError;
use super::file_id;
use super::maps::Maps;
use super::mechanism::Mechanism;

/// Keeps what is guarded open: what is known of an inode goes when the kernel forgets the inode.
#[derive(Debug, Default)]
pub(super) struct Guards {
    /// The agent's program, and directories with what is directly in them.
    own: Vec<PathBuf>,
    held: Vec<OwnedFd>,
}

impl Guards {
    /// What is to be guarded from now on, besides the pins.
    pub(super) fn new(own: Vec<PathBuf>) -> Self {
        Self { own, held: Vec::new() }
    }

    /// Tells the programs of everything that is there now. What was remembered of it before ends with the
    /// next rename of a directory.
    pub(super) fn tell(
        &mut self,
        maps: &mut Maps,
        pins: &Path,
        mechanism: Mechanism,
    ) -> Result<(), KernelError> {
        let mut own = Vec::new();
        for path in &self.own {
            match fs::canonicalize(path) {
                Ok(path) => own.push(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(KernelError::file("cannot find", path)(error)),
            }
        }
        directories(pins, &mut own)?;
        let (mut held, mut files) = (Vec::new(), Vec::new());
        let mounts = match mechanism {
            Mechanism::Lsm => String::new(),
            Mechanism::Functions => fs::read_to_string(file_id::MOUNTS)
                .map_err(KernelError::file("cannot read", file_id::MOUNTS))?,
        };
        // First what only holds something: it may be the agent's own as well, and that is what counts.
        let parents = own.iter().filter_map(|path| path.parent()).map(|path| (path, Guard::Holds));
        let own_ones = own.iter().map(|path| (path.as_path(), Guard::Own));
        for (path, guard) in parents.chain(own_ones) {
            let flags = OFlags::PATH | OFlags::CLOEXEC;
            let file = openat(CWD, path, flags, Mode::empty())
                .map_err(|errno| KernelError::file("cannot open", path)(errno.into()))?;
            match (mechanism, guard) {
                (Mechanism::Lsm, _) => maps.guard(&file, guard)?,
                (Mechanism::Functions, Guard::Own) => {
                    files.push(
                        file_id::of(&file, &mounts)
                            .map_err(KernelError::file("cannot tell the inode of", path))?,
                    );
                }
                // Nothing is remembered of what it holds.
                (Mechanism::Functions, Guard::Holds) => {}
            }
            held.push(file);
        }
        if mechanism == Mechanism::Functions {
            maps.guard_only(&files)?;
        }
        self.held = held;
        Ok(())
    }
}

/// `directory` and the directories below it.
fn directories(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), KernelError> {
    found.push(directory.to_owned());
    let failed = |error| KernelError::file("cannot list", directory)(error);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            directories(&entry.path(), found)?;
        }
    }
    Ok(())
}
