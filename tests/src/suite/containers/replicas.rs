//! Several containers of one profile: they fill one baseline, and are judged by one policy.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::server::{LIVES, looped, settled};
use super::servers::NGINX;
use super::{image, in_force, put, running, sh, shell};
use crate::suite::hooks::agent::{Agent, PATIENCE, cli, events, fence, install, status, told};
use crate::suite::is_thorough;
use crate::suite::wait::eventually;

const PROFILE: &str = "replicas";
/// Each is a server of its own on the guest's network.
const PORTS: [u16; 2] = [8081, 8082];

/// Waits for what a script has started in the background, and fails as it does.
const EACH: &str = "for job in $jobs; do wait $job || exit 1; done";

/// How much is done.
struct Depth {
    /// How long a life is while it is learned, in seconds.
    life: u64,
    /// Lives; or as many as it takes until the baseline is ready.
    lives: Option<usize>,
    /// Requests under enforcement, of all replicas together.
    requests: usize,
}

const SHORT: Depth = Depth { life: 2, lives: Some(1), requests: 400 };
const THOROUGH: Depth = Depth { life: 22, lives: None, requests: 10_000 };

/// Two replicas of a server are learned side by side and then enforced side by side, without a false denial.
pub(super) fn share_a_profile(agent: &mut Option<Agent>) -> Result<()> {
    let began = Instant::now();
    let depth = if is_thorough() { THOROUGH } else { SHORT };
    put(agent, PROFILE, "learn", "")?;
    let ready = learn(&depth)?;
    let said = told(&cli(&["learn", "status", PROFILE])?);
    ensure!(said.contains("the next replica shows something new (2 seen"), "two replicas: {said}");

    let out = format!("/layers/{PROFILE}.yaml");
    let mut promote = vec!["learn", "promote", PROFILE, "--out", &out];
    promote.extend((!ready).then_some("--force"));
    let promoted = cli(&promote)?;
    ensure!(promoted.status.success(), "promoted: {}", told(&promoted));
    let profile = std::fs::read_to_string(&out).context("the promoted profile")?;
    install(running(agent)?, PROFILE, &profile)?;
    in_force(PROFILE, "enforce")?;

    start(true)?;
    let each = depth.requests / PORTS.len();
    // One connection serves a thousand requests.
    let work = PORTS.map(|port| {
        format!(
            "[ $(curl -s -o /dev/null -w '%{{http_code}}\\n' 'http://127.0.0.1:{port}/?[1-{each}]' | grep -cx 200) = {each} ] & jobs=\"$jobs $!\"\n"
        )
    });
    let work = shell(&format!("{}{EACH}", work.concat()))?;
    fence(&format!("{PROFILE}-fence"))?;
    let denials = events(Some(PROFILE))?;
    ensure!(denials.is_empty(), "{} requests were denied {denials:?}\n{profile}", depth.requests);
    ensure!(work.status.success(), "not every request was answered: {}", told(&work));
    println!(
        "{} requests to {} replicas, no denial, after {} s in all",
        depth.requests,
        PORTS.len(),
        began.elapsed().as_secs()
    );
    let intruder = shell(&format!("podman exec {} /usr/bin/env", name(PORTS[1])))?;
    ensure!(!intruder.status.success(), "the second replica is not enforced: {}", told(&intruder));
    sh(&format!("podman rm -f -t 0 {}", PORTS.map(name).join(" "))).map(drop)
}

/// Whether the baseline says that it is ready; as often as `depth` says, or until it does.
fn learn(depth: &Depth) -> Result<bool> {
    for life in 1..=depth.lives.unwrap_or(LIVES) {
        start(life == 1)?;
        let work = PORTS.map(|port| {
            looped(&NGINX.learned.replace("127.0.0.1", &format!("127.0.0.1:{port}")), depth.life)
        });
        sh(&format!("{}wait", work.concat()))?;
        stop()?;
        let answer = settled(PROFILE, life)?;
        println!("after {life} lives of two: {answer}");
        if answer["ready"] == true {
            return Ok(true);
        }
    }
    ensure!(depth.lives.is_some(), "not ready after {LIVES} lives: {}", told(&cli(&["learn", "status"])?));
    Ok(false)
}

fn name(port: u16) -> String {
    format!("replica-{port}")
}

/// Starts all of them, each with its own port, and waits until they answer as subjects of the profile.
fn start(fresh: bool) -> Result<()> {
    if fresh {
        for port in PORTS {
            let site = "etc/nginx/sites-available";
            let setup = format!(
                "{}; mkdir -p $ROOT/{site}; sed 's/listen \\(.*\\)80 /listen \\1{port} /' /{site}/default > \
                 $ROOT/{site}/default",
                NGINX.setup
            );
            image(&name(port), &setup)?;
        }
    }
    let all = PORTS.map(name).map(|name| {
        format!(
            "podman run -d --name {name} --net host --annotation stockade.dev/profile={PROFILE} --rootfs \
             /layers/{name}/root {} & jobs=\"$jobs $!\"\n",
            NGINX.command
        )
    });
    sh(&format!("{}{EACH}", all.concat()))?;
    for port in PORTS {
        let ready = format!("curl -sf -o /dev/null http://127.0.0.1:{port}/");
        eventually(PATIENCE * 2, &format!("port {port} answers"), || {
            Ok(shell(&ready)?.status.success().then_some(()))
        })
        .map_err(|error| {
            error.context(format!("logs: {:?}", sh(&format!("podman logs {} 2>&1", name(port)))))
        })?;
    }
    let status = status()?;
    let subjects = status["subjects"].as_array().context("no subjects in status")?;
    let bound = subjects.iter().filter(|subject| subject["profile"] == PROFILE).count();
    ensure!(bound == PORTS.len(), "{bound} subjects of {PROFILE}: {subjects:?}");
    Ok(())
}

fn stop() -> Result<()> {
    let names = PORTS.map(name).join(" ");
    sh(&format!("podman stop -t 20 {names} && podman rm {names}")).map(drop)
}
