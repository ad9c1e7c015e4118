//! A library that a container makes under another name at each start, as Java does for its native code and varnish for its
//! configuration: learned, left to a person, and granted by one.

use anyhow::{Context as _, Result, ensure};

use super::server::settled;
use super::{put, replace, root, sh, shell};
use crate::suite::hooks::agent::{Agent, Event, cli, events, fence, told};

const PROFILE: &str = "made-code";
const GLOB: &str = "/tmp/native-[0-9]*.so";
const LIVES: usize = 3;

/// Whether the copy of a library came to be mapped as code is what the container ends with.
const ENTRY: &str = "so=/tmp/native-$(date +%s%N).so; cp /usr/lib/x86_64-linux-gnu/libm.so.6 $so || exit 2; \
                     LD_PRELOAD=$so cat /proc/self/maps | grep -q r-xp.*native; code=$?; rm $so || exit 3; exit $code";

pub(super) fn is_granted_by_a_person(agent: &mut Option<Agent>) -> Result<()> {
    put(agent, PROFILE, "learn", "")?;
    let root = root(PROFILE)?;
    let podman = format!(
        "podman run --rm --net host --annotation stockade.dev/profile={PROFILE} --rootfs {root} /usr/bin/bash -c '{ENTRY}'"
    );
    let mut answer = serde_json::Value::Null;
    for life in 1..=LIVES {
        sh(&podman)?;
        answer = settled(PROFILE, life)?;
    }
    let missing = answer["missing"].as_array().context("no missing in the status")?;
    let said = format!("{LIVES} files {GLOB} were made and mapped as code");
    let mut of_maps = missing.iter().filter_map(|why| why.as_str()).filter(|why| why.contains("native"));
    ensure!(of_maps.any(|why| why.starts_with(&said)), "nothing says `{said}`: {missing:?}");

    let out = format!("/layers/{PROFILE}.yaml");
    let promoted = cli(&["learn", "promote", PROFILE, "--force", "--out", &out])?;
    ensure!(promoted.status.success(), "promoted: {}", told(&promoted));
    let learned = std::fs::read_to_string(&out).context("the promoted profile")?;
    ensure!(learned.contains(&format!("# {GLOB}: {LIVES} files")), "the header does not say so: {learned}");

    replace(agent, PROFILE, &learned)?;
    let denied = shell(&podman)?;
    ensure!(denied.status.code() == Some(1), "not mapped and nothing else: {}\n{learned}", told(&denied));
    fence("made-code-fence")?;
    let denials = events(Some(PROFILE))?;
    let is_of_map = |event: &Event| {
        event.access == ["map"] && event.object().is_some_and(|path| path.starts_with("/tmp/native-"))
    };
    ensure!(!denials.is_empty() && denials.iter().all(is_of_map), "denials of `map` alone, got {denials:?}");

    let rule = format!("  files:\n    - path: \"{GLOB}\"\n      access: [map]\n");
    replace(agent, PROFILE, &learned.replacen("  files:\n", &rule, 1))?;
    let granted = shell(&podman)?;
    ensure!(granted.status.success(), "granted: {}", told(&granted));
    fence("made-code-fence2")?;
    let after = events(Some(PROFILE))?;
    ensure!(after.len() == denials.len(), "granted, and denied {after:?}");
    sh(&format!("umount {root}"))?;
    Ok(())
}
