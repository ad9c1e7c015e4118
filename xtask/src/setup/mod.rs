//! `cargo xtask setup`: detects what a verb needs and installs what is missing.
//!
//! Everything that is made here lies in the cache under a name that tells its content, is made under
//! a temporary name and renamed when it is complete, so a set-up that was killed leaves nothing broken.

pub(crate) mod kernels;
pub(crate) mod packages;
pub(crate) mod rootfs;
pub(crate) mod toolchain;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exec::{self, say};
use crate::project::Project;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only what building needs, nothing for the guests
    #[arg(long)]
    build_only: bool,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    if !options.build_only {
        for family in kernels::Family::ALL {
            say("Kernel", &kernels::prepare(project, family)?.package);
        }
        say("Disk", &rootfs::prepare(project)?.display().to_string());
    }
    let toolchain = toolchain::prepare(project)?;
    say("eBPF", &format!("toolchain: {}", toolchain.describe()?));
    Ok(true)
}

/// Held while something is added to the cache. The system lets go of it when the process ends.
pub(crate) struct CacheLock(File);

impl CacheLock {
    pub(crate) fn take(project: &Project) -> Result<Self> {
        let path = project.cache.join("lock");
        fs::create_dir_all(&project.cache)
            .with_context(|| format!("creating the cache directory {}", project.cache.display()))?;
        let file = File::create(&path).with_context(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("Waiting", &format!("for another set-up that holds {}", path.display()));
                file.lock().with_context(|| format!("locking {}", path.display()))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("locking {}", path.display()));
            }
        }
        Ok(Self(file))
    }
}

impl Drop for CacheLock {
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            say("warning", &format!("the lock of the cache: {error}"));
        }
    }
}

/// The entry `name` of the cache, made by `make` in a directory that is renamed when it is complete.
pub(crate) fn entry(
    project: &Project,
    name: &str,
    make: impl FnOnce(&Path, &CacheLock) -> Result<()>,
) -> Result<PathBuf> {
    let complete = project.cache.join(name);
    if complete.is_dir() {
        return Ok(complete);
    }
    let lock = CacheLock::take(project)?;
    // Somebody else may have made it while this process waited.
    if complete.is_dir() {
        return Ok(complete);
    }
    let parent = complete.parent().context("the cache has no parent")?;
    fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    let file_name = complete.file_name().context("a cache entry without a name")?;
    let unfinished = parent.join(format!(".{}.unfinished", file_name.to_string_lossy()));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("removing {}", unfinished.display()))?;
    }
    fs::create_dir(&unfinished).with_context(|| format!("creating {}", unfinished.display()))?;
    make(&unfinished, &lock)?;
    fs::rename(&unfinished, &complete).with_context(|| format!("completing {}", complete.display()))?;
    Ok(complete)
}

/// FNV-1a: a name for the content that is the same on every machine.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Whether this is the system for which everything can be installed from packages.
pub(crate) fn on_debian_12() -> Result<bool> {
    let path = Path::new("/etc/os-release");
    if !path.is_file() {
        return Ok(false);
    }
    let text = fs::read_to_string(path).context("reading /etc/os-release")?;
    let has = |wanted: &str| text.lines().any(|line| line.replace('"', "") == wanted);
    Ok(has("ID=debian") && has("VERSION_ID=12"))
}

pub(crate) fn is_root() -> Result<bool> {
    Ok(exec::output(std::process::Command::new("id").arg("-u"))?.trim() == "0")
}
