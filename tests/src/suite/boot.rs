//! Proves that a guest is the machine that the other suites take it for.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Report;

/// File systems that must be mounted, and where.
const MOUNTS: [(&str, &str); 9] = [
    ("/proc", "proc"),
    ("/sys", "sysfs"),
    ("/sys/fs/cgroup", "cgroup2"),
    ("/sys/fs/bpf", "bpf"),
    ("/sys/kernel/security", "securityfs"),
    ("/dev", "devtmpfs"),
    ("/dev/pts", "devpts"),
    ("/run", "tmpfs"),
    ("/tmp", "tmpfs"),
];

#[expect(clippy::unnecessary_wraps, reason = "all suites have one signature")]
pub(super) fn run(report: &mut Report) -> Result<()> {
    for (place, kind) in MOUNTS {
        report.case(&format!("mount{}", place.replace('/', ".")), || mounted(place, kind));
    }
    report.case("lsm.bpf", || {
        let active = fs::read_to_string("/sys/kernel/security/lsm").context("reading the active list")?;
        ensure!(active.trim().split(',').any(|name| name == "bpf"), "active are {active}");
        Ok(())
    });
    report.case("btf", || {
        ensure!(Path::new("/sys/kernel/btf/vmlinux").is_file(), "the kernel has no BTF");
        Ok(())
    });
    report.case("loopback", || {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
        TcpStream::connect(listener.local_addr()?).context("connecting")?;
        Ok(())
    });
    if Path::new("/usr/bin/podman").exists() {
        report.case("modprobe.overlay", || succeeds("modprobe", &["overlay"]));
        report.case("crun", || succeeds("crun", &["--version"]));
    }
    Ok(())
}

fn mounted(place: &str, kind: &str) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading the mounts")?;
    // What was mounted last is what one sees.
    let seen = mounts.lines().rev().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        (fields.next() == Some(place)).then(|| fields.next().unwrap_or_default().to_owned())
    });
    ensure!(seen.as_deref() == Some(kind), "{place} is {seen:?}, not {kind}");
    Ok(())
}

fn succeeds(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().context("starting it")?;
    if !output.status.success() {
        bail!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
