//! The file systems of a guest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change, mount_move};

/// Where the disk appears before it becomes the root.
const DISK: &str = "/root-disk";

/// Mounts what programs expect below `root`.
pub(super) fn api(root: &str) -> Result<()> {
    let root = Path::new(root);
    let plain = MountFlags::empty();
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    for (place, kind, flags, options) in [
        ("proc", c"proc", safe, c""),
        ("sys", c"sysfs", safe, c""),
        ("sys/fs/cgroup", c"cgroup2", safe, c"nsdelegate"),
        ("sys/fs/bpf", c"bpf", safe, c"mode=700"),
        ("sys/kernel/security", c"securityfs", safe, c""),
        ("dev", c"devtmpfs", MountFlags::NOSUID, c"mode=755"),
        ("dev/pts", c"devpts", MountFlags::NOSUID | MountFlags::NOEXEC, c"gid=5,mode=620,ptmxmode=666"),
        ("dev/shm", c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=1777"),
        ("dev/mqueue", c"mqueue", safe, c""),
        ("run", c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755"),
        ("tmp", c"tmpfs", plain, c"mode=1777"),
    ] {
        let place = root.join(place);
        // sysfs and its like make their own directories and let nobody else do it.
        if !place.is_dir() {
            fs::create_dir_all(&place).with_context(|| format!("creating {}", place.display()))?;
        }
        mount(kind, &place, kind, flags, Some(options))
            .with_context(|| format!("mounting {} on {}", kind.to_string_lossy(), place.display()))?;
    }
    Ok(())
}

/// Makes the Debian disk the root, with the files that came along for it.
pub(super) fn enter_disk() -> Result<()> {
    fs::create_dir(DISK).context(DISK)?;
    mount("/dev/vda", DISK, c"ext4", MountFlags::NOATIME, None).context("mounting /dev/vda")?;
    let modules = PathBuf::from(DISK).join("usr/lib/modules");
    fs::create_dir_all(&modules).context("a place for the modules")?;
    mount("/dev/vdb", &modules, c"ext4", MountFlags::RDONLY, None).context("mounting /dev/vdb")?;
    copy(Path::new("/overlay"), Path::new(DISK))?;
    api(DISK)?;
    // A runtime pivots its containers' roots, which the initramfs does not allow; so the disk is moved
    // over it.
    std::env::set_current_dir(DISK).context(DISK)?;
    mount_move(".", "/").context("moving the disk to /")?;
    rustix::process::chroot(".").context("changing the root")?;
    std::env::set_current_dir("/").context("/")?;
    ensure!(Path::new("/stockade/guest").is_file(), "the files for the guest did not arrive");
    Ok(())
}

/// As a distribution's own init leaves them.
pub(super) fn shared() -> Result<()> {
    if !is_mount_point("/")? {
        return Ok(());
    }
    mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC).context("/")
}

fn is_mount_point(path: &str) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading the mounts")?;
    Ok(mounts.lines().any(|line| line.split(' ').nth(1) == Some(path)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for item in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let item = item.with_context(|| format!("reading {}", from.display()))?;
        let (from, to) = (item.path(), to.join(item.file_name()));
        if from.is_dir() {
            if !to.is_dir() {
                fs::create_dir(&to).with_context(|| format!("creating {}", to.display()))?;
            }
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("copying to {}", to.display()))?;
        }
    }
    Ok(())
}
