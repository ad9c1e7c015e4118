//! The proof that every hook is really called.
//!
//! A program can be attached and never run: where `bpf` is not among the active security modules,
//! attaching succeeds all the same. So the agent starts a child, labels it as canary, lets it try one
//! operation for each hook, and believes in a hook only when the child was refused and the program has
//! counted the refusal.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::{fs, io, ptr};

use rustix::mm::{MapFlags, ProtFlags, mmap};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, Label};

use super::error::KernelError;
use super::maps::Maps;

/// What the child says when it waits to be labelled.
const READY: &str = "ready";

/// Runs a canary and gives, for each hook, whether it refused.
pub(super) fn run(maps: &mut Maps, exe: &Path) -> Result<Vec<(Hook, bool)>, KernelError> {
    let before = counts(maps)?;
    let mut child = Command::new(exe)
        .arg("canary")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| KernelError::Canary(format!("cannot start {}: {error}", exe.display())))?;
    let report = attend(maps, &mut child);
    if report.is_err() {
        // Its own failure is the one to report.
        drop(child.kill());
    }
    child.wait().map_err(|error| KernelError::Canary(error.to_string()))?;
    let refused = report?;

    let after = counts(maps)?;
    let counted = before.iter().zip(after).map(|(before, after)| after > *before);
    Ok(Hook::ALL
        .into_iter()
        .zip(counted)
        .map(|(hook, counted)| (hook, counted && refused.iter().any(|name| name == hook.kernel_name())))
        .collect())
}

fn counts(maps: &Maps) -> Result<Vec<u64>, KernelError> {
    Hook::ALL.iter().map(|hook| maps.canary(*hook)).collect()
}

/// Labels the child when it is ready, and reads which of its attempts were refused.
fn attend(maps: &mut Maps, child: &mut Child) -> Result<Vec<String>, KernelError> {
    let failed = |what: &str| KernelError::Canary(what.to_owned());
    let (Some(mut input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(failed("no pipe to it"));
    };
    let mut output = BufReader::new(output);
    let mut line = String::new();
    output.read_line(&mut line).map_err(|error| failed(&error.to_string()))?;
    if line.trim() != READY {
        return Err(failed("it did not get ready"));
    }
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| failed("no process id"))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| failed(&error.to_string()))?;
    maps.label(&pidfd, Label { subject: 0, policy: 0, flags: CANARY })?;
    input.write_all(b"\n").map_err(|error| failed(&error.to_string()))?;
    drop(input);
    let mut report = String::new();
    output.read_to_string(&mut report).map_err(|error| failed(&error.to_string()))?;
    Ok(report.split_whitespace().map(str::to_owned).collect())
}

/// The child: waits for its label, tries each operation, and prints the names of the hooks that refused.
pub fn canary_main() -> ExitCode {
    match attempts() {
        Ok(refused) => {
            println!("{}", refused.join(" "));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stockade canary: {error} (this command is started by the agent)");
            ExitCode::from(2)
        }
    }
}

fn attempts() -> io::Result<Vec<&'static str>> {
    let exe = std::env::current_exe()?;
    // Any file but the running program, whose mapping is always allowed.
    let file = fs::File::open("/proc/self/mounts")?;
    let library = fs::File::open("/").and(Ok(file));
    let socket = UdpSocket::bind("127.0.0.1:0");
    println!("{READY}");
    io::stdout().flush()?;
    let mut go = String::new();
    io::stdin().read_line(&mut go)?;

    let mut refused = Vec::new();
    let mut note = |hook: Hook, is_refused: bool| {
        if is_refused {
            refused.push(hook.kernel_name());
        }
    };
    note(Hook::FileOpen, is_denied(fs::File::open("/")));
    note(Hook::MmapFile, library.is_ok_and(|file| is_denied(map_executable(&file))));
    note(Hook::Connect, socket.is_ok_and(|socket| is_denied(socket.connect("127.0.0.1:9"))));
    // The program is refused to a child of this process: the label was handed on.
    let started = is_denied(Command::new(exe).arg("--version").spawn());
    note(Hook::Exec, started);
    note(Hook::Fork, started);
    Ok(refused)
}

fn is_denied<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

fn map_executable(file: &fs::File) -> io::Result<()> {
    // SAFETY: a new private mapping that nothing refers to; the process ends soon after.
    let mapped =
        unsafe { mmap(ptr::null_mut(), 1, ProtFlags::EXEC | ProtFlags::READ, MapFlags::PRIVATE, file, 0) };
    Ok(mapped.map(drop)?)
}
