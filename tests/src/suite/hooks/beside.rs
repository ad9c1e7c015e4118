//! Every case once without confinement, once under the product and once under AppArmor's equivalent profile, for the
//! table of what each does.

use std::process::Command;

use anyhow::{Context, Result};

use super::agent::Agent;
use super::case::{self, Template};
use super::scene::Scene;
use super::{LEARN, Mode, Run, Trace, act, apparmor};
use crate::suite::Report;

/// How often a case runs.
const RUNS: usize = 3;
/// Exit code of what was killed, or never came to an end of its own.
const KILLED: u64 = 255;

/// Runs the suite.
pub(in crate::suite) fn run(report: &mut Report) -> Result<()> {
    let templates = case::all(case::CASES)?;
    let _agent = Agent::start()?;
    for (number, template) in templates.iter().filter(|one| one.group != LEARN).enumerate() {
        if !report.wants(&template.name) {
            continue;
        }
        let run = |mode: Mode, letter: char| Run {
            template,
            mode,
            profile: format!("{}.{letter}", template.name),
            dir: format!("/tmp/c/{number:03}{letter}"),
        };
        let mut told = Vec::new();
        report.case(&template.name, || {
            told.push(("off", run(Mode::Off, 'o').play()?));
            told.push(("stockade", run(Mode::Enforce, 'e').play()?));
            told.push(("apparmor", under_apparmor(template, number)?));
            Ok(())
        });
        if told.len() == RUNS {
            let forbidden = template.case("/")?.denied.is_some();
            report.figure("forbidden", &template.name, u64::from(forbidden), 0);
        }
        for (how, trace) in told {
            let code = trace.code.and_then(|code| u64::try_from(code).ok()).unwrap_or(KILLED);
            // 0: nothing can be seen; 1: it was not done; 2: it was.
            let seen = trace.seen.map_or(0, |seen| 1 + u64::from(seen));
            report.figure(how, &template.name, code, seen);
        }
    }
    Ok(())
}

fn under_apparmor(template: &Template, number: usize) -> Result<Trace> {
    let dir = format!("/tmp/c/{number:03}a");
    let case = template.case(&dir)?;
    let scene = Scene::set(&case, &dir)?;
    let name = format!("case-{number}");
    apparmor::load(&name, &case.spec("enforce", &dir)).context("AppArmor's profile")?;
    let mut command = Command::new("/stockade/guest");
    command.args(["act", "apparmor", &name, "/stockade/guest"]);
    act(command, &case, &scene)
}
