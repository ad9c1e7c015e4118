//! What was decided about an inode before, as it is remembered in the inode's storage.
//!
//! An inode's storage goes with the inode, so what is remembered can never be read as the memory of
//! another file that came to the same address. Everything else that the decision rests on stands in the
//! entry and is compared: which directory entry on which mount, seen from which root, in which state of
//! the mount namespace, before which rename of a directory, under which head.

/// Entries of one inode. Policies whose slots differ in the lowest bit do not displace each other.
pub const WAYS: usize = 2;

/// One decision, or the state below a directory, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Known {
    /// 1 while somebody writes.
    pub busy: u64,
    /// Odd while somebody writes; a reader that finds another value afterwards has read nothing.
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
    /// State of the table after the path and a slash; 0 while unset.
    pub below: u64,
}

/// The storage of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct InodeMemory {
    /// By the lowest bit of the slot.
    pub ways: [Known; WAYS],
}
