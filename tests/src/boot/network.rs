//! Brings up the loopback device, as no program in a bare initramfs would.

use anyhow::{Context, Result, bail, ensure};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};

const RTM_NEWLINK: u16 = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const IFF_UP: u32 = 1;
/// The first device of every network namespace.
const LOOPBACK: u32 = 1;

/// Sets the device up and waits until the kernel says that it is.
pub(super) fn loopback_up() -> Result<()> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .context("opening a netlink socket")?;
    let mut request = Vec::new();
    request.extend_from_slice(&32_u32.to_ne_bytes()); // length of the message
    request.extend_from_slice(&RTM_NEWLINK.to_ne_bytes());
    request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    request.extend_from_slice(&[0; 8]); // sequence, port
    request.extend_from_slice(&[0; 4]); // family, padding, type
    request.extend_from_slice(&LOOPBACK.to_ne_bytes());
    request.extend_from_slice(&IFF_UP.to_ne_bytes()); // flags
    request.extend_from_slice(&IFF_UP.to_ne_bytes()); // which of them change
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
