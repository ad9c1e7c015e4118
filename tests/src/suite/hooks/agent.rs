//! The agent under test and the product's command line.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use crate::suite::stockade;
use crate::suite::wait::eventually;

/// The profile directory.
pub(crate) const PROFILES: &str = "/tmp/profiles";
/// The state directory.
pub(crate) const STATE: &str = "/tmp/state";
const LOG: &str = "/tmp/agent.log";
/// What everything that should come soon gets.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// When the fence is set up once more.
const SET_UP_AGAIN: Duration = Duration::from_secs(10);

/// An agent that runs.
pub(crate) struct Agent(Child);

impl Agent {
    /// Starts it and waits until it is healthy, with every hook proven.
    pub(crate) fn start() -> Result<Self> {
        Self::start_as(&stockade())
    }

    /// The same with another binary.
    pub(crate) fn start_as(program: &Path) -> Result<Self> {
        fs::create_dir_all(PROFILES).context(PROFILES)?;
        let mut agent = Self::spawn(program)?;
        let status = cli(&["status", "--wait", "240s", "-o", "json"])?;
        if let Some(ended) = agent.0.try_wait().context("looking after the agent")? {
            bail!("the agent ended with {ended}: {}", last_words());
        }
        ensure!(status.status.success(), "not healthy: {}; {}", told(&status), last_words());
        let status: Value = serde_json::from_slice(&status.stdout).context("status")?;
        let hooks = status["hooks"].as_array().context("no hooks in status")?;
        ensure!(
            !hooks.is_empty()
                && hooks.iter().all(|hook| hook["proven"] == true || hook["beyond"].is_string()),
            "unproven: {hooks:?}"
        );
        Ok(agent)
    }

    /// Starts it, whatever becomes of it.
    pub(crate) fn spawn(program: &Path) -> Result<Self> {
        Ok(Self(agent_command(program)?.spawn().context("starting the agent")?))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.0.try_wait().context("looking after the agent")
    }

    /// Has no chance to say good-bye.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.0.kill().context("killing the agent")?;
        self.0.wait().context("waiting for the agent")?;
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Bytes of memory that the process has.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).context("its status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim_end_matches("kB").trim().parse().with_context(|| line.to_owned())?;
        Ok(kib * 1024)
    }

    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.0.wait().context("waiting for the agent")
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.0), signal).context("signalling the agent")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Stopped already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The agent's command line.
fn agent_command(program: &Path) -> Result<Command> {
    let log = OpenOptions::new().create(true).append(true).open(LOG).context(LOG)?;
    let mut command = Command::new(program);
    command.args(["agent", "--profiles", PROFILES, "--state", STATE]);
    command.stdin(Stdio::null()).stdout(log.try_clone().context(LOG)?).stderr(log);
    Ok(command)
}

/// The end of what the agent said.
pub(crate) fn last_words() -> String {
    let log = fs::read_to_string(LOG).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("the agent said: {}", lines[lines.len().saturating_sub(12)..].join(" | "))
}

/// Runs the product.
pub(crate) fn cli(arguments: &[&str]) -> Result<Output> {
    Command::new(stockade())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting stockade {}", arguments.join(" ")))
}

/// What it said and how it ended, in one line.
pub(crate) fn told(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}: {}", output.status, text.concat().trim())
}

/// `stockade run`, up to the command.
pub(crate) fn run(profile: &str, mode: Option<&str>) -> Command {
    let mut command = Command::new(stockade());
    command.args(["run", "--profile", profile]).stdin(Stdio::null());
    if let Some(mode) = mode {
        command.args(["--mode", mode]);
    }
    command.arg("--");
    command
}

/// Puts a profile into a file of its own, away from the agent's directory.
pub(crate) fn profile_file(name: &str, text: &str) -> Result<String> {
    let dir = Path::new("/tmp/given");
    fs::create_dir_all(dir).context("/tmp/given")?;
    let path = dir.join(format!("{name}.yaml"));
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path.display().to_string())
}

/// Puts a profile into the agent's directory, whole at any moment, and has the agent look.
pub(crate) fn install(agent: &Agent, name: &str, text: &str) -> Result<()> {
    let path = PathBuf::from(PROFILES).join(format!("{name}.yaml"));
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text).with_context(|| format!("writing {}", unfinished.display()))?;
    fs::rename(&unfinished, &path).with_context(|| format!("writing {}", path.display()))?;
    agent.signal(Signal::HUP)
}

/// What `status` says, whether it is good or not.
pub(crate) fn status() -> Result<Value> {
    let output = cli(&["status", "-o", "json"])?;
    serde_json::from_slice(&output.stdout).with_context(|| told(&output))
}

/// An event, as far as cases look at it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) verdict: String,
    pub(crate) reason: String,
    pub(crate) profile: Option<String>,
    pub(crate) session: bool,
    object: Object,
    pub(crate) access: Vec<String>,
    pub(crate) count: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Object {
    path: Option<String>,
    address: Option<String>,
    port: Option<u16>,
    protocol: Option<String>,
    capability: Option<String>,
    facility: Option<String>,
}

impl Event {
    /// The object as the cases write it.
    pub(crate) fn object(&self) -> Option<String> {
        let Object { path, address, port, protocol, capability, facility } = &self.object;
        path.clone().or(capability.clone()).or(facility.clone()).or_else(|| {
            let (port, protocol) = (port.as_ref()?, protocol.as_ref()?);
            let Some(address) = address.as_ref() else { return Some(format!("{protocol}:{port}")) };
            let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
            Some(format!("{address}:{port}/{protocol}"))
        })
    }
}

/// Every event so far, of one profile or of all.
pub(crate) fn events(profile: Option<&str>) -> Result<Vec<Event>> {
    let mut arguments = vec!["events", "-o", "json"];
    if let Some(profile) = profile {
        arguments.extend(["--profile", profile]);
    }
    let output = cli(&arguments)?;
    ensure!(output.status.success(), "events: {}", told(&output));
    let text = String::from_utf8(output.stdout).context("events")?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Waits until everything that happened before this call is in the event log, or is counted as lost. After a flood that
/// may take a while, and the fence's own event may be lost as well: so it is set up again and again.
pub(crate) fn fence(name: &str) -> Result<()> {
    let profile = format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {name} }}\nspec:\n  mode: \
         enforce\n  exec:\n    - path: /stockade/guest\n"
    );
    let file = profile_file(name, &profile)?;
    let mut due = Instant::now();
    eventually(PATIENCE * 4, "the fence's event", || {
        if Instant::now() >= due {
            due = Instant::now() + SET_UP_AGAIN;
            let output = run(&file, None)
                .args(["/stockade/guest", "act", "read", "/stockade/guest"])
                .output()
                .context("running the fence")?;
            ensure!(output.status.code() == Some(40), "the fence was not denied: {}", told(&output));
        }
        Ok((!events(Some(name))?.is_empty()).then_some(()))
    })
}
