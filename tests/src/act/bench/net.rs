//! Reaching a peer by UDP.

use std::net::UdpSocket;
use std::time::Instant;

use anyhow::{Context, Result};

use super::{Cost, SERIES, best, elapsed, series};

/// Connects one socket again and again.
pub(super) fn connect(times: u64) -> Result<Cost> {
    let (from, to) = pair()?;
    let to = to.local_addr()?;
    series(times, |_, _| Ok(from.connect(to)?))
}

/// Sends one byte on a connected socket, `times` times `batch`. The receiver is emptied between the
/// batches, where the clock does not count.
pub(super) fn send(times: u64, batch: u64) -> Result<Cost> {
    let (from, to) = pair()?;
    from.connect(to.local_addr()?)?;
    let mut all = Vec::new();
    for _ in 0..SERIES {
        let mut took = 0;
        for _ in 0..times {
            let started = Instant::now();
            for _ in 0..batch {
                from.send(b"x")?;
            }
            took += elapsed(started)?;
            for _ in 0..batch {
                to.recv(&mut [0; 8])?;
            }
        }
        all.push(took / (times * batch));
    }
    best(all)
}

fn pair() -> Result<(UdpSocket, UdpSocket)> {
    let bind = || UdpSocket::bind("127.0.0.1:0").context("binding");
    Ok((bind()?, bind()?))
}
