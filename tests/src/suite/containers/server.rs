//! The main job, for one server: learn it under one workload, enforce it under another, then break in.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{image, in_force, put, replace, running, sh, shell};
use crate::suite::hooks::agent::{Agent, PATIENCE, cli, events, fence, install, status, told};
use crate::suite::wait::eventually;

/// The most rules that a person would read.
const RULES: usize = 60;

/// A server, and two workloads for it.
pub(super) struct Server {
    pub(super) name: &'static str,
    /// Options of `podman run`, and the command.
    pub(super) options: &'static str,
    pub(super) command: &'static str,
    /// Puts into the image, which is `$ROOT`, what the guest's own root file system does not have.
    pub(super) setup: &'static str,
    /// The profile for it that people can copy.
    pub(super) shipped: &'static str,
    /// Succeeds when the server answers.
    pub(super) ready: &'static str,
    /// What it is learned under.
    pub(super) learned: &'static str,
    /// What it is enforced under: the same service, used in other ways. `set -e` is in force.
    pub(super) enforced: &'static str,
}

/// How long a life of each server is while it is learned, in seconds.
const LIFE: u64 = 22;
/// Lives after which one should be ready.
pub(super) const LIVES: usize = 16;

/// Learns all of them side by side, with restarts, each until its baseline says that it is ready. Then its profile
/// is written down.
pub(super) fn learn_until_ready(agent: &mut Option<Agent>, servers: &[Server]) -> Result<()> {
    for server in servers {
        put(agent, server.name, "learn", "")?;
    }
    let mut left: Vec<&Server> = servers.iter().collect();
    for life in 1..=LIVES {
        for server in &left {
            start(server, life == 1)?;
        }
        let work: String = left.iter().map(|server| looped(server.learned, LIFE)).collect();
        sh(&format!("{work}wait"))?;
        for server in &left {
            sh(&format!("podman stop -t 20 {0} && podman rm {0}", server.name))?;
        }
        let mut waiting = Vec::new();
        for server in left {
            let answer = settled(server.name, life)?;
            println!("after {life} lives: {answer}");
            promote(server, answer["ready"] == true, life)?;
            if answer["ready"] == true {
                compare(server)?;
            } else {
                waiting.push(server);
            }
        }
        left = waiting;
        if left.is_empty() {
            return Ok(());
        }
    }
    let status = cli(&["learn", "status"])?;
    anyhow::bail!("not ready after {LIVES} lives: {}", told(&status))
}

/// Where the learned profile goes.
fn promoted(name: &str) -> String {
    format!("/layers/{name}.yaml")
}

/// What is ready is written down, and what is not is refused.
fn promote(server: &Server, ready: bool, life: usize) -> Result<()> {
    let output = cli(&["learn", "promote", server.name, "--out", &promoted(server.name)])?;
    ensure!(output.status.code() == Some(if ready { 0 } else { 1 }), "promoted: {}", told(&output));
    ensure!(life > 1 || told(&output).contains("1 of 3 starts seen"), "one life: {}", told(&output));
    Ok(())
}

/// The profile that people can copy allows what was learned, too.
fn compare(server: &Server) -> Result<()> {
    let Server { name, shipped, .. } = server;
    let file = format!("/layers/{name}-shipped.yaml");
    std::fs::write(&file, shipped).with_context(|| file.clone())?;
    let output = cli(&["profile", "test", &file, "--baseline", name])?;
    ensure!(output.status.success(), "the profile to copy: {}", told(&output));
    Ok(())
}

/// The script again and again for so many seconds, in the background.
pub(super) fn looped(script: &str, seconds: u64) -> String {
    format!(
        "( end=$((SECONDS+{seconds})); while [ $SECONDS -lt $end ]; do (set -e\n{script}\n); sleep 0.2; done ) &\n"
    )
}

/// The answer of `learn status` once it knows that the server has ended `lives` times.
pub(super) fn settled(name: &str, lives: usize) -> Result<Value> {
    eventually(PATIENCE, "the end of a life", || {
        let all = status()?["subjects"].as_array().context("no subjects in status")?.clone();
        Ok(all.iter().all(|subject| subject["profile"] != name).then_some(()))
    })?;
    let output = cli(&["learn", "status", name, "-o", "json"])?;
    let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| told(&output))?;
    let code = if answer["ready"] == true { 0 } else { 1 };
    ensure!(output.status.code() == Some(code), "exit code of {answer}: {}", told(&output));
    ensure!(lives > 1 || answer["ready"] == false, "ready after one life: {answer}");
    Ok(answer)
}

/// Puts in force what was learned, and uses it in other ways; then breaks in.
pub(super) fn enforce(agent: &mut Option<Agent>, server: &Server) -> Result<()> {
    let name = server.name;
    let export = std::fs::read_to_string(promoted(name)).context("the promoted profile")?;
    ensure!(export.contains("mode: enforce"), "{export}");
    let rules = export.matches("- path: ").count() + export.matches("- to: ").count();
    println!("{name}: {rules} rules");
    ensure!(rules <= RULES, "{rules} rules are more than {RULES}\n{export}");
    // The intruder is let in as a session that may start, and nothing else.
    let with_door = format!(
        "{export}  sessions: {{ exec: [/stockade/guest], files: [{{ path: /proc/self/maps, access: [read] }}] }}\n"
    );
    install(running(agent)?, name, &with_door)?;
    in_force(name, "enforce")?;

    start(server, true)?;
    let work = shell(&format!("set -e\n{}", server.enforced))?;
    fence(&format!("{name}-fence"))?;
    let denials = events(Some(name))?;
    ensure!(denials.is_empty(), "the workload was denied {denials:?}\n{export}");
    ensure!(
        work.status.success(),
        "the workload failed: {}\n{}",
        told(&work),
        sh(&format!("podman logs {name} 2>&1"))?
    );

    for intrusion in [
        "exec /usr/bin/env",
        "read /etc/shadow",
        "connect tcp 127.0.0.1:1",
        "connect udp 192.0.2.1:53",
        "open write+append /etc/passwd",
    ] {
        let output = shell(&format!("podman exec --user root {name} /stockade/guest act {intrusion}"))?;
        ensure!(output.status.code() == Some(40), "`{intrusion}` under {name}: {}", told(&output));
    }
    fence(&format!("{name}-fence2"))?;
    let denials = events(Some(name))?;
    ensure!(denials.len() == 5 && denials.iter().all(|event| event.session), "five denials, got {denials:?}");

    // The profile that people can copy takes over from the learned one, and the service goes on.
    replace(agent, name, server.shipped)?;
    sh(&format!("set -e\n{}", server.learned))?;
    fence(&format!("{name}-fence3"))?;
    let denials = events(Some(name))?;
    ensure!(denials.len() == 5, "under the profile to copy: {:?}", denials.get(5..));
    sh(&format!("podman rm -f -t 0 {name}"))?;
    Ok(())
}

/// Starts the server and waits until it answers.
fn start(server: &Server, fresh: bool) -> Result<()> {
    let Server { name, options, command, setup, ready, .. } = server;
    if fresh {
        image(name, setup)?;
    }
    sh(&format!(
        "podman run -d --name {name} --net host -v /stockade:/stockade:ro {options} --annotation \
         stockade.dev/profile={name} --rootfs /layers/{name}/root {command}"
    ))?;
    eventually(PATIENCE * 2, &format!("{name} answers"), || Ok(shell(ready)?.status.success().then_some(())))
        .map_err(|error| error.context(format!("logs: {:?}", sh(&format!("podman logs {name} 2>&1")))))
}
