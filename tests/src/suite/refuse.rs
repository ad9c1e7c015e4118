//! A node that cannot enforce, for want of the BPF file system: the agent must refuse, at once and in plain words.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};

use super::{Report, stockade};

/// Where the file system belongs.
const PINS: &str = "/sys/fs/bpf";
/// A refusal is no search.
const AT_ONCE: Duration = Duration::from_secs(10);

#[expect(clippy::unnecessary_wraps, reason = "all suites have one signature")]
pub(super) fn run(report: &mut Report) -> Result<()> {
    report.case("guest-is-without", || {
        unmount(PINS, UnmountFlags::DETACH).with_context(|| format!("unmounting {PINS}"))?;
        ensure!(fs::read_dir(PINS).context(PINS)?.next().is_none(), "{PINS} is not empty");
        Ok(())
    });
    report.case("agent", || {
        fs::create_dir_all("/tmp/profiles").context("/tmp/profiles")?;
        let started = Instant::now();
        let (code, told) = cli(&["agent", "--profiles", "/tmp/profiles", "--state", "/tmp/state"])?;
        ensure!(started.elapsed() < AT_ONCE, "it took {} s", started.elapsed().as_secs());
        ensure!(code == Some(2), "{code:?}: {told}");
        names_the_remedy(&told)
    });
    report.case("nothing-pinned", || {
        let left: Vec<_> = fs::read_dir(PINS).context(PINS)?.filter_map(Result::ok).collect();
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    });
    report.case("doctor", || {
        let (code, told) = cli(&["doctor"])?;
        ensure!(code == Some(1), "{code:?}: {told}");
        names_the_remedy(&told)
    });
    report.case("status", || {
        let (code, told) = cli(&["status"])?;
        ensure!(code == Some(2) && told.contains("agent"), "{code:?}: {told}");
        Ok(())
    });
    report.case("run", || {
        fs::write("/tmp/given.yaml", PROFILE).context("/tmp/given.yaml")?;
        let (code, told) = cli(&["run", "--profile", "/tmp/given.yaml", "--", "/stockade/stockade"])?;
        ensure!(code == Some(2) && told.contains("agent"), "{code:?}: {told}");
        Ok(())
    });
    Ok(())
}

const PROFILE: &str = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: any }\nspec:\n  \
                       mode: enforce\n  exec:\n    - path: /stockade/stockade\n";

/// What is missing, and the command that brings it.
fn names_the_remedy(told: &str) -> Result<()> {
    ensure!(told.contains("bpffs: not mounted"), "no reason in: {told}");
    ensure!(told.contains("mount -t bpf bpf /sys/fs/bpf"), "no remedy in: {told}");
    Ok(())
}

fn cli(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let Output { status, stdout, stderr } = Command::new(stockade())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting stockade {}", arguments.join(" ")))?;
    let text = [stdout, stderr].concat();
    Ok((status.code(), String::from_utf8_lossy(&text).into_owned()))
}
