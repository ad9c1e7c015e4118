//! Using what the kernel offers without an object.

use anyhow::{Context, Result, bail};
use aya::maps::{Array, MapData, loaded_maps};
use rustix::fs::CWD;
use rustix::mount::{MountFlags, OpenTreeFlags, mount as mount_new, mount_bind, open_tree};
use stockade_abi::POLICY_SLOTS;

/// Mounts a file system of memory, or a directory a second time.
pub(super) fn mount(how: &str, rest: &[String]) -> Result<u8> {
    let word = |index: usize| rest.get(index).with_context(|| format!("mount: argument {index} is missing"));
    match how {
        "tmpfs" => mount_new(c"none", word(0)?, c"tmpfs", MountFlags::empty(), None)?,
        "bind" => mount_bind(word(0)?, word(1)?)?,
        _ => bail!("no way `{how}` to mount"),
    }
    Ok(0)
}

/// What follows is done in a copy of the tree below a directory that is mounted nowhere.
pub(super) fn detached(directory: &str, rest: &[String]) -> Result<u8> {
    let how = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::AT_RECURSIVE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, directory, how).with_context(|| format!("copying {directory}"))?;
    rustix::process::fchdir(tree).context("going there")?;
    Ok(super::attempt(rest))
}

/// Makes a map of its own, opens each map of the kernel by its number, or one by its pin.
pub(super) fn maps(how: &str, pin: Option<&String>) -> Result<u8> {
    match (how, pin) {
        ("own", None) => {
            // One that looks like any, and one with values as large as the heads of policies.
            drop(Array::<MapData, u64>::create(1, 0)?);
            drop(Array::<MapData, [u64; POLICY_SLOTS as usize]>::create(1, 0)?);
        }
        ("all", None) => {
            for map in loaded_maps() {
                map?;
            }
        }
        ("pinned", Some(pin)) => drop(MapData::from_pin(pin)?),
        _ => bail!("no way `{how}` to open maps"),
    }
    Ok(0)
}
