//! What was decided about an inode before, as it is remembered in the inode's storage.
//!
//! An inode's storage goes with the inode, so what is remembered can never be read as the memory of
//! another file that came to the same address. Everything else that the decision rests on stands in the
//! entry and is compared: which directory entry on which mount, seen from which root, in which state of
//! the mount namespace, before which rename of a directory, under which head.

/// Entries of one inode. Policies whose slots differ in the lowest bit do not displace each other.
pub const WAYS: usize = 2;

/// Flag of [`Known::sequence`]. The sign, which one comparison tells.
pub const WRITING: u64 = 1 << 63;

/// Whether somebody was writing when the sequence number was read.
#[inline(always)]
pub const fn is_being_written(sequence: u64) -> bool {
    sequence.cast_signed() < 0
}

/// One decision, or the state below a directory, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Known {
    /// 1 while somebody writes.
    pub busy: u64,
    /// With [`WRITING`] while somebody writes; a reader that finds another value afterwards has read nothing.
    pub sequence: u64,
    /// Address of the directory entry.
    pub dentry: u64,
    /// Address of the mount.
    pub mount: u64,
    /// Address of the directory entry that is the root of who asked.
    pub root: u64,
    /// State of the mount namespace: a number the kernel gives to each change of any namespace.
    pub mounts: u64,
    /// Renames of directories on this node so far.
    pub renames: u64,
    /// Word of the head.
    pub head: u64,
    /// The kernel's hash of directory and name, and a bit above it; 0 while `grants` is unset.
    pub name: u64,
    /// What the container may do, and in the high half a session. Under learn: what was reported.
    pub grants: u64,
    /// Groups of parents that the program belongs to, and in the high half those that may start it.
    pub groups: u64,
    /// State of the table after the path and a slash, under learn a hash of them; 0 while unset.
    pub below: u64,
}

/// The storage of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct InodeMemory {
    /// By the lowest bit of the slot.
    pub ways: [Known; WAYS],
}

/// What an inode can be kept apart for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Guard {
    /// It is the agent's, and so is what is directly in it: no labelled process changes it.
    Own = 1,
    /// Something guarded is directly in it: what it holds is always looked at.
    Holds = 2,
}

/// What tells a file where inodes have no storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FileId {
    /// Number of the file system, as the kernel keeps it: 20 bits of minor below the major.
    pub device: u64,
    /// Number of the inode.
    pub number: u64,
}

/// Files that can be told so at once.
pub const GUARDS_MAX: u32 = 1024;

/// In [`Known::dentry`]: the inode is guarded, in the way that `grants` says. No entry is there.
pub const GUARDED: u64 = 0x6775_6172;

impl InodeMemory {
    /// The storage of a guarded inode: of what it says nothing is ever taken for a decision, and nothing
    /// is ever written over it, since somebody is always about to.
    pub const fn guarded(guard: Guard) -> Self {
        let entry = Known {
            busy: 1,
            sequence: u64::MAX,
            dentry: GUARDED,
            mount: 0,
            root: 0,
            mounts: 0,
            renames: 0,
            head: 0,
            name: 0,
            grants: guard as u64,
            groups: 0,
            below: 0,
        };
        Self { ways: [entry; WAYS] }
    }
}
