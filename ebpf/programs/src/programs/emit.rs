//! Records for the agent.

use aya_ebpf::helpers::generated::{
    bpf_get_current_comm, bpf_ktime_get_boot_ns, bpf_probe_read_kernel, bpf_ringbuf_output,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use core::mem::MaybeUninit;
use core::ptr;
use stockade_abi::event::{EventHeader, HEADER_LEN};
use stockade_abi::label::Label;
use stockade_abi::reason::{Mode, Reason};

use super::count;
use super::kernel::{Pointer, current, offset};
use super::maps::EVENTS;
use super::policy::{Object, PEER};
use super::scratch::{OBJECT_SIZE, Scratch};
use super::seen::SeenKey;

/// One decision, ready to be recorded; its enumerations as the numbers that go into the record.
pub(crate) struct Record<'a> {
    pub(crate) label: &'a Label,
    pub(crate) operation: u32,
    pub(crate) access: u32,
    pub(crate) object: &'a Object,
    pub(crate) mode: u32,
    pub(crate) verdict: u32,
    pub(crate) reason: u32,
    pub(crate) missing: u32,
    pub(crate) generation: u64,
}

/// Puts a record into the ring; while learning, only the first of its kind. False when it is lost.
#[inline(always)]
pub(crate) fn record(record: &Record<'_>, scratch: *mut Scratch) -> bool {
    let once = record.mode == Mode::Learn as u32 && record.object.problem == 0;
    // SAFETY: the claim on the buffer is the caller's. In it, since the key would take much of the small stack.
    let (key, object) = unsafe { (&mut (*scratch).seen, (*scratch).whole) };
    if once {
        *key = SeenKey::of(record, object);
        if key.is_remembered() {
            return true;
        }
    }
    if !long(record, scratch) {
        count::lost(record.label.policy);
        return false;
    }
    if once {
        key.remember();
    }
    true
}

/// Puts a record without an object into the ring. False when it is lost.
#[inline(always)]
pub(crate) fn short(record: &Record<'_>) -> bool {
    let mut header = MaybeUninit::uninit();
    // SAFETY: room for a header.
    unsafe { fill(header.as_mut_ptr(), record, 0, 0, 0) };
    // SAFETY: the header is on the stack, whole and initialised.
    let written = unsafe { output(header.as_ptr(), 0) };
    if !written {
        count::lost(record.label.policy);
    }
    written
}

/// The same for a capability or a facility; while learning, what is granted only for the first use of each.
#[inline(always)]
pub(crate) fn power(record: &Record<'_>) {
    if record.mode != Mode::Learn as u32 || record.reason == Reason::Guarded as u32 {
        short(record);
        return;
    }
    let key = SeenKey::of(record, 0);
    if !key.is_remembered() && short(record) {
        key.remember();
    }
}

#[inline(always)]
fn long(record: &Record<'_>, scratch: *mut Scratch) -> bool {
    let object = record.object;
    let view = if object.start == PEER { 0 } else { object.start };
    let len = object.len & (OBJECT_SIZE as u32 - 1);
    // SAFETY: the claim on the buffer is ours.
    let start = unsafe { &raw mut (*scratch).header };
    // SAFETY: as above; the buffer is aligned for the header.
    unsafe { fill(start, record, view, object.skip, len) };
    // SAFETY: header and object are contiguous in the buffer, and `len` is masked to its size.
    unsafe { output(start, len) }
}

/// Writes a header field by field: put together first, it would take as much of the small stack as all else.
///
/// # Safety
///
/// `header` points to room for one.
#[inline(always)]
unsafe fn fill(header: *mut EventHeader, record: &Record<'_>, view: u32, skip: u32, len: u32) {
    let pid_tgid = bpf_get_current_pid_tgid();
    macro_rules! set {
        ($($field:ident = $value:expr;)+) => {$({
            let value = $value;
            // SAFETY: the caller vouches for the room.
            unsafe { (*header).$field = value };
        })+};
    }
    set! {
        // SAFETY: the helper has no precondition.
        time_ns = unsafe { bpf_ktime_get_boot_ns() };
        subject = record.label.subject;
        generation = record.generation;
        pid = (pid_tgid >> 32) as u32;
        tid = pid_tgid as u32;
        uid = bpf_get_current_uid_gid() as u32;
        policy = record.label.policy;
        flags = record.label.flags;
        access = record.access;
        missing = record.missing;
        operation = record.operation as u8;
        verdict = record.verdict as u8;
        reason = record.reason as u8;
        mode = record.mode as u8;
        view = view as u8;
        reserved = 0;
        skip = skip as u16;
        object_len = len;
        reserved2 = 0;
    }
    // SAFETY: the caller vouches for the room. Before the name, whose place it uses.
    unsafe { put_parent(header) };
    // SAFETY: the caller vouches for the room. Where there is no name the helper writes zeroes.
    let _status = unsafe {
        let comm = &raw mut (*header).comm;
        bpf_get_current_comm(comm.cast(), size_of::<[u8; 16]>() as u32)
    };
}

/// Writes the parent's process id. Its address is copied and not loaded: newer verifiers look through every type of the
/// kernel at each pointer that is loaded from a task. It stands where the name comes meanwhile, for want of
/// stack.
///
/// # Safety
///
/// `header` points to room for one.
#[inline(always)]
unsafe fn put_parent(header: *mut EventHeader) {
    let from = current().wrapping_byte_add(offset!(task_real_parent)).cast_const().cast();
    // SAFETY: the caller vouches for the room, which a pointer does not fill.
    let _zero_if_unreadable = unsafe { bpf_probe_read_kernel((&raw mut (*header).comm).cast(), 8, from) };
    // SAFETY: written just now; volatile, since the helper wrote it.
    let parent: Pointer = unsafe { ptr::read_volatile((&raw const (*header).comm).cast()) };
    let from = parent.wrapping_byte_add(offset!(task_tgid)).cast_const();
    // SAFETY: as above.
    let _zero_if_unreadable = unsafe { bpf_probe_read_kernel((&raw mut (*header).ppid).cast(), 4, from) };
}

/// False when the ring is full.
///
/// # Safety
///
/// `len` bytes of the object follow the header in memory.
#[inline(always)]
unsafe fn output(start: *const EventHeader, len: u32) -> bool {
    let map = ptr::from_ref(&EVENTS).cast_mut().cast();
    let size = HEADER_LEN as u64 + u64::from(len);
    // SAFETY: the caller vouches for the memory.
    unsafe { bpf_ringbuf_output(map, start.cast_mut().cast(), size, 0) == 0 }
}
