//! Sending without connecting.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram};

use anyhow::{Context, Result, bail, ensure};
use nix::libc;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, sendmmsg, sendmsg, sendto,
};
use rustix::net::{AddressFamily, SocketType, socket};

use super::REFUSED;
use super::net::{address, udp};

const DATA: &[u8] = b"x";

/// Sends one byte to `to`, and where `then` is given another one there.
pub(super) fn send(how: &str, to: &str, then: Option<&str>) -> Result<u8> {
    match how {
        "udp" => sent(udp(to)?.send_to(DATA, address(to)?)?),
        "message" => message(to),
        // An IPv4 address on an IPv6 socket.
        "mixed" => by(&udp("[::]:0")?.into(), &*sockaddr(to)?, MsgFlags::empty()),
        "unspec" => by(&udp(to)?.into(), &unspecified(to)?, MsgFlags::empty()),
        "many" => many(&[to, then.context("the second address is missing")?]),
        "fastopen" => {
            let family = if address(to)?.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
            let tcp = socket(family, SocketType::STREAM, None)?;
            // The name of the flag is not known to the library.
            by(&tcp, &*sockaddr(to)?, MsgFlags::from_bits_retain(libc::MSG_FASTOPEN))
        }
        "connected" => {
            let udp = udp(to)?;
            udp.connect(address(to)?)?;
            // The second address is named on a socket that is connected to the first.
            sent(match then {
                Some(then) => udp.send_to(DATA, address(then)?)?,
                None => udp.send(DATA)?,
            })
        }
        "unix" => sent(UnixDatagram::unbound()?.send_to(DATA, to)?),
        "unix-connected" => {
            let socket = UnixDatagram::unbound()?;
            socket.connect(to)?;
            sent(match then {
                Some(then) => socket.send_to(DATA, then)?,
                None => socket.send(DATA)?,
            })
        }
        "pair" => sent(UnixDatagram::pair()?.0.send(DATA)?),
        "abstract" => sent(UnixDatagram::unbound()?.send_to_addr(DATA, &UnixAddr::from_abstract_name(to)?)?),
        _ => bail!("no way `{how}` to send"),
    }
}

fn sent(bytes: usize) -> Result<u8> {
    ensure!(bytes == DATA.len(), "{bytes} bytes sent");
    Ok(0)
}

fn by(socket: &OwnedFd, to: &dyn SockaddrLike, flags: MsgFlags) -> Result<u8> {
    sent(sendto(socket.as_raw_fd(), DATA, to, flags)?)
}

fn sockaddr(text: &str) -> Result<Box<dyn SockaddrLike>> {
    Ok(match address(text)? {
        SocketAddr::V4(v4) => Box::new(SockaddrIn::from(v4)),
        SocketAddr::V6(v6) => Box::new(SockaddrIn6::from(v6)),
    })
}

/// The address under the family of none.
fn unspecified(text: &str) -> Result<SockaddrIn> {
    let SocketAddr::V4(v4) = address(text)? else { bail!("`{text}` is no IPv4 address") };
    let mut raw: libc::sockaddr_in = *SockaddrIn::from(v4).as_ref();
    raw.sin_family = 0;
    Ok(SockaddrIn::from(raw))
}

fn message(to: &str) -> Result<u8> {
    let socket = udp(to)?;
    let data = [IoSlice::new(DATA)];
    let none: [ControlMessage<'_>; 0] = [];
    let flags = MsgFlags::empty();
    sent(match address(to)? {
        SocketAddr::V4(v4) => sendmsg(socket.as_raw_fd(), &data, &none, flags, Some(&SockaddrIn::from(v4)))?,
        SocketAddr::V6(v6) => sendmsg(socket.as_raw_fd(), &data, &none, flags, Some(&SockaddrIn6::from(v6)))?,
    })
}

/// In one call. What stops it in the middle it does not tell: a message that was not sent counts as refused,
/// and the event has to say by whom.
fn many(to: &[&str]) -> Result<u8> {
    let socket = udp(to[0])?;
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(to.len(), None);
    let slices = vec![[IoSlice::new(DATA)]; to.len()];
    let addresses = to
        .iter()
        .map(|text| match address(text)? {
            SocketAddr::V4(v4) => Ok(Some(SockaddrIn::from(v4))),
            SocketAddr::V6(_) => bail!("`{text}` is no IPv4 address"),
        })
        .collect::<Result<Vec<_>>>()?;
    let none: [ControlMessage<'_>; 0] = [];
    let done = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, addresses, none, MsgFlags::empty())?;
    Ok(if done.count() == to.len() { 0 } else { REFUSED })
}
