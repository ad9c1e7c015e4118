//! What happened: the record people read, the log that keeps it, and how it is read back.

pub mod filter;
pub mod log;
pub mod read;
pub mod record;
pub mod render;
