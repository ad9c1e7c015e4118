//! Memory that a descriptor alone makes a file: it has no place, so no rule can name it, and needs none.

use anyhow::{Result, ensure};

use super::{put, root, sh};
use crate::suite::hooks::agent::{Agent, events, fence};

const RULES: &str = "  exec:
    - path: /usr/bin/python3*
  files:
    - path: /usr/lib/**
      access: [read, map]
    - path: /{etc,usr/bin}{,/**}
      access: [read]
    - path: /proc/**
      access: [read]
";

/// Given a size and another mode, written, and mapped; of huge pages as well.
const PROGRAM: &str = "import mmap, os; fd = os.memfd_create(str(1)); os.ftruncate(fd, 8192); os.fchmod(fd, 0o600); \
                       os.write(fd, bytes(9)); mmap.mmap(fd, 8192); huge = os.memfd_create(str(2), 4); \
                       os.ftruncate(huge, 1 << 21); os.fchmod(huge, 0o600)";

pub(super) fn has_no_place(agent: &mut Option<Agent>) -> Result<()> {
    put(agent, "memory", "enforce", RULES)?;
    let root = root("memory")?;
    sh(&format!(
        "podman run --rm --net host --annotation stockade.dev/profile=memory --rootfs {root} /usr/bin/python3 -IS -c '{PROGRAM}'"
    ))?;
    fence("memory-fence")?;
    let unreadable: Vec<_> =
        events(Some("memory"))?.into_iter().filter(|event| event.reason == "path-unreadable").collect();
    ensure!(unreadable.is_empty(), "denied without a name: {unreadable:?}");
    Ok(())
}
