//! What the agent costs: compiling and swapping policies, and memory, against rules, policies and subjects.

use std::fs;
use std::io::pipe;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{Figure, GIVEN, memory};
use crate::suite::hooks::agent::{Agent, PATIENCE, PROFILES, STATE, cli, install, last_words, run, told};
use crate::suite::wait::eventually;

/// Numbers of rules for which the host made a profile.
const RULES: [usize; 4] = [10, 100, 1000, 10_000];
/// One rule more, at the end of a profile's list of files.
const ONE_MORE: &str = "    - path: /srv/one/more\n      access: [read]\n";

/// Measures with up to `most` policies and subjects.
pub(super) fn measure(most: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let counts = || [1, 100, 500].into_iter().filter(|count| *count <= most);
    // Who wants few of everything wants it soon.
    let rules = RULES.into_iter().filter(|rules| *rules <= most * 20);
    profiles(rules, figures).context("profiles of all sizes")?;
    let agent = fresh()?;
    let before = memory::kernel()?;
    for count in counts() {
        policies(&agent, before, count, figures).with_context(|| format!("{count} policies"))?;
    }
    agent.stop()?;
    let agent = fresh()?;
    for count in counts() {
        subjects(&agent, count, figures).with_context(|| format!("{count} subjects"))?;
    }
    Ok(())
}

fn push(figures: &mut Vec<Figure>, op: String, best: u64) {
    figures.push(Figure { op, best, spread: 0 });
}

/// An agent that knows of nothing, with maps of its own.
fn fresh() -> Result<Agent> {
    let removed = cli(&["agent", "--uninstall"])?;
    ensure!(removed.status.success(), "uninstalling: {}", told(&removed));
    for dir in [PROFILES, STATE] {
        if Path::new(dir).exists() {
            fs::remove_dir_all(dir).context(dir)?;
        }
    }
    memory::inside(Agent::start)
}

/// Profiles of all sizes: compiled by the command line, put in force, and changed.
fn profiles(all: impl Iterator<Item = usize>, figures: &mut Vec<Figure>) -> Result<()> {
    let agent = fresh()?;
    push(figures, "kernel-memory-start".to_owned(), memory::kernel()?);
    push(figures, "agent-memory-start".to_owned(), agent.resident()?);
    let smallest = explain(&format!("{GIVEN}/1.yaml"))?;
    for rules in all {
        let file = format!("{GIVEN}/{rules}.yaml");
        push(figures, format!("compile-{rules}"), explain(&file)?.saturating_sub(smallest));
        let before = memory::kernel()?;
        put(&agent, rules, &text(&file)?, 1)?;
        push(figures, format!("kernel-memory-{rules}"), memory::kernel()?.saturating_sub(before));
        let swapped = put(&agent, rules, &format!("{}{ONE_MORE}", text(&file)?), 2)?;
        push(figures, format!("swap-{rules}"), swapped * 1000);
    }
    push(figures, "agent-memory-profiles".to_owned(), agent.resident()?);
    agent.stop()?;
    Ok(())
}

/// Puts a profile in force and waits until this generation of it is. How long it took to swap it, in microseconds.
fn put(agent: &Agent, rules: usize, text: &str, generation: u64) -> Result<u64> {
    install(agent, &rules.to_string(), text)?;
    eventually(PATIENCE * 4, &format!("{rules} rules in force"), || {
        let policies = listed("policies")?;
        let found = policies.iter().find(|policy| policy["name"] == format!("bench-{rules}"));
        ensure!(found.is_none_or(|policy| policy["message"].is_null()), "{found:?}; {}", last_words());
        let found = found.filter(|policy| policy["generation"].as_u64() >= Some(generation));
        found.map(|policy| policy["swap_us"].as_u64().context("no swap_us")).transpose()
    })
}

fn text(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("reading {file}"))
}

/// What answering one question costs; nearly all of it is compiling the profile.
fn explain(file: &str) -> Result<u64> {
    let started = Instant::now();
    let output = cli(&["profile", "explain", file, "read", "/srv/nobody"])?;
    let took = u64::try_from(started.elapsed().as_nanos())?;
    ensure!(matches!(output.status.code(), Some(0 | 1)), "explain: {}", told(&output));
    Ok(took)
}

/// Many profiles of ten rules, each with another name and a rule of its own, up to `count`.
fn policies(agent: &Agent, before: u64, count: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let text = text(&format!("{GIVEN}/10.yaml"))?;
    for number in 0..count {
        let text = text.replacen("bench-10", &format!("many-{number}"), 1);
        let own = format!("    - path: /srv/own/{number}\n      access: [read]\n");
        fs::write(format!("{PROFILES}/many-{number}.yaml"), format!("{text}{own}")).context("a profile")?;
    }
    agent.signal(Signal::HUP)?;
    eventually(PATIENCE * 4, "all policies", || Ok((listed("policies")?.len() >= count).then_some(())))?;
    push(figures, format!("agent-memory-{count}-policies"), agent.resident()?);
    push(figures, format!("kernel-memory-{count}-policies"), memory::kernel()?.saturating_sub(before));
    Ok(())
}

/// Many subjects of one profile, which do nothing until they end.
fn subjects(agent: &Agent, count: usize, figures: &mut Vec<Figure>) -> Result<()> {
    let (reader, writer) = pipe().context("a pipe")?;
    let before = memory::kernel()?;
    let mut children = Vec::new();
    for _ in 0..count {
        let mut command = run(&format!("{GIVEN}/10.yaml"), None);
        command.args(["/stockade/guest", "act", "serve"]).stdin(reader.try_clone().context("the pipe")?);
        children.push(command.spawn().context("starting a subject")?);
    }
    eventually(PATIENCE * 4, "all subjects", || Ok((listed("subjects")?.len() >= count).then_some(())))?;
    push(figures, format!("agent-memory-{count}-subjects"), agent.resident()?);
    push(figures, format!("kernel-memory-{count}-subjects"), memory::kernel()?.saturating_sub(before));
    drop(writer);
    for mut child in children {
        let status = child.wait().context("waiting for a subject")?;
        ensure!(status.success(), "a subject ended with {status}");
    }
    Ok(())
}

/// The list of that name in the agent's status; none while it is too busy to answer.
fn listed(list: &str) -> Result<Vec<Value>> {
    let output = cli(&["status", "-o", "json"])?;
    let Ok(status) = serde_json::from_slice::<Value>(&output.stdout) else { return Ok(Vec::new()) };
    Ok(status[list].as_array().with_context(|| format!("no {list} in status"))?.clone())
}
