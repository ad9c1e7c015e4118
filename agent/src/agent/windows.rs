//! Windows of what learns, and the lives of its subjects.
//!
//! Under `learn` the kernel reports each thing once for each subject and generation. A new generation at the
//! end of each window makes it report again what is still being done: that tells what is done all the time
//! from what was done once.

use std::collections::VecDeque;

use stockade_abi::reason::Mode;

use super::core::Core;
use super::enforcer::Enforcer;
use super::slots;
use crate::clock;
use crate::learn::episodes::PART;
use crate::learn::evidence::{Run, Window};
use crate::store::subjects::SubjectRow;

/// The shortest window.
const SHORTEST_MS: i64 = 1000;
/// How much earlier a window may end: ticks are not quite regular, and to wait for another makes it a quarter longer.
const EARLY_MS: i64 = 50;
/// Windows of which a late event may still speak.
const REMEMBERED: usize = 16;
/// A run that used less CPU time than this in a second was not at work, and taught nothing.
const AT_WORK_USEC: i64 = 200;

/// The windows of one policy.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    /// Generation and beginning of each, the last one open.
    windows: VecDeque<(u64, i64)>,
    /// Milliseconds looked at so far, once asked for.
    exposure_ms: Option<i64>,
    /// Runs that began and ended within the open window.
    short: i64,
}

impl Watch {
    pub(super) const fn new() -> Self {
        Self { windows: VecDeque::new(), exposure_ms: None, short: 0 }
    }

    /// When the window with this generation began.
    pub(super) fn began(&self, generation: u64) -> Option<i64> {
        self.windows.iter().rev().find(|(known, _)| *known == generation).map(|(_, at)| *at)
    }

    fn open(&mut self, generation: u64, at: i64) {
        if self.windows.len() >= REMEMBERED {
            self.windows.pop_front();
        }
        self.windows.push_back((generation, at));
    }
}

/// A subject that is recorded.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    /// Name of the profile.
    profile: String,
    /// CPU time used when the open window began.
    cpu_usec: u64,
    /// Whether a window counts it.
    counted: bool,
}

/// What can be seen of a subject from outside.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// CPU time it has used, in microseconds.
    pub cpu_usec: Option<u64>,
    /// Whether a session is in it.
    pub session: bool,
}

/// The name of a subject's life.
pub(super) fn run_id(row: &SubjectRow) -> String {
    format!("{}@{}", row.names.id, row.bound_at)
}

impl<E: Enforcer> Core<E> {
    fn learns(&self, slot: u32) -> bool {
        self.live.get(&slot).is_some_and(|live| live.mode == Some(Mode::Learn))
    }

    /// A policy was swapped: if it learns, a window begins.
    pub(super) fn watch_anew(&mut self, slot: u32) {
        let Some(generation) = self.rows.get(&slot).map(|row| row.generation) else { return };
        if self.learns(slot)
            && let Some(live) = self.live.get_mut(&slot)
            && live.watch.began(generation).is_none()
        {
            live.watch.open(generation, clock::now_ms());
        }
    }

    /// Begins to record a subject if its policy learns. `from_start`: before its first program.
    pub(super) fn run_began(&mut self, cgroup: u64, from_start: bool) {
        let Some(row) = self.subjects.get(&cgroup) else { return };
        if !self.learns(row.slot) || self.recorded.contains_key(&cgroup) {
            return;
        }
        let Some(profile) = self.rows.get(&row.slot).map(|row| row.key.profile.clone()) else { return };
        let names = &row.names;
        let run = Run {
            id: run_id(row),
            subject: match &names.name {
                Some(name) => name.clone(),
                // Each run of a command has a new id.
                None if names.id.starts_with("run-") => "run".to_owned(),
                None => names.id.clone(),
            },
            image: names.image.clone(),
            started: row.bound_at,
            ended: None,
            from_start,
            session_at: None,
        };
        let begun = self.store.begin_run(&profile, &run);
        self.note(begun);
        self.recorded.insert(cgroup, Recorded { profile, cpu_usec: 0, counted: false });
    }

    /// Records that a subject's life has ended, if it was recorded.
    pub(super) fn run_ended(&mut self, row: &SubjectRow, now: i64) {
        let Some(recorded) = self.recorded.remove(&row.cgroup) else { return };
        // What it did under another mode at the end was not recorded.
        if self.learns(row.slot) {
            let ended = self.store.end_run(&recorded.profile, &run_id(row), now);
            self.note(ended);
            if !recorded.counted
                && let Some(live) = self.live.get_mut(&row.slot)
            {
                live.watch.short += 1;
            }
        }
    }

    /// Closes each window that is long enough, and begins the next. What cannot be written is no window, and
    /// counts for nothing.
    pub fn turn_windows(&mut self, now_ms: i64, look: impl Fn(&SubjectRow) -> Glance) {
        let slots: Vec<u32> = self.live.keys().copied().filter(|slot| self.learns(*slot)).collect();
        for slot in slots {
            self.turn(slot, now_ms, &look);
        }
    }

    fn turn(&mut self, slot: u32, now_ms: i64, look: &impl Fn(&SubjectRow) -> Glance) {
        let rows: Vec<SubjectRow> = self.subjects.values().filter(|row| row.slot == slot).cloned().collect();
        for row in &rows {
            self.run_began(row.cgroup, false);
        }
        let Some((key, generation)) = self.rows.get(&slot).map(|row| (row.key.clone(), row.generation))
        else {
            return;
        };
        let exposure_ms = match self.live.get(&slot).and_then(|live| live.watch.exposure_ms) {
            Some(known) => known,
            None => match self.store.exposure_ms(&key.profile) {
                Ok(known) => known,
                Err(error) => return self.note(Err(error)),
            },
        };
        let Some(live) = self.live.get_mut(&slot) else { return };
        live.watch.exposure_ms = Some(exposure_ms);
        let Some(began) = live.watch.windows.back().map(|(_, at)| *at) else {
            live.watch.open(generation, now_ms);
            return;
        };
        let length_ms = now_ms.saturating_sub(began);
        if length_ms.saturating_add(EARLY_MS) < SHORTEST_MS.max(exposure_ms / PART) {
            return;
        }
        let short = std::mem::take(&mut live.watch.short);
        let at_work = self.at_work(&rows, length_ms, now_ms / 1000, look);
        let units = short.saturating_add(at_work);
        if units == 0 {
            // Nothing was done: the window has not begun yet.
            if let Some(live) = self.live.get_mut(&slot)
                && let Some(open) = live.watch.windows.back_mut()
            {
                open.1 = now_ms;
            }
            return;
        }
        let window = Window { node: self.store.node().to_owned(), started_ms: began, length_ms, units };
        let added = self.store.add_window(&key.profile, &window);
        if added.is_ok()
            && let Some(live) = self.live.get_mut(&slot)
        {
            live.watch.exposure_ms = Some(exposure_ms.saturating_add(length_ms.saturating_mul(units)));
        }
        self.note(added);
        self.begin_window(slot, now_ms);
    }

    /// How many runs were at work.
    fn at_work(
        &mut self,
        rows: &[SubjectRow],
        length_ms: i64,
        now: i64,
        look: &impl Fn(&SubjectRow) -> Glance,
    ) -> i64 {
        let enough = (AT_WORK_USEC.saturating_mul(length_ms) / 1000).unsigned_abs();
        let mut at_work = 0;
        for row in rows {
            let glance = look(row);
            let Some(recorded) = self.recorded.get_mut(&row.cgroup) else { continue };
            // A kernel that does not count CPU time says nothing against it.
            let used = glance.cpu_usec.map(|cpu| cpu.saturating_sub(recorded.cpu_usec));
            if used.is_none_or(|used| used >= enough) {
                recorded.counted = true;
                at_work += 1;
            }
            recorded.cpu_usec = glance.cpu_usec.unwrap_or(0);
            if glance.session {
                let profile = recorded.profile.clone();
                let noted = self.store.session_in_run(&profile, &run_id(row), now);
                self.note(noted);
            }
        }
        at_work
    }

    fn begin_window(&mut self, slot: u32, now_ms: i64) {
        let Some(row) = self.rows.get(&slot) else { return };
        let generation = slots::next_generation(&self.rows, self.in_kernel);
        let next = crate::store::slots::SlotRow { generation, ..row.clone() };
        // A number that is not written down could be given again.
        if let Err(error) = self.store.put_slot(&next) {
            return self.note(Err(error));
        }
        if let Err(error) = self.kernel.begin_generation(slot, generation) {
            tracing::error!(slot, %error, "the window cannot be closed");
            return;
        }
        self.rows.insert(slot, next);
        if let Some(live) = self.live.get_mut(&slot) {
            live.watch.open(generation, now_ms);
        }
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
