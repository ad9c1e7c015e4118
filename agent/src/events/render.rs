//! From a record of the ring buffer to a record that people read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stockade_abi::access::{self, AccessSet};
use stockade_abi::event::Event;
use stockade_abi::facility::Facility;
use stockade_abi::reason::Operation;
use stockade_abi::{label, peer};

use super::record::{ObjectRef, ProcessRef, Record, SubjectRef, text};
use crate::clock;
use crate::compile::Power;

/// What `/proc` says of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Path of the executable.
    pub exe: Option<String>,
    /// Arguments.
    pub args: Option<Vec<String>>,
}

/// A peer as the kernel encodes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// An IP address with port and protocol.
    Inet {
        /// Address.
        address: IpAddr,
        /// Port; 0 where the protocol has none.
        port: u16,
        /// Protocol number.
        protocol: u8,
    },
    /// A local port; 0 for one that the kernel chooses.
    Local {
        /// Port.
        port: u16,
        /// Protocol number.
        protocol: u8,
    },
    /// A unix socket with a path.
    Unix(Vec<u8>),
    /// A unix socket with an abstract name.
    Abstract(Vec<u8>),
}

impl Peer {
    /// Reads an encoded peer; `None` when it is cut short or of an unknown kind.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            peer::UNIX => Some(Self::Unix(rest.to_vec())),
            peer::ABSTRACT => Some(Self::Abstract(rest.to_vec())),
            peer::LISTEN => {
                let [protocol, high, low] = <[u8; 3]>::try_from(rest).ok()?;
                Some(Self::Local { port: u16::from_be_bytes([high, low]), protocol })
            }
            peer::V4 | peer::V6 => {
                let (protocol, rest) = rest.split_first()?;
                let (address, port) = rest.split_last_chunk::<2>()?;
                let address = if *kind == peer::V4 {
                    IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?))
                } else {
                    IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?))
                };
                Some(Self::Inet { address, port: u16::from_be_bytes(*port), protocol: *protocol })
            }
            _ => None,
        }
    }
}

/// The word for a protocol number, or the number.
pub fn protocol_word(protocol: u8) -> String {
    match protocol {
        peer::TCP => "tcp".to_owned(),
        peer::UDP => "udp".to_owned(),
        peer::OTHER => "other".to_owned(),
        number => number.to_string(),
    }
}

/// The object's whole name as a profile would write it.
pub fn object_name(event: &Event<'_>) -> Vec<u8> {
    if let Some(power) = power(event) {
        return power.into_bytes();
    }
    let (prefix, rest) = event.name();
    [prefix, rest].concat()
}

/// The capability or facility that was used; its number, if it has no name here.
fn power(event: &Event<'_>) -> Option<String> {
    let number = event.header.access;
    match event.operation {
        Operation::Exec | Operation::File | Operation::Connect | Operation::Listen | Operation::Fork => None,
        Operation::Capability => Some(Power::Capability(number).word()),
        Operation::Facility => Some(
            Facility::from_number(number)
                .map_or_else(|| number.to_string(), |facility| facility.word().to_owned()),
        ),
    }
}

/// The accesses asked for.
pub fn accesses(event: &Event<'_>) -> AccessSet {
    if power(event).is_some() { 0 } else { event.header.access }
}

/// What a decision was about, by its whole name.
pub(crate) fn object(operation: Operation, name: &[u8]) -> ObjectRef {
    let path = |path| ObjectRef { path: Some(path), ..ObjectRef::default() };
    match operation {
        // The kernel could not name it; the reason says why.
        Operation::Exec | Operation::File if name.is_empty() => ObjectRef::default(),
        Operation::Exec | Operation::File => path(text(name)),
        Operation::Fork => ObjectRef::default(),
        Operation::Capability => ObjectRef { capability: Some(text(name)), ..ObjectRef::default() },
        Operation::Facility => ObjectRef { facility: Some(text(name)), ..ObjectRef::default() },
        Operation::Connect | Operation::Listen => match Peer::parse(name) {
            Some(Peer::Unix(name)) => path(text(&name)),
            Some(Peer::Abstract(name)) => path(format!("@{}", text(&name))),
            Some(Peer::Inet { address, port, protocol }) => ObjectRef {
                address: Some(address.to_string()),
                port: Some(port),
                protocol: Some(protocol_word(protocol)),
                ..ObjectRef::default()
            },
            Some(Peer::Local { port, protocol }) => ObjectRef {
                port: Some(port),
                protocol: Some(protocol_word(protocol)),
                ..ObjectRef::default()
            },
            // A decision about an address that could not be read has no object.
            None => ObjectRef::default(),
        },
    }
}

/// Puts one decision into words. `offset_ns` turns the kernel's time into the time of day.
pub fn render(
    event: &Event<'_>,
    offset_ns: i128,
    profile: Option<String>,
    subject: SubjectRef,
    process: ProcessFacts,
    count: u64,
) -> Record {
    let header = &event.header;
    let comm = header.comm.split(|byte| *byte == 0).next().unwrap_or(b"");
    Record {
        time: clock::rfc3339(i128::from(header.time_ns) + offset_ns),
        kind: event.operation.word().to_owned(),
        verdict: event.verdict.word().to_owned(),
        reason: event.reason.word().to_owned(),
        mode: event.mode.map(|mode| mode.word().to_owned()),
        profile,
        generation: header.generation,
        subject,
        session: header.flags & label::SESSION != 0,
        process: ProcessRef {
            pid: header.pid,
            ppid: header.ppid,
            exe: process.exe.or_else(|| (!comm.is_empty()).then(|| format!("({})", text(comm)))),
            args: process.args,
            uid: header.uid,
        },
        object: object(event.operation, &object_name(event)),
        access: access::words(accesses(event)).map(str::to_owned).collect(),
        rule: None,
        count,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use stockade_abi::event::EventHeader;
    use stockade_abi::object::View;
    use stockade_abi::reason::{Mode, Reason, Verdict};

    use super::*;

    pub(crate) fn header() -> EventHeader {
        let mut comm = [0; 16];
        comm[..5].copy_from_slice(b"nginx");
        EventHeader {
            time_ns: 5_000_000_001,
            subject: 42,
            generation: 3,
            pid: 123,
            tid: 123,
            ppid: 1,
            uid: 33,
            policy: 1,
            flags: 0,
            access: access::READ | access::MAP,
            missing: access::MAP,
            operation: 2,
            verdict: 2,
            reason: 2,
            mode: 3,
            view: 0,
            reserved: 0,
            skip: 0,
            object_len: 0,
            reserved2: 0,
            comm,
        }
    }

    pub(crate) fn event(operation: Operation, view: View, skip: u16, object: &[u8]) -> Event<'_> {
        Event {
            header: EventHeader { skip, ..header() },
            operation,
            verdict: Verdict::Denied,
            reason: Reason::NoRule,
            mode: Some(Mode::Enforce),
            view,
            object,
        }
    }

    fn peer(kind: u8, rest: &[u8]) -> Vec<u8> {
        [&[kind], rest].concat()
    }

    #[test]
    fn file_event() {
        let event = event(Operation::File, View::ProcSelf, 8, b"/proc/17/maps");
        let record = render(
            &event,
            1_000_000_000_000_000_000,
            Some("web".to_owned()),
            SubjectRef { id: "x".to_owned(), ..SubjectRef::default() },
            ProcessFacts::default(),
            2,
        );
        assert_eq!(record.object.path.as_deref(), Some("/proc/self/maps"));
        assert_eq!(record.time, "2001-09-09T01:46:45.000000001Z");
        assert_eq!(record.access, ["read", "map"]);
        assert_eq!(record.process.exe.as_deref(), Some("(nginx)"));
        assert_eq!(record.count, 2);
        assert!(record.rule.is_none() && !record.session);
    }

    #[test]
    fn what_has_no_name_is_not_an_empty_one() {
        assert_eq!(object(Operation::File, b""), ObjectRef::default());
        assert_eq!(object(Operation::Exec, b"").text(), "?");
    }

    #[test]
    fn peers() {
        let v4 = peer(peer::V4, &[6, 10, 0, 0, 1, 1, 187]);
        let shown = object(Operation::Connect, &v4);
        assert_eq!(shown.text(), "10.0.0.1:443/tcp");
        let mut v6 = vec![17];
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend([0, 53]);
        assert_eq!(object(Operation::Connect, &peer(peer::V6, &v6)).text(), "[::1]:53/udp");
        assert_eq!(object(Operation::Connect, b"u/run/x.sock").text(), "/run/x.sock");
        assert_eq!(object(Operation::Connect, b"aname\0z").text(), "@name\0z");
        for cut in 0..v4.len() {
            assert_eq!(Peer::parse(&v4[..cut]), None, "{cut}");
        }
        assert_eq!(Peer::parse(b"x123"), None);
    }
}
