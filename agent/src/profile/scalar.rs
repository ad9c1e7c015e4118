//! Values that have a form of their own: ports, peers, digests, capabilities.

use std::net::IpAddr;

use ipnet::IpNet;
use stockade_abi::OBJECT_MAX;
use stockade_abi::capability::CAPABILITIES;
use stockade_abi::facility::Facility;
use stockade_abi::peer::UNIX_NAME_MAX;

use super::problem::Problem;
use super::reader::nearest;
use super::{PeerTarget, PortRange};
use crate::compile::glob::{self, Kind};

/// `443` or `8000-8010`.
pub(super) fn ports(text: &str) -> Result<PortRange, Problem> {
    let (first, last) = match text.split_once('-') {
        Some((first, last)) if !first.is_empty() => (port(text, first)?, port(text, last)?),
        Some(_) | None => {
            let port = port(text, text)?;
            (port, port)
        }
    };
    if first > last {
        let problem = Problem::new(format!("the port range `{text}` is reversed"));
        return Err(problem.help(format!("write {last}-{first}")));
    }
    Ok(PortRange { first, last })
}

fn port(whole: &str, text: &str) -> Result<u16, Problem> {
    // Resolvers connect datagram sockets to port 0 to see which address they would send from.
    let canonical = text == "0" || !text.starts_with('0');
    let digits = !text.is_empty() && canonical && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        Problem::new(format!("`{whole}` is no port or range of ports"))
            .help("ports are 0 to 65535, written as 443 or 8000-8010")
    })
}

/// What stands after `to:`.
pub(crate) fn target(text: &str) -> Result<PeerTarget, Problem> {
    if let Some(name) = text.strip_prefix("unix:@") {
        return unix(name, Kind::Name).map(PeerTarget::Abstract);
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path, Kind::Path).map(PeerTarget::Unix);
    }
    if let Some(name) = text.strip_prefix("dns:") {
        return Err(Problem::new(format!("peers by DNS name, such as `{name}`, are not yet supported"))
            .help("write the addresses, as in `to: 10.0.0.0/8`"));
    }
    network(text).map(PeerTarget::Net)
}

fn unix(text: &str, kind: Kind) -> Result<String, Problem> {
    let flats = glob::parse(text, kind).map_err(|error| match (error, kind) {
        (glob::GlobError::Empty, Kind::Name) => {
            Problem::new("the abstract socket's name after `unix:@` is empty")
        }
        (error, _) => Problem::new(error.to_string()),
    })?;
    let (longest, what) = match kind {
        Kind::Name => (UNIX_NAME_MAX, "name"),
        // A long path is reached by a short one that leads there. One byte tells paths from other peers.
        Kind::Path => (OBJECT_MAX - 1, "path"),
    };
    if flats.iter().all(|flat| glob::literal_prefix(flat).len() > longest) {
        return Err(Problem::new(format!("no unix socket has a {what} of more than {longest} bytes")));
    }
    Ok(text.to_owned())
}

fn network(text: &str) -> Result<IpNet, Problem> {
    let bad = || {
        Problem::new(format!("`{text}` is no peer")).help(
            "a peer is an address (10.0.0.1), a network (10.0.0.0/8, fd00::/8), unix:/PATH or unix:@NAME",
        )
    };
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse::<IpNet>().map_err(|_bad| bad())?,
    };
    if net != net.trunc() {
        let problem = Problem::new(format!("`{text}` has bits set behind its prefix"));
        let trunc = net.trunc();
        return Err(problem.help(format!("write the network, {trunc}, or the address, {}", net.addr())));
    }
    if let IpNet::V6(v6) = net
        && v6.prefix_len() >= 96
        && let Some(v4) = v6.addr().to_ipv4_mapped()
    {
        let length = v6.prefix_len().saturating_sub(96);
        let problem =
            Problem::new("an IPv4 address in IPv6 form is judged as IPv4, so the rule would never match");
        return Err(problem.help(format!("write {v4}/{length}")));
    }
    if net.addr().is_unspecified() && net.prefix_len() == net.max_prefix_len() {
        let problem =
            Problem::new(format!("a connect to `{text}` goes to the own machine, and is judged as that"));
        let loopback = if net.addr().is_ipv4() { "127.0.0.1" } else { "::1" };
        return Err(problem.help(format!("write {loopback}")));
    }
    Ok(net)
}

/// A SHA-256 digest, perhaps with the algorithm in front.
pub(super) fn digest(text: &str) -> Result<String, Problem> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(
            Problem::new(format!("`{text}` is no SHA-256 digest")).help("it has 64 hexadecimal digits")
        );
    }
    Ok(digits.to_ascii_lowercase())
}

pub(super) fn capability(text: &str) -> Result<String, Problem> {
    if CAPABILITIES.contains(&text) {
        return Ok(text.to_owned());
    }
    let lower = text.to_lowercase();
    let bare = lower.strip_prefix("cap_").unwrap_or(&lower);
    let problem = Problem::new(format!("`{text}` is no capability"));
    Err(match nearest(bare, &CAPABILITIES) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help("capabilities are written in lower case without `cap_`, as in net_bind_service"),
    })
}

pub(super) fn facility(text: &str) -> Result<Facility, Problem> {
    Facility::from_word(text).ok_or_else(|| {
        let words = Facility::ALL.map(Facility::word);
        let problem = Problem::new(format!("`{text}` is no facility"));
        match nearest(text, &words) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("the facilities are {}", words.join(", "))),
        }
    })
}
