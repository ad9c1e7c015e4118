//! What was seen in one stretch of one run and never again, and what that says about the next window.
//!
//! Windows follow one another: a job that is done once in an hour is at work in several of them, so that it was
//! "seen in five windows" says nothing about the next hour. What counts is how often it came. So all that was seen
//! within one short stretch of one run is an *episode*, and each window of it shows what the next window might show.
//! What a start-up or a shutdown alone brought is one episode, however long it took.
//!
//! Windows grow with what was looked at, and the next one is longer than most. Everything is counted in
//! windows as long as the next, but of fifteen seconds at most: a rate times that length is what the next one is
//! expected to show, however short the windows were in which the rate was measured.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use super::estimate::Spread;
use super::evidence::{Evidence, Phase, Window, unit_start_ms};

/// A stretch of at most one part of so many of what was looked at is short.
const SHORT: i64 = 5;
/// A window is at least one part of so many of what was looked at before: the cost of learning falls with time.
pub const PART: i64 = 240;
/// Longer windows are counted in pieces of this length, in milliseconds.
const LONGEST_MS: i64 = 15_000;

/// Windows by which the length of the next is judged.
const LATEST: usize = 9;

/// How what is new is spread over windows, now and if nothing new comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Episodes {
    /// How long each lasted, in milliseconds.
    spans: Vec<i64>,
    once: u64,
    twice: u64,
    pairs: u64,
    /// Windows that were looked at, each run counted by itself, and how long they were together.
    units: i64,
    exposure_ms: i64,
    /// How long the latest usually were.
    usual_ms: i64,
}

impl Episodes {
    /// Of the things that were seen in these windows.
    pub fn of(windows: &[Window], things: &[impl Borrow<Evidence>]) -> Self {
        let mut found = Self { usual_ms: usual_ms(windows), ..Self::default() };
        for window in windows {
            let units = window.units.max(0);
            found.units = found.units.saturating_add(units);
            found.exposure_ms = found.exposure_ms.saturating_add(window.length_ms.saturating_mul(units));
        }
        let work = Work::of(windows);
        let mut edges: BTreeSet<Option<i64>> = BTreeSet::new();
        let mut steady: BTreeMap<Option<i64>, Vec<(i64, i64)>> = BTreeMap::new();
        let mut pairs = BTreeSet::new();
        for thing in things {
            let thing: &Evidence = thing.borrow();
            let Some(first) = thing.windows.first().map(unit_start_ms) else { continue };
            let last = thing.windows.iter().map(unit_start_ms).max().unwrap_or(first);
            let last = last.max(thing.last.saturating_mul(1000));
            let single = thing.windows.len() == 1;
            let short = || work.between(first, last).saturating_mul(SHORT) <= work.in_all();
            if single || (thing.runs.len() == 1 && short()) {
                found.once += 1;
                if thing.phases & Phase::Steady as u8 == 0 && thing.phases != 0 {
                    edges.insert(thing.runs.first());
                } else {
                    steady
                        .entry(thing.runs.first())
                        .or_default()
                        .push((first, if single { first } else { last }));
                }
            } else if thing.windows.len() == 2 {
                found.twice += 1;
                pairs.insert(thing.windows.to_string());
            }
        }
        found.pairs = pairs.len() as u64;
        found.spans = vec![0; edges.len()];
        for stretches in steady.into_values() {
            let apart = joined(stretches).into_iter();
            found.spans.extend(apart.map(|(first, last)| work.between(first, last)));
        }
        found
    }

    /// Windows that were looked at, each run counted by itself.
    pub const fn units(&self) -> u64 {
        self.units.unsigned_abs()
    }

    /// The spread as it is now.
    pub fn spread(&self) -> Spread {
        self.spread_after(0)
    }

    /// The spread if so many milliseconds more bring nothing new.
    fn spread_after(&self, more_ms: i64) -> Spread {
        let exposure_ms = self.exposure_ms.saturating_add(more_ms);
        let length_ms = self.usual_ms.max(exposure_ms / PART).min(LONGEST_MS);
        let alone: i64 =
            self.spans.iter().map(|span| (span + length_ms - 1).div_euclid(length_ms).max(1)).sum();
        let units = (exposure_ms / length_ms).min(self.units.saturating_add(more_ms / length_ms));
        let alone = alone.max(0).unsigned_abs();
        Spread {
            units: units.max(0).unsigned_abs().max(alone),
            alone,
            once: self.once,
            twice: self.twice,
            pairs: self.pairs,
        }
    }

    /// How many milliseconds more, if they bring nothing new, bring the bound down to `limit`; `None` if it takes years.
    pub fn needed_ms(&self, limit: f64) -> Option<i64> {
        let enough = |more_ms: i64| self.spread_after(more_ms).bound() <= limit;
        if enough(0) {
            return Some(0);
        }
        let (mut low, mut high) = (0, 1000);
        while !enough(high) {
            low = high;
            high = high.checked_mul(2).filter(|next| *next < 1 << 37)?;
        }
        while low + 100 < high {
            let middle = low + (high - low) / 2;
            if enough(middle) { high = middle } else { low = middle }
        }
        Some(high)
    }
}

/// Stretches of time as stretches of work.
struct Work {
    /// When each window began, and what was looked at before.
    begins: Vec<(i64, i64)>,
    in_all: i64,
}

impl Work {
    fn of(windows: &[Window]) -> Self {
        let mut in_all = 0_i64;
        let mut begins = Vec::with_capacity(windows.len());
        for window in windows {
            begins.push((window.started_ms, in_all));
            in_all = in_all.saturating_add(window.length_ms);
        }
        Self { begins, in_all }
    }

    const fn in_all(&self) -> i64 {
        self.in_all
    }

    /// What was looked at in the windows that began from `first` to `last`.
    fn between(&self, first: i64, last: i64) -> i64 {
        let before = |at: usize| self.begins.get(at).map_or(self.in_all, |(_, before)| *before);
        let from = self.begins.partition_point(|(began, _)| *began < first);
        let to = self.begins.partition_point(|(began, _)| *began <= last);
        before(to) - before(from)
    }
}

/// The middle one of the latest lengths: one that came late says nothing about the next.
fn usual_ms(windows: &[Window]) -> i64 {
    let mut latest: Vec<i64> = windows.iter().rev().take(LATEST).map(|window| window.length_ms).collect();
    latest.sort_unstable();
    latest.get(latest.len() / 2).copied().unwrap_or(1000).max(1)
}

/// Those that overlap as one.
fn joined(mut stretches: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    stretches.sort_unstable();
    let mut apart: Vec<(i64, i64)> = Vec::new();
    for (first, last) in stretches {
        match apart.last_mut() {
            Some(open) if first <= open.1 => open.1 = open.1.max(last),
            Some(_) | None => apart.push((first, last)),
        }
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::super::evidence::unit;
    use super::*;

    fn windows(count: i64, length_ms: i64) -> Vec<Window> {
        let window = |n| Window { node: "n".to_owned(), started_ms: n * length_ms, length_ms, units: 1 };
        (0..count).map(window).collect()
    }

    /// Seen in these windows of a second each, in these runs.
    fn thing(seen: &[i64], runs: &[i64], phases: u8) -> Evidence {
        Evidence {
            last: seen.iter().copied().max().unwrap_or(0),
            windows: seen.iter().zip(runs.iter().cycle()).map(|(at, run)| unit(at * 1000, *run)).collect(),
            runs: runs.iter().copied().collect(),
            phases,
            ..Evidence::default()
        }
    }

    const STEADY: u8 = Phase::Steady as u8;

    #[test]
    fn a_job_is_one_episode_with_all_its_windows() {
        let windows = windows(100, 1000);
        let alone = |things: &[Evidence]| Episodes::of(&windows, things).spread().alone;
        assert_eq!(alone(&[thing(&[10, 11, 12, 13], &[1], STEADY)]), 4);
        assert_eq!(alone(&[thing(&[10, 12], &[1], STEADY), thing(&[11, 13], &[1], STEADY)]), 4);
        assert_eq!(alone(&[thing(&[10, 12], &[1], STEADY), thing(&[50, 51], &[1], STEADY)]), 5);
        // It came again: after a while, or in another run.
        assert_eq!(alone(&[thing(&[10, 40], &[1], STEADY)]), 0);
        assert_eq!(alone(&[thing(&[10, 12], &[1, 2], STEADY)]), 0);
        assert_eq!(Episodes::of(&windows, &[thing(&[10, 40], &[1], STEADY)]).spread().pairs, 1);
        // Only the first eight windows are kept; when it was seen last is.
        let long = Evidence { last: 80, ..thing(&[1, 2, 3, 4, 5, 6, 7, 8], &[1], STEADY) };
        assert_eq!(alone(&[long]), 0);
    }

    #[test]
    fn a_start_is_one_episode() {
        let windows = windows(100, 1000);
        let start: Vec<Evidence> = (0..6).map(|at| thing(&[at], &[1], Phase::Startup as u8)).collect();
        assert_eq!(Episodes::of(&windows, &start).spread().alone, 1);
        let other = thing(&[50], &[2], Phase::Startup as u8);
        assert_eq!(Episodes::of(&windows, &[start, vec![other]].concat()).spread().alone, 2);
    }

    #[test]
    fn windows_are_as_long_as_the_next() {
        let mut grown = windows(100, 1000);
        grown.extend((0..10).map(|n| Window {
            node: "n".to_owned(),
            started_ms: 100_000 + n * 10_000,
            length_ms: 10_000,
            units: 1,
        }));
        let found = Episodes::of(&grown, &[thing(&[10, 11, 12, 13], &[1], STEADY)]);
        // Two hundred seconds are twenty windows of ten, and four seconds are within one of them.
        let Spread { units, alone, .. } = found.spread();
        assert_eq!((units, alone), (20, 1));
        let replicas: Vec<Window> =
            windows(100, 1000).into_iter().map(|window| Window { units: 2, ..window }).collect();
        assert_eq!(Episodes::of(&replicas, &[] as &[Evidence]).spread().units, 200);
    }

    #[test]
    fn what_is_needed_is_enough_and_no_more() {
        for jobs in [0, 1, 4, 30] {
            let things: Vec<Evidence> = (0..jobs).map(|n| thing(&[n * 3, n * 3 + 1], &[1], STEADY)).collect();
            let found = Episodes::of(&windows(100, 1000), &things);
            let needed = found.needed_ms(0.05).unwrap();
            assert!(found.spread_after(needed).bound() <= 0.05, "{jobs}: {needed}");
            assert!(needed == 0 || found.spread_after(needed - 2000).bound() > 0.05, "{jobs}: {needed}");
        }
    }
}
