//! Waiting for something to become so, the only way in which these tests wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const EVERY: Duration = Duration::from_millis(50);

/// Asks until there is an answer; `what` names it when time is up. An error ends it at once.
pub(crate) fn eventually<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("{what}: not after {} s", patience.as_secs());
        }
        thread::park_timeout(EVERY);
    }
}

/// Lets time pass, where nothing tells that it has.
pub(crate) fn pause(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}
