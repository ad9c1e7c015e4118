//! The main job, for one server: learn it under one workload, enforce it under another, then break in.

use anyhow::{Result, ensure};

use super::{in_force, put, root, running, sh, shell};
use crate::suite::hooks::agent::{Agent, PATIENCE, cli, events, fence, install, told};
use crate::suite::wait::eventually;

/// A server, and two workloads for it.
pub(super) struct Server {
    pub(super) name: &'static str,
    /// Options of `podman run`, and the command.
    pub(super) options: &'static str,
    pub(super) command: &'static str,
    /// Prepares the root file system, which is `$ROOT`.
    pub(super) setup: &'static str,
    /// Succeeds when the server answers.
    pub(super) ready: &'static str,
    /// What it is learned under.
    pub(super) learned: &'static str,
    /// What it is enforced under: the same service, used in other ways. `set -e` is in force.
    pub(super) enforced: &'static str,
}

pub(super) fn learn_then_enforce(agent: &mut Option<Agent>, server: &Server) -> Result<()> {
    let name = server.name;
    put(agent, name, "learn", "")?;
    // Twice, so that a start over existing data is seen as well.
    for round in ["first", "second"] {
        start(server, round == "first")?;
        sh(&format!("set -e\n{}", server.learned))?;
        sh(&format!("podman stop -t 20 {name} && podman rm {name}"))?;
    }
    let export = eventually(PATIENCE, "a learned profile", || {
        let export = cli(&["profile", "export", name])?;
        Ok(export.status.success().then(|| String::from_utf8_lossy(&export.stdout).into_owned()))
    })?;
    ensure!(export.contains("mode: enforce"), "{export}");
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
    sh(&format!("podman rm -f -t 0 {name}"))?;
    Ok(())
}

/// Starts the server and waits until it answers.
fn start(server: &Server, fresh: bool) -> Result<()> {
    let Server { name, options, command, setup, ready, .. } = server;
    if fresh {
        let root = root(name)?;
        sh(&format!("set -e\nROOT={root}\n{setup}"))?;
    }
    sh(&format!(
        "podman run -d --name {name} --net host -v /stockade:/stockade:ro {options} --annotation \
         stockade.dev/profile={name} --rootfs /layers/{name}/root {command}"
    ))?;
    eventually(PATIENCE * 2, &format!("{name} answers"), || Ok(shell(ready)?.status.success().then_some(())))
        .map_err(|error| error.context(format!("logs: {:?}", sh(&format!("podman logs {name} 2>&1")))))
}
