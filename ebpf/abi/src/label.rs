//! How a process is known to belong to a subject.

/// The process entered a running subject from outside.
pub const SESSION: u32 = 1 << 0;
/// The process is the agent's own canary: its denials are counted apart and leave no event.
pub const CANARY: u32 = 1 << 1;

/// The process took the label with a program that has not started yet.
pub const ENTERS: u32 = 1 << 2;
/// The process, or one that it comes from, was given open files that no rule grants.
pub const REFUSES: u32 = 1 << 3;
/// There was no memory to tell them from others.
pub const REFUSES_ALL: u32 = 1 << 4;

/// In [`Label::member`] of a canary: it may start one program, with which its label ends.
pub const CANARY_MAY_START: u32 = 1;

/// What a labelled process carries from its first own exec on, and hands to each child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Label {
    /// Cgroup id that the subject was bound with.
    pub subject: u64,
    /// Slot of the policy that judges it.
    pub policy: u32,
    /// [`SESSION`], [`CANARY`], [`ENTERS`], [`REFUSES`], [`REFUSES_ALL`].
    pub flags: u32,
    /// Groups of parents that the running program belongs to, one bit each.
    pub member: u32,
    /// The same for the program that is about to start.
    pub next_member: u32,
}

/// The first exec in the cgroup starts the workload, whatever its root directory is: the subject
/// shares the host's root (`stockade run`).
pub const SHARES_HOST_ROOT: u32 = 1 << 0;

/// A root directory, by the addresses of the entry and of the mount. Key: cgroup id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Root {
    /// `struct dentry`.
    pub dentry: u64,
    /// `struct vfsmount`.
    pub mount: u64,
}

/// What the kernel knows of a subject before any of its processes is labelled. Key: cgroup id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SubjectEntry {
    /// Slot of the policy that judges it.
    pub policy: u32,
    /// Process id, in the initial pid namespace, of the process whose first exec is the entry point.
    /// Every other unlabelled process that starts a program in the cgroup begins a session.
    pub init_pid: u32,
    /// [`SHARES_HOST_ROOT`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}
