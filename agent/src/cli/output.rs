//! Printing, for readers that may go away in the middle.

use std::io::{self, Write as _};

use crate::control::client::ClientError;

/// Prints to standard output.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a message to standard error. Nothing can be done if that fails, too.
pub(super) fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "stockade: {}", message.trim_end());
}

/// Whether the failure is a reader that went away. An agent that went away is something else.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let of_agent = error.chain().any(|cause| cause.is::<ClientError>());
    !of_agent
        && error.chain().any(|cause| {
            cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_went_away_is_no_reader_that_did() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(&broken().into()));
        let path = std::path::PathBuf::from("/run/agent.sock");
        assert!(!is_broken_pipe(&ClientError::Io { path, source: broken() }.into()));
    }
}
