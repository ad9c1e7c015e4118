//! Printing, for readers that may go away in the middle.

use std::io::{self, Write as _};

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

/// Whether the failure is a reader that went away.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}
