//! A question as it is written, and as it is put to the policy.

use std::net::{IpAddr, SocketAddr};

use stockade_abi::access::{self, AccessSet};
use stockade_abi::peer;

use crate::compile::{Object, Power};

/// What is asked.
pub(in crate::cli) enum Asked {
    /// For something that is done to an object.
    Object(Question),
    /// For a capability or a facility.
    Power(Power),
}

impl Asked {
    pub(in crate::cli) fn parse(access: &[u8], object: &[u8]) -> Result<Self, String> {
        let known: fn(&str) -> Option<Power> = match access {
            b"capability" => Power::capability,
            b"facility" => Power::facility,
            _ => return Question::parse(access, object).map(Self::Object),
        };
        let power = str::from_utf8(object).ok().and_then(known);
        power.map(Self::Power).ok_or_else(|| {
            let (word, object) = (access.escape_ascii(), object.escape_ascii());
            let same = |power: &Power| power.kind().as_bytes() == access;
            let all: Vec<String> = Power::all().filter(same).map(Power::word).collect();
            format!("`{object}` is no {word}; there are {}", all.join(", "))
        })
    }

    /// A line `ACCESS OBJECT`, without its end.
    pub(super) fn of_line(line: &[u8]) -> Result<Self, String> {
        match line.iter().position(|byte| *byte == b' ') {
            _ if line.is_empty() => Err("the line is empty: a question is ACCESS OBJECT".to_owned()),
            Some(0) => Err("the line begins with a space: a question is ACCESS OBJECT".to_owned()),
            Some(space) => {
                let (access, object) = line.split_at(space);
                Self::parse(access, object.strip_prefix(b" ").unwrap_or(object))
            }
            None => Err(format!("`{}` has no object: a question is ACCESS OBJECT", line.escape_ascii())),
        }
    }
}

/// Something that is done to an object.
pub(in crate::cli) struct Question {
    pub(in crate::cli) access: AccessSet,
    /// The object for messages.
    pub(super) shown: String,
    object: Vec<u8>,
}

impl Question {
    pub(in crate::cli) fn parse(access: &[u8], object: &[u8]) -> Result<Self, String> {
        let access = access_set(access)?;
        let encoded = if access & (access::CONNECT | access::LISTEN) == 0 {
            path(object)?;
            object.to_vec()
        } else if access == access::CONNECT {
            encode(object)?
        } else if access == access::LISTEN {
            local_port(object)?
        } else {
            return Err("connect and listen cannot be asked together with other accesses".to_owned());
        };
        Ok(Self { access, shown: object.escape_ascii().to_string(), object: encoded })
    }

    /// The object's name, as the kernel side has it.
    pub(in crate::cli) fn bytes(&self) -> &[u8] {
        &self.object
    }

    pub(super) fn object(&self) -> Object<'_> {
        if self.access & (access::CONNECT | access::LISTEN) == 0 {
            Object::Path(&self.object)
        } else {
            Object::Peer(&self.object)
        }
    }
}

fn access_set(text: &[u8]) -> Result<AccessSet, String> {
    let text = String::from_utf8_lossy(text);
    text.split(',').try_fold(0, |set, word| {
        let known = || format!("{}, capability, facility", access::WORDS.map(|(_, word)| word).join(", "));
        access::from_word(word)
            .map(|bit| set | bit)
            .ok_or_else(|| format!("`{}` is no access; there are {}", word.escape_debug(), known()))
    })
}

fn path(path: &[u8]) -> Result<(), String> {
    let shown = || path.escape_ascii().to_string();
    let Some(rest) = path.strip_prefix(b"/") else {
        return Err(format!("`{}` is not an absolute path", shown()));
    };
    if path.contains(&0) {
        return Err(format!("`{}` has a zero byte, and no path can", shown()));
    }
    let odd = |part: &[u8]| matches!(part, b"" | b"." | b"..");
    if !rest.is_empty() && rest.split(|byte| *byte == b'/').any(odd) {
        return Err(format!("`{}` is not canonical: it has `.`, `..`, `//` or a slash at the end", shown()));
    }
    Ok(())
}

/// The peer as the kernel side encodes it.
fn encode(text: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(name) = text.strip_prefix(b"unix:@") {
        if name.is_empty() || name.len() > peer::UNIX_NAME_MAX {
            return Err(format!("an abstract name has 1 to {} bytes", peer::UNIX_NAME_MAX));
        }
        return Ok([&[peer::ABSTRACT], name].concat());
    }
    if let Some(socket) = text.strip_prefix(b"unix:") {
        path(socket)?;
        return Ok([&[peer::UNIX], socket].concat());
    }
    let (protocol, address) = match (text.strip_prefix(b"tcp:"), text.strip_prefix(b"udp:")) {
        (Some(address), _) => (peer::TCP, address),
        (None, Some(address)) => (peer::UDP, address),
        (None, None) => (peer::TCP, text),
    };
    let shown = text.escape_ascii();
    let address: SocketAddr = str::from_utf8(address)
        .ok()
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| format!("`{shown}` is no peer: write tcp:10.0.0.1:443, udp:[::1]:53 or unix:/path"))?;
    let port = address.port().to_be_bytes();
    let ip = address.ip().to_canonical();
    Ok(match if ip.is_unspecified() { loopback(ip) } else { ip } {
        IpAddr::V4(ip) => [&[peer::V4, protocol], &ip.octets()[..], &port].concat(),
        IpAddr::V6(ip) => [&[peer::V6, protocol], &ip.octets()[..], &port].concat(),
    })
}

/// The local port as the kernel side encodes it.
fn local_port(text: &[u8]) -> Result<Vec<u8>, String> {
    let (protocol, number) = match (text.strip_prefix(b"tcp:"), text.strip_prefix(b"udp:")) {
        (Some(number), _) => (peer::TCP, number),
        (None, Some(number)) => (peer::UDP, number),
        (None, None) => (peer::TCP, text),
    };
    let port: u16 = str::from_utf8(number)
        .ok()
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("`{}` is no local port: write tcp:8080 or udp:53", text.escape_ascii()))?;
    Ok([&[peer::LISTEN, protocol][..], &port.to_be_bytes()].concat())
}

fn loopback(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_encoded_as_the_kernel_does() {
        let encoded =
            |text: &str| Question::parse(b"connect", text.as_bytes()).map(|question| question.object);
        assert_eq!(encoded("10.0.0.1:443").unwrap(), b"4\x06\x0a\0\0\x01\x01\xbb");
        assert_eq!(encoded("udp:[::ffff:10.0.0.1]:53").unwrap(), b"4\x11\x0a\0\0\x01\0\x35");
        assert_eq!(encoded("udp:0.0.0.0:53").unwrap(), b"4\x11\x7f\0\0\x01\0\x35");
        assert_eq!(encoded("tcp:[::]:1").unwrap(), [b"6\x06".as_slice(), &[0; 15], b"\x01\0\x01"].concat());
        assert_eq!(encoded("unix:/run/x").unwrap(), b"u/run/x");
        assert_eq!(encoded("unix:@x").unwrap(), b"ax");
        let listen = |text: &str| Question::parse(b"listen", text.as_bytes()).map(|question| question.object);
        assert_eq!(listen("tcp:8080").unwrap(), b"l\x06\x1f\x90");
        assert_eq!(listen("udp:53").unwrap(), b"l\x11\0\x35");
        assert!(listen("tcp:70000").is_err() && listen("10.0.0.1:80").is_err());
        for bad in ["10.0.0.1", "tcp:x:1", "10.0.0.1:70000", "unix:", "/run/x"] {
            assert!(encoded(bad).is_err(), "{bad}");
        }
    }
}
