//! What a unix socket's path must still look like.

/// The kernel side puts canonical paths only. A pattern matches no other, so that a question that was put
/// in another spelling is not answered as if that were the socket's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub(crate) enum Guard {
    /// The object is no socket path.
    Off,
    /// Before the first byte of a peer.
    Peer,
    /// Before the first slash.
    Root,
    /// After a slash.
    Slash,
    /// After `/.`.
    Dot,
    /// After `/..`.
    DotDot,
    /// In a name.
    Name,
}

impl Guard {
    /// The guard after `byte`; `None` when the address leads elsewhere.
    pub(crate) fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Off, _) => Some(Self::Off),
            (Self::Peer, stockade_abi::peer::UNIX) => Some(Self::Root),
            (Self::Peer, _) => Some(Self::Off),
            (Self::Root | Self::Name, b'/') => Some(Self::Slash),
            (Self::Root, _) | (Self::Slash | Self::Dot | Self::DotDot, b'/') => None,
            (Self::Slash, b'.') => Some(Self::Dot),
            (Self::Dot, b'.') => Some(Self::DotDot),
            (Self::Slash | Self::Dot | Self::DotDot | Self::Name, _) => Some(Self::Name),
        }
    }

    pub(crate) fn accepts(self) -> bool {
        match self {
            Self::Off | Self::Name => true,
            Self::Peer | Self::Root | Self::Slash | Self::Dot | Self::DotDot => false,
        }
    }
}
