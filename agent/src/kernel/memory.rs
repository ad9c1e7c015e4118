//! What the allocator keeps for the next time is memory that the node does not have.

/// Lets few threads have a heap of their own, which all others then share. By default each of some dozen threads
/// gets one, and each heap keeps what its largest task once needed. To be called before the first thread is made.
pub fn share_heaps() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no precondition; a value that is refused changes nothing.
    let _accepted = unsafe { mallopt(M_ARENA_MAX, HEAPS) };
}

/// Gives freed memory back to the kernel: compiling many profiles frees a lot at once.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no precondition; it only releases what nobody holds.
    let _released = unsafe { malloc_trim(0) };
}

#[cfg(target_env = "gnu")]
const M_ARENA_MAX: i32 = -8;
#[cfg(target_env = "gnu")]
const HEAPS: i32 = 2;

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn mallopt(parameter: i32, value: i32) -> i32;
    fn malloc_trim(pad: usize) -> i32;
}
