//! From what was found to the answer: one function for every hook.

use stockade_abi::access::{DRIFT, EXEC};
use stockade_abi::head::Head;
use stockade_abi::label::{Label, SESSION};
use stockade_abi::reason::{Mode, Operation, Reason, Verdict};
use stockade_abi::table::{high, low};

use super::count;
use super::emit::{self, Record};
use super::policy::{self, Below, Grants, Object, Policy, side};
use super::scratch::{self, Desk, Scratch};
use super::seen::Hashed;

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
    /// How names in the directory begin: the state of the table, or while learning the hash of what comes before; 0
    /// when it is not known.
    pub(crate) below: u64,
}

/// Judges, counts, records, answers. `head` is what was in the slot when the decision began.
#[inline(always)]
pub(crate) fn judge(label: &Label, head: Head, question: &Question, scratch: *mut Scratch) -> Judged {
    lay(label, head, question, &Grants::NOTHING, scratch);
    stockade_walk(scratch::index(scratch));
    concluded(scratch)
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
    lay(label, head, question, grants, scratch);
    concluded(scratch)
}

/// What the table of `head` says of an object in the buffer.
#[inline(always)]
pub(crate) fn look(head: Head, object: &Object, scratch: *mut Scratch) -> Grants {
    lay_object(head, object, scratch);
    stockade_walk(scratch::index(scratch));
    laid_grants(scratch)
}

/// What the table of `head` says of everything below a directory in the buffer, and whether it is one thing.
#[inline(always)]
pub(crate) fn look_below(head: Head, object: &Object, scratch: *mut Scratch) -> (Grants, bool) {
    lay_object(head, object, scratch);
    let is_all = stockade_below(scratch::index(scratch)) != 0;
    (laid_grants(scratch), is_all)
}

#[inline(always)]
fn lay_object(head: Head, object: &Object, scratch: *mut Scratch) {
    let desk = scratch::desk(scratch);
    // SAFETY: the claim on the buffer is the caller's.
    unsafe { ((*desk).head, (*desk).object, (*desk).grants) = (head.word(), *object, Grants::NOTHING) };
}

#[inline(always)]
fn laid_grants(scratch: *mut Scratch) -> Grants {
    // SAFETY: the claim on the buffer is the caller's.
    unsafe { core::ptr::read_volatile(&raw const (*scratch::desk(scratch)).grants) }
}

#[inline(always)]
fn lay(label: &Label, head: Head, question: &Question, grants: &Grants, scratch: *mut Scratch) {
    let Question { operation, access, object } = *question;
    let operation = operation as u32;
    let desk = Desk { label: *label, head: head.word(), operation, access, object, grants: *grants };
    // SAFETY: the claim on the buffer is the caller's.
    unsafe { core::ptr::write_volatile(scratch::desk(scratch), desk) };
}

#[inline(always)]
fn concluded(scratch: *mut Scratch) -> Judged {
    stockade_begin(scratch::index(scratch));
    let answer = answer(stockade_conclude(scratch::index(scratch)));
    let grants = laid_grants(scratch);
    // SAFETY: the claim on the buffer is the caller's.
    let below = unsafe { (*scratch).below };
    Judged { answer, granted: grants.granted, groups: grants.groups, below }
}

// What follows are functions that the verifier looks at once for each program, with arguments that it knows
// nothing about, instead of once for each way in which a program comes to call them. So they take numbers
// only, and find the rest in the buffer; and so their answers are numbers of which it knows nothing either.

/// Looks up what the table says of the object on the desk, and leaves it there.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_walk(index: u32) -> u32 {
    // Without a buffer nothing is granted.
    let Some(scratch) = scratch::at(index) else { return 0 };
    let desk = scratch::desk(scratch);
    // SAFETY: the caller has claimed the buffer.
    let (head, object) = unsafe { ((*desk).head, (*desk).object) };
    if let Some(policy) = Policy::find(Head::from_word(head))
        && object.problem == 0
    {
        let grants = policy.grants(&object, scratch::object(scratch));
        // SAFETY: as above.
        unsafe { (*desk).grants = grants };
    }
    0
}

/// Looks up how the table goes on below the directory on the desk, and leaves there what is granted below it and
/// the state. Not 0 if that is the same for everything below.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_below(index: u32) -> u32 {
    let Some(scratch) = scratch::at(index) else { return 0 };
    let desk = scratch::desk(scratch);
    // SAFETY: the caller has claimed the buffer.
    let (head, object) = unsafe { ((*desk).head, (*desk).object) };
    let Some(policy) = Policy::find(Head::from_word(head)) else { return 0 };
    if object.problem != 0 {
        return 0;
    }
    let Below { state, is_all, granted, groups } = policy.below(&object, scratch::object(scratch));
    let grants = Grants { granted, denied: 0, groups, below: state, pins: 0 };
    // SAFETY: as above.
    unsafe { (*desk).grants = grants };
    u32::from(is_all)
}

/// Leaves how names in the directory of the object begin; while learning, by hashing the object.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_begin(index: u32) -> u32 {
    let Some(scratch) = scratch::at(index) else { return 0 };
    let desk = scratch::desk(scratch);
    // SAFETY: the caller has claimed the buffer.
    let (head, object, below) = unsafe { ((*desk).head, (*desk).object, (*desk).grants.below) };
    let (below, whole) = if Head::from_word(head).mode() != Some(Mode::Learn) {
        (u64::from(below), 0)
    } else if object.problem == 0 {
        let hashed = Hashed::of(&object, scratch::object(scratch));
        (hashed.directory, hashed.whole)
    } else {
        (0, 0)
    };
    // SAFETY: as above.
    unsafe { ((*scratch).below, (*scratch).whole) = (below, whole) };
    0
}

/// Concludes, counts and records the decision on the desk, and leaves there what of it may be remembered.
/// Not 0 where it is denied.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_conclude(index: u32) -> u32 {
    let Some(scratch) = scratch::at(index) else { return 1 };
    let at = scratch::desk(scratch);
    // SAFETY: the caller has claimed the buffer.
    let desk = unsafe { &*at };
    let label = &desk.label;
    let head = Head::from_word(desk.head);
    let policy = Policy::find(head);
    let problem = desk.object.problem;
    let mut granted = side(desk.grants.granted, label.flags);
    if high(desk.grants.groups) & label.member != 0 {
        granted |= EXEC;
    }
    let missing = desk.access & !granted;
    let (reason, missing) = match (&policy, head.mode()) {
        (None, _) | (Some(_), None) if head.is_empty() => (Reason::UnknownSubject as u32, desk.access),
        (None, _) | (Some(_), None) => (Reason::PolicyCorrupt as u32, desk.access),
        (Some(_), Some(_)) if problem != 0 => (problem, desk.access),
        // Learning asks for everything: what the rules say already is the exporter's business.
        (Some(_), Some(Mode::Learn)) => (Reason::NoRule as u32, desk.access),
        (Some(_), Some(Mode::Audit | Mode::Enforce)) if missing == 0 => (Reason::Rule as u32, 0),
        (Some(_), Some(Mode::Audit | Mode::Enforce)) => {
            let denied = missing & side(desk.grants.denied, label.flags) != 0;
            let drifted = missing == DRIFT;
            let pinned = missing & EXEC != 0 && desk.grants.pins != 0;
            let reason = if denied {
                Reason::DenyRule
            } else if pinned {
                Reason::OtherContent
            } else if drifted {
                Reason::NotFromImage
            } else {
                Reason::NoRule
            };
            (reason as u32, missing)
        }
    };
    let reason = scratch::plain(scratch, reason);
    let missing = scratch::plain(scratch, missing);
    let mode = scratch::plain(scratch, mode_number(head.mode()));
    if reason == Reason::Rule as u32 {
        return 0;
    }
    let verdict = scratch::plain(scratch, verdict_number(reason, mode));
    count::decision(reason);
    let (operation, access, object) = (desk.operation, desk.access, &desk.object);
    let generation = head.generation();
    let record = Record { label, operation, access, object, mode, verdict, reason, missing, generation };
    let recorded = emit::record(&record, scratch);
    if mode == Mode::Learn as u32 && reason != Reason::Guarded as u32 {
        // What was not reported must not be remembered as reported.
        let reported = if recorded { u64::from(access) } else { 0 };
        let session = label.flags & SESSION != 0;
        // SAFETY: the caller has claimed the buffer.
        unsafe { (*at).grants.granted = if session { reported << 32 } else { reported } };
    }
    u32::from(verdict == Verdict::Denied as u32)
}

/// The answer for a reason that leaves no object, and no buffer to write a long record in.
#[inline(always)]
pub(crate) fn without_object(label: &Label, operation: Operation, reason: Reason) -> i32 {
    let (operation, reason) = (operation as u32, reason as u32);
    answer(stockade_without_object(operation, reason, label.subject, label.policy, label.flags))
}

/// Counts and records a decision without an object. Not 0 where it is denied.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_without_object(
    operation: u32,
    reason: u32,
    subject: u64,
    policy: u32,
    flags: u32,
) -> u32 {
    let head = policy::head(policy);
    let mode = mode_number(head.mode());
    let verdict = verdict_number(reason, mode);
    count::decision(reason);
    let label = &Label { subject, policy, flags, member: 0, next_member: 0 };
    let (object, generation) = (&Object::NOTHING, head.generation());
    let (access, missing) = (0, 0);
    emit::short(&Record { label, operation, access, object, mode, verdict, reason, missing, generation });
    u32::from(verdict == Verdict::Denied as u32)
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

/// What a hook answers where a stage says whether it is denied.
#[inline(always)]
pub(crate) fn answer(denied: u32) -> i32 {
    if denied == 0 { ALLOW } else { DENY }
}
