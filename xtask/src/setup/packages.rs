//! Debian packages: which are missing, and installing them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{is_root, on_debian_12};
use crate::exec::{Remedy, found, output, step};

/// What compiles the eBPF object and the agent.
pub(crate) const BUILD: [&str; 10] = [
    "rustc-web",
    "libstd-rust-web-dev-bpf",
    "llvm-22-dev",
    "libpolly-22-dev",
    "libzstd-dev",
    "zlib1g-dev",
    "gcc",
    "g++",
    "libc6-dev",
    "pkg-config",
];

/// What boots a guest.
pub(crate) const GUEST: [&str; 2] = ["qemu-system-x86", "kmod"];

/// What makes the disks of the guests.
pub(crate) const DISK: [&str; 2] = ["mmdebstrap", "e2fsprogs"];

/// What compiles the AppArmor profiles that the benchmark compares with.
pub(crate) const BENCH: [&str; 1] = ["apparmor"];

/// Installs what is missing of `wanted`, as root; otherwise an error that holds the one command to run.
pub(crate) fn install(wanted: &[&str], purpose: &str) -> Result<()> {
    let missing = missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !is_root()? {
        bail!(
            "packages for {purpose} are missing, and only root can install them. Run this, then try again:\n\n    \
             sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends {list}'\n"
        );
    }
    update()?;
    let what = format!("{} packages for {purpose}: {list}", missing.len());
    let mut install = apt();
    install.args(["install", "-y", "--no-install-recommends"]).args(&missing);
    step("Installing", &what, &mut install).remedy(
        "These come from Debian 12 and its security updates: both must be among apt's sources, and reachable.",
    )
}

/// Fetches the current package lists.
pub(crate) fn update() -> Result<()> {
    step("Updating", "package lists", apt().arg("update"))
        .remedy("apt must be able to reach its package servers.")
}

/// Guests are made from Debian packages; says so where there are none.
pub(crate) fn require_debian(purpose: &str) -> Result<()> {
    if on_debian_12()? {
        return Ok(());
    }
    bail!(
        "{purpose} is made from Debian 12 packages; run this on Debian 12 (a container or virtual machine will do)"
    );
}

fn missing<'a>(wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    if !found("dpkg-query") {
        bail!("dpkg-query is not on the path, although this is Debian");
    }
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Abbrev}${Package}\n"]).args(wanted);
    // It fails when one of them was never installed, and lists the others all the same.
    let listed = query.stderr(Stdio::null()).output().context("asking dpkg-query")?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let installed = |name: &str| listed.lines().any(|line| line == format!("ii {name}"));
    Ok(wanted.iter().copied().filter(|name| !installed(name)).collect())
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=600", "-q"]);
    apt
}

/// Downloads the newest package whose name matches into `dir`.
pub(crate) fn download(name: &str, dir: &std::path::Path) -> Result<()> {
    let mut download = apt();
    download.args(["download", name]).current_dir(dir);
    step("Fetching", name, &mut download)
}

/// Names of the available packages that match a regular expression.
pub(crate) fn search(pattern: &str) -> Result<Vec<String>> {
    let found = output(Command::new("apt-cache").args(["search", "--names-only", pattern]))?;
    Ok(found.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}
