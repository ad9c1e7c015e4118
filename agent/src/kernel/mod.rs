//! The only part of the agent that talks to the kernel's BPF side, and the only one with `unsafe`.

mod attempts;
mod btf;
mod canary;
mod error;
mod events;
mod facts;
mod fdinfo;
mod file_id;
mod functions;
mod guard;
mod heritage;
mod load;
mod log;
mod maps;
mod mechanism;
mod memory;
mod object;
mod pins;
pub mod probe;
mod programs;
mod relocate;
mod syscall;
mod tables;
mod words;

pub use canary::canary_main;
pub use error::KernelError;
pub use events::Events;
pub use load::{HookState, Kernel, Removed, Start, Swap};
pub use log::ProgramLog;
pub use mechanism::Mechanism;
pub use memory::{give_back_memory, share_heaps};
pub use object::build_id;

use std::collections::BTreeMap;

use stockade_abi::reason::Reason;

/// Where maps and links are pinned.
pub const PIN_DIR: &str = "/sys/fs/bpf/stockade";

/// Counts from the kernel.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Decisions about labelled processes that no rule made, by reason.
    pub reasons: Vec<(Reason, u64)>,
    /// Records that found the ring full.
    pub events_lost: u64,
    /// The same, by policy slot.
    pub lost_by_policy: BTreeMap<u32, u64>,
}
