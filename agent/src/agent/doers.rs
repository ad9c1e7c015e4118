//! What `/proc` says of the processes of one batch of records, asked once for each.

use std::collections::HashMap;

use crate::events::render::ProcessFacts;
use crate::identity::process;

/// A flood of records comes from few processes, and a question to `/proc` costs as much as all else that is done for
/// a record. Lives as long as a batch: a process may be replaced by another with its number.
#[derive(Default)]
pub(super) struct Doers {
    programs: HashMap<u32, Option<String>>,
    args: HashMap<u32, Option<Vec<String>>>,
    own_pids: HashMap<u32, Option<u32>>,
}

impl Doers {
    /// Executable and arguments.
    pub(super) fn facts(&mut self, pid: u32) -> ProcessFacts {
        let args = self.args.entry(pid).or_insert_with(|| process::args(pid)).clone();
        ProcessFacts { exe: self.program(pid), args }
    }

    /// Executable alone.
    pub(super) fn program(&mut self, pid: u32) -> Option<String> {
        self.programs.entry(pid).or_insert_with(|| process::program(pid)).clone()
    }

    /// The number by which the process knows itself.
    pub(super) fn own_pid(&mut self, pid: u32) -> Option<u32> {
        *self.own_pids.entry(pid).or_insert_with(|| process::own_pid(pid))
    }
}
