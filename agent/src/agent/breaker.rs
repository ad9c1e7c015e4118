//! The circuit breaker: a profile that breaks its containers is demoted to audit, if it asks for that.
//!
//! Off unless the profile has the annotation `stockade.dev/breaker`, such as `50 in 60s`. Whoever can make a
//! container ask for what it may not have can trip it: it trades protection for availability.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stockade_abi::reason::Mode;

use super::core::Core;
use super::enforcer::Enforcer;
use crate::clock::parse_duration;
use crate::profile::Profile;
use crate::store::breakers::Demotion;
use crate::store::slots::SlotKey;
use crate::store::subjects::SubjectRow;

/// The annotation that asks for it.
pub const ANNOTATION: &str = "stockade.dev/breaker";
/// Subjects that ended young, after a denial, within the time of the limit: a crash loop.
const CRASHES: usize = 3;
/// A subject that ends within so many seconds ended young.
const YOUNG_S: i64 = 20;

/// So many denials in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit {
    denials: u64,
    seconds: i64,
}

impl Limit {
    fn of(profile: &Profile) -> Result<Option<Self>, String> {
        let Some(text) = profile.annotations.get(ANNOTATION) else { return Ok(None) };
        let bad = || format!("`{text}` is no limit of {ANNOTATION}; write it like `50 in 60s`");
        let (denials, duration) = text.split_once(" in ").ok_or_else(bad)?;
        let denials = denials.trim().parse().ok().filter(|denials| *denials > 0).ok_or_else(bad)?;
        let seconds = parse_duration(duration.trim()).map_err(|_| bad())?.as_secs();
        match i64::try_from(seconds) {
            Ok(seconds) if seconds > 0 => Ok(Some(Self { denials, seconds })),
            Ok(_) | Err(_) => Err(bad()),
        }
    }
}

/// A profile that was demoted just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The profile.
    pub profile: String,
    /// Why.
    pub reason: String,
    /// Generation of its policy in mode audit.
    pub generation: u64,
}

/// What the breakers remember.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    /// When how much was denied, by slot.
    denials: BTreeMap<u32, VecDeque<(i64, u64)>>,
    /// When subjects ended young after a denial, by slot.
    crashes: BTreeMap<u32, VecDeque<i64>>,
    /// Cgroups of subjects that were denied something.
    denied: BTreeSet<u64>,
    /// Profiles that were demoted.
    demoted: BTreeMap<String, Demotion>,
    /// Those that nobody wrote down yet.
    trips: Vec<Trip>,
}

impl Breakers {
    pub(super) fn new(demoted: BTreeMap<String, Demotion>) -> Self {
        Self { demoted, ..Self::default() }
    }
}

impl<E: Enforcer> Core<E> {
    /// The mode in which the profile with this text is put in force.
    pub(super) fn effective(&mut self, name: &str, mode: Mode, text: &str) -> Mode {
        match self.breakers.demoted.get(name) {
            Some(demotion) if demotion.text == text => match mode {
                Mode::Enforce => Mode::Audit,
                Mode::Learn | Mode::Audit => mode,
            },
            // Somebody has changed it since.
            Some(_) => {
                self.breakers.demoted.remove(name);
                let dropped = self.store.drop_demotion(name);
                self.note(dropped);
                mode
            }
            None => mode,
        }
    }

    /// The limit of the profile in a slot, if it is one that a breaker may demote.
    fn limit(&self, slot: u32) -> Option<Limit> {
        let row = self.rows.get(&slot)?;
        let enforced = self.live.get(&slot)?.mode == Some(Mode::Enforce);
        let good = self.catalog.good.get(&row.key.profile)?;
        // One that cannot be read is told in `status`.
        let limit = Limit::of(&good.profile).ok().flatten()?;
        (enforced && row.key == SlotKey::named(&row.key.profile)).then_some(limit)
    }

    /// Something was denied.
    pub fn denied(&mut self, slot: u32, cgroup: u64, count: u64, now: i64) {
        let Some(limit) = self.limit(slot) else { return };
        self.breakers.denied.insert(cgroup);
        let denials = self.breakers.denials.entry(slot).or_default();
        denials.push_back((now, count));
        while denials.front().is_some_and(|(at, _)| *at <= now.saturating_sub(limit.seconds)) {
            denials.pop_front();
        }
        let sum = denials.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        if sum >= limit.denials {
            self.trip(slot, format!("{sum} denials in {} s", limit.seconds), now);
        }
    }

    /// A subject is gone.
    pub(super) fn gone_young(&mut self, row: &SubjectRow, now: i64) {
        if !self.breakers.denied.remove(&row.cgroup) || now.saturating_sub(row.bound_at) > YOUNG_S {
            return;
        }
        let Some(limit) = self.limit(row.slot) else { return };
        let crashes = self.breakers.crashes.entry(row.slot).or_default();
        crashes.push_back(now);
        while crashes.front().is_some_and(|at| *at <= now.saturating_sub(limit.seconds)) {
            crashes.pop_front();
        }
        let count = crashes.len();
        if count >= CRASHES {
            let reason =
                format!("{count} subjects were denied something and ended within {YOUNG_S} s of their start");
            self.trip(row.slot, reason, now);
        }
    }

    fn trip(&mut self, slot: u32, reason: String, now: i64) {
        self.breakers.denials.remove(&slot);
        self.breakers.crashes.remove(&slot);
        let Some(row) = self.rows.get(&slot).cloned() else { return };
        let demotion = Demotion { text: row.text.clone(), reason: reason.clone(), at: now };
        // What is not remembered would be undone by a restart, and that is the safer side.
        let noted = self.store.put_demotion(&row.key.profile, &demotion);
        self.note(noted);
        self.breakers.demoted.insert(row.key.profile.clone(), demotion);
        self.refresh(slot, &mut BTreeMap::new(), false);
        let generation = self.rows.get(&slot).map_or(row.generation, |row| row.generation);
        tracing::warn!(profile = row.key.profile, reason, "demoted to audit");
        self.breakers.trips.push(Trip { profile: row.key.profile, reason, generation });
    }

    /// The demotions since the last time this was asked.
    pub fn take_trips(&mut self) -> Vec<Trip> {
        std::mem::take(&mut self.breakers.trips)
    }

    /// What `status` says of breakers.
    pub(super) fn breaker_problems(&self) -> Vec<String> {
        let demoted = self.breakers.demoted.iter().map(|(name, demotion)| {
            format!(
                "profile `{name}` was demoted to audit: {}; it is enforced again when its file changes",
                demotion.reason
            )
        });
        let bad = self.catalog.good.iter().filter_map(|(name, good)| {
            Limit::of(&good.profile).err().map(|error| format!("profile `{name}`: {error}"))
        });
        demoted.chain(bad).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::core::tests::{apply, bind, core, yaml};
    use super::*;

    fn text(limit: &str) -> String {
        yaml("web", "enforce", "/a").replace(
            "metadata: { name: web }",
            &format!("metadata: {{ name: web, annotations: {{ {ANNOTATION}: \"{limit}\" }} }}"),
        )
    }

    fn mode(core: &super::super::core::tests::Core) -> u64 {
        core.kernel.policies.values().next().unwrap().1
    }

    #[test]
    fn a_burst_demotes_until_the_file_changes() {
        let mut core = core();
        apply(&mut core, &[("/p/web.yaml", &text("10 in 60s"))], true);
        bind(&mut core, 7, "web").unwrap();
        let slot = core.subjects[&7].slot;
        core.denied(slot, 7, 9, 100);
        core.denied(slot, 7, 9, 160);
        assert_eq!(mode(&core), Mode::Enforce as u64, "never ten within a minute");
        core.denied(slot, 7, 1, 161);
        assert_eq!(mode(&core), Mode::Audit as u64);
        assert_eq!(core.take_trips()[0].reason, "10 denials in 60 s");
        assert_eq!(core.take_trips(), []);
        assert!(core.breaker_problems()[0].contains("demoted"));
        // Also for the next agent.
        let mut core = super::super::core::tests::Core::recover(core.kernel, core.store, false).unwrap();
        apply(&mut core, &[("/p/web.yaml", &text("10 in 60s"))], true);
        assert_eq!(mode(&core), Mode::Audit as u64);
        apply(&mut core, &[("/p/web.yaml", &text("11 in 60s"))], false);
        assert_eq!(mode(&core), Mode::Enforce as u64);
        assert_eq!(core.breaker_problems(), [] as [String; 0]);
        assert!(core.store.demotions().unwrap().is_empty());
    }

    #[test]
    fn a_crash_loop_demotes_too() {
        let mut core = core();
        apply(&mut core, &[("/p/web.yaml", &text("1000 in 60s"))], true);
        for cgroup in 1..=4 {
            bind(&mut core, cgroup, "web").unwrap();
            let (slot, born) = (core.subjects[&cgroup].slot, core.subjects[&cgroup].bound_at);
            // The first one ends without a denial.
            if cgroup > 1 {
                core.denied(slot, cgroup, 1, born);
            }
            assert_eq!(mode(&core), Mode::Enforce as u64);
            core.sweep(born + 2, |_| true).unwrap();
        }
        assert_eq!(mode(&core), Mode::Audit as u64);
    }

    #[test]
    fn off_unless_asked_for_and_bad_limits_are_told() {
        let mut core = core();
        apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], true);
        bind(&mut core, 7, "web").unwrap();
        let slot = core.subjects[&7].slot;
        core.denied(slot, 7, 1 << 40, 100);
        assert_eq!(mode(&core), Mode::Enforce as u64);
        for bad in ["10", "0 in 60s", "10 in 0s", "x in 60s", "10 in x"] {
            apply(&mut core, &[("/p/web.yaml", &text(bad))], false);
            assert!(core.breaker_problems()[0].contains("write it like"), "{bad}");
        }
    }
}
