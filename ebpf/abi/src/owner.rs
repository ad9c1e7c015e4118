//! Whose the maps are.

/// The agent that runs, as the programs know it: nothing but zeroes before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Owner {
    /// Address of the task of its first thread.
    pub task: u64,
    /// When that was made, by the kernel's monotonic clock in nanoseconds: another task at the same address was made
    /// at another time.
    pub started: u64,
}
