//! crun and runc with a bundle of their own: the hook is named in `config.json`.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{put, root, sh, shell};
use crate::suite::hooks::agent::{Agent, events, fence, told};
use crate::suite::stockade;

/// An approved entry point runs and one that is not does not; what the approved one may not read it
/// cannot read.
pub(super) fn runtime(agent: &mut Option<Agent>, runtime: &str) -> Result<()> {
    let name = format!("bundle-{runtime}");
    let rules =
        "  exec:\n    - path: /usr/bin/busybox\n  files:\n    - path: /etc/hostname\n      access: [read]\n";
    put(agent, &name, "enforce", rules)?;
    let start = |id: &str, arguments: &[&str]| -> Result<std::process::Output> {
        let id = format!("{name}-{id}");
        let bundle = bundle(runtime, &id, &name, arguments)?;
        shell(&format!("cd {bundle} && {runtime} run {id}"))
    };
    let good = start("good", &["/usr/bin/busybox", "echo", "started"])?;
    ensure!(good.status.success() && told(&good).contains("started"), "approved: {}", told(&good));
    let bad = start("bad", &["/usr/bin/env"])?;
    ensure!(!bad.status.success() && !told(&bad).contains("PATH="), "not approved: {}", told(&bad));
    let secret = start("secret", &["/usr/bin/busybox", "cat", "/etc/shadow"])?;
    ensure!(!secret.status.success() && !told(&secret).contains("root:"), "a secret: {}", told(&secret));
    fence(&format!("{name}-fence"))?;
    let objects: Vec<_> = events(Some(&name))?.iter().map(|event| (event.session, event.object())).collect();
    let expected = [(false, Some("/usr/bin/env".to_owned())), (false, Some("/etc/shadow".to_owned()))];
    ensure!(objects == expected, "expected exactly {expected:?}, got {objects:?}");
    Ok(())
}

/// Writes a bundle; its directory.
fn bundle(runtime: &str, id: &str, profile: &str, arguments: &[&str]) -> Result<String> {
    let root = root(id)?;
    let bundle = format!("/layers/{id}/bundle");
    sh(&format!("mkdir -p {bundle} && cd {bundle} && {runtime} spec"))?;
    let path = format!("{bundle}/config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).context("config.json")?)?;
    config["root"] = json!({ "path": root, "readonly": false });
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(arguments);
    config["annotations"] = json!({ "stockade.dev/profile": profile });
    config["hooks"] = json!({ "createRuntime": [{ "path": stockade(), "args": ["stockade", "oci-hook"] }] });
    fs::write(&path, config.to_string()).context("config.json")?;
    Ok(bundle)
}
