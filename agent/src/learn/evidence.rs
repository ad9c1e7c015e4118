//! What is known of an observation: when, how often, by whom.

use serde::{Deserialize, Serialize};

use super::few::Few;

/// A part of a subject's life, as a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The first [`STARTUP_S`] seconds.
    Startup = 1,
    /// In between.
    Steady = 2,
    /// The last [`SHUTDOWN_S`] seconds.
    Shutdown = 4,
}

/// How long a start-up lasts, in seconds.
pub const STARTUP_S: i64 = 10;
/// How long before a subject was found gone its shutdown may have begun, in seconds.
pub const SHUTDOWN_S: i64 = 6;

/// When, how often and by whom something was done.
///
/// Putting two together with [`Evidence::join`] is associative, commutative and idempotent, so that baselines of
/// several nodes can be put together in any order, and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// First time, in seconds since the epoch.
    pub first: i64,
    /// Last time.
    pub last: i64,
    /// How many times it was recorded: at most once in a window of a run.
    pub count: u64,
    /// The earliest windows in which it was seen; see [`unit()`].
    pub windows: Few,
    /// Some of the runs that did it; see [`run_number`].
    pub runs: Few,
    /// Some of the numbers by which the processes knew themselves.
    pub own_pids: Few,
    /// [`Phase`]s in which it was seen.
    pub phases: u8,
    /// Program of the process that did it: its path, or the name of the thread in parentheses.
    pub exe: Option<String>,
    /// Program of its parent.
    pub parent: Option<String>,
}

impl Evidence {
    /// Adds what was recorded after this, or beside it.
    pub fn add(&mut self, other: &Self) {
        let count = self.count.saturating_add(other.count);
        self.join(other);
        self.count = count;
    }

    /// Puts two accounts of the same thing together. The count is the larger one: both may have counted the same.
    pub fn join(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.count = self.count.max(other.count);
        self.windows.join(&other.windows);
        self.runs.join(&other.runs);
        self.own_pids.join(&other.own_pids);
        self.phases |= other.phases;
        for (mine, theirs) in [(&mut self.exe, &other.exe), (&mut self.parent, &other.parent)] {
            *mine = best(mine.take(), theirs.clone());
        }
    }
}

/// A path before the mere name of a thread, and of two the smaller, so that order does not matter.
fn best(one: Option<String>, other: Option<String>) -> Option<String> {
    let rank = |name: &String| (name.starts_with('('), name.clone());
    one.into_iter().chain(other).min_by_key(rank)
}

/// The number of a run, by its name.
pub fn run_number(id: &str) -> i64 {
    // 63-bit FNV-1a: small enough for the database's integers.
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 1).cast_signed()
}

/// A run in a window: the unit in which things are counted. Ordered by the window's start.
pub fn unit(window_ms: i64, run: i64) -> i64 {
    (window_ms << 20) | (run & 0xf_ffff)
}

/// When the window of a unit began, in milliseconds since the epoch.
pub fn unit_start_ms(unit: i64) -> i64 {
    unit >> 20
}

/// A subject's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its name: that of the subject, and when it was bound.
    pub id: String,
    /// The subject's lasting name.
    pub subject: String,
    /// The image, if known.
    pub image: Option<String>,
    /// When it was bound, in seconds since the epoch.
    pub started: i64,
    /// When it was found gone.
    pub ended: Option<i64>,
    /// Whether it was recorded from its first program on.
    pub from_start: bool,
    /// When a session was last seen in it.
    pub session_at: Option<i64>,
}

impl Run {
    /// Puts two accounts of the same run together.
    pub fn join(&mut self, other: &Self) {
        self.started = self.started.min(other.started);
        self.ended = self.ended.max(other.ended);
        self.from_start |= other.from_start;
        self.session_at = self.session_at.max(other.session_at);
        self.image = self.image.take().into_iter().chain(other.image.clone()).min();
    }
}

/// A stretch of time in which each thing that was done was recorded once for each run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The node it was on.
    pub node: String,
    /// When it began, in milliseconds since the epoch.
    pub started_ms: i64,
    /// How long it was.
    pub length_ms: i64,
    /// Runs that were at work in it.
    pub units: i64,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Numbers that look random, from a seed.
    pub(crate) struct Dice(pub(crate) u64);

    impl Dice {
        pub(crate) fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        pub(crate) fn below(&mut self, n: u64) -> u64 {
            self.next() % n
        }

        /// From 0 to 1.
        pub(crate) fn fraction(&mut self) -> f64 {
            f64::from(u32::try_from(self.next() >> 32).unwrap()) / f64::from(u32::MAX)
        }
    }

    fn any(dice: &mut Dice) -> Evidence {
        let mut few = |n| (0..dice.below(n)).map(|_| i64::try_from(dice.below(30)).unwrap()).collect::<Few>();
        let (windows, runs, own_pids) = (few(12), few(12), few(3));
        let name = |n| [None, Some("(nginx)"), Some("/a"), Some("/b")][usize::try_from(n).unwrap()];
        Evidence {
            first: i64::try_from(dice.below(9)).unwrap(),
            last: i64::try_from(10 + dice.below(9)).unwrap(),
            count: dice.below(9),
            windows,
            runs,
            own_pids,
            phases: u8::try_from(dice.below(8)).unwrap(),
            exe: name(dice.below(4)).map(str::to_owned),
            parent: name(dice.below(4)).map(str::to_owned),
        }
    }

    fn joined(one: &Evidence, other: &Evidence) -> Evidence {
        let mut joined = one.clone();
        joined.join(other);
        joined
    }

    #[test]
    fn joining_is_a_semilattice() {
        let mut dice = Dice(7);
        for _ in 0..2000 {
            let (a, b, c) = (any(&mut dice), any(&mut dice), any(&mut dice));
            assert_eq!(joined(&a, &a), a);
            assert_eq!(joined(&a, &b), joined(&b, &a));
            assert_eq!(joined(&joined(&a, &b), &c), joined(&a, &joined(&b, &c)));
        }
    }

    #[test]
    fn units_are_ordered_by_time() {
        let (early, late) =
            (unit(1_700_000_000_000, run_number("b")), unit(1_700_000_000_001, run_number("a")));
        assert!(early < late && early > 0);
        assert_eq!(unit_start_ms(late), 1_700_000_000_001);
    }
}
