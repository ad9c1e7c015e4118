//! Why a verdict came out as it did, and the one place that turns a reason into a verdict.

/// What a profile does with what it does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Allow everything and record it.
    Learn = 1,
    /// Allow everything and record what would be denied.
    Audit = 2,
    /// Deny and record.
    Enforce = 3,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// The operation went on.
    Allowed = 1,
    /// The operation failed with `EACCES`; making a process, with `EAGAIN`.
    Denied = 2,
    /// The operation went on; under enforce it would have failed.
    WouldDeny = 3,
}

/// The operation a hook judged; `kind` in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// A program or interpreter is started.
    Exec = 1,
    /// A file is opened, mapped executable or changed, or a name is made, given away or removed.
    File = 2,
    /// A socket is connected.
    Connect = 3,
    /// A process or thread is made.
    Fork = 4,
    /// A capability is used.
    Capability = 5,
    /// A facility is used.
    Facility = 6,
    /// A socket takes a local port, listens, or takes a connection.
    Listen = 7,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// A rule grants every access asked for.
    Rule = 1,
    /// No rule grants it.
    NoRule = 2,
    /// The canonical path does not fit in `PATH_MAX`.
    PathTooLong = 3,
    /// The kernel could not name the object.
    PathUnreadable = 4,
    /// Every scratch buffer of this CPU is in the hands of a preempted decision.
    ScratchBusy = 5,
    /// The process is labelled, but its policy slot is empty.
    UnknownSubject = 6,
    /// The policy in the slot has no valid mode.
    PolicyCorrupt = 7,
    /// The kernel has no memory for the label of a new process.
    LabelFull = 8,
    /// The address is shorter than its family needs.
    BadAddress = 9,
    /// No rule can speak of this address family.
    UnsupportedFamily = 10,
    /// A deny rule takes it.
    DenyRule = 11,
    /// It would change what is the agent's own, which no rule grants.
    Guarded = 12,
    /// The new name of a directory may grant more on what is below it than the old one did.
    WiderRules = 13,
    /// Rules grant the start of a program that comes from the image, and this one does not.
    NotFromImage = 14,
    /// Rules grant the start of a program of certain contents, and this one has another.
    OtherContent = 15,
    /// The kernel has no room to note the root directory that the subject began with, before a process leaves it.
    RootUnknown = 16,
}

impl Reason {
    /// Number of counters needed to count by reason: values start at 1.
    pub const COUNT: usize = 17;

    /// Counters for which there is room in the maps: the next build may have more reasons, and goes on
    /// with the maps of this one.
    pub const ROOM: usize = 64;

    /// Every reason, in the order of its value.
    pub const ALL: [Self; Self::COUNT - 1] = [
        Self::Rule,
        Self::NoRule,
        Self::PathTooLong,
        Self::PathUnreadable,
        Self::ScratchBusy,
        Self::UnknownSubject,
        Self::PolicyCorrupt,
        Self::LabelFull,
        Self::BadAddress,
        Self::UnsupportedFamily,
        Self::DenyRule,
        Self::Guarded,
        Self::WiderRules,
        Self::NotFromImage,
        Self::OtherContent,
        Self::RootUnknown,
    ];

    /// The direction in which a decision with this reason goes under `mode`.
    ///
    /// `None` as mode: the policy itself could not be read, and then nothing is approved.
    #[inline(always)]
    pub const fn verdict(self, mode: Option<Mode>) -> Verdict {
        match self {
            Self::Rule => Verdict::Allowed,
            Self::Guarded => Verdict::Denied,
            Self::NoRule
            | Self::DenyRule
            | Self::WiderRules
            | Self::NotFromImage
            | Self::OtherContent
            | Self::PathTooLong
            | Self::PathUnreadable
            | Self::ScratchBusy
            | Self::UnknownSubject
            | Self::PolicyCorrupt
            | Self::LabelFull
            | Self::RootUnknown
            | Self::BadAddress
            | Self::UnsupportedFamily => match mode {
                Some(Mode::Learn) => Verdict::Allowed,
                Some(Mode::Audit) => Verdict::WouldDeny,
                Some(Mode::Enforce) | None => Verdict::Denied,
            },
        }
    }

    /// Whether a decision with this reason saw the whole object. Under learn, one that did not is a
    /// loss: the baseline cannot contain what happened.
    pub const fn is_complete(self) -> bool {
        match self {
            Self::Rule
            | Self::NoRule
            | Self::DenyRule
            | Self::Guarded
            | Self::WiderRules
            | Self::NotFromImage
            | Self::OtherContent => true,
            Self::PathTooLong
            | Self::PathUnreadable
            | Self::ScratchBusy
            | Self::UnknownSubject
            | Self::PolicyCorrupt
            | Self::LabelFull
            | Self::RootUnknown
            | Self::BadAddress
            | Self::UnsupportedFamily => false,
        }
    }

    /// The word for it in events and `status`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::NoRule => "no-rule",
            Self::PathTooLong => "path-too-long",
            Self::PathUnreadable => "path-unreadable",
            Self::ScratchBusy => "scratch-busy",
            Self::UnknownSubject => "unknown-subject",
            Self::PolicyCorrupt => "policy-corrupt",
            Self::LabelFull => "label-full",
            Self::BadAddress => "bad-address",
            Self::UnsupportedFamily => "unsupported-family",
            Self::DenyRule => "deny-rule",
            Self::Guarded => "guarded",
            Self::WiderRules => "wider-rules",
            Self::NotFromImage => "not-from-image",
            Self::OtherContent => "other-content",
            Self::RootUnknown => "root-unknown",
        }
    }
}

const _: () = assert!(Reason::COUNT <= Reason::ROOM);

impl Mode {
    /// The word for it in profiles and events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Learn => "learn",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }

    /// The mode stored as `value` in a table's header.
    #[inline(always)]
    pub const fn from_u64(value: u64) -> Option<Self> {
        match value {
            1 => Some(Self::Learn),
            2 => Some(Self::Audit),
            3 => Some(Self::Enforce),
            0 | 4.. => None,
        }
    }
}

impl Verdict {
    /// The word for it in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::WouldDeny => "would-deny",
        }
    }
}

impl Operation {
    /// The word for it in events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::File => "file",
            Self::Connect => "connect",
            Self::Fork => "fork",
            Self::Capability => "capability",
            Self::Facility => "facility",
            Self::Listen => "listen",
        }
    }
}

/// A byte from the kernel that stands for none of the values of `what`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownValue {
    /// The type that was expected.
    pub what: &'static str,
    /// The byte found.
    pub value: u8,
}

impl TryFrom<u8> for Mode {
    type Error = UnknownValue;
    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        Self::from_u64(u64::from(value)).ok_or(UnknownValue { what: "mode", value })
    }
}

impl TryFrom<u8> for Verdict {
    type Error = UnknownValue;
    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        match value {
            1 => Ok(Self::Allowed),
            2 => Ok(Self::Denied),
            3 => Ok(Self::WouldDeny),
            0 | 4.. => Err(UnknownValue { what: "verdict", value }),
        }
    }
}

impl TryFrom<u8> for Operation {
    type Error = UnknownValue;
    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        match value {
            1 => Ok(Self::Exec),
            2 => Ok(Self::File),
            3 => Ok(Self::Connect),
            4 => Ok(Self::Fork),
            5 => Ok(Self::Capability),
            6 => Ok(Self::Facility),
            7 => Ok(Self::Listen),
            0 | 8.. => Err(UnknownValue { what: "operation", value }),
        }
    }
}

impl TryFrom<u8> for Reason {
    type Error = UnknownValue;
    fn try_from(value: u8) -> Result<Self, UnknownValue> {
        let index = usize::from(value).checked_sub(1);
        let reason = index.and_then(|index| Self::ALL.get(index)).copied();
        reason.ok_or(UnknownValue { what: "reason", value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_comes_back_from_its_number() {
        for value in 0..=u8::MAX {
            let known = Reason::ALL.into_iter().find(|reason| *reason as u8 == value);
            assert_eq!(Reason::try_from(value), known.ok_or(UnknownValue { what: "reason", value }));
        }
    }
}
