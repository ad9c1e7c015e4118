//! Starts qemu, watches what the guest says and ends it when it is done, dead or late.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::protocol::{Line, Outcome};
use crate::exec;

/// What the kernel prints when nothing more will come of the guest.
const DEATHS: [&str; 4] =
    ["Kernel panic", "soft lockup", "rcu_sched self-detected stall", "BUG: unable to handle"];
/// What it prints when it comes upon a breakpoint that nobody has set. The kernel changes its code under
/// breakpoints, which processors that are emulated in parallel now and then run into after they are gone.
const GONE_BREAKPOINT: &str = "int3: 0000";
/// Boots of a guest that dies of that.
const BOOTS: u32 = 3;
/// How long a guest may take to power off after its verdict.
const FAREWELL: Duration = Duration::from_secs(15);
/// How long a kernel that died is given to tell what led to it.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How often the kernel's console is looked at.
const GLANCE: Duration = Duration::from_millis(300);

pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) append: &'a str,
    /// Read-only for the guest as far as the files are concerned: what it writes is thrown away.
    pub(super) disks: Vec<&'a Path>,
    /// Gets what the guest says, and after how many seconds.
    pub(super) log: &'a Path,
    /// Gets what the guest's kernel says.
    pub(super) console: &'a Path,
    pub(super) timeout: Duration,
    pub(super) memory: u32,
    /// Whether its clock counts executed instructions instead of time.
    pub(super) counted: bool,
    /// Whether its processors run in turns instead of in parallel.
    pub(super) in_turns: bool,
}

/// A child that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        if self.0.kill().is_ok()
            && let Err(error) = self.0.wait()
        {
            exec::say("warning", &format!("waiting for qemu: {error}"));
        }
    }
}

impl Machine<'_> {
    /// Runs it to its end; once more where the emulator is to blame for that.
    pub(super) fn run(&self, on: &mut dyn FnMut(&Line)) -> Result<Outcome> {
        for _ in 1..BOOTS {
            let outcome = self.boot(on)?;
            if !self.said()?.contains(GONE_BREAKPOINT) {
                return Ok(outcome);
            }
            exec::say("Booting", "the guest again: the emulator ran into a breakpoint that was gone");
        }
        self.boot(on)
    }

    fn boot(&self, on: &mut dyn FnMut(&Line)) -> Result<Outcome> {
        let mut log = File::create(self.log).with_context(|| format!("creating {}", self.log.display()))?;
        File::create(self.console).with_context(|| format!("creating {}", self.console.display()))?;
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let line = exec::shown(&command);
        let mut running = Running(command.spawn().map_err(|error| exec::not_started(&line, &error))?);
        let (sender, receiver) = mpsc::channel();
        let stdout = running.0.stdout.take().context("qemu without output")?;
        let reader = exec::forward(stdout, sender);

        let mut outcome = Outcome::default();
        let started = Instant::now();
        let mut deadline = started + self.timeout;
        let mut glance = started;
        let mut dying = false;
        loop {
            match receiver.recv_timeout(GLANCE) {
                Ok(text) => {
                    let seconds = started.elapsed().as_secs_f32();
                    writeln!(log, "{seconds:6.1} {text}").context("writing the guest's log")?;
                    let had_verdict = outcome.has_verdict();
                    let line = Line::parse(text.trim_end_matches('\r'));
                    outcome.note(&line);
                    on(&line);
                    if outcome.has_verdict() && !had_verdict {
                        deadline = deadline.min(Instant::now() + FAREWELL);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= deadline {
                if !outcome.has_verdict() {
                    outcome.trouble(format!("it was not done after {} s", self.timeout.as_secs()));
                }
                break;
            }
            if glance.elapsed() >= GLANCE {
                glance = Instant::now();
                if !dying && let Some(death) = self.death()? {
                    outcome.trouble(death);
                    deadline = deadline.min(Instant::now() + LAST_WORDS);
                    dying = true;
                }
            }
        }
        if let Some(death) = self.death()? {
            outcome.trouble(death);
        }
        drop(running);
        drop(receiver);
        reader.join().map_err(|_| anyhow!("reading what the guest says"))?;
        Ok(outcome)
    }

    /// Gives the guest this terminal until it powers off.
    pub(super) fn attach(&self) -> Result<()> {
        let mut command = self.command();
        let line = exec::shown(&command);
        let status = command.status().map_err(|error| exec::not_started(&line, &error))?;
        if !status.success() {
            bail!("qemu ended with {status}");
        }
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command.args(["-machine", "q35", "-cpu", "max"]);
        if self.counted {
            // One nanosecond for each instruction; an idle processor skips to its next timer at once.
            command.args(["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp", "1"]);
        } else {
            let threads = if self.in_turns { "tcg,thread=single" } else { "tcg,thread=multi" };
            command.args(["-accel", threads, "-smp", "2"]);
        }
        command.args(["-nodefaults", "-no-reboot", "-display", "none", "-m", &self.memory.to_string()]);
        command.arg("-kernel").arg(self.kernel).arg("-initrd").arg(self.initramfs);
        command.args(["-append", self.append]);
        command.arg("-serial").arg(format!("file:{}", self.console.display()));
        command.args(["-serial", "stdio"]);
        for disk in &self.disks {
            // A comma in a value of qemu's is written twice.
            let file = disk.display().to_string().replace(',', ",,");
            command.arg("-drive").arg(format!("file={file},format=raw,if=virtio,snapshot=on,cache=unsafe"));
        }
        command
    }

    /// What the kernel has said.
    fn said(&self) -> Result<String> {
        let said = fs::read(self.console).with_context(|| format!("reading {}", self.console.display()))?;
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// The line in which the kernel tells that it died.
    fn death(&self) -> Result<Option<String>> {
        let said = self.said()?;
        let line = said.lines().find(|line| DEATHS.iter().any(|death| line.contains(death)));
        Ok(line.map(|line| format!("its kernel died: {}", line.trim())))
    }
}
