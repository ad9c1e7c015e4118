//! The agent's state: which policy is in which slot, and which subject uses it. Everything that
//! changes it goes through here, one change at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use stockade_abi::reason::Mode;

use super::breaker::Breakers;
use super::catalog::Catalog;
use super::enforcer::Enforcer;
use super::table::Size;
use super::windows::{Recorded, Watch, run_id};
use crate::clock;
use crate::events::record::SubjectRef;
use crate::identity::Names;
use crate::kernel::KernelError;
use crate::learn::evidence::run_number;
use crate::status::PolicyState;
use crate::store::slots::{SlotKey, SlotRow};
use crate::store::subjects::SubjectRow;
use crate::store::{Store, StoreError};

/// Subjects that are gone but may still have events on the way.
const REMEMBERED: usize = 1024;

/// Failure of a change as a whole.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// The kernel side failed.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How long it took to put a policy in force.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) compile: Duration,
    /// To fill the table in the kernel, and to name it in the slot.
    pub(super) swap: Duration,
}

/// What is known of a slot in use beyond its row.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub(super) mode: Option<Mode>,
    pub(super) in_force: bool,
    pub(super) size: Size,
    pub(super) took: Took,
    pub(super) state: PolicyState,
    pub(super) message: Option<String>,
    /// While it learns.
    pub(super) watch: Watch,
}

impl Live {
    pub(super) const fn new() -> Self {
        Self {
            watch: Watch::new(),
            mode: None,
            in_force: false,
            size: Size { words: 0, states: 0 },
            took: Took { compile: Duration::ZERO, swap: Duration::ZERO },
            state: PolicyState::Unknown,
            message: None,
        }
    }
}

/// The agent's state.
pub struct Core<E> {
    pub(super) kernel: E,
    pub(super) store: Store,
    /// Every slot ever used.
    pub(super) rows: BTreeMap<u32, SlotRow>,
    /// The slots in use.
    pub(super) live: BTreeMap<u32, Live>,
    pub(super) catalog: Catalog,
    /// Profiles that found no slot, and other failures to apply one, by name.
    pub(super) failed: BTreeMap<String, String>,
    /// Why the profile directory could not be read at the last look.
    pub(super) unreadable: Option<String>,
    pub(super) subjects: BTreeMap<u64, SubjectRow>,
    pub(super) gone: VecDeque<SubjectRow>,
    /// Lost events by slot at the last look.
    pub(super) lost: BTreeMap<u32, u64>,
    /// The database failure that lasts.
    pub(super) store_error: Option<String>,
    /// The last swap that the kernel knew of when this agent came.
    pub(super) in_kernel: u64,
    /// What breakers remember.
    pub(super) breakers: Breakers,
    /// The subjects that are recorded, by cgroup.
    pub(super) recorded: BTreeMap<u64, Recorded>,
}

/// Who stands behind an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Name of the profile in the slot.
    pub profile: Option<String>,
    /// The subject.
    pub subject: Names,
    /// Its life, if it is known.
    pub run: Option<RunRef>,
    /// When the window began in which it was, in milliseconds since the epoch.
    pub window_ms: Option<i64>,
}

/// A subject's life, as far as recording needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunRef {
    /// Its number.
    pub number: i64,
    /// When it began, in seconds since the epoch.
    pub started: i64,
}

impl Who {
    /// The subject as an event shows it.
    pub fn subject_ref(&self) -> SubjectRef {
        let Names { id, name, image, pod, namespace } = self.subject.clone();
        SubjectRef { id, name, image, pod, namespace }
    }
}

impl<E: Enforcer> Core<E> {
    /// Takes over what the database and the kernel remember. `new_boot`: the subjects of the database
    /// are those of a boot that is over.
    pub fn recover(kernel: E, mut store: Store, new_boot: bool) -> Result<Self, CoreError> {
        if new_boot {
            store.drop_subjects()?;
            store.put_losses(&BTreeMap::new())?;
        }
        let rows: BTreeMap<u32, SlotRow> = store.slots()?.into_iter().map(|row| (row.slot, row)).collect();
        let lost = store.known_losses()?;
        let demoted = store.demotions()?;
        let in_kernel = kernel.last_generation()?;
        let mut core = Self {
            in_kernel,
            recorded: BTreeMap::new(),
            breakers: Breakers::new(demoted),
            kernel,
            store,
            rows,
            live: BTreeMap::new(),
            catalog: Catalog::default(),
            failed: BTreeMap::new(),
            unreadable: None,
            subjects: BTreeMap::new(),
            gone: VecDeque::new(),
            lost,
            store_error: None,
        };
        core.recover_subjects()?;
        core.recover_slots()?;
        Ok(core)
    }

    /// The kernel's word is what counts; the database knows the names.
    fn recover_subjects(&mut self) -> Result<(), CoreError> {
        let mut remembered: BTreeMap<u64, SubjectRow> =
            self.store.subjects()?.into_iter().map(|row| (row.cgroup, row)).collect();
        for (cgroup, entry) in self.kernel.bound()? {
            let known = remembered.remove(&cgroup);
            // Of one that nobody remembers, nothing counts as older than itself.
            if let Some(row) = &known {
                self.kernel.started(cgroup, clock::seconds_in_ns(row.bound_at))?;
            }
            let row = known.unwrap_or_else(|| SubjectRow {
                cgroup,
                // One that is gone has no path, and the next sweep closes it for that.
                path: match crate::identity::cgroup::find(cgroup) {
                    Some(path) => path,
                    None => PathBuf::new(),
                },
                slot: entry.policy,
                init_pid: entry.init_pid,
                flags: entry.flags,
                names: unknown_subject(cgroup),
                bound_at: clock::now_s(),
            });
            self.subjects.insert(cgroup, SubjectRow { slot: entry.policy, ..row });
        }
        for row in remembered.into_values() {
            if crate::identity::cgroup::id_of(&row.path) == Some(row.cgroup) {
                tracing::warn!(
                    subject = row.names.lasting(),
                    "runs without confinement: its binding was removed from the kernel; start it again"
                );
            }
            self.store.drop_subject(row.cgroup)?;
        }
        Ok(())
    }

    /// Slots that the kernel holds and the database does not know stay as long as somebody uses them.
    ///
    /// Only slots that matter are looked at: on 6.1 each look waits for all CPUs, and a look at every
    /// slot took a minute. What may be left in one that nobody uses is replaced when it is used again.
    fn recover_slots(&mut self) -> Result<(), CoreError> {
        let used: BTreeSet<u32> = self.subjects.values().map(|subject| subject.slot).collect();
        let in_use = self.rows.values().filter(|row| row.freed.is_none()).map(|row| row.slot);
        let slots: BTreeSet<u32> = in_use.chain(used.iter().copied()).collect();
        for slot in slots {
            let in_kernel = self.kernel.has_policy(slot)?;
            let known = self.rows.get(&slot).is_some_and(|row| row.freed.is_none());
            if known {
                let live = Live { in_force: in_kernel, ..Live::new() };
                self.live.insert(slot, live);
            } else if in_kernel {
                let key = SlotKey { profile: format!("unknown-{slot}"), mode: None, adhoc: None };
                let generation = self.rows.get(&slot).map_or(0, |row| row.generation);
                let row = SlotRow {
                    slot,
                    key,
                    generation,
                    digest: String::new(),
                    source: None,
                    text: String::new(),
                    freed: None,
                };
                self.rows.insert(slot, row);
                self.live.insert(slot, Live { in_force: true, ..Live::new() });
            }
        }
        Ok(())
    }

    /// Who stands behind an event of `cgroup` judged by the policy in `slot` when that had `generation`.
    pub fn who(&self, cgroup: u64, slot: u32, generation: u64) -> Who {
        let row = self.subjects.get(&cgroup).or_else(|| self.gone.iter().find(|row| row.cgroup == cgroup));
        Who {
            profile: self.rows.get(&slot).map(|row| row.key.profile.clone()),
            subject: row.map_or_else(|| unknown_subject(cgroup), |row| row.names.clone()),
            run: row.map(|row| RunRef { number: run_number(&run_id(row)), started: row.bound_at }),
            window_ms: self.live.get(&slot).and_then(|live| live.watch.began(generation)),
        }
    }

    /// Names of the subjects whose slot is empty: they are denied everything.
    pub fn without_policy(&self) -> Result<Vec<String>, CoreError> {
        let mut bare = Vec::new();
        for subject in self.subjects.values() {
            if !self.kernel.has_policy(subject.slot)? {
                bare.push(subject.names.lasting().to_owned());
            }
        }
        Ok(bare)
    }

    pub(super) fn remember_gone(&mut self, row: SubjectRow) {
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back(row);
    }

    pub(super) fn users(&self, slot: u32) -> usize {
        self.subjects.values().filter(|subject| subject.slot == slot).count()
    }

    /// Keeps the outcome of a write that enforcement does not depend on.
    pub(super) fn note(&mut self, outcome: Result<(), StoreError>) {
        match outcome {
            Ok(()) => self.store_error = None,
            Err(error) => {
                if self.store_error.is_none() {
                    tracing::error!(%error, "cannot write the database");
                }
                self.store_error = Some(error.to_string());
            }
        }
    }

    /// Names of the profiles that can be bound.
    pub(super) fn known(&self) -> String {
        let names: Vec<&str> = self.catalog.good.keys().map(String::as_str).take(30).collect();
        match self.catalog.good.len() {
            0 => "there are none".to_owned(),
            all if all > names.len() => format!("there are {all}: {}, …", names.join(", ")),
            _ => format!("there are: {}", names.join(", ")),
        }
    }

    /// Looks for losses since the last time, and marks the baselines they spoil.
    pub fn check_losses(&mut self, now: i64) -> Result<(), CoreError> {
        let counters = self.kernel.counters()?;
        if counters.lost_by_policy == self.lost {
            return Ok(());
        }
        for (slot, count) in &counters.lost_by_policy {
            let before = self.lost.get(slot).copied().unwrap_or(0);
            let learns = self.live.get(slot).is_some_and(|live| live.mode == Some(Mode::Learn));
            if *count > before
                && learns
                && let Some(row) = self.rows.get(slot)
            {
                let reason = format!("{} events lost, the ring was full", count - before);
                let profile = row.key.profile.clone();
                tracing::warn!(profile, reason, "the baseline is incomplete");
                let outcome = self.store.mark_incomplete(&profile, &reason, now);
                self.note(outcome);
            }
        }
        let outcome = self.store.put_losses(&counters.lost_by_policy);
        self.note(outcome);
        self.lost = counters.lost_by_policy;
        Ok(())
    }

    /// The profiles that the policies were last brought in line with.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Names of the profiles that learn.
    pub fn learning(&self) -> Vec<String> {
        let learns = self.live.iter().filter(|(_, live)| live.mode == Some(Mode::Learn));
        learns.filter_map(|(slot, _)| Some(self.rows.get(slot)?.key.profile.clone())).collect()
    }

    /// Whether something could not be put in force that may succeed later.
    pub fn wants_retry(&self) -> bool {
        !self.failed.is_empty() || self.live.values().any(|live| live.state == PolicyState::Failed)
    }

    /// The kernel side, to look at.
    pub const fn kernel(&self) -> &E {
        &self.kernel
    }

    /// The kernel side.
    pub fn kernel_mut(&mut self) -> &mut E {
        &mut self.kernel
    }
}

fn unknown_subject(cgroup: u64) -> Names {
    Names { id: format!("cgroup:{cgroup}"), ..Names::default() }
}

#[cfg(test)]
#[path = "core_tests.rs"]
pub(crate) mod tests;
