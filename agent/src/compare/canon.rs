//! The names that objects can have: everything else is never put to a policy, so what two policies say
//! about it makes no difference.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::LazyLock;

use stockade_abi::object::{OWN_TID, View};
use stockade_abi::peer;

use super::partition::Partition;
use crate::compile::StartKind;

/// How an example is spelled at some place of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// With letters, if possible.
    Text,
    /// With the lowest number.
    Number,
    /// The low byte of a port.
    PortLow,
}

/// The automaton of the names of one kind.
#[derive(Debug)]
pub(super) struct Canon {
    pub(super) classes: Partition,
    /// For each state and byte: the next state and what an example pays for the step. State 0 is dead.
    rows: Vec<[(u16, u8); 256]>,
    ends: Vec<bool>,
    spellings: Vec<Spelling>,
}

impl Canon {
    /// Where names begin.
    pub(super) const START: u16 = 1;

    /// The names of `kind`.
    pub(super) fn of(kind: StartKind) -> &'static Self {
        static PATH: LazyLock<Canon> = LazyLock::new(|| {
            let own = [View::ProcSelf.prefix(), View::ThreadSelf.prefix()];
            Canon::build(Path::start(Place::Begin, 0b11), |path, byte| path.step(byte, &own))
        });
        static PROCESS: LazyLock<Canon> = LazyLock::new(|| {
            let thread: &[u8] = &[b'/', b't', b'a', b's', b'k', b'/', OWN_TID];
            Canon::build(Path::start(Place::Name, 0b1), |path, byte| path.step(byte, &[thread]))
        });
        static THREAD: LazyLock<Canon> =
            LazyLock::new(|| Canon::build(Path::start(Place::Name, 0), |path, byte| path.step(byte, &[])));
        static PEER: LazyLock<Canon> =
            LazyLock::new(|| Canon::build(Peer::Kind, |peer, byte| peer.step(byte)));
        match kind {
            StartKind::Path => &PATH,
            StartKind::ProcSelf => &PROCESS,
            StartKind::ThreadSelf => &THREAD,
            StartKind::Peer => &PEER,
        }
    }

    fn build<S: Name>(start: S, step: impl Fn(&S, u8) -> Option<(S, u8)>) -> Self {
        let mut states = vec![start.clone()];
        let mut ids = HashMap::from([(start, Self::START)]);
        let mut rows = vec![[(0, 0); 256]];
        let mut classes = Partition::one();
        while let Some(state) = states.get(rows.len().saturating_sub(1)).cloned() {
            let mut row = [(0, 0); 256];
            for (byte, entry) in (0..=u8::MAX).zip(&mut row) {
                let Some((next, price)) = step(&state, byte) else { continue };
                let fresh = u16::try_from(states.len()).unwrap_or(0).saturating_add(1);
                let id = *ids.entry(next).or_insert_with_key(|next| {
                    states.push(next.clone());
                    fresh
                });
                *entry = (id, price);
            }
            classes.refine(&row.map(|(next, price)| u32::from(next) << 8 | u32::from(price)));
            rows.push(row);
        }
        let ends = std::iter::once(false).chain(states.iter().map(Name::ends)).collect();
        let spellings = std::iter::once(Spelling::Text).chain(states.iter().map(Name::spelling)).collect();
        Self { classes, rows, ends, spellings }
    }

    /// The state after `byte` and the price of the step.
    pub(super) fn next(&self, state: u16, byte: u8) -> (u16, u8) {
        self.rows[usize::from(state)][usize::from(byte)]
    }

    /// Whether a name can end in `state`.
    pub(super) fn ends(&self, state: u16) -> bool {
        self.ends[usize::from(state)]
    }

    pub(super) fn spelling(&self, state: u16) -> Spelling {
        self.spellings[usize::from(state)]
    }
}

/// A place in a name.
trait Name: Clone + Eq + Hash {
    fn ends(&self) -> bool;
    fn spelling(&self) -> Spelling;
}

/// What a hidden name costs an example: `/a/x.log` shows `/a/*.log` better than `/a/.log`.
const HIDDEN: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Begin,
    Root,
    Slash,
    Dot,
    DotDot,
    Name,
}

impl Place {
    fn step(self, byte: u8) -> Option<(Self, u8)> {
        match (self, byte) {
            (_, 0) => None,
            (Self::Begin, b'/') => Some((Self::Root, 0)),
            (Self::Name, b'/') => Some((Self::Slash, 0)),
            (Self::Begin, _) | (Self::Root | Self::Slash | Self::Dot | Self::DotDot, b'/') => None,
            (Self::Root | Self::Slash, b'.') => Some((Self::Dot, HIDDEN)),
            (Self::Dot, b'.') => Some((Self::DotDot, HIDDEN)),
            (Self::Root | Self::Slash | Self::Dot | Self::DotDot | Self::Name, _) => Some((Self::Name, 0)),
        }
    }

    fn ends(self) -> bool {
        match self {
            Self::Root | Self::Name => true,
            Self::Begin | Self::Slash | Self::Dot | Self::DotDot => false,
        }
    }
}

/// A path, and how far it spells one of the directories whose entries are judged from another start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Path {
    at: Place,
    /// Which of them, and how many bytes.
    other: Option<(u8, usize)>,
    /// It is one of them.
    whole: bool,
}

impl Path {
    fn start(at: Place, others: u8) -> Self {
        Self { at, other: (others != 0).then_some((others, 0)), whole: false }
    }
}

impl Path {
    fn step(&self, byte: u8, others: &[&[u8]]) -> Option<(Self, u8)> {
        let (at, price) = self.at.step(byte)?;
        if self.whole && byte == b'/' {
            return None;
        }
        let (among, len) = self.other.unwrap_or((0, 0));
        let (mut still, mut whole) = (0, false);
        for (index, other) in others.iter().enumerate().filter(|(index, _)| among >> index & 1 == 1) {
            if other.get(len) == Some(&byte) {
                still |= 1 << index;
                whole |= len.saturating_add(1) == other.len();
            }
        }
        let other = (still != 0).then_some((still, len.saturating_add(1)));
        Some((Self { at, other, whole }, price))
    }
}

impl Name for Path {
    fn ends(&self) -> bool {
        self.at.ends() && !self.whole
    }

    fn spelling(&self) -> Spelling {
        Spelling::Text
    }
}

/// A peer as the kernel side encodes it. It makes no v4-mapped address and no wildcard address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Peer {
    Kind,
    Protocol {
        len: u8,
    },
    /// Bytes left of the address, whether all before were zero, whether they are those of a v4-mapped one.
    Address {
        len: u8,
        left: u8,
        zero: bool,
        mapped: bool,
    },
    PortHigh,
    PortLow,
    Whole,
    Unix(Place),
    Abstract,
    AbstractName,
}

impl Peer {
    fn step(&self, byte: u8) -> Option<(Self, u8)> {
        let free = |next| Some((next, 0));
        match self {
            Self::Kind => match byte {
                peer::V4 => free(Self::Protocol { len: 4 }),
                peer::V6 => free(Self::Protocol { len: 16 }),
                peer::UNIX => free(Self::Unix(Place::Begin)),
                peer::ABSTRACT => free(Self::Abstract),
                peer::LISTEN => free(Self::Protocol { len: 0 }),
                0..=u8::MAX => None,
            },
            // A local port has no address.
            Self::Protocol { len: 0 } => {
                (byte == peer::TCP || byte == peer::UDP).then_some((Self::PortHigh, 0))
            }
            Self::Protocol { len } => (byte == peer::TCP || byte == peer::UDP)
                .then_some((Self::Address { len: *len, left: *len, zero: true, mapped: *len == 16 }, 0)),
            Self::Address { len, left, zero, mapped } => {
                let read = len.saturating_sub(*left);
                let zero = *zero && byte == 0;
                let mapped = *mapped && byte == if read < 10 { 0 } else { 0xff };
                let left = left.saturating_sub(1);
                let stop = (mapped && left == 4) || (zero && left == 0);
                let mapped = mapped && left > 4;
                if stop {
                    return None;
                }
                // The address of a whole network shows less than that of a host.
                let price = u8::from(left == 0 && byte == 0);
                Some(match left {
                    0 => (Self::PortHigh, price),
                    1..=u8::MAX => (Self::Address { len: *len, left, zero, mapped }, price),
                })
            }
            // Low ports are allowed rarely and mean something; none of them is the best example.
            Self::PortHigh => Some((Self::PortLow, u8::from(byte == 0))),
            Self::PortLow => free(Self::Whole),
            Self::Whole => None,
            Self::Unix(place) => place.step(byte).map(|(place, price)| (Self::Unix(place), price)),
            Self::Abstract | Self::AbstractName => free(Self::AbstractName),
        }
    }
}

impl Name for Peer {
    fn ends(&self) -> bool {
        match self {
            Self::Whole | Self::AbstractName => true,
            Self::Unix(place) => *place == Place::Name,
            Self::Kind
            | Self::Protocol { .. }
            | Self::Address { .. }
            | Self::PortHigh
            | Self::PortLow
            | Self::Abstract => false,
        }
    }

    fn spelling(&self) -> Spelling {
        match self {
            Self::Unix(_) | Self::Abstract | Self::AbstractName => Spelling::Text,
            Self::PortLow => Spelling::PortLow,
            Self::Kind | Self::Protocol { .. } | Self::Address { .. } | Self::PortHigh | Self::Whole => {
                Spelling::Number
            }
        }
    }
}
