//! Peer rules as patterns over the byte strings of [`stockade_abi::peer`].

use ipnet::IpNet;
use stockade_abi::peer;

use super::glob::{self, ByteSet, Flat, GlobError, Kind, Token};
use crate::profile::{ListenRule, PeerRule, PeerTarget, PortRange, Protocol};

/// The patterns of a rule.
pub(crate) fn patterns(rule: &PeerRule) -> Result<Vec<Flat>, GlobError> {
    match &rule.to {
        PeerTarget::Net(net) => Ok(network(net, rule)),
        PeerTarget::Unix(path) => prefixed(peer::UNIX, glob::parse(path, Kind::Path)?),
        PeerTarget::Abstract(name) => prefixed(peer::ABSTRACT, glob::parse(name, Kind::Name)?),
    }
}

/// The patterns of a rule for local ports.
pub(crate) fn ports(rule: &ListenRule) -> Vec<Flat> {
    let head = [Token::Byte(peer::LISTEN), protocol(rule.protocol)];
    let ports = rule.ports.iter().flat_map(port_range);
    ports.map(|port| head.iter().chain(&port).copied().collect()).collect()
}

fn prefixed(kind: u8, mut flats: Vec<Flat>) -> Result<Vec<Flat>, GlobError> {
    for flat in &mut flats {
        flat.insert(0, Token::Byte(kind));
    }
    Ok(flats)
}

fn network(net: &IpNet, rule: &PeerRule) -> Vec<Flat> {
    let (kind, address) = match net {
        IpNet::V4(net) => (peer::V4, net.network().octets().to_vec()),
        IpNet::V6(net) => (peer::V6, net.network().octets().to_vec()),
    };
    let mut head = vec![Token::Byte(kind), protocol(rule.protocol)];
    let mut bits = usize::from(net.prefix_len());
    for byte in address {
        let fixed = bits.min(8);
        bits = bits.saturating_sub(fixed);
        // Host bits are zero, so the byte is the lowest of its range.
        let spread = if fixed == 8 { 0 } else { 0xff_u8 >> fixed };
        head.push(range(byte, byte | spread));
    }
    let ports = if rule.ports.is_empty() {
        vec![vec![Token::Set(ByteSet::ALL); 2]]
    } else {
        rule.ports.iter().flat_map(port_range).collect()
    };
    ports.iter().map(|port| head.iter().chain(port).copied().collect()).collect()
}

fn protocol(protocol: Option<Protocol>) -> Token {
    match protocol {
        Some(Protocol::Tcp) => Token::Byte(peer::TCP),
        Some(Protocol::Udp) => Token::Byte(peer::UDP),
        None => {
            let mut both = ByteSet::EMPTY;
            both.insert(peer::TCP);
            both.insert(peer::UDP);
            Token::Set(both)
        }
    }
}

fn range(first: u8, last: u8) -> Token {
    if first == last { Token::Byte(first) } else { Token::Set(ByteSet::range(first, last)) }
}

/// A range of two-byte numbers as pairs of byte ranges: the rest of the first high byte, the high bytes
/// between, the start of the last.
fn port_range(ports: &PortRange) -> Vec<Flat> {
    let [first_high, first_low] = ports.first.to_be_bytes();
    let [last_high, last_low] = ports.last.to_be_bytes();
    if first_high == last_high {
        return vec![vec![Token::Byte(first_high), range(first_low, last_low)]];
    }
    let mut pairs = vec![vec![Token::Byte(first_high), range(first_low, 0xff)]];
    if first_high.saturating_add(1) < last_high {
        pairs.push(vec![range(first_high.saturating_add(1), last_high.saturating_sub(1)), range(0, 0xff)]);
    }
    pairs.push(vec![Token::Byte(last_high), range(0, last_low)]);
    pairs
}
