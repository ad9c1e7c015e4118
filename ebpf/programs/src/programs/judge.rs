//! From what was found to the answer: one function for every hook.

use stockade_abi::label::Label;
use stockade_abi::label::SESSION;
use stockade_abi::reason::{Mode, Operation, Reason, Verdict};

use super::count;
use super::emit::{self, Record};
use super::policy::{Object, Policy};
use super::scratch::Scratch;

/// What a hook answers to let the operation go on.
pub(crate) const ALLOW: i32 = 0;
/// `-EACCES`.
pub(crate) const DENY: i32 = -13;

/// What is judged: the operation, the accesses it needs, and its object or why there is none.
#[derive(Clone, Copy)]
pub(crate) struct Question {
    pub(crate) operation: Operation,
    pub(crate) access: u32,
    pub(crate) object: Object,
}

/// Judges, counts, records, answers.
#[inline(always)]
pub(crate) fn judge(label: &Label, question: &Question, scratch: *mut Scratch) -> i32 {
    let policy = Policy::find(label.policy);
    let mode = policy.as_ref().and_then(Policy::mode);
    let (reason, missing) = match (&policy, mode, question.object.problem) {
        (None, _, _) => (Reason::UnknownSubject, question.access),
        (Some(_), None, _) => (Reason::PolicyCorrupt, question.access),
        (Some(_), Some(_), Some(problem)) => (problem, question.access),
        // Learning asks for everything: what the rules say already is the exporter's business.
        (Some(_), Some(Mode::Learn), None) => (Reason::NoRule, question.access),
        (Some(policy), Some(Mode::Audit | Mode::Enforce), None) => {
            let (container, session) = policy.grants(&question.object);
            let granted = if label.flags & SESSION == 0 { container } else { session };
            match question.access & !granted {
                0 => return ALLOW,
                missing => (Reason::NoRule, missing),
            }
        }
    };
    let verdict = reason.verdict(mode);
    count::decision(reason);
    let generation = policy.as_ref().map_or(0, Policy::generation);
    emit::record(&Record { label, question, mode, verdict, reason, missing, generation }, scratch);
    answer(verdict)
}

/// The answer for a reason that leaves no object, and no buffer to write a long record in.
#[inline(always)]
pub(crate) fn without_object(label: &Label, operation: Operation, reason: Reason) -> i32 {
    let policy = Policy::find(label.policy);
    let mode = policy.as_ref().and_then(Policy::mode);
    let verdict = reason.verdict(mode);
    count::decision(reason);
    let question = Question { operation, access: 0, object: Object::none(reason) };
    let generation = policy.as_ref().map_or(0, Policy::generation);
    emit::short(&Record { label, question: &question, mode, verdict, reason, missing: 0, generation });
    answer(verdict)
}

#[inline(always)]
fn answer(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Allowed | Verdict::WouldDeny => ALLOW,
        Verdict::Denied => DENY,
    }
}
