//! The guests' disk: a small Debian with container runtimes and the servers that are tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{digest, entry, packages};
use crate::exec::{Remedy, step};
use crate::project::Project;

const PACKAGES: [&str; 19] = [
    "aardvark-dns",
    "busybox-static",
    "ca-certificates",
    "conmon",
    "crun",
    "curl",
    "golang-github-containers-common",
    "gunicorn",
    "iproute2",
    "iptables",
    "kmod",
    "netavark",
    "nginx-light",
    "podman",
    "postgresql",
    "procps",
    "python3",
    "redis-server",
    "runc",
];

/// Nobody reads these in a guest.
const LEFT_OUT: [&str; 5] =
    ["/usr/share/doc/*", "/usr/share/i18n/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"];

/// Tells podman that no systemd runs here, and writes the image. The API file systems are mounted in
/// the tree meanwhile; the bind mount shows it without them.
const HOOK: &str = r#"#!/bin/sh
set -eu
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old
cat > "$1/etc/containers/containers.conf" <<'END'
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
END
mkdir "$1.bare"
mount --bind "$1" "$1.bare"
/sbin/mke2fs -q -t ext4 -m 0 -O ^has_journal -d "$1.bare" "$2" 3G
umount "$1.bare"
rmdir "$1.bare"
"#;

/// The image of the disk; guests must not write to it.
pub(crate) fn prepare(project: &Project) -> Result<PathBuf> {
    packages::require_debian("the guests' disk")?;
    packages::install(&packages::DISK, "the guests' disk")?;
    let content = [PACKAGES.join(","), LEFT_OUT.join(","), HOOK.to_owned()].join("\n");
    let dir = entry(project, &format!("rootfs/{:016x}", digest(content.as_bytes())), |dir, _| make(dir))?;
    Ok(dir.join("root.img"))
}

fn make(dir: &Path) -> Result<()> {
    let hook = dir.join("hook");
    fs::write(&hook, HOOK).with_context(|| format!("writing {}", hook.display()))?;
    let image = dir.join("root.img");
    let mut bootstrap = Command::new("mmdebstrap");
    bootstrap.args(["--variant=minbase", "--format=null"]);
    bootstrap.arg(format!("--include={}", PACKAGES.join(",")));
    for pattern in LEFT_OUT {
        bootstrap.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    bootstrap.arg(format!(
        "--customize-hook=sh {} \"$1\" {}",
        quoted(&hook.display().to_string()),
        quoted(&image.display().to_string())
    ));
    bootstrap.args(["bookworm", "/dev/null"]);
    step("Making", "the guests' disk (about a minute)", &mut bootstrap)
        .remedy("The disk is made of Debian 12 packages: their servers must be reachable.")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
