//! Real runtimes and real servers: binding before the first exec, sessions, and learn → enforce.
//!
//! Every container has the guest's own Debian as its image, so that servers run as their packages installed them: an
//! overlay whose lower layers are the guest's root and what a case adds to it.

mod batch;
mod bundle;
mod drift;
mod foreign;
mod made_code;
mod memory;
mod podman;
mod replicas;
mod server;
mod servers;
mod web;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Report;
use super::hooks::agent::{Agent, PATIENCE, cli, install, status, told};
use super::wait::eventually;

/// Runs the suite.
pub(super) fn run(report: &mut Report) -> Result<()> {
    prepare()?;
    let mut agent = Some(Agent::start()?);
    let mut case = |name: &str, run: &dyn Fn(&mut Option<Agent>) -> Result<()>| {
        report.case(name, || run(&mut agent));
    };
    case("podman.binds-before-first-exec", &podman::binds_before_first_exec);
    case("podman.unknown-profile-refuses-start", &podman::unknown_profile);
    case("podman.without-annotation-is-free", &podman::without_annotation);
    case("podman.exec-is-a-session", &podman::sessions);
    case("podman.tree-of-processes-keeps-the-label", &podman::tree);
    case("podman.drift", &drift::started_since);
    case("podman.code-made-anew", &made_code::is_granted_by_a_person);
    case("podman.memory-has-no-place", &memory::has_no_place);
    case("podman.directory-left-open", &foreign::directory);
    case("crun.bundle", &|agent| bundle::runtime(agent, "crun"));
    case("runc.bundle", &|agent| bundle::runtime(agent, "runc"));
    case("servers.learn-until-ready", &|agent| server::learn_until_ready(agent, &servers::ALL));
    for server in &servers::ALL {
        case(&format!("servers.enforce-{}", server.name), &|agent| server::enforce(agent, server));
    }
    case("servers.replicas-share-a-profile", &replicas::share_a_profile);
    case("agent.killed-under-load", &podman::agent_killed);
    Ok(())
}

/// Installs the hook as a user does, and makes room for the containers' writable layers.
fn prepare() -> Result<()> {
    sh(
        "mkdir -p /usr/share/containers/oci/hooks.d /layers && mount -t tmpfs tmpfs /layers && modprobe overlay",
    )?;
    let hook = cli(&["oci-hook", "--print-config"])?;
    ensure!(hook.status.success(), "{}", told(&hook));
    std::fs::write("/usr/share/containers/oci/hooks.d/stockade.json", hook.stdout).context("hooks.d")
}

/// Runs a shell script; its standard output.
pub(super) fn sh(script: &str) -> Result<String> {
    let output = shell(script)?;
    ensure!(output.status.success(), "`{}`: {}", script.trim(), told(&output));
    String::from_utf8(output.stdout).context("its output")
}

/// Runs a shell script that may fail.
pub(super) fn shell(script: &str) -> Result<std::process::Output> {
    let mut bash = Command::new("timeout");
    bash.args(["180", "bash", "-c", script]).stdin(std::process::Stdio::null());
    bash.output().with_context(|| format!("starting `{script}`"))
}

/// A new root file system of a container, at the path it returns: the guest's own.
fn root(name: &str) -> Result<String> {
    image(name, "")
}

/// The same with what a script puts into `$ROOT` as the topmost layer of its image.
fn image(name: &str, setup: &str) -> Result<String> {
    let layers = format!("/layers/{name}");
    if Path::new(&layers).exists() {
        // Whatever the container of that name wrote goes with it.
        sh(&format!("umount {layers}/root && rm -rf {layers}"))?;
    }
    sh(&format!(
        "set -e
        umask 022
        mkdir -p {layers}/image {layers}/upper {layers}/work {layers}/root
        ROOT={layers}/image
        {setup}
        mount -t overlay overlay -o lowerdir={layers}/image:/,upperdir={layers}/upper,workdir={layers}/work {layers}/root"
    ))?;
    Ok(format!("{layers}/root"))
}

/// The running agent.
fn running(agent: &Option<Agent>) -> Result<&Agent> {
    agent.as_ref().context("an earlier case lost the agent")
}

/// Puts a profile in force that allows `exec` to run, with the libraries of a static program: none.
fn put(agent: &Option<Agent>, name: &str, mode: &str, rules: &str) -> Result<()> {
    let text = profile(name, mode, rules);
    install(running(agent)?, name, &text)?;
    in_force(name, mode)
}

/// Puts another profile in the place of one that is in force, and waits until it judges.
fn replace(agent: &Option<Agent>, name: &str, text: &str) -> Result<()> {
    let generation = || -> Result<u64> {
        let status = status()?;
        let policies = status["policies"].as_array().context("no policies in status")?;
        let policy = policies.iter().find(|policy| policy["name"] == name).context("nothing to replace")?;
        policy["generation"].as_u64().context("no generation in status")
    };
    let before = generation()?;
    install(running(agent)?, name, text)?;
    eventually(PATIENCE, &format!("another profile {name}"), || Ok((generation()? > before).then_some(())))
}

/// The text of a profile.
fn profile(name: &str, mode: &str, rules: &str) -> String {
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: {mode}\n{rules}"
    )
}

/// Waits until the profile judges in this mode.
fn in_force(name: &str, mode: &str) -> Result<()> {
    eventually(PATIENCE, &format!("profile {name} in mode {mode}"), || {
        let status = status()?;
        let policies = status["policies"].as_array().context("no policies in status")?;
        Ok(policies.iter().any(|policy| policy["name"] == name && policy["mode"] == mode).then_some(()))
    })
}
