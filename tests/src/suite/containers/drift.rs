//! Programs of a container that do not come from its image, whose layers are an overlay's.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{put, root, sh, shell};
use crate::suite::hooks::agent::{Agent, events, fence, status, told};

/// Approves names that are not there yet, a name that is, and one on a volume.
const RULES: &str = "  exec:
    - path: /usr/bin/{busybox,env}
    - path: /{tmp,scratch}/busybox-new
    - path: /volume/busybox-old
    - path: /tmp/busybox-any
      from: any
  files:
    - path: /usr/bin/{busybox,env}
      access: [read, write, create, delete, attr]
    - path: /{tmp,scratch}/*
      access: [read, write, create, attr]
    - path: /dev/null
      access: [read, write]
    - path: /proc/self/**
      access: [read]
";

/// What is tried, whether it may be done, and what the event names. A copy of busybox whose name begins like its own
/// takes the applet from its first argument.
const TRIES: [(&str, bool, &str); 5] = [
    ("cp /usr/bin/busybox /tmp/busybox-new; /tmp/busybox-new true", false, "/tmp/busybox-new"),
    ("cp /usr/bin/busybox /scratch/busybox-new; /scratch/busybox-new true", false, "/scratch/busybox-new"),
    ("cp /usr/bin/busybox /tmp/busybox-any; /tmp/busybox-any true", true, ""),
    ("/volume/busybox-old true", true, ""),
    ("rm /usr/bin/env; cp /usr/bin/busybox /usr/bin/env; /usr/bin/env", false, "/usr/bin/env"),
];

pub(super) fn started_since(agent: &mut Option<Agent>) -> Result<()> {
    put(agent, "drift", "enforce", RULES)?;
    let root = root("drift")?;
    sh("mkdir -p /layers/volume && cp /usr/bin/busybox /layers/volume/busybox-old")?;
    sh(&format!(
        "podman run -d --name drift --net host --annotation stockade.dev/profile=drift \
         -v /layers/volume:/volume --tmpfs /scratch:exec --rootfs {root} /usr/bin/busybox sleep 600"
    ))?;
    for (attempt, may, _) in TRIES {
        let tools = "cp() { /usr/bin/busybox cp $@; }; rm() { /usr/bin/busybox rm $@; }";
        let output = shell(&format!("podman exec drift /usr/bin/busybox sh -c '{tools}; {attempt}'"))?;
        ensure!(output.status.success() == may, "`{attempt}`: {}", told(&output));
    }
    let tests: Vec<Value> = status()?["subjects"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|subject| subject["name"] == "drift")
        .map(|subject| subject["image_test"].clone())
        .collect();
    ensure!(tests == ["lower-layers"], "status says {tests:?}");
    sh("podman rm -f -t 0 drift")?;
    fence("drift-fence")?;
    let found: Vec<_> = events(Some("drift"))?
        .into_iter()
        .map(|event| (event.reason.clone(), event.access.join(","), event.object().unwrap_or_default()))
        .collect();
    let wanted: Vec<_> = TRIES
        .iter()
        .filter(|(_, may, _)| !may)
        .map(|(_, _, path)| ("not-from-image".to_owned(), "exec,drift".to_owned(), (*path).to_owned()))
        .collect();
    ensure!(found == wanted, "expected exactly {wanted:?}, got {found:?}");
    Ok(())
}
