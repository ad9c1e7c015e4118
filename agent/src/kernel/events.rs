//! The reading end of the event ring.

use std::io;

use aya::maps::{MapData, RingBuf};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::error::KernelError;

/// Records handed over in one go, before other tasks of the agent get their turn.
const BATCH: usize = 1024;

/// The ring buffer's reading end.
pub struct Events {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl Events {
    pub(super) fn new(ring: RingBuf<MapData>) -> Result<Self, KernelError> {
        // SAFETY: the ring owns its descriptor, and it is neither replaced nor closed while registered.
        let registered = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        Ok(Self { ring: registered.map_err(|error| KernelError::Ring(error.into()))? })
    }

    /// Waits until there are records, then hands some or all of them to `consume`.
    pub async fn next(&mut self, consume: &mut impl FnMut(&[u8])) -> io::Result<()> {
        let mut guard = self.ring.readable_mut().await?;
        for _ in 0..BATCH {
            let Some(record) = guard.get_inner_mut().next() else {
                guard.clear_ready();
                break;
            };
            consume(&record);
        }
        Ok(())
    }
}
