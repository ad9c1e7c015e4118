//! How an object's name is put to the matcher.
//!
//! A path is matched byte by byte as the container sees it, with one exception: the process's own
//! entries in procfs, which carry its number in the kernel and a word in profiles. They are walked
//! from a state that the compiler prepared, so that no buffer has to be rewritten.

/// Which prefix of the path was replaced before matching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum View {
    /// None: matched from the first byte.
    Plain = 0,
    /// `/proc/PID` of the process itself stands for `/proc/self`.
    ProcSelf = 1,
    /// `/proc/PID/task/TID` of the thread itself stands for `/proc/thread-self`.
    ThreadSelf = 2,
}

impl View {
    /// What the replaced prefix stands for.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Plain => b"",
            Self::ProcSelf => b"/proc/self",
            Self::ThreadSelf => b"/proc/thread-self",
        }
    }
}

impl TryFrom<u8> for View {
    type Error = crate::reason::UnknownValue;
    fn try_from(value: u8) -> Result<Self, Self::Error> {
        match value {
            0 => Ok(Self::Plain),
            1 => Ok(Self::ProcSelf),
            2 => Ok(Self::ThreadSelf),
            3.. => Err(crate::reason::UnknownValue { what: "view", value }),
        }
    }
}

/// The byte that stands for the thread's own number in the pattern that `/proc/thread-self` compiles
/// to, `/proc/self/task/<OWN_TID>`. `*` and `?` match it like any other; procfs never shows it.
pub const OWN_TID: u8 = 0x01;
