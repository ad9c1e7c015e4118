//! What a program consists of, for rules that name contents.
//!
//! Reading a file may have to wait, and a program in the kernel that waits is one of its own kind: what it does is not
//! over when the agent has waited for all others, so it must not decide anything by a table. It takes the content down,
//! and the program that decides comes right behind it.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::helpers::generated::bpf_ima_file_hash;
use aya_ebpf::programs::LsmContext;
use stockade_abi::access::EXEC;
use stockade_abi::head::Head;
use stockade_abi::hook::Hook;
use stockade_abi::label::CANARY;
use stockade_abi::table::{self, PIN_WORDS, PINS, PINS_MAX, Pin, Table as _, high, low};

use super::kernel::{Pointer, address, before, current, load};
use super::label::{self, Tag};
use super::maps::CONTENTS;
use super::policy::{self, Policy, Words, side};
use super::rounds::{CONTINUE, STOP, rounds};
use super::{count, quick};

/// `HASH_ALGO_SHA256`.
const SHA256: i64 = 4;

/// What a task is about to start.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Content {
    /// Address of the open file.
    file: u64,
    /// SHA-256 of what is in it.
    digest: [u64; 4],
}

/// `bprm_check_security(bprm)`, before it is judged.
#[inline(always)]
pub(crate) fn take(ctx: &LsmContext) -> i32 {
    let before = before!(ctx, Content);
    let task = current();
    let (tag, enters) = match label::tag(task) {
        Some(tag) => (tag, false),
        None if !policy::any_names_contents() => return before,
        None => match label::at_entry(task, (bpf_get_current_pid_tgid() >> 32) as u32) {
            Some(label) => (Tag { policy: label.policy, flags: label.flags }, true),
            None => return before,
        },
    };
    if tag.flags & CANARY != 0 {
        count::canary(Hook::Content);
        return before;
    }
    if before != 0 || !policy::head(tag.policy).names_contents() {
        return before;
    }
    let bprm: Pointer = ctx.arg(0);
    let file: Pointer = load!(bprm, bprm_file as Pointer);
    let task_key = task as u64;
    if !enters
        && let Some((granted, _)) = quick::program(task, tag.policy, file)
        && side(granted, tag.flags) & EXEC != 0
    {
        return before;
    }
    let mut content = Content { file: address(file), digest: [0; 4] };
    // SAFETY: the verifier proves that `file` is a trusted file, and the size of the digest.
    let algorithm = unsafe {
        bpf_ima_file_hash(file.cast(), (&raw mut content.digest).cast(), size_of_val(&content.digest) as u32)
    };
    if algorithm == SHA256 {
        // Without room nothing is known of it, and the start is denied.
        let _there = CONTENTS.insert(task_key, content, 0);
    } else {
        let _gone = CONTENTS.remove(task_key);
    }
    before
}

/// Whether the content of `file`, which the current task is about to start, is one of the sets `sets` of the table of
/// `head`, and lets a member of the groups `member` start it.
#[inline(always)]
pub(crate) fn is_pinned(file: Pointer, head: Head, sets: u32, member: u32) -> bool {
    stockade_pinned(address(file), head.word(), sets, member) != 0
}

/// The same, as a stage.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn stockade_pinned(file: u64, head: u64, sets: u32, member: u32) -> u32 {
    let task = current();
    // SAFETY: the copy is short; a task writes its own entry before this.
    let Some(content) = (unsafe { CONTENTS.get(task as u64) }).copied() else { return 0 };
    if content.file != file {
        return 0;
    }
    let found = match Policy::find(Head::from_word(head)) {
        Some(Policy::Small(table)) => search(&table, &content, sets, member),
        Some(Policy::Medium(table)) => search(&table, &content, sets, member),
        Some(Policy::Large(table)) => search(&table, &content, sets, member),
        None => false,
    };
    u32::from(found)
}

/// A look through the pins of a table.
#[repr(C)]
struct Search<const N: usize> {
    table: Words<N>,
    digest: [u64; 4],
    first: u32,
    count: u32,
    sets: u32,
    member: u32,
    found: u64,
}

#[inline(always)]
fn search<const N: usize>(table: &Words<N>, content: &Content, sets: u32, member: u32) -> bool {
    let pins = table.word(PINS);
    let mut search = Search {
        table: *table,
        digest: content.digest,
        first: low(pins),
        count: high(pins),
        sets,
        member,
        found: 0,
    };
    rounds(PINS_MAX, &mut search, look::<N>);
    search.found != 0
}

extern "C" fn look<const N: usize>(round: u32, search: &mut Search<N>) -> i64 {
    if round >= search.count {
        return STOP;
    }
    let at = search.first.wrapping_add(round.wrapping_mul(PIN_WORDS));
    let word = |index: u32| table::Table::word(&search.table, at.wrapping_add(index));
    let pin = Pin::from_words([word(0), word(1), word(2), word(3), word(4)]);
    if pin.is_for(search.sets, search.member) && pin.digest == search.digest {
        search.found = 1;
        return STOP;
    }
    CONTINUE
}
