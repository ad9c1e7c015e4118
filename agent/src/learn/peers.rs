//! Peers that were seen, grouped as a profile writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use stockade_abi::peer;

use super::generalise::Refused;
use crate::compile::escape;
use crate::events::record::text;
use crate::events::render::{Peer, protocol_word};
use crate::profile::{ListenRule, PeerRule, PeerTarget, PortRange, Protocol};

/// One rule for each address and protocol, and one for each unix socket. What no rule can say goes to
/// `refused`.
pub fn group<'a>(peers: impl IntoIterator<Item = &'a [u8]>, refused: &mut Vec<Refused>) -> Vec<PeerRule> {
    let mut inet: BTreeMap<(IpAddr, u8), BTreeSet<u16>> = BTreeMap::new();
    let mut unix = BTreeSet::new();
    for encoded in peers {
        let mut refuse = |object: String, why| refused.push(Refused { object, why });
        match Peer::parse(encoded) {
            Some(Peer::Inet { address, port, protocol }) => {
                if word(protocol).is_none() {
                    refuse(
                        format!("{address} protocol {}", protocol_word(protocol)),
                        "profiles speak of tcp and udp only",
                    );
                } else {
                    inet.entry((address, protocol)).or_default().insert(port);
                }
            }
            Some(Peer::Unix(name)) => match std::str::from_utf8(&name) {
                Ok(path) if path.starts_with('/') => {
                    unix.insert((false, escape(&name)));
                }
                Ok(_) => refuse(text(&name), "the socket's path is not absolute"),
                Err(_) => refuse(text(&name), "the name is not UTF-8"),
            },
            Some(Peer::Abstract(name)) => match std::str::from_utf8(&name) {
                Ok(_) => {
                    unix.insert((true, escape(&name)));
                }
                Err(_) => refuse(format!("@{}", text(&name)), "the name is not UTF-8"),
            },
            Some(Peer::Local { .. }) | None => refuse(text(encoded), "not a peer"),
        }
    }
    let inet = inet.into_iter().map(|((address, protocol), ports)| PeerRule {
        to: PeerTarget::Net(IpNet::from(address)),
        ports: ranges(ports),
        protocol: word(protocol),
    });
    let unix = unix.into_iter().map(|(is_abstract, name)| {
        PeerRule::new(if is_abstract { PeerTarget::Abstract(name) } else { PeerTarget::Unix(name) })
    });
    inet.chain(unix).collect()
}

/// One rule for each protocol that was listened with.
pub fn listeners<'a>(
    ports: impl IntoIterator<Item = &'a [u8]>,
    refused: &mut Vec<Refused>,
) -> Vec<ListenRule> {
    let mut seen: BTreeMap<u8, BTreeSet<u16>> = BTreeMap::new();
    for encoded in ports {
        match Peer::parse(encoded) {
            Some(Peer::Local { port, protocol }) if word(protocol).is_some() => {
                seen.entry(protocol).or_default().insert(port);
            }
            Some(Peer::Local { port, protocol }) => refused.push(Refused {
                object: format!("port {port} protocol {}", protocol_word(protocol)),
                why: "profiles speak of tcp and udp only",
            }),
            Some(Peer::Inet { .. } | Peer::Unix(_) | Peer::Abstract(_)) | None => {
                refused.push(Refused { object: text(encoded), why: "not a local port" });
            }
        }
    }
    seen.into_iter()
        .map(|(protocol, ports)| ListenRule { ports: ranges(ports), protocol: word(protocol) })
        .collect()
}

fn word(protocol: u8) -> Option<Protocol> {
    match protocol {
        peer::TCP => Some(Protocol::Tcp),
        peer::UDP => Some(Protocol::Udp),
        _ => None,
    }
}

/// Ports in order, neighbours as one range.
fn ranges(ports: BTreeSet<u16>) -> Vec<PortRange> {
    let mut ranges: Vec<PortRange> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
            Some(_) | None => ranges.push(PortRange::one(port)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(address: [u8; 4], port: u16, protocol: u8) -> Vec<u8> {
        [&[peer::V4, protocol][..], &address, &port.to_be_bytes()].concat()
    }

    #[test]
    fn grouped_by_address_and_protocol() {
        let seen = [
            v4([10, 0, 0, 1], 443, peer::TCP),
            v4([10, 0, 0, 1], 80, peer::TCP),
            v4([10, 0, 0, 1], 81, peer::TCP),
            v4([10, 0, 0, 1], 53, peer::UDP),
            v4([10, 0, 0, 1], 0, peer::UDP),
            v4([10, 0, 0, 1], 1, 132),
            b"u/run/x.sock".to_vec(),
            b"urelative".to_vec(),
            b"aname".to_vec(),
        ];
        let mut refused = Vec::new();
        let rules = group(seen.iter().map(Vec::as_slice), &mut refused);
        let shown: Vec<String> = rules.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["10.0.0.1 port 80-81,443 tcp", "10.0.0.1 port 0,53 udp", "unix:/run/x.sock", "unix:@name"]
        );
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn ports_are_grouped_by_protocol() {
        let seen = [b"l\x06\0\x50", b"l\x06\0\x51", b"l\x06\0\0", b"l\x11\0\x35", b"l\x84\0\x01"];
        let mut refused = Vec::new();
        let rules = listeners(seen.iter().map(|one| one.as_slice()), &mut refused);
        let shown: Vec<String> = rules.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["port 0,80-81 tcp", "port 53 udp"]);
        assert_eq!(refused.len(), 1);
    }
}
