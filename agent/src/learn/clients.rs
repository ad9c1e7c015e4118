//! Ports that nobody chose: those of the clients that a server of datagrams answers, and those that are picked at random.
//! The next client has another, and often another address.
//!
//! A stream belongs to who opened it, and answering needs no rule. A datagram is judged by where it goes, so a name server
//! would need a rule for each client's port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use stockade_abi::peer;

use super::names::SERIES;
use super::networks::{Reach, networks};
use crate::profile::PortRange;

/// Ports that a process may have without the right to any: one of them says nothing of what it is for.
pub(super) const UNPRIVILEGED: PortRange = PortRange { first: 1024, last: u16::MAX };
/// So many of these that one list of ports is longer than anybody would write, or read.
const PICKED: usize = 16;

/// Addresses with their protocols, and the ports there.
pub(super) type Inet = BTreeMap<(IpAddr, u8), BTreeSet<u16>>;

/// Takes the ports of clients out of `inet`, for one that waits for datagrams, and says in which networks clients are.
pub(super) fn answered(inet: &mut Inet) -> BTreeSet<IpNet> {
    let datagrams = inet.iter().filter(|((_, protocol), _)| *protocol == peer::UDP);
    let clients: Vec<(IpAddr, usize)> = datagrams
        .map(|((address, _), ports)| (*address, unprivileged(ports)))
        .filter(|(_, ports)| *ports > 0)
        .collect();
    if clients.iter().map(|(_, ports)| ports).sum::<usize>() < SERIES {
        return BTreeSet::new();
    }
    for (address, _) in &clients {
        if let Some(ports) = inet.get_mut(&(*address, peer::UDP)) {
            let _ = ports.split_off(&UNPRIVILEGED.first);
        }
    }
    inet.retain(|_, ports| !ports.is_empty());
    networks(clients.into_iter().map(|(address, _)| address), Reach::Anywhere)
}

/// Takes out the unprivileged ports if they are so many that they were picked at random, and says whether.
pub(super) fn picked(ports: &mut BTreeSet<u16>) -> bool {
    let many = unprivileged(ports) >= PICKED;
    if many {
        let _ = ports.split_off(&UNPRIVILEGED.first);
    }
    many
}

/// How many of the ports are unprivileged.
fn unprivileged(ports: &BTreeSet<u16>) -> usize {
    ports.range(UNPRIVILEGED.first..).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inet(peers: &[(&str, u16)]) -> Inet {
        let mut inet = Inet::new();
        for (address, port) in peers {
            inet.entry((address.parse().unwrap(), peer::UDP)).or_default().insert(*port);
        }
        inet
    }

    fn shown(networks: BTreeSet<IpNet>) -> Vec<String> {
        networks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clients_of_one_address() {
        let mut peers = inet(&[
            ("10.0.0.1", 53),
            ("10.0.0.1", 2000),
            ("10.0.0.1", 40_000),
            ("10.0.0.1", 40_001),
            ("fd00::7", 5000),
        ]);
        peers.insert(("10.0.0.9".parse().unwrap(), peer::TCP), BTreeSet::from([8080]));
        assert_eq!(shown(answered(&mut peers)), ["10.0.0.1/32", "fd00::7/128"]);
        let left: Vec<_> = peers.values().flatten().copied().collect();
        assert_eq!(left, [53, 8080]);
    }

    #[test]
    fn few_peers_are_no_clients() {
        let mut peers = inet(&[("10.0.0.1", 8125), ("10.0.0.2", 4789), ("10.0.0.2", 53), ("10.0.0.3", 514)]);
        let before = peers.clone();
        assert_eq!(shown(answered(&mut peers)), [] as [String; 0]);
        assert_eq!(peers, before);
    }

    #[test]
    fn ports_that_were_picked() {
        let mut few: BTreeSet<u16> = (1..16).map(|n| n * 3001).collect();
        assert!(!picked(&mut few));
        assert_eq!(few.len(), 15);
        let mut many: BTreeSet<u16> = (1..20).map(|n| n * 3001).chain([80]).collect();
        assert!(picked(&mut many));
        assert_eq!(many, BTreeSet::from([80]));
    }
}
