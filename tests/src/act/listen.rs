//! Using local ports.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;

use anyhow::{Context, Result, bail};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, ipproto, socket, socket_with};

use super::net::address;

const BACKLOG: i32 = 1;

/// Takes the local address and, for streams, listens on it.
pub(super) fn listen(how: &str, at: &str) -> Result<u8> {
    match how {
        "tcp" => drop(TcpListener::bind(address(at)?)?),
        "udp" => drop(UdpSocket::bind(address(at)?)?),
        "bind" => {
            let family = if address(at)?.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
            let tcp = socket(family, SocketType::STREAM, None)?;
            bind(&tcp, &address(at)?)?;
        }
        // Without an address of its own.
        "unbound" => {
            let tcp = socket(AddressFamily::INET, SocketType::STREAM, None)?;
            rustix::net::listen(&tcp, BACKLOG)?;
        }
        "mptcp" | "bind-mptcp" => {
            let protocol: Option<Protocol> = Some(ipproto::MPTCP);
            let multi = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::empty(), protocol)?;
            bind(&multi, &address(at)?)?;
            if how == "mptcp" {
                rustix::net::listen(&multi, BACKLOG)?;
            }
        }
        "serve" => {
            let listener = TcpListener::bind(address(at)?)?;
            let _client = TcpStream::connect(address(at)?)?;
            drop(listener.accept()?);
            println!("accepted");
        }
        _ => bail!("no way `{how}` to listen"),
    }
    Ok(0)
}

/// Takes a connection from the socket that is standard input.
pub(super) fn accept() -> Result<u8> {
    let own = std::io::stdin().as_fd().try_clone_to_owned().context("standard input")?;
    drop(TcpListener::from(own).accept()?);
    println!("accepted");
    Ok(0)
}
