//! From what was found to the answer: one function for every hook.

use stockade_abi::access::EXEC;
use stockade_abi::head::Head;
use stockade_abi::label::{Label, SESSION};
use stockade_abi::reason::{Mode, Operation, Reason, Verdict};
use stockade_abi::table::{high, low};

use super::count;
use super::emit::{self, Record};
use super::policy::{self, Grants, Object, Policy, side};
use super::scratch::{self, Scratch};

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

/// What came out.
#[derive(Clone, Copy)]
pub(crate) struct Judged {
    /// What the hook answers.
    pub(crate) answer: i32,
    /// What may be remembered as granted: to the container, and in the high half to a session.
    pub(crate) granted: u64,
    /// Groups of parents, as in a table.
    pub(crate) groups: u64,
    /// The state in which the last component begins; 0 when it is not known.
    pub(crate) below: u32,
}

/// What a table says of nothing.
pub(crate) const NOTHING: Grants = Grants { granted: 0, denied: 0, groups: 0, below: 0 };

/// Judges, counts, records, answers. `head` is what was in the slot when the decision began.
#[inline(always)]
pub(crate) fn judge(label: &Label, head: Head, question: &Question, scratch: *mut Scratch) -> Judged {
    let grants = match Policy::find(head) {
        Some(policy) if question.object.problem == 0 => {
            policy.grants(&question.object, scratch::object(scratch))
        }
        Some(_) | None => NOTHING,
    };
    conclude(label, head, question, &grants, scratch)
}

/// The same, when what the table grants is known.
#[inline(always)]
pub(crate) fn conclude(
    label: &Label,
    head: Head,
    question: &Question,
    grants: &Grants,
    scratch: *mut Scratch,
) -> Judged {
    let policy = Policy::find(head);
    let mode = head.mode();
    let problem = question.object.problem;
    let mut granted = side(grants.granted, label.flags);
    if high(grants.groups) & label.member != 0 {
        granted |= EXEC;
    }
    let missing = question.access & !granted;
    let (reason, missing) = match (&policy, mode) {
        (None, _) | (Some(_), None) if head.is_empty() => (Reason::UnknownSubject as u32, question.access),
        (None, _) | (Some(_), None) => (Reason::PolicyCorrupt as u32, question.access),
        (Some(_), Some(_)) if problem != 0 => (problem, question.access),
        // Learning asks for everything: what the rules say already is the exporter's business.
        (Some(_), Some(Mode::Learn)) => (Reason::NoRule as u32, question.access),
        (Some(_), Some(Mode::Audit | Mode::Enforce)) if missing == 0 => (Reason::Rule as u32, 0),
        (Some(_), Some(Mode::Audit | Mode::Enforce)) => {
            let denied = missing & side(grants.denied, label.flags) != 0;
            (if denied { Reason::DenyRule } else { Reason::NoRule } as u32, missing)
        }
    };
    let reason = scratch::plain(scratch, reason);
    let missing = scratch::plain(scratch, missing);
    let mode = scratch::plain(scratch, mode_number(mode));
    let mut judged = Judged {
        answer: ALLOW,
        granted: scratch::plain_word(scratch, grants.granted),
        groups: scratch::plain_word(scratch, grants.groups),
        below: scratch::plain(scratch, grants.below),
    };
    if reason == Reason::Rule as u32 {
        return judged;
    }
    let verdict = scratch::plain(scratch, verdict_number(reason, mode));
    count::decision(reason);
    let generation = head.generation();
    let record = Record { label, question, mode, verdict, reason, missing, generation };
    let recorded = emit::record(&record, scratch);
    if mode == Mode::Learn as u32 && reason != Reason::Guarded as u32 {
        // What was not reported must not be remembered as reported.
        let reported = if recorded { u64::from(question.access) } else { 0 };
        let session = label.flags & SESSION != 0;
        judged.granted = scratch::plain_word(scratch, if session { reported << 32 } else { reported });
    }
    judged.answer = answer(verdict);
    judged
}

/// The answer for a reason that leaves no object, and no buffer to write a long record in.
#[inline(always)]
pub(crate) fn without_object(label: &Label, operation: Operation, reason: Reason) -> i32 {
    let head = policy::head(label.policy);
    let mode = mode_number(head.mode());
    let verdict = verdict_number(reason as u32, mode);
    count::decision(reason as u32);
    let question = Question { operation, access: 0, object: Object::none(reason) };
    let generation = head.generation();
    let reason = reason as u32;
    emit::short(&Record { label, question: &question, mode, verdict, reason, missing: 0, generation });
    answer(verdict)
}

/// The mode as it goes into a record; 0 when the policy could not be read.
#[inline(always)]
pub(crate) fn mode_number(mode: Option<Mode>) -> u32 {
    match mode {
        Some(mode) => mode as u32,
        None => 0,
    }
}

/// The verdict for a reason under a mode, all as numbers. [`Reason::verdict`] says the same, for every
/// reason and mode: proven below.
#[inline(always)]
pub(crate) const fn verdict_number(reason: u32, mode: u32) -> u32 {
    if reason == Reason::Guarded as u32 {
        Verdict::Denied as u32
    } else if reason == Reason::Rule as u32 || mode == Mode::Learn as u32 {
        Verdict::Allowed as u32
    } else if mode == Mode::Audit as u32 {
        Verdict::WouldDeny as u32
    } else {
        Verdict::Denied as u32
    }
}

const _: () = {
    let modes = [None, Some(Mode::Learn), Some(Mode::Audit), Some(Mode::Enforce)];
    let mut reason = 0;
    while reason < Reason::ALL.len() {
        let mut mode = 0;
        while mode < modes.len() {
            let by_number = verdict_number(Reason::ALL[reason] as u32, mode as u32);
            assert!(by_number == Reason::ALL[reason].verdict(modes[mode]) as u32);
            mode += 1;
        }
        reason += 1;
    }
};

/// Groups of parents that a program belongs to.
#[inline(always)]
pub(crate) fn member(groups: u64) -> u32 {
    low(groups)
}

#[inline(always)]
fn answer(verdict: u32) -> i32 {
    if verdict == Verdict::Denied as u32 { DENY } else { ALLOW }
}
