//! Policies: from the catalog into slots, and out of them.

use std::collections::BTreeMap;
use std::time::Instant;

use stockade_abi::SLOTS_OF_POLICIES;
use stockade_abi::reason::Mode;

use super::catalog::Catalog;
use super::core::{Core, CoreError, Live, Took};
use super::enforcer::Enforcer;
use super::slots;
use super::table::Table;
use crate::kernel::{KernelError, Swap};
use crate::profile::{self, Profile};
use crate::status::PolicyState;
use crate::store::StoreError;
use crate::store::slots::{SlotKey, SlotRow};

/// Why a policy could not be put in force. What was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// No slot is free.
    #[error("all {} policy slots of this node are in use", SLOTS_OF_POLICIES.len())]
    SlotsFull,
    /// It has no table.
    #[error("the profile cannot be compiled: {0}")]
    Compile(String),
    /// The kernel side refused it.
    #[error("the kernel did not take the policy: {0}")]
    Kernel(#[from] KernelError),
    /// It could not be recorded, and then a restart would not know it.
    #[error("the policy cannot be recorded: {0}")]
    Store(#[from] StoreError),
}

/// One thing to be done to bring the policies in line with the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A slot in use may have another policy now.
    Slot(u32),
    /// A profile may have no slot yet.
    Profile(String),
}

/// Where a policy's profile comes from.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Its text, with the rule sets that it includes.
    pub text: &'a str,
    /// Its file in the profile directory.
    pub source: Option<&'a str>,
}

impl<E: Enforcer> Core<E> {
    /// Brings the policies in line with the files. `start`: nothing was put in force by this agent yet,
    /// so everything is put in force once, and learning begins a new generation, upon which the kernel
    /// reports again what the last agent may not have written down.
    pub fn apply(
        &mut self,
        catalog: Catalog,
        mut tables: BTreeMap<String, Table>,
        start: bool,
    ) -> Result<(), CoreError> {
        for step in self.begin(catalog) {
            self.take(&step, &mut tables, start);
        }
        self.free_unused()
    }

    /// Begins to bring the policies in line with the files: what is to be done, for [`Self::take`], one after
    /// the other.
    pub fn begin(&mut self, catalog: Catalog) -> Vec<Step> {
        self.catalog = catalog;
        self.failed.clear();
        let in_use = self.live.keys().copied().map(Step::Slot);
        in_use.chain(self.catalog.good.keys().cloned().map(Step::Profile)).collect()
    }

    /// Takes one step. The policy's table is no longer in `tables` after it.
    pub fn take(&mut self, step: &Step, tables: &mut BTreeMap<String, Table>, start: bool) {
        match step {
            Step::Slot(slot) => self.refresh(*slot, tables, start),
            Step::Profile(name) => self.install_file(name, tables),
        }
    }

    /// Puts the profile of a file in force that has no slot yet.
    fn install_file(&mut self, name: &str, tables: &mut BTreeMap<String, Table>) {
        let key = SlotKey::named(name);
        if self.slot_of(&key).is_some() {
            return;
        }
        let Some(file) = self.catalog.good.get(name).cloned() else { return };
        let source = file.path.display().to_string();
        let origin = Origin { text: &file.standalone, source: Some(&source) };
        let mode = self.effective(name, file.profile.mode, &file.standalone);
        if let Err(error) = self.install(&key, mode, &file.profile, tables.remove(name), origin) {
            tracing::error!(profile = name, %error, "the profile is not in force");
            self.failed.insert(name.to_owned(), error.to_string());
        }
    }

    /// The profile directory could not be read; everything stays as it is.
    pub fn unreadable(&mut self, error: Option<String>) {
        if error.is_some() && error != self.unreadable {
            tracing::error!(error, "cannot read the profile directory");
        }
        self.unreadable = error;
    }

    /// The slot in use that serves `key`.
    pub fn slot_of(&self, key: &SlotKey) -> Option<u32> {
        self.rows.values().find(|row| row.freed.is_none() && row.key == *key).map(|row| row.slot)
    }

    pub(super) fn refresh(&mut self, slot: u32, tables: &mut BTreeMap<String, Table>, start: bool) {
        let Some(row) = self.rows.get(&slot).cloned() else { return };
        let (state, message) = self.judge(&row);
        let current = self.catalog.good.get(&row.key.profile).filter(|_| state == PolicyState::Ok);
        let profile = match current {
            Some(good) if row.key.adhoc.is_none() => {
                Some((good.profile.clone(), good.standalone.clone(), Some(good.path.display().to_string())))
            }
            Some(_) | None if start => {
                remembered(&row).map(|profile| (profile, row.text.clone(), row.source.clone()))
            }
            // In force already, and nothing newer is good.
            Some(_) | None => None,
        };
        let live = self.live.entry(slot).or_insert_with(Live::new);
        live.state = state;
        live.message = message;
        let Some((profile, text, source)) = profile else { return };
        let mode = match row.key.mode() {
            Some(mode) => mode,
            None if row.key.adhoc.is_none() => self.effective(&row.key.profile, profile.mode, &text),
            None => profile.mode,
        };
        let table = if row.key.mode.is_none() { tables.remove(&row.key.profile) } else { None };
        let origin = Origin { text: &text, source: source.as_deref() };
        if let Err(error) = self.put(slot, mode, &profile, table, origin, start) {
            tracing::error!(profile = row.key.profile, slot, %error, "the policy stays as it was");
            if let Some(live) = self.live.get_mut(&slot) {
                live.state = PolicyState::Failed;
                live.message = Some(error.to_string());
            }
        }
    }

    fn judge(&self, row: &SlotRow) -> (PolicyState, Option<String>) {
        if row.text.is_empty() {
            let message = "in force since before the database was made; stop its subjects to be rid of it";
            return (PolicyState::Unknown, Some(message.to_owned()));
        }
        if row.key.adhoc.is_some() || self.catalog.good.contains_key(&row.key.profile) {
            return (PolicyState::Ok, None);
        }
        let bad = self.catalog.bad.iter().find(|bad| row.source.as_deref() == bad.path.to_str());
        match bad {
            Some(bad) => (PolicyState::Bad, Some(bad.message.clone())),
            None => (PolicyState::Removed, Some("its file is gone".to_owned())),
        }
    }

    /// Puts a policy in force in a slot of its own. The slot is given back when no subject uses it, unless
    /// its key is that of a file.
    pub fn install(
        &mut self,
        key: &SlotKey,
        mode: Mode,
        profile: &Profile,
        table: Option<Table>,
        origin: Origin<'_>,
    ) -> Result<u32, PolicyError> {
        if let Some(slot) = self.slot_of(key) {
            self.put(slot, mode, profile, table, origin, false)?;
            return Ok(slot);
        }
        let slot = slots::choose(&self.rows, key).ok_or(PolicyError::SlotsFull)?;
        let before = self.rows.get(&slot).cloned();
        let row = SlotRow {
            slot,
            key: key.clone(),
            // The slot's last number stays used.
            generation: before.as_ref().map_or(0, |row| row.generation),
            digest: String::new(),
            source: None,
            text: String::new(),
            freed: None,
        };
        self.rows.insert(slot, row);
        self.live.insert(slot, Live { state: PolicyState::Ok, ..Live::new() });
        match self.put(slot, mode, profile, table, origin, false) {
            Ok(()) => Ok(slot),
            Err(error) => {
                self.live.remove(&slot);
                match before {
                    Some(before) => self.rows.insert(slot, before),
                    None => self.rows.remove(&slot),
                };
                Err(error)
            }
        }
    }

    /// Swaps the policy of a slot if its content changed, or if it must be put in force anew.
    fn put(
        &mut self,
        slot: u32,
        mode: Mode,
        profile: &Profile,
        table: Option<Table>,
        origin: Origin<'_>,
        start: bool,
    ) -> Result<(), PolicyError> {
        let (Some(row), Some(live)) = (self.rows.get(&slot), self.live.get(&slot)) else {
            return Err(PolicyError::SlotsFull);
        };
        let same_text =
            !row.digest.is_empty() && row.text == origin.text && row.source.as_deref() == origin.source;
        if same_text && live.in_force && !start && table.is_none() && live.mode == Some(mode) {
            return Ok(());
        }
        let table = match table {
            Some(table) => table,
            None => Table::compile(profile).map_err(|error| PolicyError::Compile(error.to_string()))?,
        };
        let digest = format!("{}-{}", mode.word(), table.digest);
        let changed = row.digest != digest;
        let anew = start && mode == Mode::Learn;
        let next = SlotRow {
            generation: if changed || anew {
                slots::next_generation(&self.rows, self.in_kernel)
            } else {
                row.generation
            },
            digest,
            source: origin.source.map(str::to_owned),
            text: origin.text.to_owned(),
            ..row.clone()
        };
        if next != *row {
            self.store.put_slot(&next)?;
        }
        let mut took = live.took;
        if changed || start || !live.in_force {
            let swap =
                Swap { generation: next.generation, mode, words: table.words(), digest: &table.digest };
            let began = Instant::now();
            let outcome = self.kernel.set_policy(slot, &swap);
            took = Took { compile: table.compiled_in, swap: began.elapsed() };
            if let Err(error) = outcome {
                // The database must not claim what is not in force.
                let undone = SlotRow { digest: String::new(), ..row.clone() };
                let noted = self.store.put_slot(&undone);
                self.note(noted);
                self.rows.insert(slot, undone);
                return Err(error.into());
            }
            tracing::info!(
                profile = next.key.profile,
                slot,
                generation = next.generation,
                mode = mode.word(),
                words = table.size.words,
                compile = ?took.compile,
                swap = ?took.swap,
                "policy in force"
            );
        }
        self.rows.insert(slot, next);
        if let Some(live) = self.live.get_mut(&slot) {
            live.mode = Some(mode);
            live.in_force = true;
            live.size = table.size;
            live.took = took;
        }
        self.watch_anew(slot);
        Ok(())
    }

    /// Gives back the slots that nobody uses and no file asks for. What is in force there stays until the
    /// slot is used again: a process that has left its cgroup is still judged by it, and without it would
    /// be denied everything.
    pub(super) fn free_unused(&mut self) -> Result<(), CoreError> {
        let idle: Vec<u32> = self
            .live
            .keys()
            .copied()
            .filter(|slot| self.users(*slot) == 0)
            .filter(|slot| {
                let Some((row, live)) = self.rows.get(slot).zip(self.live.get(slot)) else { return false };
                let of_a_file = row.key.adhoc.is_none() && row.key.mode.is_none();
                !of_a_file || matches!(live.state, PolicyState::Removed | PolicyState::Unknown)
            })
            .collect();
        for slot in idle {
            let freed = Some(slots::next_freed(&self.rows));
            let Some(row) = self.rows.get(&slot) else { continue };
            let row = SlotRow { freed, digest: String::new(), ..row.clone() };
            let recorded = self.store.put_slot(&row);
            if recorded.is_ok() {
                self.rows.insert(slot, row);
                self.live.remove(&slot);
            }
            self.note(recorded);
        }
        Ok(())
    }
}

/// The profile of a slot's last good text.
fn remembered(row: &SlotRow) -> Option<Profile> {
    if row.text.is_empty() {
        return None;
    }
    match profile::parse(row.source.as_deref().unwrap_or(&row.key.profile), &row.text) {
        Ok(parsed) => Some(parsed.profile),
        Err(error) => {
            tracing::error!(slot = row.slot, %error, "the remembered profile no longer parses; its policy stays");
            None
        }
    }
}
