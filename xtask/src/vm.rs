//! `cargo xtask vm`: a guest to try things in.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::build;
use crate::exec::say;
use crate::guest::{CaseResult, Guest, Line, Suite};
use crate::project::Project;
use crate::setup::kernels::{self, Family};
use crate::setup::rootfs;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The kernel to boot
    #[arg(long, default_value = "6.12")]
    kernel: Family,
    /// What the guest runs
    #[arg(long, default_value = "shell")]
    suite: Suite,
    /// Only cases whose name holds this
    #[arg(long)]
    filter: Option<String>,
    /// A file or directory of this machine, and where the guest shall find it
    #[arg(long = "file", value_name = "HERE:THERE", value_parser = file)]
    files: Vec<(PathBuf, String)>,
    /// Take the binaries that were built last, if any
    #[arg(long)]
    no_build: bool,
    /// Memory in MiB
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// Seconds after which the guest is ended
    #[arg(long)]
    timeout: Option<u64>,
    /// The command; an interactive shell without one
    #[arg(last = true)]
    command: Vec<String>,
}

pub(crate) fn run(project: &Project, options: &Options) -> Result<bool> {
    if !options.command.is_empty() && options.suite != Suite::Shell {
        bail!("a command needs `--suite shell`; the suite {} brings its own", options.suite.name());
    }
    let kernel = kernels::prepare(project, options.kernel)?;
    let disk = if options.suite.wants_disk() { Some(rootfs::prepare(project)?) } else { None };
    let init = build::guest(project)?;
    let stockade = if options.no_build {
        Some(project.release().join("stockade")).filter(|binary| binary.is_file())
    } else {
        Some(build::stockade(project)?)
    };
    let interactive = options.suite == Suite::Shell && options.command.is_empty();
    let command =
        if interactive { "exec setsid --ctty --wait bash -l".to_owned() } else { script(&options.command) };
    let guest = Guest {
        kernel: &kernel,
        suite: options.suite,
        filter: options.filter.as_deref(),
        thorough: false,
        disk: disk.as_deref(),
        init: &init,
        stockade: stockade.as_deref(),
        files: &options.files,
        command: Some(&command),
        timeout: options.timeout.map(Duration::from_secs),
        memory: options.memory,
    };
    say("Booting", &format!("{} with suite {}", kernel.package, options.suite.name()));
    if interactive {
        guest.attach(project)?;
        return Ok(true);
    }
    let mut outcome = guest.run(project, &mut |line| match line {
        Line::Case(case) => {
            let result = match case.result {
                CaseResult::Pass => "pass",
                CaseResult::Fail => "FAIL",
                CaseResult::Skip => "skip",
            };
            say(result, &format!("{} {}", case.name, case.detail));
        }
        Line::Chatter(text) | Line::Say(text) => println!("{text}"),
        Line::Verdict(_) | Line::Figure(_) | Line::Died(_) => {}
    })?;
    let verdict = outcome.verdict();
    if let Some(trouble) = &outcome.trouble {
        say("FAIL", &format!("{trouble}; see {}", guest.log(project).with_extension("console").display()));
    }
    Ok(verdict.failed == 0)
}

fn file(text: &str) -> Result<(PathBuf, String)> {
    let Some((here, there)) = text.split_once(':') else { bail!("wanted HERE:THERE, not `{text}`") };
    let here = std::path::absolute(here)?;
    if !here.exists() {
        bail!("there is no {}", here.display());
    }
    if !there.starts_with('/') {
        bail!("`{there}` is no absolute path for the guest");
    }
    Ok((here, there.to_owned()))
}

/// The command as one line for the guest's shell. A single word is taken as it stands, so that
/// `-- 'cd /tmp && ls'` does what it says.
fn script(words: &[String]) -> String {
    match words {
        [line] => line.clone(),
        words => words
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', r"'\''")))
            .collect::<Vec<_>>()
            .join(" "),
    }
}
