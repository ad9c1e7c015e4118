//! The node agent: a core that holds all state, and tasks that feed it.

pub mod breaker;
pub mod catalog;
pub mod core;
mod doers;
pub mod enforcer;
pub mod lock;
pub mod policies;
pub mod recorder;
pub mod report;
mod running;
pub mod shared;
pub mod slots;
pub mod start;
pub mod subjects;
pub mod table;
mod tasks;
mod windows;

pub use start::{AgentError, Options, run, uninstall};
