//! The eBPF programs, case by case: each once without the product, once under audit, once under enforce,
//! then what a running agent must survive.

pub(super) mod agent;
mod apparmor;
pub(super) mod beside;
mod calls;
mod case;
mod chance;
pub(super) mod elf;
mod functions;
mod glob;
mod learn;
mod life;
mod matcher;
mod memory;
mod race;
mod reported;
mod scene;
pub(super) mod subject;
mod swap;
mod words;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::agent::{Agent, Event};
use self::case::{Case, Expected, Template};
use self::scene::Scene;
use super::{Report, is_thorough};
use crate::act::REFUSED;

/// The group of cases that are learned, not judged.
const LEARN: &str = "learn";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Off,
    Audit,
    Enforce,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Off, Self::Audit, Self::Enforce];

    fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }
}

/// A case under a mode.
struct Run<'a> {
    template: &'a Template,
    mode: Mode,
    profile: String,
    dir: String,
}

/// What a run left.
struct Trace {
    code: Option<i32>,
    told: String,
    seen: Option<bool>,
}

pub(super) fn run(report: &mut Report) -> Result<()> {
    let mut templates = case::all(case::CASES)?;
    let agent = Agent::start()?;
    let by_functions = functions::are_asked()?;
    if by_functions {
        functions::run(report, &mut templates)?;
    }
    // What a case does without the product, and under audit, is the same there.
    let modes = if by_functions && !is_thorough() { &[Mode::Enforce][..] } else { &Mode::ALL };
    let (learned, judged): (Vec<_>, Vec<_>) = templates.iter().partition(|one| one.group == LEARN);
    judge(report, &judged, modes)?;
    learn::run(report, &learned)?;
    let agent = life::run(report, agent)?;
    swap::run(report, &agent);
    memory::run(report, &agent)?;
    reported::run(report, &agent)?;
    race::run(report);
    matcher::run(report);
    life::end(report, agent)
}

/// What needs processors that run at the same time to go wrong.
pub(super) fn races(report: &mut Report) -> Result<()> {
    let agent = Agent::start()?;
    race::run(report);
    swap::under_load(report, &agent);
    agent.stop()?;
    Ok(())
}

fn judge(report: &mut Report, templates: &[&Template], modes: &[Mode]) -> Result<()> {
    let mut runs = Vec::new();
    for (number, template) in templates.iter().enumerate() {
        for mode in modes.iter().copied() {
            let word = mode.word();
            if report.wants(&format!("{}.{word}", template.name)) {
                runs.push(Run {
                    template,
                    mode,
                    profile: format!("{}.{word}", template.name),
                    // Short and all of one length, so that what is said of lengths holds for every run.
                    dir: format!("/tmp/c/{number:03}{}", &word[..1]),
                });
            }
        }
    }
    if runs.is_empty() {
        return Ok(());
    }
    let traces: Vec<Result<Trace>> = runs.iter().map(Run::play).collect();
    // That there is no event can only be said when a later one is there.
    agent::fence("fence.judge")?;
    let mut events: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in agent::events(None)? {
        events.entry(event.profile.clone().unwrap_or_default()).or_default().push(event);
    }
    for (run, trace) in runs.iter().zip(traces) {
        let events = events.get(&run.profile).map_or(&[][..], Vec::as_slice);
        report.case(&run.profile, || run.check(&trace?, events));
    }
    Ok(())
}

impl Run<'_> {
    fn play(&self) -> Result<Trace> {
        let case = self.template.case(&self.dir)?;
        let scene = Scene::set(&case, &self.dir)?;
        let command = match self.mode {
            Mode::Off => Command::new("/stockade/guest"),
            Mode::Audit | Mode::Enforce => {
                let text = case.profile(&self.profile, "enforce", &self.dir)?;
                let file = agent::profile_file(&self.profile, &text)?;
                let mut command = agent::run(&file, Some(self.mode.word()));
                command.arg("/stockade/guest");
                command
            }
        };
        act(command, &case, &scene)
    }

    fn check(&self, trace: &Trace, events: &[Event]) -> Result<()> {
        let case = self.template.case(&self.dir)?;
        let denied = self.mode == Mode::Enforce && case.denied.is_some();
        let wanted = if denied { i32::from(REFUSED) } else { 0 };
        ensure!(trace.code == Some(wanted), "wanted exit code {wanted}, got {}; {events:?}", trace.told);
        if let Some(seen) = trace.seen {
            ensure!(seen != denied, "seen from outside it was {}done", if seen { "" } else { "not " });
        }
        let expected: Vec<&Expected> = match self.mode {
            Mode::Off => Vec::new(),
            Mode::Audit => {
                let before_6_2 = if release()? < (6, 2) { &case.audit_before_6_2[..] } else { &[] };
                case.denied.iter().chain(&case.audit_too).chain(before_6_2).collect()
            }
            Mode::Enforce => case.denied.iter().collect(),
        };
        let verdict = if self.mode == Mode::Enforce { "denied" } else { "would-deny" };
        compare(&expected, verdict, events)
    }
}

/// Has the actor that `command` starts do what the case says.
fn act(mut command: Command, case: &Case, scene: &Scene) -> Result<Trace> {
    command.stdin(scene.stdin()?);
    if let Some(given) = &case.given {
        let file = OpenOptions::new().read(true).write(true).open(given);
        command.stdin(file.with_context(|| format!("opening {given}"))?);
    }
    let output = command.arg("act").args(&case.act).output().context("starting the actor")?;
    let seen = scene.seen(case, &String::from_utf8_lossy(&output.stdout))?;
    Ok(Trace { code: output.status.code(), told: agent::told(&output), seen })
}

/// Major and minor number of the kernel.
fn release() -> Result<(u32, u32)> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("no version in {release}"),
    }
}

/// Exactly these events, each once. Of a capability or a facility the kernel may ask several times for one
/// operation.
fn compare(expected: &[&Expected], verdict: &str, events: &[Event]) -> Result<()> {
    let mut left: Vec<&Event> = events.iter().collect();
    for one in expected {
        let repeats = matches!(one.kind.as_str(), "capability" | "facility");
        let fits = |event: &&Event| {
            event.kind == one.kind
                && event.verdict == verdict
                && event.reason == one.reason
                && event.object() == one.object
                && event.access == one.access
                && event.session == one.session
                && (event.count == 1 || repeats)
        };
        match left.iter().position(fits) {
            Some(_) if repeats => left.retain(|event| !fits(event)),
            Some(at) => drop(left.remove(at)),
            None => bail!("no {verdict} event {one:?} in {events:?}"),
        }
    }
    ensure!(left.is_empty(), "more events than wanted: {left:?}");
    Ok(())
}
