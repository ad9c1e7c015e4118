//! Reaching peers.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::{fs, process};

use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use anyhow::{Context, Result, bail};

/// Connects; a protocol without connections gets a byte sent, so that the peer notices.
pub(super) fn connect(how: &str, to: &str) -> Result<u8> {
    match how {
        "tcp" => drop(TcpStream::connect(address(to)?)?),
        "mptcp" => {
            let multi = socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                SocketFlags::empty(),
                Some(ipproto::MPTCP),
            )?;
            rustix::net::connect(&multi, &address(to)?)?;
        }
        "udp" => {
            let socket = udp(to)?;
            socket.connect(address(to)?)?;
            socket.send(b"x").context("sending")?;
        }
        "unix" => drop(UnixStream::connect(to)?),
        "own" => own(to)?,
        "abstract" => drop(UnixStream::connect_addr(&UnixAddr::from_abstract_name(to)?)?),
        _ => bail!("no way `{how}` to connect"),
    }
    Ok(0)
}

/// Connects to a unix socket of its own, which has the number of the process behind its name.
fn own(name: &str) -> Result<()> {
    let path = format!("{name}.{}", process::id());
    let _listener = UnixListener::bind(&path).with_context(|| format!("binding {path}"))?;
    UnixStream::connect(&path)?;
    fs::remove_file(&path).with_context(|| format!("removing {path}"))
}

/// Connects a UDP socket and dissolves that again.
pub(super) fn disconnect(to: &str) -> Result<u8> {
    let socket = udp(to)?;
    socket.connect(address(to)?)?;
    rustix::net::connect_unspec(&socket).context("dissolving")?;
    Ok(0)
}

pub(super) fn udp(to: &str) -> Result<UdpSocket> {
    let any = if address(to)?.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    UdpSocket::bind(any).context("binding")
}

pub(super) fn address(text: &str) -> Result<SocketAddr> {
    text.parse().with_context(|| format!("`{text}` is no address"))
}
