//! What one pattern does for an object it matches. Effects of all patterns that match are joined first
//! and weighed against each other last, so that their order says nothing.

use stockade_abi::access::{AccessSet, DRIFT, EXEC};
use stockade_abi::table::Grant;

/// Accesses of the container's own processes, and of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sides {
    pub(crate) container: AccessSet,
    pub(crate) session: AccessSet,
}

impl Sides {
    pub(crate) fn both(access: AccessSet) -> Self {
        Self { container: access, session: access }
    }

    pub(crate) fn session(access: AccessSet) -> Self {
        Self { container: 0, session: access }
    }

    pub(crate) fn of(self, session: bool) -> AccessSet {
        if session { self.session } else { self.container }
    }

    fn or(self, other: Self) -> Self {
        Self { container: self.container | other.container, session: self.session | other.session }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Effect {
    pub(crate) allow: Sides,
    pub(crate) deny: Sides,
    /// Groups of parents that the object belongs to, one bit each.
    pub(crate) member: u32,
    /// Groups whose members may start it.
    pub(crate) parents: u32,
    /// Sets of contents that let it start.
    pub(crate) pins: u32,
}

/// Where a program comes from says nothing about one that may not be started at all.
fn startable(granted: AccessSet) -> AccessSet {
    if granted & EXEC == 0 { granted & !DRIFT } else { granted }
}

impl Effect {
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            allow: self.allow.or(other.allow),
            deny: self.deny.or(other.deny),
            member: self.member | other.member,
            parents: self.parents | other.parents,
            pins: self.pins | other.pins,
        }
    }

    /// Whether `other` adds nothing to it.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.or(other) == self
    }

    /// What remains when a denial wins over every approval, and an approval for all over one for some.
    pub(crate) fn grant(self) -> Grant {
        let settled = (self.allow.container | self.deny.container) & EXEC != 0;
        let denied = self.deny.container & EXEC != 0;
        Grant {
            container: startable(self.allow.container & !self.deny.container),
            session: startable(self.allow.session & !self.deny.session),
            denied: self.deny.container,
            session_denied: self.deny.session,
            member: self.member,
            parents: if settled { 0 } else { self.parents },
            // Also of what may start from the image, the right content may come from anywhere.
            pins: if denied { 0 } else { self.pins },
        }
    }
}
