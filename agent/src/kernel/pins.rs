//! Where things stand in the BPF file system.
//!
//! ```text
//! PIN_DIR/abi-1/maps/NAME           maps, shared by every build of one ABI
//! PIN_DIR/abi-1/build-ID/HOOK       links and programs of one build
//! ```
//!
//! A build's directory is filled under a temporary name and renamed when it is complete, so that a
//! crash half-way leaves nothing that looks whole.

use std::path::{Path, PathBuf};
use std::{fs, io};

use stockade_abi::ABI_VERSION;
use stockade_abi::hook::Hook;

use super::error::KernelError;

const BUILD: &str = "build-";

/// The pins below one directory.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    root: PathBuf,
}

impl Pins {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn abi(&self) -> PathBuf {
        self.root.join(format!("abi-{ABI_VERSION}"))
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    pub(super) fn maps(&self) -> PathBuf {
        self.abi().join("maps")
    }

    pub(super) fn build(&self, id: &str) -> PathBuf {
        self.abi().join(format!("{BUILD}{id}"))
    }

    /// Where a build is pinned before it is complete.
    pub(super) fn unfinished(&self, id: &str) -> PathBuf {
        self.abi().join(format!("{BUILD}{id}-unfinished"))
    }

    pub(super) fn link(directory: &Path, hook: Hook) -> PathBuf {
        directory.join(format!("{}-link", hook.kernel_name()))
    }

    pub(super) fn program(directory: &Path, hook: Hook) -> PathBuf {
        directory.join(format!("{}-program", hook.kernel_name()))
    }

    /// Refuses when maps of another ABI are there.
    pub(super) fn check_abi(&self) -> Result<(), KernelError> {
        for entry in self.entries(&self.root)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some(found) = name.strip_prefix("abi-")
                && found != ABI_VERSION.to_string()
            {
                return Err(KernelError::Abi { path: entry.path(), found: found.to_owned() });
            }
        }
        Ok(())
    }

    /// Directories of every build, finished or not.
    pub(super) fn builds(&self) -> Result<Vec<PathBuf>, KernelError> {
        let entries = self.entries(&self.abi())?;
        let builds =
            entries.into_iter().filter(|entry| entry.file_name().to_string_lossy().starts_with(BUILD));
        Ok(builds.map(|entry| entry.path()).collect())
    }

    /// Whether every hook's link is pinned in `directory`.
    pub(super) fn is_complete(directory: &Path) -> bool {
        Hook::ALL.iter().all(|hook| Self::link(directory, *hook).exists())
    }

    fn entries(&self, directory: &Path) -> Result<Vec<fs::DirEntry>, KernelError> {
        match fs::read_dir(directory) {
            Ok(entries) => {
                entries.collect::<io::Result<_>>().map_err(KernelError::file("cannot list", directory))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(KernelError::file("cannot list", directory)(error)),
        }
    }

    /// Removes one directory of pins. What was only held by them ends here.
    pub(super) fn remove(directory: &Path) -> Result<(), KernelError> {
        match fs::remove_dir_all(directory) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(KernelError::file("cannot remove", directory)(error)),
        }
    }
}
