//! The proof that every hook is really called.
//!
//! A program can be attached and never run: where `bpf` is not among the active security modules,
//! attaching succeeds all the same. So the agent starts a child, labels it as canary, lets it try one
//! operation for each hook, and believes in a hook only when the child was refused and the program has
//! counted the refusal.

use std::ffi::c_void;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::{fs, io, ptr};

use rustix::fs::{
    AtFlags, CWD, FileType, IFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, XattrFlags, fcntl_setfl,
    ioctl_setflags, mknodat, removexattr, setxattr, utimensat,
};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use rustix::mount::{MountFlags, mount};
use rustix::net::listen;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, chroot, getpid, pidfd_getfd, pidfd_open};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, CANARY_MAY_START, Label};

use super::error::KernelError;
use super::maps::Maps;

/// What the child says when it waits to be labelled.
const READY: &str = "ready";

/// What is in the canary's directory.
const FILE: &str = "file";
const SUBDIRECTORY: &str = "directory";
/// What it tries to make there.
const NEW: &str = "new";

/// What a canary has found out about a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// The program has refused it.
    Proven,
    /// It did not get as far, and nothing went through: see [`Hook::beyond`].
    Beyond,
    /// The kernel does not call the program, or does not heed it.
    Missing,
}

/// Runs a canary and gives, for each hook, whether it is proven. `pins` is a directory on the BPF file
/// system, in which a directory can be renamed.
pub(super) fn run(maps: &mut Maps, exe: &Path, pins: &Path) -> Result<Vec<(Hook, Proof)>, KernelError> {
    let place = Place::make()?;
    let before = counts(maps)?;
    let mut child = Command::new(exe)
        .arg("canary")
        .arg(&place.0)
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
    let tried = report?;
    tracing::debug!(?tried, "the canary is back");
    drop(place);

    let noticed = notices_renames(maps, pins)?;
    let after = counts(maps)?;
    let counted = before.iter().zip(after).map(|(before, after)| after > *before);
    let refused = |hook: Hook| tried.iter().any(|name| name == hook.name());
    let went_through = |hook: Hook| tried.iter().any(|name| name.strip_prefix('+') == Some(hook.name()));
    let proof = |(hook, counted): (Hook, bool)| {
        let proven = if hook == Hook::Renamed {
            noticed
        } else if hook == Hook::IoctlCompat {
            // This program has no system calls of 32 bits; the kernel asks both hooks in one place.
            refused(Hook::Ioctl)
        } else if matches!(hook, Hook::Started | Hook::Content | Hook::ModuleRequest) {
            // The first cannot refuse, and the second does not; for the third the system call answers the same
            // whether or not it did.
            counted
        } else {
            counted && refused(hook)
        };
        // What goes through unseen where a module is asked for is that there is none.
        let unseen = !counted && (hook == Hook::ModuleRequest || !went_through(hook));
        let proof = match hook.beyond() {
            Some(_) | None if proven => Proof::Proven,
            Some(_) if unseen => Proof::Beyond,
            Some(_) | None => Proof::Missing,
        };
        (hook, proof)
    };
    Ok(Hook::ALL.into_iter().zip(counted).map(proof).collect())
}

/// A directory for the canary, removed with this value.
struct Place(PathBuf);

impl Place {
    fn make() -> Result<Self, KernelError> {
        let path = PathBuf::from(format!("/run/stockade/canary-{}", std::process::id()));
        let failed = |error: io::Error| KernelError::Canary(format!("{}: {error}", path.display()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        fs::create_dir_all(path.join(SUBDIRECTORY)).map_err(failed)?;
        fs::write(path.join(FILE), "canary").map_err(failed)?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "the canary's directory stays");
        }
    }
}

/// Whether a rename of a directory is counted.
fn notices_renames(maps: &Maps, pins: &Path) -> Result<bool, KernelError> {
    let failed = |error: io::Error| KernelError::Canary(format!("{}: {error}", pins.display()));
    let (old, new) = (pins.join("canary-old"), pins.join("canary-new"));
    for left in [&old, &new] {
        match fs::remove_dir(left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let before = maps.renames()?;
    fs::create_dir(&old).and_then(|()| fs::rename(&old, &new)).map_err(failed)?;
    let after = maps.renames()?;
    fs::remove_dir(&new).map_err(failed)?;
    Ok(after > before)
}

fn counts(maps: &Maps) -> Result<Vec<u64>, KernelError> {
    Hook::ALL.iter().map(|hook| maps.canary(*hook)).collect()
}

/// Labels the child when it is ready, and reads which of its attempts were refused, and, with a `+` before
/// them, which of those that may not get as far went through. Then it may start one
/// program, with which its label ends.
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
    let label = Label { subject: 0, policy: 0, flags: CANARY, member: 0, next_member: 0 };
    maps.label(&pidfd, label)?;
    input.write_all(b"\n").map_err(|error| failed(&error.to_string()))?;
    let mut report = String::new();
    output.read_line(&mut report).map_err(|error| failed(&error.to_string()))?;
    maps.label(&pidfd, Label { member: CANARY_MAY_START, ..label })?;
    input.write_all(b"\n").map_err(|error| failed(&error.to_string()))?;
    drop(input);
    // What the program prints is of no interest, but it must not block on it.
    output.read_to_string(&mut line).map_err(|error| failed(&error.to_string()))?;
    Ok(report.split_whitespace().map(str::to_owned).collect())
}

/// The child: waits for its label, tries each operation in `place`, prints the names of the hooks that
/// refused, and starts a last program.
pub fn canary_main(place: &Path) -> ExitCode {
    let failed = match attempts(place) {
        Ok(error) | Err(error) => error,
    };
    eprintln!("stockade canary: {failed} (this command is started by the agent)");
    ExitCode::from(2)
}

/// Ends in another program, or with the reason why not.
fn attempts(place: &Path) -> io::Result<io::Error> {
    let exe = std::env::current_exe()?;
    // Any file but the running program, whose mapping is always allowed.
    let library = fs::File::open("/proc/self/mounts");
    let appended = fs::OpenOptions::new().append(true).open(place.join(FILE));
    let mapped = fs::File::open(&exe).and_then(|file| map(&file, ProtFlags::READ));
    let socket = UdpSocket::bind("127.0.0.1:0");
    let listener = TcpListener::bind("127.0.0.1:0");
    let module = fs::File::open(&exe)?;
    let prepared = super::attempts::prepare();
    // Where it is a file of its own, opening it would be refused.
    let own = pidfd_open(getpid(), PidfdFlags::empty());
    let (file, directory, new) = (place.join(FILE), place.join(SUBDIRECTORY), place.join(NEW));
    let (stream, datagram) = (place.join("stream"), place.join("datagram"));
    let (streams, datagrams) = (UnixListener::bind(&stream), UnixDatagram::bind(&datagram));
    println!("{READY}");
    io::stdout().flush()?;
    let mut go = String::new();
    io::stdin().read_line(&mut go)?;

    let (mut refused, mut powers) = (Vec::new(), Vec::new());
    let mut note = |hook: Hook, is_refused: bool| {
        if is_refused {
            refused.push(hook.name());
        }
    };
    note(Hook::FileOpen, is_denied(fs::File::open("/")));
    note(Hook::MmapFile, library.is_ok_and(|file| is_denied(map(&file, ProtFlags::READ | ProtFlags::EXEC))));
    let socket = socket.as_ref();
    note(Hook::Connect, socket.is_ok_and(|socket| is_denied(socket.connect("127.0.0.1:9"))));
    note(Hook::Send, socket.is_ok_and(|socket| is_denied(socket.send_to(b"x", "127.0.0.1:9"))));
    note(Hook::Bind, is_denied(UdpSocket::bind("127.0.0.1:0")));
    if let Ok(listener) = &listener {
        note(Hook::Listen, is_denied(listen(listener, 1).map_err(io::Error::from)));
        note(Hook::Accept, is_denied(listener.accept()));
    }
    note(Hook::UnixConnect, streams.is_ok() && is_denied(UnixStream::connect(&stream)));
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(b"x", &datagram));
    note(Hook::UnixSend, datagrams.is_ok() && is_denied(sent));
    let made = mknodat(CWD, &new, FileType::Fifo, Mode::from_raw_mode(0o600), 0);
    note(Hook::Mknod, is_denied(made.map_err(io::Error::from)));
    note(Hook::Mkdir, is_denied(fs::create_dir(&new)));
    note(Hook::Symlink, is_denied(std::os::unix::fs::symlink("nowhere", &new)));
    note(Hook::Link, is_denied(fs::hard_link(&file, &new)));
    note(Hook::Unlink, is_denied(fs::remove_file(&file)));
    note(Hook::Rmdir, is_denied(fs::remove_dir(&directory)));
    note(Hook::Rename, is_denied(fs::rename(&file, &new)));
    note(Hook::Chmod, is_denied(fs::set_permissions(&file, fs::Permissions::from_mode(0o600))));
    note(Hook::Chown, is_denied(std::os::unix::fs::chown(&file, Some(0), None)));
    note(Hook::Truncate, is_denied(truncate(&file)));
    let alarm = timerfd_create(TimerfdClockId::RealtimeAlarm, TimerfdFlags::CLOEXEC);
    note(Hook::Capable, is_denied(alarm.map_err(io::Error::from)));
    // A file system of no such kind is not mounted even where nobody refuses.
    let mounted = mount(c"none", &directory, c"stockade-canary", MountFlags::empty(), None);
    note(Hook::SbMount, is_denied(mounted.map_err(io::Error::from)));
    note(Hook::Chroot, is_denied(chroot("/").map_err(io::Error::from)));
    super::attempts::powers(&module, prepared, |hook, result| match result {
        Ok(()) => powers.push(format!("+{}", hook.name())),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            powers.push(hook.name().to_owned());
        }
        Err(_) => {}
    });
    if let Ok(mut appended) = appended {
        note(Hook::Permission, is_denied(appended.write(b"x")));
        note(Hook::Ioctl, is_denied(ioctl_setflags(&appended, IFlags::empty()).map_err(io::Error::from)));
        note(Hook::Ftruncate, is_denied(appended.set_len(0)));
        note(Hook::Fcntl, is_denied(fcntl_setfl(&appended, OFlags::empty()).map_err(io::Error::from)));
    }
    note(Hook::Receive, own.is_ok_and(|own| is_denied(received(&own, &io::stdin()))));
    let attribute = "security.canary";
    let set = setxattr(&file, attribute, b"", XattrFlags::empty());
    note(Hook::SetXattr, is_denied(set.map_err(io::Error::from)));
    note(Hook::RemoveXattr, is_denied(removexattr(&file, attribute).map_err(io::Error::from)));
    let now = Timestamps { last_access: NOW, last_modification: NOW };
    note(Hook::Setattr, is_denied(utimensat(CWD, &file, &now, AtFlags::empty()).map_err(io::Error::from)));
    let set = setxattr(&file, ACL, &OWNERS_ONLY, XattrFlags::empty());
    note(Hook::SetAcl, is_denied(set.map_err(io::Error::from)));
    note(Hook::RemoveAcl, is_denied(removexattr(&file, ACL).map_err(io::Error::from)));
    note(Hook::Mprotect, mapped.is_ok_and(|at| is_denied(make_executable(at))));
    // The program is refused to a child of this process: the label was handed on.
    let started = is_denied(Command::new(&exe).arg("--version").spawn());
    note(Hook::Exec, started);
    note(Hook::Fork, started);
    powers.extend(refused.into_iter().map(str::to_owned));
    println!("{}", powers.join(" "));
    io::stdout().flush()?;
    io::stdin().read_line(&mut go)?;
    Ok(Command::new(exe).arg("--version").exec())
}

/// The attribute of an access control list.
const ACL: &str = "system.posix_acl_access";
/// One, version 2, that says no more than a mode: owner, group and others read.
const OWNERS_ONLY: [u8; 28] = [
    2, 0, 0, 0, 1, 0, 4, 0, 255, 255, 255, 255, 4, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255,
    255,
];
/// As `utimensat` takes the present.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };

fn is_denied<T>(result: io::Result<T>) -> bool {
    result.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// By the name: a file that is open for writing was judged when it was opened.
fn truncate(path: &Path) -> io::Result<()> {
    let text = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a string that ends in a zero byte.
    match unsafe { libc_truncate(text.as_ptr(), 0) } {
        0 => Ok(()),
        ..0 | 1.. => Err(io::Error::last_os_error()),
    }
}

unsafe extern "C" {
    /// rustix has no call for it.
    #[link_name = "truncate"]
    fn libc_truncate(path: *const std::ffi::c_char, length: i64) -> i32;
}

/// The first page of the file, which stays mapped until this process ends.
fn map(file: &fs::File, prot: ProtFlags) -> io::Result<*mut c_void> {
    // SAFETY: a new private mapping that nothing refers to.
    Ok(unsafe { mmap(ptr::null_mut(), 1, prot, MapFlags::PRIVATE, file, 0) }?)
}

/// Its own file, as if another process sent it.
fn received(own: &OwnedFd, file: &impl AsRawFd) -> io::Result<OwnedFd> {
    Ok(pidfd_getfd(own, file.as_raw_fd(), PidfdGetfdFlags::empty())?)
}

fn make_executable(at: *mut c_void) -> io::Result<()> {
    // SAFETY: a mapping of `map`'s, which stays readable.
    Ok(unsafe { mprotect(at, 1, MprotectFlags::READ | MprotectFlags::EXEC) }?)
}
