//! What a case needs around it, and what can be seen of it afterwards.

use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result, ensure};
use rustix::fs::{Mode, OFlags, XattrFlags, mkdirat, openat};
use rustix::mount::{MountFlags, mount};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::case::{Case, Effect, Step};
use super::{calls, elf};

/// A case's surroundings, for one run.
pub(super) struct Scene {
    peers: Vec<Peer>,
    /// What the file to be changed held before.
    before: Vec<u8>,
}

enum Peer {
    Datagram(UnixDatagram),
    /// Nobody looks at it.
    Listed {
        _datagram: UnixDatagram,
    },
    /// Waits for the actor itself.
    Client {
        listener: TcpListener,
        _client: TcpStream,
    },
    Tcp(TcpListener),
    Udp(UdpSocket),
    Unix(UnixListener),
}

impl Scene {
    /// Makes everything anew in `dir`.
    pub(super) fn set(case: &Case, dir: &str) -> Result<Self> {
        fs::create_dir_all(Path::new(dir).join("out")).with_context(|| format!("making {dir}"))?;
        let mut peers = Vec::new();
        for step in &case.setup {
            peers.extend(make(step).with_context(|| format!("{step:?}"))?);
        }
        let before = match &case.effect {
            Some(Effect::Changed(path)) => fs::read(path).with_context(|| format!("reading {path}"))?,
            Some(_) | None => Vec::new(),
        };
        Ok(Self { peers, before })
    }

    /// What the actor gets as standard input.
    pub(super) fn stdin(&self) -> Result<Stdio> {
        for peer in &self.peers {
            if let Peer::Client { listener, .. } = peer {
                return Ok(OwnedFd::from(listener.try_clone()?).into());
            }
        }
        Ok(Stdio::null())
    }

    /// Whether the effect is there; none if nothing can be seen.
    pub(super) fn seen(&self, case: &Case, stdout: &str) -> Result<Option<bool>> {
        Ok(match &case.effect {
            None => None,
            Some(Effect::File(path)) => Some(Path::new(path).symlink_metadata().is_ok()),
            Some(Effect::Gone(path)) => Some(Path::new(path).symlink_metadata().is_err()),
            Some(Effect::Mode { path, bits }) => {
                let mode = fs::metadata(path).with_context(|| path.clone())?.permissions().mode();
                Some(format!("{:o}", mode & 0o7777) == *bits)
            }
            Some(Effect::Owner { path, id }) => {
                Some(fs::metadata(path).with_context(|| path.clone())?.uid() == *id)
            }
            Some(Effect::Changed(path)) => {
                Some(fs::read(path).with_context(|| format!("reading {path}"))? != self.before)
            }
            Some(Effect::Mounted(path)) => {
                let mounts = fs::read_to_string("/proc/self/mounts").context("reading the mounts")?;
                Some(mounts.lines().any(|line| line.split(' ').nth(1) == Some(path)))
            }
            Some(Effect::Stdout(text)) => Some(stdout.contains(text)),
            Some(Effect::Peer) => {
                let mut touched = false;
                for peer in &self.peers {
                    touched |= peer.touched()?;
                }
                Some(touched)
            }
        })
    }
}

impl Peer {
    /// Whether somebody came. On this machine who came is here before its call returns.
    fn touched(&self) -> Result<bool> {
        let came = match self {
            Self::Client { .. } | Self::Listed { .. } => return Ok(false),
            Self::Datagram(socket) => socket.recv(&mut [0; 16]).map(drop),
            Self::Tcp(listener) => listener.accept().map(drop),
            Self::Udp(socket) => socket.recv(&mut [0; 16]).map(drop),
            Self::Unix(listener) => listener.accept().map(drop),
        };
        match came {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("looking for visitors"),
        }
    }
}

fn make(step: &Step) -> Result<Option<Peer>> {
    match step {
        Step::Dir(path) => fs::create_dir_all(path)?,
        Step::File { path, text } => write(path, text.as_bytes(), 0o644)?,
        Step::Tool(path) => write(path, &elf::tool(), 0o755)?,
        Step::Mapper(path) => write(path, &elf::mapper(elf::MAPPER), 0o755)?,
        Step::Protector(path) => write(path, &elf::mapper(elf::PROTECTOR), 0o755)?,
        Step::Overwriter(path) => write(path, &elf::mapper(elf::OVERWRITER), 0o755)?,
        Step::LateOverwriter(path) => write(path, &elf::mapper(elf::LATE_OVERWRITER), 0o755)?,
        Step::Calls { path, calls } => write(path, &calls::program(calls)?, 0o755)?,
        Step::Loaded { path, loader } => write(path, &elf::loaded(loader), 0o755)?,
        Step::Script { path, interpreter } => {
            write(path, format!("#!{interpreter}\n").as_bytes(), 0o755)?;
        }
        Step::Copy { from, to } => drop(fs::copy(from, to)?),
        Step::Rename { from, to } => fs::rename(from, to)?,
        Step::Symlink { at, to } => symlink(to, at)?,
        Step::Hardlink { at, to } => fs::hard_link(to, at)?,
        Step::Chmod { path, mode } => fs::set_permissions(path, fs::Permissions::from_mode(*mode))?,
        Step::Attribute { path, name } => rustix::fs::setxattr(path, name, b"x", XattrFlags::empty())?,
        Step::Mount(path) => {
            fs::create_dir_all(path)?;
            mount(c"tmpfs", path.as_str(), c"tmpfs", MountFlags::empty(), None)?;
        }
        Step::Abyss { at, name, levels, leaf, text } => abyss(at, name, *levels, leaf, text)?,
        Step::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            return Ok(Some(Peer::Tcp(listener)));
        }
        Step::Sender { at, file } => sender(at, file)?,
        Step::Udp(address) => {
            let socket = UdpSocket::bind(address)?;
            socket.set_nonblocking(true)?;
            return Ok(Some(Peer::Udp(socket)));
        }
        Step::HandedOver(address) => {
            let listener = TcpListener::bind(address)?;
            let _client = TcpStream::connect(address)?;
            return Ok(Some(Peer::Client { listener, _client }));
        }
        Step::UnixDatagram(path) => return datagram(UnixDatagram::bind(fresh(path)?)?),
        Step::UnixListed(path) => {
            return Ok(Some(Peer::Listed { _datagram: UnixDatagram::bind(fresh(path)?)? }));
        }
        Step::AbstractDatagram(name) => {
            return datagram(UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(name)?)?);
        }
        Step::Unix(path) => return unix(UnixListener::bind(fresh(path)?)?),
        Step::Abstract(name) => {
            return unix(UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)?);
        }
    }
    Ok(None)
}

/// Sends the file, open for reading, to the first who comes; goes with this process.
fn sender(at: &str, file: &str) -> Result<()> {
    let listener = UnixListener::bind(at)?;
    let file = fs::File::open(file)?;
    thread::spawn(move || -> Result<()> {
        let (peer, _) = listener.accept()?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        ensure!(control.push(SendAncillaryMessage::ScmRights(&files)), "no room");
        sendmsg(&peer, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
        Ok(())
    });
    Ok(())
}

fn unix(listener: UnixListener) -> Result<Option<Peer>> {
    listener.set_nonblocking(true)?;
    Ok(Some(Peer::Unix(listener)))
}

fn datagram(socket: UnixDatagram) -> Result<Option<Peer>> {
    socket.set_nonblocking(true)?;
    Ok(Some(Peer::Datagram(socket)))
}

/// Writes a file, with the directories that it needs.
fn write(path: &str, content: &[u8], mode: u32) -> Result<()> {
    if let Some(parent) = Path::new(path).parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

fn abyss(at: &str, name: &str, levels: u32, leaf: &str, text: &str) -> Result<()> {
    fs::create_dir_all(at)?;
    let open = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut here: OwnedFd = rustix::fs::open(at, open, Mode::empty())?;
    for _ in 0..levels {
        mkdirat(&here, name, Mode::from_raw_mode(0o755))?;
        here = openat(&here, name, open, Mode::empty())?;
    }
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file = openat(&here, leaf, write, Mode::from_raw_mode(0o755))?;
    rustix::io::write(&file, text.as_bytes())?;
    Ok(())
}

/// A path at which no socket is left from before.
fn fresh(path: &str) -> Result<&str> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {path}"))
        }
        Ok(()) | Err(_) => Ok(path),
    }
}
