//! Reading the kernel's structures at the offsets that the agent puts in.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use core::arch::asm;
use core::ffi::c_void;
use stockade_abi::offsets::{Field, LOAD_MARK, VALUE_MARK};

/// A pointer to a structure of the kernel.
pub(crate) type Pointer = *mut c_void;

/// The placeholder of a load of `field`.
pub(crate) const fn load_mark(field: Field) -> i32 {
    LOAD_MARK as i32 + field as i32
}

/// The placeholder of `field`'s offset as a number.
pub(crate) const fn value_mark(field: Field) -> i32 {
    VALUE_MARK + field as i32
}

/// A value that one instruction loads.
pub(crate) trait Loaded: Sized {
    /// # Safety
    ///
    /// The verifier knows the type of what `base` points to, and the field.
    unsafe fn load<const MARK: i32>(base: Pointer) -> Self;
}

macro_rules! loaded {
    ($type:ty, $size:literal) => {
        impl Loaded for $type {
            #[inline(always)]
            unsafe fn load<const MARK: i32>(base: Pointer) -> Self {
                let value: u64;
                // SAFETY: one load; the verifier checks the pointer, and a bad address reads as zero.
                unsafe {
                    asm!(
                        concat!("{value} = *(", $size, " *)({base} + {mark})"),
                        value = out(reg) value,
                        base = in(reg) base,
                        mark = const MARK,
                        options(nostack)
                    )
                };
                value as $type
            }
        }
    };
}

loaded!(u64, "u64");
loaded!(u32, "u32");
loaded!(u16, "u16");

impl Loaded for Pointer {
    #[inline(always)]
    unsafe fn load<const MARK: i32>(base: Pointer) -> Self {
        let value: Pointer;
        // SAFETY: one load; the verifier checks the pointer, and a bad address reads as zero.
        unsafe {
            asm!(
                "{value} = *(u64 *)({base} + {mark})",
                value = out(reg) value,
                base = in(reg) base,
                mark = const MARK,
                options(nostack)
            )
        };
        value
    }
}

/// What the programs before this one answered: another security module, or another program at this hook.
macro_rules! before {
    ($ctx:expr, $hook:ident) => {{
        let at = aya_ebpf::EbpfContext::as_ptr($ctx);
        // SAFETY: behind the arguments of the hook; the verifier checks it.
        let value = unsafe {
            <u64 as $crate::programs::kernel::Loaded>::load::<
                { stockade_abi::offsets::ANSWER_MARK as i32 + stockade_abi::hook::Hook::$hook as i32 },
            >(at)
        };
        value as i32
    }};
}

/// An argument of the hook, counted from the last, which is 1: what stands before it differs between kernels.
macro_rules! from_end {
    ($ctx:expr, $hook:ident, $back:literal) => {{
        let at = aya_ebpf::EbpfContext::as_ptr($ctx);
        // SAFETY: an argument of the hook; the verifier checks it.
        let value = unsafe {
            <$crate::programs::kernel::Pointer as $crate::programs::kernel::Loaded>::load::<
                { stockade_abi::offsets::argument_mark(stockade_abi::hook::Hook::$hook, $back) },
            >(at)
        };
        value
    }};
}

/// The offset of one field as a number.
macro_rules! offset {
    ($field:ident) => {
        $crate::programs::kernel::offset_of::<
            { $crate::programs::kernel::value_mark(stockade_abi::offsets::Field::$field) },
        >()
    };
}

/// The address of a field, for the verifier still a part of its structure.
macro_rules! part {
    ($base:expr, $field:ident) => {
        $crate::programs::kernel::part_of::<
            { $crate::programs::kernel::value_mark(stockade_abi::offsets::Field::$field) },
        >($base)
    };
}

/// Loads a field of a structure that the verifier trusts.
macro_rules! load {
    ($base:expr, $field:ident as $type:ty) => {{
        let base = $base;
        // SAFETY: the verifier checks the pointer's type and the field.
        let value = unsafe {
            <$type as $crate::programs::kernel::Loaded>::load::<
                { $crate::programs::kernel::load_mark(stockade_abi::offsets::Field::$field) },
            >(base)
        };
        value
    }};
}

/// Loads a field of a structure that the verifier knows nothing about; `None` when it faults.
macro_rules! probe {
    ($base:expr, $field:ident as $type:ty) => {
        $crate::programs::kernel::probe_at::<$type>($base, $crate::programs::kernel::offset!($field))
    };
}

pub(crate) use {before, from_end, load, offset, part, probe};

/// Whether the programs are attached to the functions that call the hooks. The verifier knows it too, and drops
/// what is for the other case.
#[inline(always)]
pub(crate) fn is_tracing() -> bool {
    offset!(is_tracing) != 0
}

#[inline(always)]
pub(crate) fn offset_of<const MARK: i32>() -> usize {
    let value: usize;
    // SAFETY: an assignment.
    unsafe { asm!("{value} = {mark}", value = out(reg) value, mark = const MARK, options(nostack)) };
    value
}

#[inline(always)]
pub(crate) fn part_of<const MARK: i32>(base: Pointer) -> Pointer {
    let mut part = base;
    // SAFETY: an addition; nothing is accessed.
    unsafe { asm!("{part} += {mark}", part = inout(reg) part, mark = const MARK, options(nostack)) };
    part
}

#[inline(always)]
pub(crate) fn probe_at<T>(base: Pointer, offset: usize) -> Option<T> {
    let at = base.wrapping_byte_add(offset).cast_const().cast::<T>();
    // SAFETY: the helper checks every address.
    unsafe { bpf_probe_read_kernel(at) }.ok()
}

/// The address that a pointer holds, as a number. To the verifier a pointer that is passed on as a number
/// stays a pointer, which a function of its own does not take.
#[inline(always)]
pub(crate) fn address(pointer: Pointer) -> u64 {
    copied(&pointer)
}

/// The same number, about which the verifier knows nothing any more: it looks at what comes after once, and not
/// once for each value.
#[inline(always)]
pub(crate) fn unknown(number: u32) -> u32 {
    copied(&u64::from(number)) as u32
}

/// Of what a helper has copied the verifier knows nothing. It can always read this place.
#[inline(always)]
fn copied<T>(place: &T) -> u64 {
    probe_at::<u64>(core::ptr::from_ref(place).cast_mut().cast(), 0).unwrap_or(0)
}

/// The task that runs this program.
#[inline(always)]
pub(crate) fn current() -> *mut task_struct {
    // SAFETY: the helper has no precondition.
    unsafe { bpf_get_current_task_btf() }
}

/// Whether `task` still has the root directory of the host: it belongs to a runtime that has not yet
/// entered the container.
///
/// The host is where the first process of the initial pid namespace lives. A read that fails counts as
/// "no": the task is then judged.
#[inline(always)]
pub(crate) fn has_host_root(task: Pointer) -> bool {
    let root_of = |task| probe!(probe!(task, task_fs as Pointer)?, fs_root_dentry as Pointer);
    let host = || {
        let pid: Pointer = probe!(task, task_thread_pid as Pointer)?;
        let outermost = pid.wrapping_byte_add(offset!(pid_numbers));
        let namespace: Pointer = probe!(outermost, upid_ns as Pointer)?;
        let first: Pointer = probe!(namespace, pidns_reaper as Pointer)?;
        root_of(first)
    };
    match (root_of(task), host()) {
        (Some(own), Some(host)) => own == host,
        (None, Some(_)) | (Some(_), None) | (None, None) => false,
    }
}
