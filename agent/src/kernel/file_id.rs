//! What the kernel itself tells a file by. `stat` answers something else on some file systems (overlay, btrfs).

use std::io;
use std::os::fd::OwnedFd;

use stockade_abi::known::FileId;

use super::fdinfo::FdInfo;

/// Where the kernel shows the mounts of this process.
pub(super) const MOUNTS: &str = "/proc/self/mountinfo";

/// The file that is open as `file`, by the text of [`MOUNTS`].
pub(super) fn of(file: &OwnedFd, mounts: &str) -> io::Result<FileId> {
    find(&FdInfo::of(file)?, mounts).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn find(info: &FdInfo, mounts: &str) -> Option<FileId> {
    let (mount, number): (String, u64) = (info.value("mnt_id:")?, info.value("ino:")?);
    let line = mounts.lines().find(|line| line.split(' ').next() == Some(&mount))?;
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
        let parse = |info, mounts| find(&FdInfo::given(info), mounts);
        assert_eq!(parse(info, mounts), Some(FileId { device: 254 << 20 | 3, number: 77 }));
        assert_eq!(parse("mnt_id:\t31\n", mounts), None);
        assert_eq!(parse(info, ""), None);
    }
}
