//! Reading the kernel's structures at the offsets that the agent resolved.

use aya_ebpf::bindings::task_struct;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::helpers::generated::bpf_get_current_task_btf;
use core::ffi::c_void;
use stockade_abi::offsets::{FIELDS, Offsets};

/// Filled in by the agent before the programs are loaded, so that the verifier sees constants.
#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::from_values([0; FIELDS.len()]);

/// A pointer to a structure of the kernel.
pub(crate) type Pointer = *mut c_void;

/// The offset of one field.
macro_rules! offset {
    ($field:ident) => {{
        let field = &raw const $crate::programs::kernel::OFFSETS.$field;
        // SAFETY: a read of our own global; volatile, since the agent replaces its value.
        let value = unsafe { core::ptr::read_volatile(field) };
        value as usize
    }};
}

/// Loads a field of a structure that the verifier trusts.
macro_rules! load {
    ($base:expr, $field:ident as $type:ty) => {{
        let at = $base.wrapping_byte_add($crate::programs::kernel::offset!($field)).cast::<$type>();
        // SAFETY: the verifier checks the pointer's type and the field; a bad address reads as zero.
        let value = unsafe { core::ptr::read_volatile(at) };
        value
    }};
}

/// Loads a field of a structure that the verifier knows nothing about; `None` when it faults.
macro_rules! probe {
    ($base:expr, $field:ident as $type:ty) => {
        $crate::programs::kernel::probe_at::<$type>($base, $crate::programs::kernel::offset!($field))
    };
}

pub(crate) use {load, offset, probe};

#[inline(always)]
pub(crate) fn probe_at<T>(base: Pointer, offset: usize) -> Option<T> {
    let at = base.wrapping_byte_add(offset).cast_const().cast::<T>();
    // SAFETY: the helper checks every address.
    unsafe { bpf_probe_read_kernel(at) }.ok()
}

/// The task that runs this program.
#[inline(always)]
pub(crate) fn current() -> *mut task_struct {
    // SAFETY: the helper has no precondition.
    unsafe { bpf_get_current_task_btf() }
}

/// Address of the root directory's entry of `task`.
#[inline(always)]
fn root_of(task: Pointer) -> Option<Pointer> {
    let fs: Pointer = probe!(task, task_fs as Pointer)?;
    let root = fs.wrapping_byte_add(offset!(fs_root));
    probe!(root, path_dentry as Pointer)
}

/// Whether `task` still has the root directory of the host: it belongs to a runtime that has not yet
/// entered the container.
///
/// The host is where the first process of the initial pid namespace lives. A read that fails counts as
/// "no": the task is then judged.
#[inline(always)]
pub(crate) fn has_host_root(task: Pointer) -> bool {
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
