//! A directory of the host's that is left open when a container starts: its files are not the container's, whatever their
//! paths look like.

use anyhow::{Context, Result, ensure};

use super::{put, root, shell};
use crate::suite::hooks::agent::{Agent, events, fence};

const RULES: &str = "  exec:
    - path: /usr/bin/cat
  files:
    - path: /usr/lib/**
      access: [read, map]
    - path: /{etc,usr/bin,proc}{,/**}
      access: [read]
    - path: /layers/of-the-host{,/**}
      access: [read]
";
const FACILITY: &str = "  facilities: [foreign_files]\n";

pub(super) fn directory(agent: &mut Option<Agent>) -> Result<()> {
    std::fs::create_dir_all("/layers/of-the-host").context("the directory")?;
    std::fs::write("/layers/of-the-host/secret", "hidden").context("the file")?;
    let root = root("leaked")?;
    for granted in [false, true] {
        put(
            agent,
            "leaked",
            "enforce",
            &if granted { [RULES, FACILITY].concat() } else { RULES.to_owned() },
        )?;
        let output = shell(&format!(
            "exec 3</layers/of-the-host; podman run --rm --net host --preserve-fds 1 --annotation \
             stockade.dev/profile=leaked --rootfs {root} /usr/bin/cat /proc/self/fd/3/secret"
        ))?;
        let read = String::from_utf8_lossy(&output.stdout).contains("hidden");
        ensure!(read == granted, "granted: {granted}, {output:?}");
    }
    fence("leaked-fence")?;
    let denied = events(Some("leaked"))?;
    let facility = |object: Option<String>| object.as_deref() == Some("foreign_files");
    ensure!(denied.iter().any(|event| facility(event.object())), "{denied:?}");
    ensure!(denied.iter().all(|event| event.verdict != "denied" || facility(event.object())), "{denied:?}");
    Ok(())
}
