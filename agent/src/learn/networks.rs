//! Networks in place of addresses that belong together: replicas of a service, which get other addresses when they are made
//! anew, and clients.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::clients::Inet;
use super::how::Width;
use super::names::SERIES;

/// Lengths of the prefixes in which addresses are put together, for IPv4 and IPv6.
const PREFIXES: [(u8, u8); 4] = [(24, 64), (16, 48), (8, 32), (0, 0)];
/// Networks in which one address says nothing of the next: loopback, and links, where clouds tell secrets of the machine.
const APART: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
];

/// How large a network may stand for addresses.
#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// None: each address by itself.
    Address,
    /// A site's: /16, or /48.
    Site,
    /// A provider's: /8, or /32.
    Provider,
    /// All there is.
    Anywhere,
}

impl Reach {
    fn prefixes(self) -> &'static [(u8, u8)] {
        let steps = match self {
            Self::Address => 0,
            Self::Site => 2,
            Self::Provider => 3,
            Self::Anywhere => 4,
        };
        PREFIXES.split_at(steps).0
    }
}

impl From<Width> for Reach {
    fn from(width: Width) -> Self {
        match width {
            Width::Exact => Self::Address,
            Width::Normal => Self::Site,
            Width::Wide => Self::Provider,
        }
    }
}

/// The ports of each network and protocol, where those that were reached at one port are put together; as far as `reach`
/// says for the protocol and the port.
pub(super) fn spread(inet: Inet, reach: impl Fn(u8, u16) -> Reach) -> BTreeMap<(IpNet, u8), BTreeSet<u16>> {
    let mut at: BTreeMap<(u8, u16), Vec<IpAddr>> = BTreeMap::new();
    for ((address, protocol), ports) in inet {
        for port in ports {
            at.entry((protocol, port)).or_default().push(address);
        }
    }
    let mut spread: BTreeMap<(IpNet, u8), BTreeSet<u16>> = BTreeMap::new();
    for ((protocol, port), addresses) in at {
        for network in networks(addresses.into_iter(), reach(protocol, port)) {
            spread.entry((network, protocol)).or_default().insert(port);
        }
    }
    spread
}

/// The addresses, with a network in place of those of which it holds a series; the same for networks of networks.
pub(super) fn networks(addresses: impl Iterator<Item = IpAddr>, reach: Reach) -> BTreeSet<IpNet> {
    let mut networks: BTreeSet<IpNet> = addresses.map(IpNet::from).collect();
    for (v4, v6) in reach.prefixes() {
        let mut within: BTreeMap<IpNet, Vec<IpNet>> = BTreeMap::new();
        for network in networks {
            let length = if network.addr().is_ipv4() { *v4 } else { *v6 };
            let outer = IpNet::new(network.addr(), length).map_or(network, |outer| outer.trunc());
            within.entry(outer).or_default().push(network);
        }
        let series = |(outer, inner): (IpNet, Vec<IpNet>)| {
            if inner.len() >= SERIES && !holds_apart(&outer) { vec![outer] } else { inner }
        };
        networks = within.into_iter().flat_map(series).collect();
    }
    networks
}

/// Whether the network has to do with one whose addresses are not put together. All there is says so by itself.
fn holds_apart(network: &IpNet) -> bool {
    network.prefix_len() > 0 && APART.iter().any(|apart| apart.contains(network) || network.contains(apart))
}

#[cfg(test)]
mod tests {
    use stockade_abi::peer;

    use super::*;

    fn of(reach: Reach, addresses: &[&str]) -> Vec<String> {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        networks(addresses, reach).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn networks_of_clients() {
        let of = |addresses: &[&str]| of(Reach::Anywhere, addresses);
        assert_eq!(of(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]), ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32"]);
        assert_eq!(
            of(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.1.4"]),
            ["10.0.0.0/24", "10.0.1.4/32"]
        );
        assert_eq!(of(&["10.1.1.1", "10.1.2.1", "10.1.3.1", "10.1.4.1"]), ["10.1.0.0/16"]);
        assert_eq!(of(&["1.1.1.1", "20.2.2.2", "30.3.3.3", "40.4.4.4"]), ["0.0.0.0/0"]);
        assert_eq!(of(&["fd00::1", "fd00::2", "fd00::3", "fd00::4"]), ["fd00::/64"]);
    }

    #[test]
    fn no_further_than_the_reach() {
        let far = ["10.1.1.1", "10.2.1.1", "10.3.1.1", "10.4.1.1"];
        assert_eq!(of(Reach::Site, &far).len(), 4);
        assert_eq!(of(Reach::Provider, &far), ["10.0.0.0/8"]);
        assert_eq!(of(Reach::Site, &["10.1.1.1", "10.1.2.1", "10.1.3.1", "10.1.4.1"]), ["10.1.0.0/16"]);
        assert_eq!(of(Reach::Address, &["10.1.1.1", "10.1.1.2", "10.1.1.3", "10.1.1.4"]).len(), 4);
    }

    #[test]
    fn addresses_that_are_not_put_together() {
        let links = ["169.254.1.1", "169.254.1.2", "169.254.1.3", "169.254.1.4"];
        assert_eq!(of(Reach::Provider, &links).len(), 4);
        assert_eq!(of(Reach::Provider, &["169.1.0.1", "169.2.0.1", "169.3.0.1", "169.4.0.1"]).len(), 4);
        assert_eq!(of(Reach::Site, &["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]).len(), 4);
        assert_eq!(of(Reach::Site, &["fe80::1", "fe80::2", "fe80::3", "fe80::4"]).len(), 4);
    }

    #[test]
    fn each_port_by_itself() {
        let inet: Inet = (1..=5)
            .map(|n| {
                let ports = if n == 1 { vec![80, 5432, 6379] } else { vec![5432, 6379] };
                ((IpAddr::from([10, 0, 0, n]), peer::TCP), ports.into_iter().collect())
            })
            .chain([((IpAddr::from([10, 0, 0, 9]), peer::UDP), BTreeSet::from([5432]))])
            .collect();
        let shown: Vec<String> = spread(inet, |_, _| Reach::Site)
            .into_iter()
            .map(|((network, protocol), ports)| format!("{network} {protocol} {ports:?}"))
            .collect();
        assert_eq!(shown, ["10.0.0.0/24 6 {5432, 6379}", "10.0.0.1/32 6 {80}", "10.0.0.9/32 17 {5432}"]);
    }
}
