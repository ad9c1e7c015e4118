//! Programs that only some parents may start, compared between two policies.
//!
//! Each policy numbers its groups of parents in its own way. What counts is which programs belong to
//! them, so all combinations of groups that any one program belongs to are collected first.

use std::collections::BTreeMap;

use stockade_abi::access;
use stockade_abi::table::Grant;

use super::automaton::Allowed as _;

/// Combinations of groups, of the first policy and of the second, each with a program in them.
#[derive(Debug)]
pub(super) struct Parents(BTreeMap<[u32; 2], String>);

/// A program that one side lets more parents start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Starts {
    /// Whoever starts it.
    Free,
    /// This parent, for example.
    By(String),
}

impl Starts {
    /// The parent, where it makes the difference.
    pub(super) fn parent(self) -> Option<String> {
        match self {
            Self::Free => None,
            Self::By(parent) => Some(parent),
        }
    }
}

impl Parents {
    pub(super) fn new() -> Self {
        // Most programs are in no group at all.
        Self(BTreeMap::from([([0; 2], "any other program".to_owned())]))
    }

    /// Notes what a program belongs to.
    pub(super) fn note(&mut self, [a, b]: [Grant; 2], name: impl FnOnce() -> String) {
        self.0.entry([a.member, b.member]).or_insert_with(name);
    }

    /// Who may start a program by what `of` says and not by what `over` says; `of` is the policy number
    /// `side`, from 0.
    pub(super) fn more(&self, of: Grant, over: Grant, side: usize, session: bool) -> Option<Starts> {
        let free = |grant: Grant| grant.allowed(session) & access::EXEC != 0;
        if free(over) || !free(of) && groups(of, session) == 0 {
            return None;
        }
        let parents = groups(over, session);
        if parents == 0 && free(of) {
            return Some(Starts::Free);
        }
        let gains = |members: &[u32; 2]| {
            let [own, other] = if side == 0 { *members } else { [members[1], members[0]] };
            (free(of) || own & groups(of, session) != 0) && other & parents == 0
        };
        self.0.iter().find(|(members, _)| gains(members)).map(|(_, name)| Starts::By(name.clone()))
    }
}

/// The groups that may start it, if no deny rule takes it from all.
fn groups(grant: Grant, session: bool) -> u32 {
    let denied = if session { grant.session_denied } else { grant.denied };
    if denied & access::EXEC == 0 { grant.parents } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_compared_by_their_members() {
        let nothing = Grant::default();
        let free = Grant { container: access::EXEC, session: access::EXEC, ..nothing };
        let by = |parents| Grant { parents, ..nothing };
        let denied = Grant { denied: access::EXEC, ..by(1) };
        let mut parents = Parents::new();
        // Group 1 of the first holds what groups 1 and 2 of the second hold together.
        for (a, b, name) in [(1, 1, "/x"), (1, 2, "/y"), (2, 0, "/z")] {
            parents
                .note([Grant { member: a, ..nothing }, Grant { member: b, ..nothing }], || name.to_owned());
        }
        let more = |of, over, side| parents.more(of, over, side, false);
        let starts = |name: &str| Some(Starts::By(name.to_owned()));
        assert_eq!(more(free, nothing, 0), Some(Starts::Free));
        assert_eq!(more(free, free, 0), None);
        assert_eq!(more(by(1), free, 0), None);
        assert_eq!(more(free, by(1), 0), starts("any other program"));
        assert_eq!(more(by(1), nothing, 0), starts("/x"));
        assert_eq!(more(by(1), by(3), 0), None);
        assert_eq!(more(by(3), by(1), 1), None);
        assert_eq!(more(by(1), by(1), 0), starts("/y"));
        assert_eq!(more(by(3), by(3), 0), starts("/z"));
        assert_eq!(more(denied, nothing, 0), None);
    }
}
