//! Exec rules that hold only for some parents.

use stockade_abi::access;
use stockade_abi::object::View;
use stockade_abi::reason::{Reason, Verdict};

use super::question::Question;
use crate::compile::{Decision, Grant, Object, Policy, StartKind};

/// The decision when `parent` starts the program; `alone` is the one for whoever starts it.
pub(super) fn started_by(policy: &Policy, question: &Question, parent: &[u8], alone: Decision) -> Decision {
    let Object::Path(path) = question.object() else { return alone };
    // A deny rule takes it from every parent.
    let program = grant(policy, path);
    let open = alone.missing == access::EXEC && program.denied & access::EXEC == 0;
    if !open || grant(policy, parent).member & program.parents == 0 {
        return alone;
    }
    let rules = policy.matching(&question.object(), false);
    let rule = rules.into_iter().find(|(_, granted)| granted & access::EXEC != 0).map(|(at, _)| at.clone());
    Decision { verdict: Verdict::Allowed, reason: Reason::Rule, rule, missing: 0 }
}

/// What is said about a path.
fn grant(policy: &Policy, path: &[u8]) -> Grant {
    let own = |view: View| path.strip_prefix(view.prefix()).filter(|rest| matches!(rest, [] | [b'/', ..]));
    let (kind, rest) = match (own(View::ThreadSelf), own(View::ProcSelf)) {
        (Some(rest), _) => (StartKind::OwnThread, rest),
        (None, Some(rest)) => (StartKind::OwnProcess, rest),
        (None, None) => (StartKind::Path, path),
    };
    let end = rest.iter().fold(policy.start(kind), |state, byte| policy.next(state, *byte));
    policy.grant(end)
}
