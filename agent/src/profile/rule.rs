//! The rules a profile is made of, as values: checked once when read, then trusted.

use std::fmt;

use ipnet::IpNet;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::facility::Facility;

/// A program that may be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRule {
    /// Glob of the program's path.
    pub path: String,
    /// Where the file may come from.
    pub from: Provenance,
    /// Content pins: 64 lower-case hexadecimal digits each. Empty: any content.
    pub sha256: Vec<String>,
    /// Globs of the arguments after the program's name. `None`: any arguments.
    pub args: Option<Vec<String>>,
    /// Globs of the programs that may start it. Empty: any.
    pub parents: Vec<String>,
}

impl ExecRule {
    /// A rule for `path` without further conditions.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            from: Provenance::Image,
            sha256: Vec::new(),
            args: None,
            parents: Vec::new(),
        }
    }
}

/// Where a program may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From the container's image: what was written since the container began is not started.
    Image,
    /// From anywhere.
    Any,
}

impl Provenance {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Image, Self::Any];

    /// The word for it in profiles.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Any => "any",
        }
    }

    /// The accesses that a rule grants with it.
    pub const fn access(self) -> AccessSet {
        match self {
            Self::Image => access::EXEC,
            Self::Any => access::EXEC | access::DRIFT,
        }
    }

    /// What a rule says that grants `access`.
    pub const fn of(access: AccessSet) -> Self {
        if access & access::DRIFT == 0 { Self::Image } else { Self::Any }
    }
}

/// What may be done with the files that a glob names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRule {
    /// Glob of the file's path.
    pub path: String,
    /// Accesses granted; never empty.
    pub access: AccessSet,
}

/// Every access that a file rule can grant: `exec` and `connect` have rules of their own.
pub const FILE_ACCESS: AccessSet = access::READ
    | access::WRITE
    | access::APPEND
    | access::CREATE
    | access::DELETE
    | access::RENAME
    | access::LINK
    | access::ATTR
    | access::MAP;

impl FileRule {
    /// A rule that grants `access` on `path`.
    pub fn new(path: impl Into<String>, access: AccessSet) -> Self {
        Self { path: path.into(), access }
    }
}

/// Whom a process may connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRule {
    /// The addresses.
    pub to: PeerTarget,
    /// Ports; empty: any. Always empty for unix sockets.
    pub ports: Vec<PortRange>,
    /// Protocol; `None`: TCP and UDP. Always `None` for unix sockets.
    pub protocol: Option<Protocol>,
}

impl PeerRule {
    /// A rule for every port and protocol of `to`.
    pub fn new(to: PeerTarget) -> Self {
        Self { to, ports: Vec::new(), protocol: None }
    }
}

/// The addresses of a peer rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerTarget {
    /// An address or a network; host bits are zero.
    Net(IpNet),
    /// Glob of a unix socket's canonical path.
    Unix(String),
    /// Glob of an abstract unix socket's name, without `@`.
    Abstract(String),
}

impl fmt::Display for PeerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

impl fmt::Display for PeerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to)?;
        for (index, range) in self.ports.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { " port " } else { "," })?;
        }
        match self.protocol {
            Some(protocol) => write!(f, " {}", protocol.word()),
            None => Ok(()),
        }
    }
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// Lowest port. 0 of a peer is what resolvers probe an address with; of a listener, a port that the
    /// kernel chooses.
    pub first: u16,
    /// Highest port, at least `first`.
    pub last: u16,
}

impl PortRange {
    /// One port.
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Transport protocol of a peer or listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// The word for it in profiles and events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The protocol that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Tcp, Self::Udp].into_iter().find(|protocol| protocol.word() == word)
    }
}

/// Where a process may accept connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenRule {
    /// Ports; never empty.
    pub ports: Vec<PortRange>,
    /// Protocol; `None`: TCP and UDP.
    pub protocol: Option<Protocol>,
}

impl fmt::Display for ListenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ports.iter().enumerate() {
            write!(f, "{}{range}", if index == 0 { "port " } else { "," })?;
        }
        match self.protocol {
            Some(protocol) => write!(f, " {}", protocol.word()),
            None => Ok(()),
        }
    }
}

/// What is denied whatever other rules grant, to the container and to sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deny {
    /// Globs of programs.
    pub exec: Vec<String>,
    /// Files. `write` and `append` each deny both: who may do one could do the other's harm.
    pub files: Vec<FileRule>,
    /// Peers.
    pub peers: Vec<PeerRule>,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// Facilities.
    pub facilities: Vec<Facility>,
}

impl Deny {
    /// Whether nothing is denied beyond what no rule grants.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a session may do beyond the container itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Globs of programs.
    pub exec: Vec<String>,
    /// Files.
    pub files: Vec<FileRule>,
    /// Capabilities.
    pub capabilities: Vec<String>,
    /// Facilities.
    pub facilities: Vec<Facility>,
}

impl Sessions {
    /// Whether a session may do no more than the container.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
