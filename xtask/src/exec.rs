//! Running other programs: progress while they work, their last words when they fail.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, io};

use anyhow::{Context, Result, anyhow, bail};

/// How often a long step tells that it still works.
const TICK: Duration = Duration::from_secs(10);
/// How many of the last lines of a failed command are shown.
const TAIL: usize = 40;

/// One line of progress, in the style of cargo's own.
pub(crate) fn say(verb: &str, message: &str) {
    eprintln!("{verb:>12} {message}");
}

pub(crate) fn seconds(since: Instant) -> String {
    format!("{:.1} s", since.elapsed().as_secs_f32())
}

/// The cargo that runs this program, without what the caller's environment or the outer cargo would
/// add to a build.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_BIN_NAME" {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a program of this name is on the path.
pub(crate) fn found(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = shown(command);
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(&line, &error))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` failed ({}):\n{}", output.status, tail(&stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("what `{line}` printed"))
}

/// Runs a command whose own output is the progress; its standard output goes to standard error.
pub(crate) fn stream(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .map_err(|error| not_started(&line, &error))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs a command quietly as one step with a name: the name, a sign of life every ten seconds, and
/// the time it took. What the command printed is shown when it fails.
pub(crate) fn step(verb: &str, what: &str, command: &mut Command) -> Result<()> {
    say(verb, what);
    let started = Instant::now();
    let mut kept = Vec::new();
    let mut next = TICK;
    let status = lines(command, |event| match event {
        Event::Line(line) => kept.push(line),
        Event::Tick => {
            if started.elapsed() >= next {
                next += TICK;
                let last = kept.last().map_or("", |line| line.trim());
                let last: String = last.chars().take(80).collect();
                say("", &format!("{:>3} s  {last}", started.elapsed().as_secs()));
            }
        }
    })?;
    if !status.success() {
        bail!("{what}: `{}` failed ({status}):\n{}", shown(command), tail(&kept.join("\n")));
    }
    say("", &format!("done in {}", seconds(started)));
    Ok(())
}

pub(crate) enum Event {
    Line(String),
    Tick,
}

/// Runs a command and hands over each line of its standard output and error as it comes, and a tick
/// now and then while it is silent.
pub(crate) fn lines(command: &mut Command, mut on: impl FnMut(Event)) -> Result<ExitStatus> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| not_started(&line, &error))?;
    let (sender, receiver) = mpsc::channel();
    let out = child.stdout.take().map(|pipe| forward(pipe, sender.clone()));
    let err = child.stderr.take().map(|pipe| forward(pipe, sender));
    loop {
        match receiver.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => on(Event::Line(line)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        on(Event::Tick);
    }
    for reader in [out, err].into_iter().flatten() {
        reader.join().map_err(|_| anyhow!("reading the output of `{line}`"))?;
    }
    child.wait().with_context(|| format!("waiting for `{line}`"))
}

/// Sends what comes through a pipe line by line, until its end or until nobody listens.
pub(crate) fn forward(pipe: impl Read + Send + 'static, to: Sender<String>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line);
            if to.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    })
}

/// Adds to a failure what can be done about it.
pub(crate) trait Remedy<T> {
    fn remedy(self, what: &str) -> Result<T>;
}

impl<T> Remedy<T> for Result<T> {
    fn remedy(self, what: &str) -> Self {
        self.map_err(|error| anyhow!("{error:#}\n{what}"))
    }
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(TAIL)).map(|line| format!("    {line}\n")).collect()
}

pub(crate) fn not_started(line: &str, error: &io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::NotFound {
        anyhow!("`{line}` cannot start: the program is not installed")
    } else {
        anyhow!("`{line}` cannot start: {error}")
    }
}

/// A command as one would type it, shortened.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}
