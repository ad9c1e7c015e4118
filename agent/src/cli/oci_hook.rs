//! `stockade oci-hook`: called by a container runtime when the container's first process waits in its
//! cgroup. A container that names a profile starts bound to it, or it does not start.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;
use std::{env, io, thread};

use anyhow::{Context as _, bail};
use serde_json::json;

use super::output::{complain, print};
use crate::control::client::{ask, socket};
use crate::control::{Bind, Request, Response};
use crate::identity::oci::{self, Config, PROFILE_ANNOTATION, State};
use crate::identity::podman;

/// The container waits this long and no longer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The agent's part of it.
const PATIENCE: Duration = Duration::from_secs(4);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print the JSON for a hooks.d directory, such as /usr/share/containers/oci/hooks.d/stockade.json
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.print_config {
        let exe = env::current_exe().context("cannot find this program's path")?;
        print(&format!("{:#}\n", config(&exe)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(bind()));
    let outcome = receiver
        .recv_timeout(DEADLINE)
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", DEADLINE.as_secs())));
    Ok(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Runtimes show the last line of a hook that fails.
            let message = format!("{error:#}");
            complain(&format!("the container is not started: {}", message.replace('\n', " ")));
            ExitCode::FAILURE
        }
    })
}

fn bind() -> anyhow::Result<()> {
    let bytes = oci::read_bounded(io::stdin()).context("cannot read the container's state")?;
    let state: State =
        serde_json::from_slice(&bytes).context("standard input is not the state of an OCI container")?;
    let bundle = if state.bundle.as_os_str().is_empty() { Path::new(".") } else { &state.bundle };
    let (dir, config) = oci::find_config(bundle)
        .context("cannot read the container's config.json")?
        .unwrap_or_else(|| (bundle.to_owned(), Config::default()));
    let annotations = merged(&state, &config);
    let Some(profile) = annotations.get(PROFILE_ANNOTATION) else { return Ok(()) };
    if profile.is_empty() {
        bail!("the annotation {PROFILE_ANNOTATION} is empty");
    }
    let mut names = oci::names(&state.id, &annotations);
    podman::complete(&mut names, bundle);
    let request = Request::Bind(Bind {
        profile: profile.clone(),
        pid: state.pid,
        shares_host_root: oci::shares_host_root(&dir, &config)
            .context("cannot look at the container's root directory")?,
        names,
    });
    match ask(&socket(), &request, PATIENCE)? {
        Response::Bound { .. } => Ok(()),
        Response::Refused { message } => bail!(message),
        Response::Status(_) | Response::Where { .. } => {
            bail!("the agent gave the answer to another question")
        }
    }
}

/// The state's annotations before the bundle's.
fn merged(state: &State, config: &Config) -> BTreeMap<String, String> {
    let mut all = config.annotations.clone();
    all.extend(state.annotations.clone());
    all
}

/// What a hooks.d directory holds for this hook, version 1.0.0 of its schema.
fn config(exe: &Path) -> serde_json::Value {
    json!({
        "version": "1.0.0",
        "hook": { "path": exe.display().to_string(), "args": ["stockade", "oci-hook"], "timeout": 10 },
        "when": { "annotations": { r"^stockade\.dev/profile$": ".*" } },
        "stages": ["createRuntime"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_d() {
        let config = config(Path::new("/usr/bin/stockade"));
        assert_eq!(config["hook"]["path"], "/usr/bin/stockade");
        assert_eq!(config["hook"]["args"], json!(["stockade", "oci-hook"]));
        assert_eq!(config["when"]["annotations"], json!({ r"^stockade\.dev/profile$": ".*" }));
        assert_eq!(config["stages"], json!(["createRuntime"]));
        assert_eq!(config["version"], "1.0.0");
    }

    #[test]
    fn the_state_speaks_before_the_bundle() {
        let state: State =
            serde_json::from_str(r#"{"id":"a","pid":1,"annotations":{"stockade.dev/profile":"x"}}"#).unwrap();
        let config: Config =
            serde_json::from_str(r#"{"annotations":{"stockade.dev/profile":"y","other":"z"}}"#).unwrap();
        let all = merged(&state, &config);
        assert_eq!((all[PROFILE_ANNOTATION].as_str(), all["other"].as_str()), ("x", "z"));
    }
}
