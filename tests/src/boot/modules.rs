//! Loads the kernel modules that the guest needs before it has a disk.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::system::finit_module;

/// The kernel unpacks the file itself.
const COMPRESSED: i32 = 4;

/// Loads each module of a list, in its order.
pub(super) fn load(list: &Path) -> Result<()> {
    for name in fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?.lines() {
        let file = File::open(name).with_context(|| format!("opening {name}"))?;
        let flags = if name.ends_with(".ko") { 0 } else { COMPRESSED };
        match finit_module(&file, c"", flags) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("loading {name}")),
        }
    }
    Ok(())
}
