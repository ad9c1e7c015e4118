//! What the kernel itself tells a file by. `stat` answers something else on some file systems (overlay, btrfs).

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::{fs, io};

use stockade_abi::known::FileId;

/// The file that is open as `file`.
pub(super) fn of(file: &OwnedFd) -> io::Result<FileId> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    parse(&info, &mounts).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn parse(info: &str, mounts: &str) -> Option<FileId> {
    let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let (mount, number) = (value("mnt_id:")?, value("ino:")?.parse().ok()?);
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(mount))?;
    let (major, minor) = line.split(' ').nth(2)?.split_once(':')?;
    let (major, minor): (u64, u64) = (major.parse().ok()?, minor.parse().ok()?);
    Some(FileId { device: major << MINOR_BITS | minor, number })
}

/// Of the number of a device inside the kernel.
const MINOR_BITS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_together_what_the_kernel_shows() {
        let info = "pos:\t0\nflags:\t012000000\nmnt_id:\t31\nino:\t77\n";
        let mounts = "30 1 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 254:3 / /run rw - tmpfs tmpfs rw\n";
        assert_eq!(parse(info, mounts), Some(FileId { device: 254 << 20 | 3, number: 77 }));
        assert_eq!(parse("mnt_id:\t31\n", mounts), None);
        assert_eq!(parse(info, ""), None);
    }
}
