//! Cgroups: where a process is, what the kernel calls it, and the cgroups that `stockade run` gets.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::process::stat_fields;

/// Where the unified hierarchy is mounted.
pub const ROOT: &str = "/sys/fs/cgroup";
/// Parent of the cgroups made for `stockade run`, below [`ROOT`].
pub const RUNS: &str = "stockade";

/// A process's cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    /// Its id: the inode number of its directory.
    pub id: u64,
    /// Its directory.
    pub path: PathBuf,
}

/// Why a process's cgroup is not known.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The process is gone, or `/proc` cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No line of `/proc/PID/cgroup` is of the unified hierarchy.
    #[error("process {0} is in no cgroup v2; this node's cgroups are not unified (see `stockade doctor`)")]
    NotUnified(u32),
    /// The path leads out of what the agent can see.
    #[error("the cgroup {0} of process {1} lies outside the agent's cgroup namespace")]
    Outside(String, u32),
    /// The process is in the root cgroup.
    #[error("process {0} is in the root cgroup, not in one of its own")]
    Root(u32),
}

/// The path in the unified hierarchy that the text of a `/proc/PID/cgroup` names.
pub fn parse_proc_cgroup(text: &str) -> Option<&str> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    // The kernel adds this when the directory was removed under the process.
    Some(path.strip_suffix(" (deleted)").unwrap_or(path))
}

/// The cgroup of process `pid`.
pub fn of_process(pid: u32) -> Result<Cgroup, CgroupError> {
    let file = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = fs::read_to_string(&file).map_err(|source| CgroupError::Read { path: file, source })?;
    let relative = parse_proc_cgroup(&text).ok_or(CgroupError::NotUnified(pid))?;
    if relative == "/" {
        return Err(CgroupError::Root(pid));
    }
    let inside = relative.strip_prefix('/').filter(|path| !path.split('/').any(|part| part == ".."));
    let path = match inside {
        Some(inside) => Path::new(ROOT).join(inside),
        None => return Err(CgroupError::Outside(relative.to_owned(), pid)),
    };
    match id_of(&path) {
        Some(id) => Ok(Cgroup { id, path }),
        None => Err(CgroupError::NotUnified(pid)),
    }
}

/// The id of the cgroup at `path`; `None` when there is no such directory.
pub fn id_of(path: &Path) -> Option<u64> {
    let meta = fs::symlink_metadata(path).ok()?;
    meta.is_dir().then(|| meta.ino())
}

/// The directory of the cgroup `id`, wherever it is.
pub fn find(id: u64) -> Option<PathBuf> {
    let mut left = vec![PathBuf::from(ROOT)];
    while let Some(dir) = left.pop() {
        if id_of(&dir) == Some(id) {
            return Some(dir);
        }
        let entries = fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok);
        left.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    None
}

/// Makes a new cgroup for a run.
pub fn make_run(name: &str) -> io::Result<Cgroup> {
    let path = Path::new(ROOT).join(RUNS).join(name);
    fs::create_dir_all(Path::new(ROOT).join(RUNS))?;
    fs::create_dir(&path)?;
    let id = id_of(&path).ok_or(io::ErrorKind::NotFound)?;
    Ok(Cgroup { id, path })
}

/// Moves a process into the cgroup at `path`.
pub fn enter(path: &Path, pid: u32) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), pid.to_string())
}

/// CPU time that was used in the cgroup at `path` and below it, in microseconds.
pub fn cpu_usec(path: &Path) -> Option<u64> {
    parse_cpu_usec(&fs::read_to_string(path.join("cpu.stat")).ok()?)
}

fn parse_cpu_usec(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()
}

/// Whether a process in the cgroup at `path` does not descend from `init`, as those of a session do not.
/// One that cannot be read is gone.
pub fn has_outsider(path: &Path, init: u32) -> bool {
    let Ok(text) = fs::read_to_string(path.join("cgroup.procs")) else { return false };
    let pids: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        parse_parent(&stat)
    };
    pids.iter().any(|pid| {
        let mut at = *pid;
        while at != init {
            match parent(at) {
                // Outside of the cgroup, the way up does not lead back in.
                Some(above) if pids.contains(&above) => at = above,
                Some(_) => return true,
                None => return false,
            }
        }
        false
    })
}

/// The parent in the text of a `/proc/PID/stat`.
fn parse_parent(stat: &str) -> Option<u32> {
    stat_fields(stat)?.nth(1)?.parse().ok()
}

/// Whether no process is left in the cgroup at `path` or below it.
pub fn is_empty(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events")).is_ok_and(|text| parse_populated(&text) == Some(false))
}

fn parse_populated(text: &str) -> Option<bool> {
    match text.lines().find_map(|line| line.strip_prefix("populated "))? {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Removes an empty cgroup together with the empty ones that the command made below it.
pub fn remove(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// The cgroups of runs that exist.
pub fn runs() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(Path::new(ROOT).join(RUNS)) else { return Vec::new() };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"run-"))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_of_use() {
        assert_eq!(parse_cpu_usec("usage_usec 4711\nuser_usec 1\n"), Some(4711));
        assert_eq!(parse_cpu_usec("user_usec 1\n"), None);
        assert_eq!(parse_parent("17 (a) b (c) S 4 17 17"), Some(4));
        assert_eq!(parse_parent("17"), None);
    }

    #[test]
    fn unified_line() {
        assert_eq!(parse_proc_cgroup("0::/a/b\n"), Some("/a/b"));
        assert_eq!(parse_proc_cgroup("1:cpu:/x\n0::/y (deleted)\n"), Some("/y"));
        assert_eq!(parse_proc_cgroup("1:name=systemd:/x\n"), None);
        assert_eq!(parse_proc_cgroup(""), None);
    }

    #[test]
    fn populated() {
        assert_eq!(parse_populated("populated 0\nfrozen 0\n"), Some(false));
        assert_eq!(parse_populated("frozen 0\npopulated 1\n"), Some(true));
        assert_eq!(parse_populated("populated 2\n"), None);
        assert_eq!(parse_populated(""), None);
    }
}
