//! `stockade doctor`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::Format;
use super::output::print;
use crate::kernel::probe::probe;
use crate::kernel::{self, Mechanism};

/// Where container engines look for hooks.
const HOOK_DIRS: [&str; 2] = ["/usr/share/containers/oci/hooks.d", "/etc/containers/oci/hooks.d"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    /// Whether enforcing depends on it.
    required: bool,
    found: String,
    /// Empty when there is nothing to change.
    remedy: String,
}

#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    kernel: String,
    checks: Vec<Check>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let report = report();
    match args.output {
        Format::Text => print(&text(&report))?,
        Format::Json => print(&format!("{}\n", serde_json::to_string(&report)?))?,
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report() -> Report {
    let support = probe();
    let mut checks = vec![root(), programs()];
    checks.extend(support.checks.into_iter().map(|check| Check {
        name: check.name.to_owned(),
        ok: check.ok,
        required: check.required,
        found: check.found,
        remedy: if check.ok { String::new() } else { check.remedy },
    }));
    checks.push(hashes(Path::new(IMA), Mechanism::of_this_kernel()));
    checks.push(hook(&HOOK_DIRS.map(Path::new)));
    Report { ok: checks.iter().all(|check| check.ok || !check.required), kernel: support.release, checks }
}

fn root() -> Check {
    let ok = rustix::process::geteuid().is_root();
    Check {
        name: "root".to_owned(),
        ok,
        required: true,
        found: if ok { "yes" } else { "no" }.to_owned(),
        remedy: if ok { "" } else { "run it as root, as the agent must be" }.to_owned(),
    }
}

fn programs() -> Check {
    let build = kernel::build_id();
    let ok = build != "none";
    Check {
        name: "programs".to_owned(),
        ok,
        required: true,
        remedy: if ok { "" } else { "this binary was built without them; use `cargo xtask build`" }
            .to_owned(),
        found: build,
    }
}

/// Where the kernel's integrity measurement shows itself.
const IMA: &str = "/sys/kernel/security/ima";

/// Only rules that name contents need it.
fn hashes(ima: &Path, mechanism: Mechanism) -> Check {
    let (found, remedy) = match (ima.exists(), mechanism) {
        (true, Mechanism::Lsm) => ("IMA is there", ""),
        (true, Mechanism::Functions) => (
            "only a security module can ask IMA",
            "exec rules with `sha256` let nothing start without `bpf` in lsm=",
        ),
        (false, Mechanism::Lsm | Mechanism::Functions) => {
            ("IMA is not there", "exec rules with `sha256` let nothing start on this kernel (CONFIG_IMA)")
        }
    };
    Check {
        name: "hashes of programs".to_owned(),
        ok: remedy.is_empty(),
        required: false,
        found: found.to_owned(),
        remedy: remedy.to_owned(),
    }
}

/// Containers need the hook; `stockade run` does not.
fn hook(dirs: &[&Path]) -> Check {
    let installed = dirs.iter().find_map(|dir| {
        let entries = fs::read_dir(dir).ok()?;
        entries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| {
            path.extension().is_some_and(|extension| extension == "json")
                && fs::read_to_string(path)
                    .is_ok_and(|text| text.contains("oci-hook") && text.contains("stockade"))
        })
    });
    Check {
        name: "OCI hook".to_owned(),
        ok: installed.is_some(),
        required: false,
        remedy: match installed {
            Some(_) => String::new(),
            None => {
                let dir = HOOK_DIRS[0];
                format!(
                    "for podman and CRI-O: mkdir -p {dir} && stockade oci-hook --print-config > {dir}/stockade.json"
                )
            }
        },
        found: installed.map_or_else(|| "not installed".to_owned(), |path| path.display().to_string()),
    }
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let word = match (check.ok, check.required) {
            (true, _) => "ok     ",
            (false, true) => "PROBLEM",
            (false, false) => "note   ",
        };
        let _ = writeln!(out, "{word} {}: {}", check.name, check.found);
        if !check.remedy.is_empty() {
            let _ = writeln!(out, "        {}", check.remedy.replace('\n', "\n        "));
        }
    }
    out.push_str(if report.ok { "This node can enforce.\n" } else { "This node cannot enforce.\n" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn finds_what_hashes() {
        let dir = TempDir::new("ima");
        let of = |path: &Path, mechanism| hashes(path, mechanism).ok;
        assert!(of(dir.path(), Mechanism::Lsm) && !of(dir.path(), Mechanism::Functions));
        assert!(!of(&dir.path().join("none"), Mechanism::Lsm));
        assert!(!hashes(&dir.path().join("none"), Mechanism::Lsm).required);
    }

    #[test]
    fn finds_the_hook() {
        let dir = TempDir::new("hooks");
        let missing = dir.path().join("none");
        assert!(!hook(&[&missing, dir.path()]).ok);
        fs::write(dir.path().join("other.json"), "{}").unwrap();
        assert!(!hook(&[dir.path()]).ok);
        fs::write(dir.path().join("s.json"), r#"{"hook":{"args":["stockade","oci-hook"]}}"#).unwrap();
        assert!(hook(&[&missing, dir.path()]).ok);
    }
}
