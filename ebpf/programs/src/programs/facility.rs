//! Judging what has no object: capabilities and facilities.

use core::arch::asm;
use stockade_abi::capability::WAKE_ALARM;
use stockade_abi::facility::Facility;
use stockade_abi::head::Head;
use stockade_abi::hook::Hook;
use stockade_abi::label::{CANARY, SESSION};
use stockade_abi::reason::{Mode, Operation, Reason, Verdict};
use stockade_abi::table::{CAPABILITIES, CAPABILITIES_DENIED, FACILITIES, FACILITIES_DENIED};

use super::emit::{self, Record};
use super::judge::{ALLOW, mode_number, verdict_number};
use super::kernel::{Pointer, current, load, probe, probe_at};
use super::label::Tag;
use super::policy::{Object, Policy, side};
use super::{count, label, policy};

/// `-EPERM`: what the kernel itself answers to who lacks a privilege.
pub(crate) const DENY: i32 = -1;
/// [`DENY`], put so that the compiler does not make it of the condition: of a negated number the verifier
/// forgets the bounds.
#[inline(always)]
fn deny() -> i32 {
    let answer: i64;
    // SAFETY: an assignment.
    unsafe { asm!("{answer} = {deny}", answer = out(reg) answer, deny = const DENY, options(nostack)) };
    answer as i32
}

/// `opts` of a check whose failure means nothing.
const CAP_OPT_NOAUDIT: u32 = 1 << 1;

/// A hook that stands for one facility.
#[inline(always)]
pub(crate) fn hook(before: i32, hook: Hook, facility: Facility) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        count::canary(hook);
        return DENY;
    }
    judge(tag, facility)
}

/// `id` of a kernel to be started and of its first file system; whatever else is loaded goes into this one.
const KEXEC: [u32; 2] = [3, 4];

/// `kernel_read_file(file, id, contents)` and `kernel_load_data(id, contents)`.
#[inline(always)]
pub(crate) fn kernel_code(before: i32, asked: Hook, id: u32) -> i32 {
    let kexec = id == KEXEC[0] || id == KEXEC[1];
    hook(before, asked, if kexec { Facility::Kexec } else { Facility::Modules })
}

/// `option` of prctl: changes what the kernel knows of the address space, and of that the running program's file,
/// alone or among others.
const PR_SET_MM: u32 = 35;
const PR_SET_MM_EXE_FILE: u64 = 13;
const PR_SET_MM_MAP: u64 = 14;

/// `task_prctl(option, arg2, arg3, arg4, arg5)`. The file of the running program is mapped unasked.
#[inline(always)]
pub(crate) fn prctl(before: i32, option: u32, what: u64) -> i32 {
    if option != PR_SET_MM || (what != PR_SET_MM_EXE_FILE && what != PR_SET_MM_MAP) {
        return before;
    }
    hook(before, Hook::Prctl, Facility::Ptrace)
}

/// Events at which the kernel waits for the watcher's answer: opening, reading, starting, and from 6.14 on what comes
/// before reading.
const ASKED: u64 = 0x1_0000 | 0x2_0000 | 0x4_0000 | 0x10_0000;

/// `path_notify(path, mask, obj_type)`. Who is asked can hold up everybody who shares the file system, the agent too.
#[inline(always)]
pub(crate) fn notify(before: i32, mask: u64) -> i32 {
    if mask & ASKED == 0 {
        return before;
    }
    hook(before, Hook::Notify, Facility::Fanotify)
}

/// Beginnings of the names of files that are nothing but a way into the kernel.
const IO_URING: [u8; 8] = *b"[io_urin";
const USERFAULTFD: [u8; 8] = *b"[userfau";

/// `inode_init_security_anon(inode, name, context)`.
#[inline(always)]
pub(crate) fn anonymous(before: i32, name: Pointer) -> i32 {
    if before != 0 || label::tag(current()).is_none() {
        return before;
    }
    let begins = probe!(name, qstr_name as Pointer).and_then(|text| probe_at::<[u8; 8]>(text, 0));
    match begins {
        Some(IO_URING) => hook(before, Hook::InitAnonymous, Facility::IoUring),
        Some(USERFAULTFD) => hook(before, Hook::InitAnonymous, Facility::Userfaultfd),
        Some(_) | None => ALLOW,
    }
}

/// `capable(cred, ns, cap, opts)`.
#[inline(always)]
pub(crate) fn capable(before: i32, cred: Pointer, number: u32, options: u32) -> i32 {
    if before != 0 {
        return before;
    }
    let task = current();
    let Some(tag) = label::tag(task) else { return ALLOW };
    if tag.flags & CANARY != 0 {
        // Other capabilities stand before the hooks that it is to reach.
        if number != WAKE_ALARM {
            return ALLOW;
        }
        count::canary(Hook::Capable);
        return DENY;
    }
    // The kernel asks for others too: an overlay for who mounted it, a file for who opened it.
    let own: Pointer = load!(task.cast(), task_cred as Pointer);
    let real: Pointer = load!(task.cast(), task_real_cred as Pointer);
    if cred != own || cred != real {
        return ALLOW;
    }
    decide(tag, Operation::Capability, number, options & CAP_OPT_NOAUDIT != 0)
}

/// The same as [`judge`], where a refusal may not be worth a record.
#[inline(always)]
pub(crate) fn judge_quietly(tag: Tag, facility: Facility, quiet: bool) -> i32 {
    decide(tag, Operation::Facility, facility as u32, quiet)
}

/// Judges the use of a facility.
#[inline(always)]
pub(crate) fn judge(tag: Tag, facility: Facility) -> i32 {
    decide(tag, Operation::Facility, facility as u32, false)
}

/// The same, where it is seldom asked and a short way would be of no use.
#[inline(always)]
pub(crate) fn judge_at_length(facility: Facility) -> i32 {
    at_length(Operation::Facility, facility as u32, 0)
}

/// Whether it is granted to who has these flags of a label, for who records by itself that it is not.
#[inline(always)]
pub(crate) fn is_granted(head: Head, flags: u32, facility: Facility) -> bool {
    Policy::find(head)
        .is_some_and(|policy| granted(&policy, flags, Operation::Facility as u32, facility as u32))
}

/// Refuses what no profile can grant of a facility.
#[inline(always)]
pub(crate) fn refuse(facility: Facility) -> i32 {
    at_length(Operation::Facility, facility as u32, GUARDED)
}

/// Refuses to change the root while nothing can tell afterwards what it was.
#[inline(always)]
pub(crate) fn root_unknown() -> i32 {
    at_length(Operation::Facility, Facility::Chroot as u32, ROOT_UNKNOWN)
}

/// How [`stockade_power`] is to judge: a refusal is not worth a record.
const QUIET: u32 = 1;
/// It is about the agent's own, which nothing grants.
const GUARDED: u32 = 2;
/// See [`root_unknown`].
const ROOT_UNKNOWN: u32 = 4;

/// The short way out is where the table grants it. `quiet`: a refusal is not worth a record.
#[inline(always)]
fn decide(tag: Tag, operation: Operation, number: u32, quiet: bool) -> i32 {
    let head = policy::head(tag.policy);
    if let (Some(policy), Some(Mode::Audit | Mode::Enforce)) = (Policy::find(head), head.mode())
        && granted(&policy, tag.flags, operation as u32, number)
    {
        return ALLOW;
    }
    at_length(operation, number, if quiet { QUIET } else { 0 })
}

/// What a hook answers to [`stockade_power`].
#[inline(always)]
fn at_length(operation: Operation, number: u32, how: u32) -> i32 {
    if stockade_power(operation as u32, number, how) == 0 { ALLOW } else { deny() }
}

/// Judges what may not be granted, as a stage (see [`super::judge`]). Not 0 where it is denied.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_power(operation: u32, number: u32, how: u32) -> u32 {
    let Some(label) = label::of(current()) else { return 0 };
    let head = policy::head(label.policy);
    let policy = Policy::find(head);
    let mut denied = false;
    let (guarded, root_unknown) = (how & GUARDED != 0, how & ROOT_UNKNOWN != 0);
    if let (Some(policy), Some(Mode::Audit | Mode::Enforce)) = (&policy, head.mode())
        && !guarded
        && !root_unknown
    {
        if granted(policy, label.flags, operation, number) {
            return 0;
        }
        denied = taken(policy, operation, number);
    }
    let reason = match (&policy, head.mode()) {
        (None, _) | (Some(_), None) if head.is_empty() => Reason::UnknownSubject,
        (None, _) | (Some(_), None) => Reason::PolicyCorrupt,
        (Some(_), Some(_)) if guarded => Reason::Guarded,
        (Some(_), Some(_)) if root_unknown => Reason::RootUnknown,
        (Some(_), Some(Mode::Audit | Mode::Enforce)) if denied => Reason::DenyRule,
        (Some(_), Some(Mode::Learn | Mode::Audit | Mode::Enforce)) => Reason::NoRule,
    } as u32;
    let mode = mode_number(head.mode());
    let verdict = verdict_number(reason, mode);
    if how & QUIET == 0 {
        count::decision(reason);
        emit::power(&Record {
            label: &label,
            operation,
            access: number,
            object: &Object::NOTHING,
            mode,
            verdict,
            reason,
            missing: 0,
            generation: head.generation(),
        });
    }
    u32::from(verdict == Verdict::Denied as u32)
}

/// Whether the table grants it to who has these flags of a label.
#[inline(always)]
fn granted(policy: &Policy, flags: u32, operation: u32, number: u32) -> bool {
    if operation == Operation::Capability as u32 {
        let of_session = u32::from(flags & SESSION != 0);
        policy.word(CAPABILITIES + of_session) >> (number & 63) & 1 != 0
    } else {
        side(policy.word(FACILITIES), flags) >> (number & 31) & 1 != 0
    }
}

/// Whether a deny rule is why it is not granted.
#[inline(always)]
fn taken(policy: &Policy, operation: u32, number: u32) -> bool {
    if operation == Operation::Capability as u32 {
        policy.word(CAPABILITIES_DENIED) >> (number & 63) & 1 != 0
    } else {
        policy.word(FACILITIES_DENIED) >> (number & 31) & 1 != 0
    }
}
