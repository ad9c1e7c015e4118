//! The words of an array map as memory of this process, so that one of them can be stored as a whole: the
//! system call copies byte by byte, and a program could see half of a value.

use std::io;
use std::os::fd::AsFd as _;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A mapping that ends with this value; nothing writable stays behind.
pub(super) struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
}

impl Words {
    /// Maps an array of `count` words.
    pub(super) fn map(array: &MapData, count: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let fd = array.fd().as_fd();
        let length = count.saturating_mul(size_of::<u64>());
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe { mmap(ptr::null_mut(), length, protection, MapFlags::SHARED, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start, count })
    }

    /// Stores one word; an index outside of the array is ignored.
    pub(super) fn store(&self, index: usize, word: u64) {
        if let Some(at) = self.at(index) {
            at.store(word, Ordering::Release);
        }
    }

    /// Sets bits of one word; an index outside of the array is ignored.
    pub(super) fn set(&self, index: usize, bits: u64) {
        if let Some(at) = self.at(index) {
            at.fetch_or(bits, Ordering::Release);
        }
    }

    fn at(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.count {
            return None;
        }
        // SAFETY: inside the mapping, by the check.
        let at = unsafe { self.start.add(index) };
        // SAFETY: the mapping lives as long as this value, and is aligned to a page.
        Some(unsafe { at.as_ref() })
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let length = self.count.saturating_mul(size_of::<u64>());
        // SAFETY: the whole mapping, which nothing else refers to.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), length) } {
            tracing::warn!(%error, "a mapping of policy heads stays");
        }
    }
}
