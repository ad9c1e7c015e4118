//! What the kernel shows of an open descriptor, line by line.

use std::os::fd::{AsRawFd, RawFd};
use std::str::FromStr;
use std::{fs, io};

/// The text for one descriptor.
pub(super) struct FdInfo(String);

impl FdInfo {
    /// Of a descriptor of this process.
    pub(super) fn of(descriptor: &impl AsRawFd) -> io::Result<Self> {
        let number: RawFd = descriptor.as_raw_fd();
        fs::read_to_string(format!("/proc/self/fdinfo/{number}")).map(Self)
    }

    /// The value of the line that begins with `name`, a colon included.
    pub(super) fn value<T: FromStr>(&self, name: &str) -> Option<T> {
        self.0.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    }

    #[cfg(test)]
    pub(super) fn given(text: &str) -> Self {
        Self(text.to_owned())
    }
}
