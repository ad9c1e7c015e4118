//! What the agent's core needs of the kernel side, so that tests can stand in for it.

use stockade_abi::label::SubjectEntry;

use crate::kernel::{Counters, HookState, Kernel, KernelError, Mechanism, Swap};

/// The kernel side, as the core sees it.
pub trait Enforcer: Send + 'static {
    /// Swaps the policy of a slot, atomically.
    fn set_policy(&mut self, slot: u32, swap: &Swap<'_>) -> Result<(), KernelError>;
    /// Gives the policy that is in a slot a new generation, so that what learns begins anew.
    fn begin_generation(&mut self, slot: u32, generation: u64) -> Result<(), KernelError>;
    /// The highest generation that is in any slot; 0 when all are empty.
    fn last_generation(&self) -> Result<u64, KernelError>;
    /// Guards what is the agent's own, as it is now.
    fn guard_again(&mut self) -> Result<(), KernelError>;
    /// Frees what no slot needs any more.
    fn tidy(&mut self) -> Result<(), KernelError>;
    /// Whether a slot holds a policy.
    fn has_policy(&self, slot: u32) -> Result<bool, KernelError>;
    /// Makes a cgroup a subject, as of `started` in the nanoseconds that files are dated with.
    fn bind(&mut self, cgroup: u64, entry: SubjectEntry, started: u64) -> Result<(), KernelError>;
    /// Notes since when a subject is one, unless that is known.
    fn started(&mut self, cgroup: u64, started: u64) -> Result<(), KernelError>;
    /// Makes a cgroup no subject. Processes that are labelled keep their label.
    fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError>;
    /// The subject of a process, by its cgroup id; `None` without a label. An error when it is gone.
    fn subject_of(&self, pid: u32) -> Result<Option<u64>, KernelError>;
    /// Every subject.
    fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError>;
    /// Counts.
    fn counters(&self) -> Result<Counters, KernelError>;
    /// Hooks.
    fn hooks(&self) -> Vec<HookState>;
    /// How the kernel comes to ask the programs.
    fn mechanism(&self) -> Mechanism;
}

impl Enforcer for Kernel {
    fn set_policy(&mut self, slot: u32, swap: &Swap<'_>) -> Result<(), KernelError> {
        Self::set_policy(self, slot, swap)
    }

    fn begin_generation(&mut self, slot: u32, generation: u64) -> Result<(), KernelError> {
        Self::begin_generation(self, slot, generation)
    }

    fn last_generation(&self) -> Result<u64, KernelError> {
        Self::last_generation(self)
    }

    fn guard_again(&mut self) -> Result<(), KernelError> {
        Self::guard_again(self)
    }

    fn tidy(&mut self) -> Result<(), KernelError> {
        Self::tidy(self)
    }

    fn has_policy(&self, slot: u32) -> Result<bool, KernelError> {
        Self::has_policy(self, slot)
    }

    fn bind(&mut self, cgroup: u64, entry: SubjectEntry, started: u64) -> Result<(), KernelError> {
        Self::bind(self, cgroup, entry, started)
    }

    fn started(&mut self, cgroup: u64, started: u64) -> Result<(), KernelError> {
        Self::started(self, cgroup, started)
    }

    fn unbind(&mut self, cgroup: u64) -> Result<(), KernelError> {
        Self::unbind(self, cgroup)
    }

    fn subject_of(&self, pid: u32) -> Result<Option<u64>, KernelError> {
        Self::subject_of(self, pid)
    }

    fn bound(&self) -> Result<Vec<(u64, SubjectEntry)>, KernelError> {
        Self::bound(self)
    }

    fn counters(&self) -> Result<Counters, KernelError> {
        Self::counters(self)
    }

    fn hooks(&self) -> Vec<HookState> {
        Self::hooks(self)
    }

    fn mechanism(&self) -> Mechanism {
        Self::mechanism(self)
    }
}
