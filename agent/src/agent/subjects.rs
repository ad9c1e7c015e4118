//! Subjects: bound before their first exec, and let go when their cgroup is.

use stockade_abi::label::{SHARES_HOST_ROOT, SubjectEntry};
use stockade_abi::reason::Mode;

use super::core::{Core, CoreError};
use super::enforcer::Enforcer;
use super::policies::{Origin, PolicyError};
use super::table::Table;
use crate::clock;
use crate::identity::Names;
use crate::identity::cgroup::Cgroup;
use crate::kernel::KernelError;
use crate::profile::Profile;
use crate::store::slots::SlotKey;
use crate::store::subjects::SubjectRow;

/// What is to become a subject.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its cgroup.
    pub cgroup: Cgroup,
    /// The process whose next exec is the workload's first.
    pub init_pid: u32,
    /// Whether its root directory is the host's.
    pub shares_host_root: bool,
    /// Its names.
    pub names: Names,
}

/// Which policy it gets.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// The profile of that name in the profile directory.
    Named(String),
    /// The same, judged under another mode.
    NamedAs(String, Mode),
    /// A profile given as text.
    Given(Box<Given>),
}

/// A profile given as text, checked and compiled.
#[derive(Clone, Debug)]
pub struct Given {
    /// Its text.
    pub text: String,
    /// What it says.
    pub profile: Profile,
    /// The mode to judge it under, if not its own.
    pub mode: Option<Mode>,
    /// Its table under that mode.
    pub table: Table,
}

/// A subject that was bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Name of its profile.
    pub profile: String,
    /// Slot of its policy.
    pub slot: u32,
    /// Generation of its policy.
    pub generation: u64,
    /// Mode it is judged under.
    pub mode: Option<Mode>,
}

/// Why something does not become a subject.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No profile has that name.
    #[error("there is no profile `{name}` in {dir}; {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The profile directory.
        dir: String,
        /// The names there are.
        known: String,
    },
    /// The profile's file is bad.
    #[error("profile `{name}` cannot be used:\n{message}")]
    Bad {
        /// The name.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// The policy could not be put in force.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Another live subject has that cgroup.
    #[error("its cgroup already belongs to the subject {0}, which is still running")]
    Taken(String),
    /// The kernel side failed.
    #[error("the kernel did not take the binding: {0}")]
    Kernel(#[from] KernelError),
}

impl<E: Enforcer> Core<E> {
    /// Binds `target`. `alive` tells whether the first process of a subject still runs.
    pub fn bind(
        &mut self,
        target: Target,
        wanted: Wanted,
        dir: &str,
        now: i64,
        alive: impl Fn(&SubjectRow) -> bool,
    ) -> Result<Bound, Refusal> {
        if let Some(other) = self.subjects.get(&target.cgroup.id)
            && other.init_pid != target.init_pid
            && alive(other)
        {
            return Err(Refusal::Taken(other.names.lasting().to_owned()));
        }
        let slot = self.slot_for(wanted, dir)?;
        let flags = if target.shares_host_root { SHARES_HOST_ROOT } else { 0 };
        let row = SubjectRow {
            cgroup: target.cgroup.id,
            path: target.cgroup.path,
            slot,
            init_pid: target.init_pid,
            flags,
            names: target.names,
            bound_at: now,
        };
        let entry = SubjectEntry { policy: slot, init_pid: row.init_pid, flags, reserved: 0 };
        // First the name, then the binding: what the kernel holds has a name. It also works without one.
        let recorded = self.store.put_subject(&row);
        self.note(recorded);
        if let Err(error) = self.kernel.bind(row.cgroup, entry, clock::file_ns()) {
            if !self.subjects.contains_key(&row.cgroup) {
                let dropped = self.store.drop_subject(row.cgroup);
                self.note(dropped);
            }
            return Err(error.into());
        }
        tracing::info!(
            subject = row.names.lasting(),
            id = row.names.id,
            slot,
            cgroup = %row.path.display(),
            pid = row.init_pid,
            "bound"
        );
        let cgroup = row.cgroup;
        if let Some(before) = self.subjects.insert(cgroup, row) {
            self.run_ended(&before, now);
            self.remember_gone(before);
        }
        self.run_began(cgroup, true);
        let (profile, generation) = self
            .rows
            .get(&slot)
            .map_or_else(Default::default, |row| (row.key.profile.clone(), row.generation));
        Ok(Bound { profile, slot, generation, mode: self.live.get(&slot).and_then(|live| live.mode) })
    }

    fn slot_for(&mut self, wanted: Wanted, dir: &str) -> Result<u32, Refusal> {
        match wanted {
            Wanted::Named(name) => {
                let slot = self.slot_of(&SlotKey::named(&name));
                let live = slot.and_then(|slot| Some((slot, self.live.get(&slot)?)));
                match live {
                    // A bad file does not take its last good version out of force.
                    Some((slot, live)) if live.in_force && !self.is_removed(&name) => Ok(slot),
                    Some(_) | None => Err(self.unusable(name, dir)),
                }
            }
            Wanted::NamedAs(name, mode) => {
                let Some(good) = self.catalog.good.get(&name).cloned() else {
                    return Err(self.unusable(name, dir));
                };
                let key = SlotKey { profile: name, mode: Some(mode as u8), adhoc: None };
                let source = good.path.display().to_string();
                let origin = Origin { text: &good.standalone, source: Some(&source) };
                Ok(self.install(&key, mode, &good.profile, None, origin)?)
            }
            Wanted::Given(given) => {
                let Given { text, profile, mode, table } = *given;
                let key = SlotKey {
                    profile: profile.name.clone(),
                    mode: mode.map(|mode| mode as u8),
                    adhoc: Some(table.digest.clone()),
                };
                let origin = Origin { text: &text, source: None };
                let mode = mode.unwrap_or(profile.mode);
                Ok(self.install(&key, mode, &profile, Some(table), origin)?)
            }
        }
    }

    fn is_removed(&self, name: &str) -> bool {
        let slot = self.slot_of(&SlotKey::named(name));
        slot.and_then(|slot| self.live.get(&slot))
            .is_some_and(|live| live.state == crate::status::PolicyState::Removed)
    }

    fn unusable(&self, name: String, dir: &str) -> Refusal {
        if let Some(message) = self.failed.get(&name) {
            return Refusal::Bad { name, message: message.clone() };
        }
        let stem = |bad: &&super::catalog::Bad| bad.path.file_stem().is_some_and(|stem| *stem == *name);
        match self.catalog.bad.iter().find(stem) {
            Some(bad) => Refusal::Bad { name, message: bad.message.clone() },
            None => Refusal::Unknown { name, dir: dir.to_owned(), known: self.known() },
        }
    }

    /// Lets go of the subjects that `is_gone` names.
    pub fn sweep(&mut self, now: i64, is_gone: impl Fn(&SubjectRow) -> bool) -> Result<usize, CoreError> {
        let gone: Vec<u64> =
            self.subjects.values().filter(|row| is_gone(row)).map(|row| row.cgroup).collect();
        for cgroup in &gone {
            self.kernel.unbind(*cgroup)?;
            if let Some(row) = self.subjects.remove(cgroup) {
                tracing::info!(subject = row.names.lasting(), id = row.names.id, "closed");
                self.run_ended(&row, now);
                self.gone_young(&row, now);
                self.remember_gone(row);
            }
            let dropped = self.store.drop_subject(*cgroup);
            self.note(dropped);
        }
        self.free_unused()?;
        Ok(gone.len())
    }
}
