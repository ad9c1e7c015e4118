//! Every map, with its size and the reason for it.

use aya_ebpf::bindings::{BPF_F_NO_PREALLOC, bpf_map_type, task_struct};
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::helpers::generated::{bpf_inode_storage_get, bpf_task_storage_get};
use aya_ebpf::macros::btf_map;
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr;
use stockade_abi::head::TABLES;
use stockade_abi::hook::Hook;
use stockade_abi::known::{FileId, GUARDS_MAX, InodeMemory};
use stockade_abi::label::{Label, Root, SubjectEntry};
use stockade_abi::owner::Owner;
use stockade_abi::reason::Reason;
use stockade_abi::{POLICY_SLOTS, SUBJECTS_MAX, table};

use super::content::Content;
use super::kernel::Pointer;
use super::peers::KnownPeer;
use super::scratch::{SCRATCH_SLOTS, Scratch};
use super::seen::SeenKey;

/// A map whose values hang on objects of the kernel and go with them.
#[repr(C)]
pub(crate) struct LocalStorage<T, const KIND: usize> {
    r#type: *const [i32; KIND],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; BPF_F_NO_PREALLOC as usize],
    holds: PhantomData<T>,
}

// SAFETY: the fields only describe the map to the loader and are never read.
unsafe impl<T, const KIND: usize> Sync for LocalStorage<T, KIND> {}

impl<T, const KIND: usize> LocalStorage<T, KIND> {
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

    /// The map itself, as helpers and the kernel's own structures name it.
    #[inline(always)]
    pub(crate) fn map(&self) -> *mut c_void {
        ptr::from_ref(self).cast_mut().cast()
    }
}

/// A map whose values hang on tasks.
pub(crate) type TaskStorage<T> = LocalStorage<T, { bpf_map_type::BPF_MAP_TYPE_TASK_STORAGE as usize }>;
/// A map whose values hang on inodes.
pub(crate) type InodeStorage<T> = LocalStorage<T, { bpf_map_type::BPF_MAP_TYPE_INODE_STORAGE as usize }>;

impl<T> TaskStorage<T> {
    /// The value of `task`; with `initial`, made if it has none. Null when there is none, or no memory.
    #[inline(always)]
    pub(crate) fn get(&self, task: *mut task_struct, initial: Option<&mut T>) -> *mut T {
        let (value, flags) = match initial {
            Some(value) => (ptr::from_mut(value).cast::<c_void>(), 1),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: the verifier proves that `task` is a trusted task and `value` large enough.
        unsafe { bpf_task_storage_get(self.map(), task, value, flags) }.cast()
    }
}

impl<T> InodeStorage<T> {
    /// The value of `inode`, or null.
    #[inline(always)]
    pub(crate) fn get(&self, inode: Pointer) -> *mut T {
        // SAFETY: the verifier proves that `inode` is an inode.
        unsafe { bpf_inode_storage_get(self.map(), inode, ptr::null_mut(), 0) }.cast()
    }

    /// The value of `inode`, made of zeroes if it has none; null when there is no memory.
    #[inline(always)]
    pub(crate) fn get_or_make(&self, inode: Pointer) -> *mut T {
        // SAFETY: as above.
        unsafe { bpf_inode_storage_get(self.map(), inode, ptr::null_mut(), 1) }.cast()
    }
}

/// The label of each labelled task.
#[btf_map]
pub(crate) static LABELS: TaskStorage<Label> = TaskStorage::new();

/// What was decided about each inode.
#[btf_map]
pub(crate) static INODES: InodeStorage<InodeMemory> = InodeStorage::new();

/// The agent's own files, where inodes have no storage.
#[btf_map]
pub(crate) static GUARDS: HashMap<FileId, u64, { GUARDS_MAX as usize }> = HashMap::new();

/// The agent that runs.
#[btf_map]
pub(crate) static OWNER: Array<Owner, 1> = Array::new();

/// Files that were decided about once: what comes again is worth remembering.
#[btf_map]
pub(crate) static ONCE: Array<u64, ONCE_ENTRIES> = Array::new();

/// A power of two.
pub(crate) const ONCE_ENTRIES: usize = 8192;

/// What is known of each bound cgroup before its first process is labelled.
#[btf_map]
pub(crate) static SUBJECTS: HashMap<u64, SubjectEntry, { SUBJECTS_MAX as usize }> = HashMap::new();

/// When each bound cgroup became a subject, in nanoseconds since the epoch, by the coarse clock that files are
/// dated with.
#[btf_map]
pub(crate) static STARTED: HashMap<u64, u64, { SUBJECTS_MAX as usize }> = HashMap::new();

/// The root directory that a subject began with, of those in which a process has changed its own.
#[btf_map]
pub(crate) static ROOTS: HashMap<u64, Root, { SUBJECTS_MAX as usize }> = HashMap::new();

/// What tasks are about to start, of those whose policy names contents, by task. What is displaced is not started.
#[btf_map]
pub(crate) static CONTENTS: LruHashMap<u64, Content, 1024> = LruHashMap::new();

/// The head of each policy, by slot, and in [`stockade_abi::RENAMES_SLOT`] a count of renames. As a section
/// of its own its address stands in the programs, where a map would have to be asked for it. The agent makes
/// the map of it, to which it stores directly, and names it when it loads the object.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".bss.heads")]
pub(crate) static HEADS: Heads = Heads(UnsafeCell::new([0; POLICY_SLOTS as usize]));

/// Words that agent and programs store to.
#[repr(transparent)]
pub(crate) struct Heads(UnsafeCell<[u64; POLICY_SLOTS as usize]>);

// SAFETY: words are loaded and stored whole.
unsafe impl Sync for Heads {}

impl Heads {
    /// The first word.
    #[inline(always)]
    pub(crate) fn words(&self) -> *mut u64 {
        self.0.get().cast()
    }
}

/// Tables by the number that heads give them, one map for each size.
#[btf_map]
pub(crate) static TABLES_S: ArrayOfMaps<Array<[u64; table::SMALL], 1>, { TABLES as usize }> =
    ArrayOfMaps::new();
#[btf_map]
pub(crate) static TABLES_M: ArrayOfMaps<Array<[u64; table::MEDIUM], 1>, { TABLES as usize }> =
    ArrayOfMaps::new();
#[btf_map]
pub(crate) static TABLES_L: ArrayOfMaps<Array<[u64; table::LARGE], 1>, { TABLES as usize }> =
    ArrayOfMaps::new();

/// Peers that were granted, see [`super::peers`].
#[btf_map]
pub(crate) static PEERS: Array<KnownPeer, PEER_ENTRIES> = Array::new();

/// A power of two.
pub(crate) const PEER_ENTRIES: usize = 4096;

/// Inodes of open files whose use was refused when a subject began, by the file's address.
#[btf_map]
pub(crate) static REFUSED: HashMap<u64, u64, 4096> = HashMap::new();

/// Records for the agent. 4 MiB hold about 30 000 of them while the agent is away.
#[btf_map]
pub(crate) static EVENTS: RingBuf<u8, { 4 * 1024 * 1024 }> = RingBuf::new();

/// Observations already reported. Losing one to eviction only means that it is reported again.
#[btf_map]
pub(crate) static SEEN: LruHashMap<SeenKey, u64, 65_536> = LruHashMap::new();

/// Decisions about labelled tasks, by reason.
#[btf_map]
pub(crate) static REASONS: PerCpuArray<u64, { Reason::ROOM }> = PerCpuArray::new();

/// Records that found the ring full, by policy slot.
#[btf_map]
pub(crate) static LOST: PerCpuArray<u64, { POLICY_SLOTS as usize }> = PerCpuArray::new();

/// Refusals of the canary, by hook.
#[btf_map]
pub(crate) static CANARY: PerCpuArray<u64, { Hook::ROOM }> = PerCpuArray::new();

/// Buffers that a decision claims while it runs.
#[btf_map]
pub(crate) static SCRATCH: PerCpuArray<Scratch, { SCRATCH_SLOTS as usize }> = PerCpuArray::new();
