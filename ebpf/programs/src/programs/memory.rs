//! What was decided before, in the storage of inodes.
//!
//! Two things are remembered: what a file may be used for, and the state that the table is in after the
//! path of a directory, so that of a file not seen before only the name is walked.
//!
//! The kernel has this storage for security modules only. Where the programs are attached to its functions the
//! agent takes the calls for it out before it loads them: nothing is remembered.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::task_struct;
use stockade_abi::head::Head;
use stockade_abi::known::{self, FileId, GUARDED, Guard, InodeMemory, Known, WRITING};
use stockade_abi::reason::Mode;

use super::atomic;
use super::kernel::{Pointer, is_tracing, load};
use super::maps::{GUARDS, INODES, ONCE, ONCE_ENTRIES};
use super::{mounts, policy, root};

/// The kernel's hash of directory and name, with a bit that makes it differ from nothing.
#[inline(always)]
pub(crate) fn name_of(dentry: Pointer) -> u64 {
    u64::from(load!(dentry, dentry_name_hash as u32)) | 1 << 32
}

/// Who looks, and in which state of the node: all that a remembered decision rests on besides the name.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) root: Pointer,
    pub(crate) mounts: u64,
    pub(crate) renames: u64,
    pub(crate) key: u64,
}

/// Who looks, before it is worked out what from: an entry that does not match is mostly told by less.
#[derive(Clone, Copy)]
pub(crate) struct Sight {
    task: *mut task_struct,
    /// Slot of the policy.
    slot: u32,
    key: u64,
    /// Whether the root that a subject has left is looked for, which takes a call; where it is not, nothing is
    /// remembered by such a subject.
    looks: bool,
}

/// A directory entry on a mount.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) dentry: Pointer,
    pub(crate) mount: Pointer,
}

#[inline(always)]
fn mounts_of(task: *mut task_struct) -> u64 {
    load!(mounts::namespace_of(task), mounts_event as u64)
}

/// What stands for `head` in entries. While learning it sets `subject` apart: what one subject has
/// reported, another has not.
#[inline(always)]
pub(crate) fn key(head: Head, subject: u64) -> u64 {
    match head.mode() {
        Some(Mode::Learn) => head.word() ^ subject.rotate_left(32),
        Some(Mode::Audit | Mode::Enforce) | None => head.word(),
    }
}

impl Sight {
    /// What `task` of `subject` sees, judged by the policy in `slot`, which is `head`.
    #[inline(always)]
    pub(crate) fn of(task: *mut task_struct, slot: u32, head: Head, subject: u64) -> Self {
        Self { task, slot, key: key(head, subject), looks: true }
    }

    /// The same of a policy that does not learn.
    #[inline(always)]
    pub(crate) fn of_policy(task: *mut task_struct, slot: u32) -> Self {
        Self { task, slot, key: policy::word(slot).word(), looks: true }
    }

    /// The same by what costs no call.
    #[inline(always)]
    pub(crate) fn at_a_glance(task: *mut task_struct, slot: u32) -> Self {
        Self { looks: false, ..Self::of_policy(task, slot) }
    }
}

impl View {
    /// What an entry made under this count of renames is found by.
    #[inline(always)]
    pub(crate) fn of(sight: &Sight, renames: u64) -> Self {
        let Sight { task, slot, key, .. } = *sight;
        let own = root::entry_of(task);
        // Who leaves its root only now changes the word, and finds no entry that was made under this one.
        let may_have_left = policy::may_have_left(renames, slot);
        let root = if may_have_left { root::entry_begun_with(task, own) } else { own };
        Self { root, mounts: mounts_of(task), renames, key }
    }
}

/// One field of an entry that others may be writing.
macro_rules! field {
    ($known:expr, $field:ident) => {{
        // SAFETY: only the address is taken.
        let at = unsafe { &raw const (*$known).$field };
        // SAFETY: a field of a map value.
        let value = unsafe { read_volatile(at) };
        value
    }};
}

macro_rules! set {
    ($known:expr, $field:ident = $value:expr) => {{
        let value = $value;
        // SAFETY: only the address is taken.
        let at = unsafe { &raw mut (*$known).$field };
        // SAFETY: a field of a map value, whose writer the caller is.
        unsafe { write_volatile(at, value) };
    }};
}

/// The entry of `inode` for policies in `slot`; null when nothing is remembered.
#[inline(always)]
pub(crate) fn entry(inode: Pointer, slot: u32) -> *mut Known {
    way(INODES.get(inode), slot)
}

#[inline(always)]
fn way(memory: *mut InodeMemory, slot: u32) -> *mut Known {
    if memory.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: inside the value. Said so, the compiler knows that the sum is not null either.
    unsafe { memory.cast::<Known>().add((slot & 1) as usize) }
}

/// The sequence number of an entry that is about this place in this view and not being written.
#[inline(always)]
fn matching(known: *const Known, place: &Place, view: &View) -> Option<u64> {
    let sequence = field!(known, sequence);
    let matches = !known::is_being_written(sequence)
        && field!(known, dentry) == place.dentry as u64
        && field!(known, mount) == place.mount as u64
        && field!(known, head) == view.key
        && field!(known, renames) == view.renames
        && field!(known, root) == view.root as u64
        && field!(known, mounts) == view.mounts;
    matches.then_some(sequence)
}

/// The same by sight. The renames are read here and not before: whoever has read a name or a directory
/// of the place by now knows that it belonged to the path that is remembered.
#[inline(always)]
fn seen(known: *const Known, place: &Place, sight: &Sight) -> Option<u64> {
    let sequence = field!(known, sequence);
    let is_of_place = !known::is_being_written(sequence)
        && field!(known, head) == sight.key
        && field!(known, dentry) == place.dentry as u64
        && field!(known, mount) == place.mount as u64;
    if !is_of_place {
        return None;
    }
    // The other way round, the root could be left in between.
    let own = root::entry_of(sight.task);
    let renames = policy::renames();
    let root = if !policy::may_have_left(renames, sight.slot) {
        own
    } else if sight.looks {
        root::entry_begun_with(sight.task, own)
    } else {
        return None;
    };
    let matches = field!(known, root) == root as u64
        && field!(known, mounts) == mounts_of(sight.task)
        && field!(known, renames) == renames;
    matches.then_some(sequence)
}

/// The sequence number of an entry that is about this file, under the name it has now.
#[inline(always)]
fn about(known: *const Known, place: &Place, sight: &Sight) -> Option<u64> {
    // Where no name is set nothing is granted either, so the kernel's half of it is enough.
    let hash: u32 = load!(place.dentry, dentry_name_hash as u32);
    // A name that was removed shows in the path.
    if field!(known, name) as u32 != hash || load!(place.dentry, dentry_hashed as u64) == 0 {
        return None;
    }
    seen(known, place, sight)
}

/// What the file may be used for, as remembered.
#[inline(always)]
pub(crate) fn granted(known: *const Known, place: &Place, sight: &Sight) -> Option<u64> {
    let sequence = about(known, place, sight)?;
    let granted = field!(known, grants);
    (field!(known, sequence) == sequence).then_some(granted)
}

/// The same of a program, with its groups of parents.
#[inline(always)]
pub(crate) fn granted_to_program(known: *const Known, place: &Place, sight: &Sight) -> Option<(u64, u64)> {
    let sequence = about(known, place, sight)?;
    let granted = (field!(known, grants), field!(known, groups));
    (field!(known, sequence) == sequence).then_some(granted)
}

/// How names in this directory begin ([`Lesson::Directory`]); 0 when it is not known.
#[inline(always)]
pub(crate) fn below(known: *const Known, place: &Place, sight: &Sight) -> u64 {
    let Some(sequence) = seen(known, place, sight) else { return 0 };
    let below = field!(known, below);
    if field!(known, sequence) == sequence { below } else { 0 }
}

/// What is to be remembered.
#[derive(Clone, Copy)]
pub(crate) enum Lesson {
    /// Of a file: its name's hash, and what it may be used for. Under learn that only grows.
    File { name: u64, granted: u64, groups: u64 },
    /// Of a directory: the state of the table in which names in it begin, or while learning the hash of what comes
    /// before them.
    Directory { below: u64 },
}

/// Remembers something about `inode`, if there is memory and nobody else is at it.
#[inline(always)]
pub(crate) fn remember(inode: Pointer, slot: u32, place: &Place, view: &View, lesson: Lesson) {
    let known = way(INODES.get_or_make(inode), slot);
    if known.is_null() {
        return;
    }
    // SAFETY: only the address is taken.
    let busy = unsafe { &raw mut (*known).busy };
    // SAFETY: a field of a map value.
    if unsafe { atomic::swap(busy, 1) } != 0 {
        return;
    }
    let same = matching(known, place, view).is_some();
    let sequence = field!(known, sequence);
    set!(known, sequence = sequence | WRITING);
    if !same {
        set!(known, dentry = place.dentry as u64);
        set!(known, mount = place.mount as u64);
        set!(known, root = view.root as u64);
        set!(known, mounts = view.mounts);
        set!(known, renames = view.renames);
        set!(known, head = view.key);
        set!(known, name = 0);
        set!(known, grants = 0);
        set!(known, groups = 0);
        set!(known, below = 0);
    }
    match lesson {
        Lesson::File { name, granted, groups } => {
            let before = if field!(known, name) == name { field!(known, grants) } else { 0 };
            set!(known, name = name);
            set!(known, grants = before | granted);
            set!(known, groups = groups);
        }
        Lesson::Directory { below } => set!(known, below = below),
    }
    set!(known, sequence = sequence.wrapping_add(1) & !WRITING);
    set!(known, busy = 0);
}

/// Whether this file comes for the second time, as far as is known: storage for a file that is used only
/// once would cost more than it saves. Numbers are not unique over file systems; a guess is enough.
#[inline(always)]
pub(crate) fn comes_again(inode: Pointer) -> bool {
    let mark: u64 = load!(inode, inode_number as u64);
    let index = (mark.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51) as u32 & (ONCE_ENTRIES as u32 - 1);
    let Some(slot) = ONCE.get_ptr_mut(index) else { return false };
    // SAFETY: a value of the map; whoever writes at the same time only spoils a guess.
    let seen = unsafe { read_volatile(slot) };
    if seen == mark {
        return true;
    }
    // SAFETY: as above.
    unsafe { write_volatile(slot, mark) };
    false
}

/// Whether this inode is the agent's own.
#[inline(always)]
fn is_guarded(inode: Pointer) -> bool {
    if is_tracing() {
        let sb: Pointer = load!(inode, inode_sb as Pointer);
        let file = FileId {
            device: u64::from(load!(sb, sb_device as u32)),
            number: load!(inode, inode_number as u64),
        };
        // SAFETY: only whether it is there is looked at.
        return unsafe { GUARDS.get(file) }.is_some();
    }
    let known = way(INODES.get(inode), 0);
    !known.is_null() && field!(known, dentry) == GUARDED && field!(known, grants) == Guard::Own as u64
}

/// Whether this directory entry, or the directory that it is in, is the agent's own.
#[inline(always)]
pub(crate) fn is_of_agent(dentry: Pointer) -> bool {
    let parent: Pointer = load!(dentry, dentry_parent as Pointer);
    is_guarded(load!(dentry, dentry_inode as Pointer)) || is_guarded(load!(parent, dentry_inode as Pointer))
}
