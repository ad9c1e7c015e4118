//! podman: the annotation, the hook, sessions, and an agent that dies.

use anyhow::{Context, Result, ensure};

use super::{put, root, running, sh, shell};
use crate::suite::hooks::agent::{Agent, events, fence, last_words, status, told};

/// What a busybox container needs, and the rest of a profile.
const BUSYBOX: &str =
    "  exec:\n    - path: /usr/bin/busybox\n  files:\n    - path: /proc/self/**\n      access: [read]\n";

/// `podman run` in front of what follows the root file system.
fn run(name: &str, profile: &str) -> Result<String> {
    let root = root(name)?;
    Ok(format!(
        "podman run --name {name} --net host --annotation stockade.dev/profile={profile} --rootfs {root}"
    ))
}

pub(super) fn binds_before_first_exec(agent: &mut Option<Agent>) -> Result<()> {
    put(agent, "entry", "enforce", BUSYBOX)?;
    let podman = run("entry-good", "entry")?;
    let good = sh(&format!("{podman} /usr/bin/busybox echo started"))?;
    ensure!(good.trim() == "started", "the approved entry point said {good:?}");
    let podman = run("entry-bad", "entry")?;
    let bad = shell(&format!("{podman} /usr/bin/env"))?;
    ensure!(!bad.status.success(), "an entry point that is not approved has run: {}", told(&bad));
    ensure!(!String::from_utf8_lossy(&bad.stdout).contains("PATH="), "env has run: {}", told(&bad));
    fence("entry-fence")?;
    let events = events(Some("entry"))?;
    ensure!(
        events.len() == 1 && events[0].object().as_deref() == Some("/usr/bin/env") && !events[0].session,
        "expected one denial of the entry point, got {events:?}"
    );
    Ok(())
}

pub(super) fn unknown_profile(_agent: &mut Option<Agent>) -> Result<()> {
    let podman = run("unknown", "nobody-wrote-this")?;
    let output = shell(&format!("{podman} /usr/bin/busybox echo started"))?;
    ensure!(!output.status.success(), "a container with an unknown profile started: {}", told(&output));
    // The runtime keeps what a hook says to itself, so the agent's log has to tell.
    ensure!(last_words().contains("nobody-wrote-this"), "nothing names the profile: {}", last_words());
    Ok(())
}

pub(super) fn without_annotation(_agent: &mut Option<Agent>) -> Result<()> {
    let root = root("free")?;
    let said = sh(&format!("podman run --name free --net host --rootfs {root} /usr/bin/env"))?;
    ensure!(said.contains("PATH="), "{said}");
    Ok(())
}

pub(super) fn sessions(agent: &mut Option<Agent>) -> Result<()> {
    let rules = format!(
        "{BUSYBOX}  sessions: {{ exec: [/stockade/guest], files: [{{ path: /etc/hostname, access: [read] }}] }}\n"
    );
    put(agent, "visited", "enforce", &rules)?;
    let podman = run("visited", "visited")?;
    let podman = podman.replace("podman run", "podman run -d -v /stockade:/stockade:ro");
    sh(&format!("{podman} /usr/bin/busybox sleep 600"))?;
    let act = |action: &str| shell(&format!("podman exec visited /stockade/guest act {action}"));
    let allowed = act("read /etc/hostname")?;
    ensure!(allowed.status.success(), "what sessions may do: {}", told(&allowed));
    let secret = act("read /etc/shadow")?;
    ensure!(secret.status.code() == Some(40), "a session read a secret: {}", told(&secret));
    let tool = shell("podman exec visited /usr/bin/env")?;
    ensure!(!tool.status.success(), "a session ran an unlisted tool: {}", told(&tool));
    // What belongs to sessions is not the container's own.
    let own = shell("podman run --help >/dev/null; podman inspect -f '{{.State.Running}}' visited")?;
    ensure!(told(&own).contains("true"), "the container is gone: {}", told(&own));
    fence("visited-fence")?;
    let events = events(Some("visited"))?;
    ensure!(events.len() == 2, "expected two denials, got {events:?}");
    ensure!(events.iter().all(|event| event.session), "not marked as sessions: {events:?}");
    let subjects = status()?["subjects"].as_array().context("no subjects")?.len();
    ensure!(subjects >= 1, "status shows no subject");
    sh("podman rm -f -t 0 visited")?;
    Ok(())
}

pub(super) fn tree(agent: &mut Option<Agent>) -> Result<()> {
    let rules = format!(
        "{BUSYBOX}    - path: /etc/hostname\n      access: [read]\n    - path: /dev/null\n      access: [read, write]\n"
    );
    put(agent, "tree", "enforce", &rules)?;
    let podman = run("tree", "tree")?;
    // A child, a grandchild and one whose parent has gone.
    let script = "/usr/bin/busybox sh -c '(/usr/bin/busybox cat /etc/shadow; /usr/bin/busybox sh -c \
                  \"/usr/bin/busybox cat /etc/shadow; (/usr/bin/busybox cat /etc/shadow &) ; /usr/bin/busybox sleep 1\"); \
                  /usr/bin/busybox cat /etc/hostname'";
    let output = shell(&format!("{podman} {script}"))?;
    ensure!(output.status.success(), "what is approved: {}", told(&output));
    ensure!(!told(&output).contains("root:"), "the secret was read: {}", told(&output));
    fence("tree-fence")?;
    let denied: u64 = events(Some("tree"))?
        .iter()
        .filter(|event| event.object().as_deref() == Some("/etc/shadow"))
        .map(|event| event.count)
        .sum();
    ensure!(denied == 3, "expected three denials of the secret, got {denied}");
    Ok(())
}

pub(super) fn agent_killed(agent: &mut Option<Agent>) -> Result<()> {
    let rules = format!("{BUSYBOX}  sessions: {{ exec: [/stockade/guest] }}\n");
    put(agent, "lasting", "enforce", &rules)?;
    running(agent)?;
    let podman = run("lasting", "lasting")?;
    let podman = podman.replace("podman run", "podman run -d -v /stockade:/stockade:ro");
    sh(&format!("{podman} /usr/bin/busybox sh -c 'while :; do /usr/bin/busybox true; done'"))?;
    agent.take().context("no agent")?.kill()?;
    for intrusion in ["read /etc/shadow", "connect tcp 127.0.0.1:1", "exec /usr/bin/env"] {
        let output = shell(&format!("podman exec lasting /stockade/guest act {intrusion}"))?;
        ensure!(output.status.code() == Some(40), "`{intrusion}` without agent: {}", told(&output));
    }
    let podman = run("late", "lasting")?;
    let late = shell(&format!("{podman} /usr/bin/busybox echo started"))?;
    ensure!(!late.status.success(), "a container started that nobody could bind: {}", told(&late));
    *agent = Some(Agent::start()?);
    fence("lasting-fence")?;
    let events = events(Some("lasting"))?;
    ensure!(events.len() >= 3, "denials made without an agent are missing: {events:?}");
    let output = shell("podman exec lasting /stockade/guest act read /etc/shadow")?;
    ensure!(output.status.code() == Some(40), "after the restart: {}", told(&output));
    sh("podman rm -f -t 0 lasting")?;
    Ok(())
}
