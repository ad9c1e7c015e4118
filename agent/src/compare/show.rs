//! An object's name as a person writes it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use stockade_abi::object::View;
use stockade_abi::peer;

use crate::compile::StartKind;
use crate::events::render::protocol_word;

/// `name`, which an automaton was walked over from the start of `kind`.
pub(crate) fn show(kind: StartKind, name: &[u8]) -> String {
    let path = |view: View| text(&[view.prefix(), name].concat());
    match kind {
        StartKind::Path => path(View::Plain),
        StartKind::ProcSelf => path(View::ProcSelf),
        StartKind::ThreadSelf => path(View::ThreadSelf),
        StartKind::Peer => peer_name(name),
    }
}

/// Readable text as it is, and other bytes as `\xHH`.
fn text(bytes: &[u8]) -> String {
    match str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => bytes.escape_ascii().to_string(),
    }
}

fn peer_name(name: &[u8]) -> String {
    match name {
        [peer::UNIX, path @ ..] => format!("unix:{}", text(path)),
        [peer::ABSTRACT, name @ ..] => format!("unix:@{}", text(name)),
        [peer::LISTEN, protocol, high, low] => {
            format!("{}:{}", protocol_word(*protocol), u16::from_be_bytes([*high, *low]))
        }
        [peer::V4 | peer::V6, protocol, address @ .., high, low] => {
            let address = match (<[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
                (Ok(four), _) => IpAddr::V4(Ipv4Addr::from(four)),
                (Err(_), Ok(sixteen)) => IpAddr::V6(Ipv6Addr::from(sixteen)),
                (Err(_), Err(_)) => return text(name),
            };
            let protocol = protocol_word(*protocol);
            format!("{}/{protocol}", SocketAddr::new(address, u16::from_be_bytes([*high, *low])))
        }
        [..] => text(name),
    }
}
