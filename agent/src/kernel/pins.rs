//! Where things stand in the BPF file system.
//!
//! ```text
//! PIN_DIR/abi-1/maps/NAME                maps, shared by every build of one ABI
//! PIN_DIR/abi-1/build-ID/HOOK            links and programs of one build
//! PIN_DIR/abi-1/build-ID-unfinished/     the same while they are attached
//! PIN_DIR/abi-1/build-ID-replaced/       the same when others of the build have come in their place
//! ```
//!
//! A build's directory is filled under a temporary name and renamed when every hook is attached: one
//! whose name does not end in `-unfinished` is in force, whichever hooks that build had. What is in force
//! goes only after what replaces it has come.

use std::path::{Path, PathBuf};
use std::{fs, io};

use stockade_abi::hook::Hook;
use stockade_abi::{ABI_VERSION, LABELS_SINCE};

use super::error::KernelError;

const ABI: &str = "abi-";
const BUILD: &str = "build-";
const UNFINISHED: &str = "-unfinished";
const REPLACED: &str = "-replaced";

/// The pins below one directory.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    root: PathBuf,
    version: u32,
}

impl Pins {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), version: ABI_VERSION }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything of one ABI.
    pub(super) fn abi(&self) -> PathBuf {
        self.root.join(format!("{ABI}{}", self.version))
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
        self.abi().join(format!("{BUILD}{id}{UNFINISHED}"))
    }

    /// Where what is left of a build is pinned until it is removed.
    pub(super) fn replaced(&self, id: &str) -> PathBuf {
        self.abi().join(format!("{BUILD}{id}{REPLACED}"))
    }

    pub(super) fn link(directory: &Path, hook: Hook) -> PathBuf {
        directory.join(format!("{}-link", hook.name()))
    }

    pub(super) fn program(directory: &Path, hook: Hook) -> PathBuf {
        directory.join(format!("{}-program", hook.name()))
    }

    /// The directory of another ABI that is in force, from which this one can take over. Refuses when it
    /// cannot: that is so for what is newer, and for what is too old.
    pub(super) fn predecessor(&self) -> Result<Option<Self>, KernelError> {
        let mut found = None;
        for (version, other) in self.others()? {
            // What another version has begun and not finished stands in nobody's way.
            if other.finished()?.is_empty() {
                continue;
            }
            let path = other.abi();
            if version > ABI_VERSION {
                return Err(KernelError::NewerAbi { path, found: version });
            }
            if version < LABELS_SINCE {
                return Err(KernelError::OlderAbi { path, found: version });
            }
            found = Some(other);
        }
        Ok(found)
    }

    /// Directories of other ABIs, with their version.
    pub(super) fn others(&self) -> Result<Vec<(u32, Self)>, KernelError> {
        let mut others = Vec::new();
        for entry in entries(&self.root)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version = name.strip_prefix(ABI).and_then(|version| version.parse().ok());
            if let Some(version) = version.filter(|version| *version != ABI_VERSION) {
                others.push((version, Self { root: self.root.clone(), version }));
            }
        }
        Ok(others)
    }

    /// Directories of every build, finished or not.
    pub(super) fn builds(&self) -> Result<Vec<PathBuf>, KernelError> {
        let entries = entries(&self.abi())?;
        let builds =
            entries.into_iter().filter(|entry| entry.file_name().to_string_lossy().starts_with(BUILD));
        Ok(builds.map(|entry| entry.path()).collect())
    }

    /// Directories of builds that are in force.
    pub(super) fn finished(&self) -> Result<Vec<PathBuf>, KernelError> {
        let mut builds = self.builds()?;
        builds.retain(|build| !build.to_string_lossy().ends_with(UNFINISHED));
        Ok(builds)
    }

    /// Whether link and program of each of `hooks` are pinned in `directory`.
    pub(super) fn is_complete(directory: &Path, hooks: &[Hook]) -> bool {
        let is_there =
            |hook: &Hook| Self::link(directory, *hook).exists() && Self::program(directory, *hook).exists();
        hooks.iter().all(is_there)
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

/// Only root may look: whoever opens a pinned map for writing rules the node.
pub(super) fn make_directory(path: &Path) -> Result<(), KernelError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(KernelError::file("cannot make", path))
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>, KernelError> {
    match fs::read_dir(directory) {
        Ok(entries) => {
            entries.collect::<io::Result<_>>().map_err(KernelError::file("cannot list", directory))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(KernelError::file("cannot list", directory)(error)),
    }
}
