//! Brings up the loopback device, as no program in a bare initramfs would, with a network of more than one address.

use anyhow::{Context, Result, bail, ensure};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

/// Bytes before the body of a message.
const HEADER: usize = 16;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWADDR: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
/// The first device of every network namespace.
const LOOPBACK: u32 = 1;

/// A network for tests, all of it this machine.
const NETWORK: ([u8; 4], u8) = ([198, 18, 7, 1], 24);
const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// Sets the device up, gives it [`NETWORK`] beside its own, and waits until the kernel says that it has it.
pub(super) fn loopback_up() -> Result<()> {
    let mut link = [0; 16]; // family, padding, type
    link[4..8].copy_from_slice(&LOOPBACK.to_ne_bytes());
    link[8..12].copy_from_slice(&IFF_UP.to_ne_bytes()); // flags
    link[12..].copy_from_slice(&IFF_UP.to_ne_bytes()); // which of them change
    ask(RTM_NEWLINK, 0, &link).context("setting it up")?;

    let (address, prefix) = NETWORK;
    let mut request = vec![AF_INET, prefix, 0, 0]; // flags, scope
    request.extend_from_slice(&LOOPBACK.to_ne_bytes());
    for attribute in [IFA_LOCAL, IFA_ADDRESS] {
        request.extend_from_slice(&8_u16.to_ne_bytes());
        request.extend_from_slice(&attribute.to_ne_bytes());
        request.extend_from_slice(&address);
    }
    ask(RTM_NEWADDR, NLM_F_CREATE, &request).context("adding an address")
}

/// Sends one request and waits for the answer.
fn ask(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .context("opening a netlink socket")?;
    let mut request = Vec::new();
    request.extend_from_slice(&u32::try_from(HEADER + body.len())?.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    request.extend_from_slice(&[0; 8]); // sequence, port
    request.extend_from_slice(body);
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0)).context("asking")?;
    let mut answer = [0; 256];
    let (_, length) = recv(&socket, &mut answer[..], RecvFlags::empty()).context("waiting for the answer")?;
    let answer = &answer[..length];
    ensure!(answer.get(4..6) == Some(&NLMSG_ERROR.to_ne_bytes()[..]), "an answer that is none: {answer:?}");
    match answer.get(16..20) {
        Some([0, 0, 0, 0]) => Ok(()),
        Some(error) => bail!("the kernel refuses: error {error:?}"),
        None => bail!("an answer cut short: {answer:?}"),
    }
}
