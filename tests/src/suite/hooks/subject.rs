//! A process under a profile that stays.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::agent::run;

/// A subject that does what it is told, one action at a time.
pub(crate) struct Subject {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Subject {
    /// Starts one under a profile, a file or a name, and waits until it answers.
    pub(crate) fn start(profile: &str) -> Result<Self> {
        Self::served_by(run(profile, None))
    }

    /// The same in another root directory.
    pub(crate) fn start_in(root: &str, profile: &str) -> Result<Self> {
        let run = run(profile, None);
        let mut command = Command::new("/stockade/guest");
        command.args(["act", "chroot", root, "exec"]).arg(run.get_program()).args(run.get_args());
        Self::served_by(command)
    }

    fn served_by(mut command: Command) -> Result<Self> {
        let mut child = command
            .args(["/stockade/guest", "act", "serve"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting a subject")?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut subject = Self { child, input, output };
        let code = subject.ask("exit 0")?;
        ensure!(code == 0, "its first answer is {code}");
        Ok(subject)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Has it do something; its exit code, had it been called for it.
    pub(crate) fn ask(&mut self, action: &str) -> Result<u8> {
        Ok(self.hear(action)?.0)
    }

    /// The same, with what it printed.
    pub(crate) fn hear(&mut self, action: &str) -> Result<(u8, String)> {
        let input = self.input.as_mut().context("no standard input")?;
        writeln!(input, "{action}").with_context(|| format!("asking for {action}"))?;
        let mut printed = String::new();
        loop {
            let begins = printed.len();
            let read = self.output.read_line(&mut printed).context("reading the answer")?;
            ensure!(read > 0, "the subject ended instead of doing {action}");
            if let Some(code) = printed[begins..].trim_end().strip_prefix('=') {
                let code = code.parse().with_context(|| format!("the answer {code}"))?;
                printed.truncate(begins);
                return Ok((code, printed.trim().to_owned()));
            }
        }
    }

    /// Lets it end.
    pub(crate) fn end(mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.child.wait().context("waiting for the subject")?;
        ensure!(status.success(), "the subject ended with {status}");
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
