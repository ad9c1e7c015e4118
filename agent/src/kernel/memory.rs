//! What the allocator keeps for the next time is memory that the node does not have.

/// Gives freed memory back to the kernel: compiling many profiles frees a lot at once.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no precondition; it only releases what nobody holds.
    let _released = unsafe { malloc_trim(0) };
}

#[cfg(target_env = "gnu")]
unsafe extern "C" {
    fn malloc_trim(pad: usize) -> i32;
}
