//! What is different where the kernel was booted without `bpf` among its security modules, and the programs are attached
//! to the functions that call them.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::case::Template;
use super::{Mode, Run, agent};
use crate::act::REFUSED;
use crate::suite::Report;

/// The group of cases about what programs hold.
const CONTENT: &str = "content";

/// Whether this is such a guest: by what the kernel says, which the agent must have noticed.
pub(super) fn are_asked() -> Result<bool> {
    let active = fs::read_to_string("/sys/kernel/security/lsm").context("reading the active list")?;
    let without = !active.trim().split(',').any(|name| name == "bpf");
    let (said, wanted) = (&agent::status()?["mechanism"], if without { "fmod_ret" } else { "lsm" });
    ensure!(said == wanted, "the agent says {said}, and active are {active}");
    Ok(without)
}

/// Runs what is different, and takes the cases away that are about what only a security module is told.
pub(super) fn run(report: &mut Report, templates: &mut Vec<Template>) -> Result<()> {
    report.case("functions.status", said_by_status);
    report.case("functions.doctor", said_by_doctor);
    let (content, others) = templates.drain(..).partition(|template| template.group == CONTENT);
    *templates = others;
    report.case("functions.contents", || nothing_pinned_starts(&content));
    Ok(())
}

fn said_by_status() -> Result<()> {
    let status = agent::status()?;
    ensure!(status["healthy"] == true, "{}", status["problems"]);
    let lacks = status["mechanism_lacks"].as_str().context("no word of what it lacks")?;
    ensure!(lacks.contains("preempted") && lacks.contains("sha256"), "{lacks}");
    let text = String::from_utf8_lossy(&agent::cli(&["status"])?.stdout).into_owned();
    ensure!(text.contains("fmod_ret: ") && text.contains(lacks), "{text}");
    Ok(())
}

/// It can enforce, and says how to be without the limits.
fn said_by_doctor() -> Result<()> {
    let output = agent::cli(&["doctor", "-o", "json"])?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    let report: Value = serde_json::from_slice(&output.stdout).context("the report")?;
    let checks = report["checks"].as_array().context("no checks")?;
    let check = |name: &str| checks.iter().find(|check| check["name"] == name).context("no such check");
    let module = check("lsm")?;
    ensure!(module["ok"] == false && module["required"] == false, "{module}");
    let remedy = module["remedy"].as_str().context("no remedy")?;
    ensure!(remedy.contains("fmod_ret") && remedy.contains(",bpf"), "{remedy}");
    ensure!(check("hashes of programs")?["ok"] == false, "{checks:?}");
    Ok(())
}

/// What is in a file is not known, so a rule that names it lets nothing start, whatever it holds.
fn nothing_pinned_starts(content: &[Template]) -> Result<()> {
    let template =
        content.iter().find(|template| template.name == "content.right").context("no such case")?;
    let run = Run {
        template,
        mode: Mode::Enforce,
        profile: "functions.contents".to_owned(),
        dir: "/tmp/c/pin".to_owned(),
    };
    let trace = run.play()?;
    ensure!(trace.code == Some(i32::from(REFUSED)), "{}", trace.told);
    agent::fence("fence.functions")?;
    let events = agent::events(Some(&run.profile))?;
    ensure!(events.iter().any(|event| event.reason == "other-content"), "{events:?}");
    Ok(())
}
