//! Every map, with its size and the reason for it.

use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, bpf_map_type, task_struct};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::bpf_task_storage_get;
use aya_ebpf::macros::btf_map;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr;
use stockade_abi::hook::Hook;
use stockade_abi::label::{Label, SubjectEntry};
use stockade_abi::reason::Reason;
use stockade_abi::{POLICY_SLOTS, SUBJECTS_MAX, table};

use super::emit::SeenKey;
use super::scratch::{SCRATCH_SLOTS, Scratch};

/// A map whose values hang on tasks; aya has no wrapper for this kind.
#[repr(C)]
pub(crate) struct TaskStorage<T> {
    r#type: *const [i32; bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as usize],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    holds: PhantomData<T>,
}

// SAFETY: the fields only describe the map to the loader and are never read.
unsafe impl<T> Sync for TaskStorage<T> {}

impl<T> TaskStorage<T> {
    const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
            holds: PhantomData,
        }
    }

    /// The value of `task`; with `initial`, made if it has none. Null when there is none, or no memory.
    #[inline(always)]
    pub(crate) fn get(&self, task: *mut task_struct, initial: Option<&mut T>) -> *mut T {
        let map = ptr::from_ref(self).cast_mut().cast::<c_void>();
        let (value, flags) = match initial {
            Some(value) => (ptr::from_mut(value).cast::<c_void>(), 1),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: the verifier proves that `task` is a trusted task and `value` large enough.
        unsafe { bpf_task_storage_get(map, task, value, flags) }.cast()
    }
}

/// The label of each labelled task.
#[btf_map]
pub(crate) static LABELS: TaskStorage<Label> = TaskStorage::new();

/// What is known of each bound cgroup before its first process is labelled.
#[btf_map]
pub(crate) static SUBJECTS: HashMap<u64, SubjectEntry, { SUBJECTS_MAX as usize }> = HashMap::new();

/// Policy tables by slot, one map for each size. A slot is filled in one of them; while a policy moves
/// to another size it is filled in two, and the smaller one counts.
#[btf_map]
pub(crate) static POLICIES_S: ArrayOfMaps<Array<[u64; table::SMALL], 1>, { POLICY_SLOTS as usize }> =
    ArrayOfMaps::new();
#[btf_map]
pub(crate) static POLICIES_M: ArrayOfMaps<Array<[u64; table::MEDIUM], 1>, { POLICY_SLOTS as usize }> =
    ArrayOfMaps::new();
#[btf_map]
pub(crate) static POLICIES_L: ArrayOfMaps<Array<[u64; table::LARGE], 1>, { POLICY_SLOTS as usize }> =
    ArrayOfMaps::new();

/// Records for the agent. 4 MiB hold about 30 000 of them while the agent is away.
#[btf_map]
pub(crate) static EVENTS: RingBuf<u8, { 4 * 1024 * 1024 }> = RingBuf::new();

/// Observations already reported. Losing one to eviction only means that it is reported again.
#[btf_map]
pub(crate) static SEEN: LruHashMap<SeenKey, u64, 65_536> = LruHashMap::new();

/// Decisions about labelled tasks, by reason.
#[btf_map]
pub(crate) static REASONS: PerCpuArray<u64, { Reason::COUNT }> = PerCpuArray::new();

/// Records that found the ring full, by policy slot.
#[btf_map]
pub(crate) static LOST: PerCpuArray<u64, { POLICY_SLOTS as usize }> = PerCpuArray::new();

/// Refusals of the canary, by hook.
#[btf_map]
pub(crate) static CANARY: PerCpuArray<u64, { Hook::COUNT }> = PerCpuArray::new();

/// Buffers that a decision claims while it runs.
#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, { SCRATCH_SLOTS as usize }> = PerCpuArray::new();
