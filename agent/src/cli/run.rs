//! `stockade run`: the asking process becomes the command, so that its status, its signals and its
//! terminal are the command's own.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, process};

use anyhow::{Context as _, bail};

use super::ModeWord;
use super::output::complain;
use crate::control::client::{ask, socket};
use crate::control::{ProfileRef, Request, Response, Run};
use crate::profile::{Shelf, read_file, read_profile};

/// Exit code of a command that could not be started, as shells have it.
const NOT_STARTED: u8 = 126;
/// Exit code of a command that does not exist.
const NOT_FOUND: u8 = 127;
/// Compiling a large profile takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Profile: a file, or the name of one that the agent knows
    #[arg(long, value_name = "FILE|NAME")]
    profile: String,
    /// Judge under this mode, not the profile's own
    #[arg(long, value_enum)]
    mode: Option<ModeWord>,
    /// Name of the subject in events and status
    #[arg(long)]
    name: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(super) command: Vec<OsString>,
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command is given")?;
    let request = Request::Run(Run {
        profile: profile(&args.profile)?,
        mode: args.mode.map(|mode| mode.mode().word().to_owned()),
        pid: process::id(),
        name: args.name,
    });
    let (subject, profile) = match ask(&socket(), &request, PATIENCE)? {
        Response::Bound { subject, profile, .. } => (subject, profile),
        Response::Refused { message } => bail!(message),
        Response::Status(_) | Response::Where { .. } => {
            bail!("the agent gave the answer to another question")
        }
    };
    let error = Command::new(program).args(arguments).exec();
    let program = program.to_string_lossy();
    if error.kind() == io::ErrorKind::NotFound {
        complain(&format!("{program}: no such command (or its interpreter is missing)"));
        return Ok(ExitCode::from(NOT_FOUND));
    }
    let hint = if error.kind() == io::ErrorKind::PermissionDenied {
        format!(". If profile `{profile}` denied it, this shows why:\n  stockade events --subject {subject}")
    } else {
        String::new()
    };
    complain(&format!("{program}: {error}{hint}"));
    Ok(ExitCode::from(NOT_STARTED))
}

/// A file if it looks like one or is one, else a name.
fn profile(given: &str) -> anyhow::Result<ProfileRef> {
    let looks_like_a_file = given.contains('/') || given.ends_with(".yaml") || given.ends_with(".yml");
    let path = Path::new(given);
    if !looks_like_a_file && !path.is_file() {
        return Ok(ProfileRef::Name(given.to_owned()));
    }
    let bytes = read_file(path).with_context(|| format!("cannot read profile {given}"))?;
    let source = env::current_dir().map_or_else(|_| given.into(), |dir| dir.join(given));
    let source = source.display().to_string();
    // The agent does not see the rule sets beside the file.
    let profile = read_profile(&source, &bytes, &Shelf::beside(path))
        .map_err(|error| anyhow::anyhow!("the profile cannot be used:\n{error}"))?;
    let text = profile.standalone(&String::from_utf8_lossy(&bytes));
    Ok(ProfileRef::File { source, text })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn file_or_name() {
        assert_eq!(profile("web-of-names").unwrap(), ProfileRef::Name("web-of-names".to_owned()));
        assert!(profile("missing.yaml").is_err());
        assert!(profile("./missing").is_err());
        let dir = TempDir::new("run");
        let path = dir.path().join("p");
        let head =
            "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n  mode: audit\n";
        fs::write(&path, head).unwrap();
        let shown = path.display().to_string();
        assert_eq!(
            profile(&shown).unwrap(),
            ProfileRef::File { source: shown.clone(), text: head.to_owned() }
        );
        fs::write(&path, "text").unwrap();
        assert!(profile(&shown).unwrap_err().to_string().contains("p:1:1]"));
        fs::write(&path, b"\xff").unwrap();
        assert!(profile(path.to_str().unwrap()).is_err());
        assert!(profile(dir.path().to_str().unwrap()).is_err());
    }

    #[test]
    fn what_is_sent_needs_no_other_file() {
        let dir = TempDir::new("run-include");
        let path = dir.path().join("p.yaml");
        let head = "apiVersion: stockade.dev/v1alpha1\nmetadata: {name: own}\n";
        let text = format!("{head}kind: Profile\nspec:\n  mode: audit\n  include: [own, base]\n");
        fs::write(&path, text).unwrap();
        let error = profile(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("no rule set `own`"), "{error}");
        fs::create_dir(dir.path().join("include")).unwrap();
        let set = format!("{head}kind: RuleSet\nspec:\n  exec:\n    - path: /opt/own\n");
        fs::write(dir.path().join("include/own.yaml"), set).unwrap();
        let ProfileRef::File { text, .. } = profile(path.to_str().unwrap()).unwrap() else { panic!() };
        let parsed = crate::profile::parse("sent", &text).unwrap().profile;
        assert_eq!(parsed.exec[0].path, "/opt/own");
        assert_eq!(parsed.origin("exec", 0), Some(("own", 0)));
        assert_eq!(parsed.origin("files", 0), Some(("base", 0)));
    }
}
