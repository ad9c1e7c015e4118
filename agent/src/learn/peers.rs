//! Peers that were seen, grouped as a profile writes them.

use std::collections::{BTreeMap, BTreeSet};
use stockade_abi::peer;

use super::clients::{Inet, UNPRIVILEGED, answered, picked};
use super::generalise::Refused;
use super::how::Width;
use super::networks::{Reach, spread};
use super::pattern::Pattern;
use super::unix::UnixSockets;
use crate::events::record::text;
use crate::events::render::{Peer, protocol_word};
use crate::profile::{ListenRule, PeerRule, PeerTarget, PortRange, Protocol};

/// Peers and local ports that were seen, as observations name them.
#[derive(Default)]
pub(super) struct Sockets<'a> {
    pub(super) connected: BTreeSet<&'a [u8]>,
    pub(super) listened: BTreeSet<&'a [u8]>,
}

impl Sockets<'_> {
    /// The ports, of those that were chosen, on which datagrams were waited for.
    fn awaited(&self) -> BTreeSet<u16> {
        let port = |encoded: &&[u8]| match Peer::parse(encoded) {
            Some(Peer::Local { port, protocol }) => (protocol == peer::UDP && port != 0).then_some(port),
            Some(Peer::Inet { .. } | Peer::Unix(_) | Peer::Abstract(_)) | None => None,
        };
        self.listened.iter().filter_map(port).collect()
    }
}

/// One rule for each address or network and protocol, one for the clients of each network, and one for each unix socket, or
/// for several whose names are made up as `made_up` or their numbers tell. What no rule can say goes to `refused`.
pub(super) fn group(
    sockets: &Sockets<'_>,
    made_up: &BTreeMap<&[u8], Pattern>,
    width: Width,
    refused: &mut Vec<Refused>,
) -> Vec<PeerRule> {
    let mut inet = Inet::new();
    let mut unix = UnixSockets::default();
    for encoded in &sockets.connected {
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
                    unix.paths.insert(name);
                }
                Ok(_) => refuse(text(&name), "the socket's path is not absolute"),
                Err(_) => refuse(text(&name), "the name is not UTF-8"),
            },
            Some(Peer::Abstract(name)) => match std::str::from_utf8(&name) {
                Ok(_) => {
                    unix.names.insert(name);
                }
                Err(_) => refuse(format!("@{}", text(&name)), "the name is not UTF-8"),
            },
            Some(Peer::Local { .. }) | None => refuse(text(encoded), "not a peer"),
        }
    }
    let awaited = sockets.awaited();
    let clients =
        if width != Width::Exact && !awaited.is_empty() { answered(&mut inet) } else { BTreeSet::new() };
    let clients = clients.into_iter().map(|network| PeerRule {
        to: PeerTarget::Net(network),
        ports: vec![UNPRIVILEGED],
        protocol: Some(Protocol::Udp),
    });
    let reach = |protocol, port| {
        // Peers that use the port that is waited on, as those of a time server do: each may answer, and each may ask.
        let equal = width != Width::Exact && protocol == peer::UDP && awaited.contains(&port);
        if equal { Reach::Anywhere } else { Reach::from(width) }
    };
    let inet = spread(inet, reach).into_iter().map(|((network, protocol), ports)| PeerRule {
        to: PeerTarget::Net(network),
        ports: ranges(ports, width),
        protocol: word(protocol),
    });
    let unix = unix.targets(made_up, width).into_iter().map(PeerRule::new);
    clients.chain(inet).chain(unix).collect()
}

/// One rule for each protocol that was listened with.
pub(super) fn listeners(sockets: &Sockets<'_>, width: Width, refused: &mut Vec<Refused>) -> Vec<ListenRule> {
    let mut seen: BTreeMap<u8, BTreeSet<u16>> = BTreeMap::new();
    for encoded in &sockets.listened {
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
        .map(|(protocol, ports)| ListenRule { ports: ranges(ports, width), protocol: word(protocol) })
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
fn ranges(mut ports: BTreeSet<u16>, width: Width) -> Vec<PortRange> {
    let picked = width != Width::Exact && picked(&mut ports);
    let mut ranges: Vec<PortRange> = Vec::new();
    for port in ports {
        match ranges.last_mut() {
            Some(range) if range.last.checked_add(1) == Some(port) => range.last = port,
            Some(_) | None => ranges.push(PortRange::one(port)),
        }
    }
    if picked {
        ranges.push(UNPRIVILEGED);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rules: &[impl ToString]) -> Vec<String> {
        rules.iter().map(ToString::to_string).collect()
    }

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
        let sockets =
            Sockets { connected: seen.iter().map(Vec::as_slice).collect(), listened: BTreeSet::new() };
        assert_eq!(
            shown(&group(&sockets, &BTreeMap::new(), Width::Normal, &mut refused)),
            ["10.0.0.1 port 80-81,443 tcp", "10.0.0.1 port 0,53 udp", "unix:/run/x.sock", "unix:@name"]
        );
        assert_eq!(refused.len(), 2);
    }

    #[test]
    fn ports_are_grouped_by_protocol() {
        let seen = [b"l\x06\0\x50", b"l\x06\0\x51", b"l\x06\0\0", b"l\x11\0\x35", b"l\x84\0\x01"];
        let mut refused = Vec::new();
        let listened = seen.iter().map(|one| one.as_slice()).collect();
        let sockets = Sockets { connected: BTreeSet::new(), listened };
        assert_eq!(
            shown(&listeners(&sockets, Width::Normal, &mut refused)),
            ["port 0,80-81 tcp", "port 53 udp"]
        );
        assert_eq!(refused.len(), 1);
    }

    #[test]
    fn a_server_of_datagrams_answers() {
        let clients: Vec<_> = (0..5)
            .map(|n| v4([10, 0, 0, 1], 5000 + 7919 * n, peer::UDP))
            .chain([v4([10, 0, 0, 1], 53, peer::UDP)])
            .collect();
        let connected: BTreeSet<&[u8]> = clients.iter().map(Vec::as_slice).collect();
        let rules = |listened: &[&'static [u8]], width| {
            let sockets =
                Sockets { connected: connected.clone(), listened: listened.iter().copied().collect() };
            shown(&group(&sockets, &BTreeMap::new(), width, &mut Vec::new()))
        };
        let each = ["10.0.0.1 port 53,5000,12919,20838,28757,36676 udp"];
        assert_eq!(
            rules(&[b"l\x11\x14\xb4"], Width::Normal),
            ["10.0.0.1 port 1024-65535 udp", "10.0.0.1 port 53 udp"]
        );
        assert_eq!(rules(&[b"l\x11\x14\xb4"], Width::Exact), each);
        // Who waits for streams, or sends from a port of the kernel's choice, has no clients to answer.
        assert_eq!(rules(&[b"l\x06\x14\xb4", b"l\x11\0\0"], Width::Normal), each);
    }

    #[test]
    fn peers_that_have_the_port_of_the_server() {
        let peers: Vec<_> = (1..=5_u8)
            .flat_map(|n| [v4([n, n, n, n], 123, peer::UDP), v4([n, n, n, n], 4460, peer::TCP)])
            .chain([v4([10, 0, 0, 1], 53, peer::UDP)])
            .collect();
        let connected: BTreeSet<&[u8]> = peers.iter().map(Vec::as_slice).collect();
        let rules = |width| {
            let sockets =
                Sockets { connected: connected.clone(), listened: BTreeSet::from([&b"l\x11\0\x7b"[..]]) };
            shown(&group(&sockets, &BTreeMap::new(), width, &mut Vec::new()))
        };
        let normal = rules(Width::Normal);
        assert_eq!(normal.len(), 7);
        assert_eq!(normal[0], "0.0.0.0/0 port 123 udp");
        assert_eq!(normal[1], "1.1.1.1 port 4460 tcp");
        assert_eq!(rules(Width::Exact).len(), 11);
    }

    #[test]
    fn ports_picked_at_random() {
        let passive: Vec<_> = (0..20_u16)
            .map(|n| [&[b'l', peer::TCP][..], &(30_000 + 13 * n).to_be_bytes()].concat())
            .chain([[&[b'l', peer::TCP][..], &21_u16.to_be_bytes()].concat()])
            .collect();
        let listened = passive.iter().map(Vec::as_slice).collect();
        let sockets = Sockets { connected: BTreeSet::new(), listened };
        assert_eq!(shown(&listeners(&sockets, Width::Normal, &mut Vec::new())), ["port 21,1024-65535 tcp"]);
    }
}
