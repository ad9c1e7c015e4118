//! What `/proc` says of a process. All of it is gone when the process is.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::str::SplitAsciiWhitespace;

use crate::events::record::text;

/// Longest argument list kept, in bytes.
const ARGS_MAX: u64 = 4096;

/// Executable of `pid`.
pub fn program(pid: u32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/exe")).ok().map(|exe| text(exe.as_os_str().as_bytes()))
}

/// Arguments of `pid`.
pub fn args(pid: u32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/cmdline")).ok()?.take(ARGS_MAX + 1).read_to_end(&mut bytes).ok()?;
    parse_args(&bytes)
}

/// Splits a command line; a longer one than is kept ends in `…`.
fn parse_args(bytes: &[u8]) -> Option<Vec<String>> {
    if bytes.is_empty() {
        return None;
    }
    let max = usize::try_from(ARGS_MAX).unwrap_or(usize::MAX);
    let kept = bytes.get(..max).unwrap_or(bytes);
    let mut args: Vec<String> =
        kept.strip_suffix(b"\0").unwrap_or(kept).split(|byte| *byte == 0).map(text).collect();
    if kept.len() < bytes.len() {
        args.push("…".to_owned());
    }
    Some(args)
}

/// The number by which `pid` knows itself: its id in its own pid namespace.
pub fn own_pid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_ns_pid(&status)
}

fn parse_ns_pid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// What makes a program of the container of `pid` count as part of its image: `lower-layers`, where the root
/// directory is an overlay, or `unchanged` since the container began.
pub fn image_test(pid: u32) -> Option<&'static str> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).ok()?;
    let kind = parse_root_kind(&mounts)?;
    Some(if kind == "overlay" { "lower-layers" } else { "unchanged" })
}

/// The type of the file system that was mounted last as the root directory.
fn parse_root_kind(mounts: &str) -> Option<&str> {
    let is_root = |line: &&str| line.split(' ').nth(4) == Some("/");
    let (_, after) = mounts.lines().rfind(is_root)?.split_once(" - ")?;
    after.split(' ').next()
}

/// Every process, also those that have ended and were not waited for.
pub fn all() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        pids.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(pids)
}

/// Whether any thread of `pid` has not ended.
pub fn runs(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let stat = |thread: DirEntry| fs::read_to_string(thread.path().join("stat")).ok();
    threads.filter_map(Result::ok).filter_map(stat).any(|stat| is_running(&stat))
}

/// Whether the thread of this `stat` has not ended.
fn is_running(stat: &str) -> bool {
    stat_fields(stat).and_then(|mut fields| fields.next()).is_some_and(|state| !matches!(state, "Z" | "X"))
}

/// The fields of a `/proc/PID/stat` from the state on. The name in parentheses before them may hold anything.
pub(super) fn stat_fields(stat: &str) -> Option<SplitAsciiWhitespace<'_>> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace())
}

/// The boot that is running.
pub fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_lists() {
        assert_eq!(parse_args(b""), None);
        assert_eq!(parse_args(b"sh\0-c\0x y\0").unwrap(), ["sh", "-c", "x y"]);
        assert_eq!(parse_args(b"nginx: master").unwrap(), ["nginx: master"]);
        assert_eq!(parse_args(b"sh\0\0").unwrap(), ["sh", ""]);
        let long = vec![b'a'; 5000];
        assert_eq!(parse_args(&long).unwrap().last().unwrap(), "…");
    }

    #[test]
    fn kind_of_root() {
        let below = "21 20 0:5 / /proc rw - proc proc rw\n";
        let overlay = "20 1 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/a - b\n";
        assert_eq!(parse_root_kind(&format!("{overlay}{below}")), Some("overlay"));
        assert_eq!(parse_root_kind("1 1 0:2 / / rw master:1 - ext4 /dev/x rw\n"), Some("ext4"));
        assert_eq!(parse_root_kind(below), None);
        assert!(image_test(std::process::id()).is_some());
    }

    #[test]
    fn running() {
        assert!(is_running("7 (a) b) S 1 7 7 0") && is_running("7 (Z) R 1"));
        assert!(!is_running("7 (a) b) Z 1 7 7 0") && !is_running("7 (a"));
        let own = std::process::id();
        assert!(runs(own) && all().unwrap().contains(&own));
        assert!(!runs(u32::MAX));
    }

    #[test]
    fn namespace_pid() {
        assert_eq!(parse_ns_pid("Name:\tx\nNSpid:\t4711\t15\n"), Some(15));
        assert_eq!(parse_ns_pid("NSpid:\t4711\n"), Some(4711));
        assert_eq!(parse_ns_pid("Name:\tx\n"), None);
        assert_eq!(own_pid(std::process::id()), Some(std::process::id()));
    }
}
