//! Tests of the promise that "ready" makes, with programs of which the truth is known: common things, a long tail, things so
//! rare that they are likely to come late, and jobs that go on for several windows. Each is watched until the answer is
//! "ready", window by window as the agent does it, and then for as long again.

use super::super::estimate::{ratio, upper};
use super::super::evidence::tests::Dice;
use super::super::evidence::unit;
use super::*;

/// Windows in a life.
const LIFE: usize = 40;
/// Exposure at which a program is given up, in seconds.
const PATIENCE_S: f64 = 1200.0;

/// Something that begins with this probability in a second, and then goes on for so many seconds.
#[derive(Clone, Copy)]
struct Habit {
    rate: f64,
    lasts: f64,
    /// When it ends, if it goes on, in seconds of work.
    until: f64,
}

struct Program {
    habits: Vec<Habit>,
    seen: Vec<Option<Evidence>>,
    windows: Vec<Window>,
    /// Seconds of work.
    now: f64,
}

/// A power of ten between these.
fn magnitude(dice: &mut Dice, low: f64, high: f64) -> f64 {
    10_f64.powf(low + dice.fraction() * (high - low))
}

impl Program {
    /// Common things, a tail as heavy as in Zipf's law or lighter, and two to six rare ones.
    fn with_a_tail(dice: &mut Dice) -> Self {
        let power = [1.0, 1.3, 1.6, 2.0, 3.0][usize::try_from(dice.below(5)).unwrap()];
        let count = [10, 30, 60][usize::try_from(dice.below(3)).unwrap()];
        let scale = 0.3 + 0.7 * dice.fraction();
        let mut rates: Vec<f64> = (1..=count).map(|rank| scale / f64::from(rank).powf(power)).collect();
        for _ in 0..2 + dice.below(5) {
            rates.push(magnitude(dice, -3.0, -1.3));
        }
        Self::new(rates.into_iter().map(|rate| Habit { rate, lasts: 0.0, until: 0.0 }))
    }

    /// Common things, and jobs that go on for up to twelve seconds.
    fn with_jobs(dice: &mut Dice) -> Self {
        let mut habits: Vec<Habit> =
            (0..8).map(|_| Habit { rate: 0.3 + 0.7 * dice.fraction(), lasts: 0.0, until: 0.0 }).collect();
        for _ in 0..1 + dice.below(6) {
            let lasts = 2.0 + 10.0 * dice.fraction();
            habits.push(Habit { rate: magnitude(dice, -2.6, -1.3), lasts, until: 0.0 });
        }
        Self::new(habits.into_iter())
    }

    fn new(habits: impl Iterator<Item = Habit>) -> Self {
        let habits: Vec<Habit> = habits.collect();
        Self { seen: vec![None; habits.len()], habits, windows: Vec::new(), now: 0.0 }
    }

    /// How long the next window is, in seconds.
    fn length(&self) -> f64 {
        f64::max(1.0, self.now / 240.0)
    }

    /// What is done in the next `length` seconds.
    fn work(&mut self, length: f64, dice: &mut Dice) -> Vec<usize> {
        let (from, to) = (self.now, self.now + length);
        self.now = to;
        let mut done = Vec::new();
        for (number, habit) in self.habits.iter_mut().enumerate() {
            let begins = dice.fraction() < 1.0 - (1.0 - habit.rate).powf(length);
            if begins {
                habit.until = habit.until.max(to + habit.lasts - 1.0);
            }
            if begins || habit.until > from {
                done.push(number);
            }
        }
        done
    }

    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of an hour")]
    fn watch(&mut self, dice: &mut Dice) {
        let started_ms = (self.now * 1000.0) as i64;
        let length = self.length();
        let run = i64::try_from(self.windows.len() / LIFE).unwrap();
        for number in self.work(length, dice) {
            let last = (self.now * 1000.0) as i64 - 1;
            let evidence = Evidence {
                first: started_ms / 1000,
                last: last / 1000,
                count: 1,
                windows: [unit(started_ms, run)].into_iter().collect(),
                runs: [run].into_iter().collect(),
                phases: Phase::Steady as u8,
                ..Evidence::default()
            };
            match &mut self.seen[number] {
                Some(known) => known.add(&evidence),
                unknown => *unknown = Some(evidence),
            }
        }
        let length_ms = (self.now * 1000.0) as i64 - started_ms;
        self.windows.push(Window { node: "n".to_owned(), started_ms, length_ms, units: 1 });
    }

    /// The bound under which it is ready, if it is.
    fn ready(&self) -> Option<f64> {
        let latest = self.seen.iter().flatten().map(first_ms).max().map(|first| (first, String::new()));
        // The dearer question only where the cheap one is answered.
        if latest.as_ref().is_some_and(|latest| quiet(&self.windows, latest).is_some()) {
            return None;
        }
        let things: Vec<Evidence> = self.seen.iter().flatten().cloned().collect();
        let episodes = Episodes::of(&self.windows, &things);
        let ready = waits(&self.windows, &episodes, latest.as_ref(), LIMIT).is_empty();
        ready.then(|| episodes.spread().bound())
    }

    fn is_new(&self, done: &[usize]) -> bool {
        done.iter().any(|number| self.seen[*number].is_none())
    }
}

#[derive(Debug, Default)]
struct Outcome {
    ready: u64,
    /// Programs whose true chance of something new in the next window was above the bound.
    above: u64,
    /// Programs that showed something new afterwards so often that the bound makes it one case in twenty.
    broken: u64,
    /// Programs that showed anything new afterwards.
    new: u64,
    /// Windows afterwards with something new, and what the bounds say.
    came: f64,
    expected: f64,
    /// What was looked at, in parts of what hindsight needed.
    parts: Vec<f64>,
}

impl Outcome {
    fn median(&self) -> f64 {
        self.parts[self.parts.len() / 2]
    }
}

fn watch(programs: u64, seed: u64, program: impl Fn(&mut Dice) -> Program) -> Outcome {
    let mut dice = Dice(seed);
    let mut outcome = Outcome::default();
    for _ in 0..programs {
        let mut program = program(&mut dice);
        let bound = loop {
            program.watch(&mut dice);
            if program.windows.len() < 3 * LIFE / 2 || program.now > PATIENCE_S {
                if program.now > PATIENCE_S {
                    break None;
                }
                continue;
            }
            if let Some(bound) = program.ready() {
                break Some(bound);
            }
        };
        let Some(bound) = bound else { continue };
        outcome.ready += 1;
        let (looked_at, length) = (program.now, program.length());
        let unseen = program.habits.iter().zip(&program.seen).filter(|(_, seen)| seen.is_none());
        let none: f64 = unseen.map(|(habit, _)| (1.0 - habit.rate).powf(length)).product();
        outcome.above += u64::from(1.0 - none > bound);
        let (mut windows, mut new, mut hindsight) = (0_u64, 0_u64, 0.0);
        let mut known: Vec<bool> = program.seen.iter().map(Option::is_some).collect();
        let firsts = program.seen.iter().flatten().map(first_ms).max().unwrap_or(0);
        hindsight = f64::max(hindsight, f64::from(u32::try_from(firsts).unwrap()) / 1000.0 + 1.0);
        while program.now < 2.0 * looked_at {
            let done = program.work(length, &mut dice);
            windows += 1;
            new += u64::from(program.is_new(&done));
            for number in done {
                if !known[number] {
                    known[number] = true;
                    hindsight = program.now;
                }
            }
        }
        outcome.new += u64::from(new > 0);
        outcome.came += ratio(new, windows);
        outcome.expected += bound;
        // So many in so many windows come in one case of twenty or less if the bound is true.
        outcome.broken += u64::from(new > 0 && 1.0 - upper(windows - new, windows) > bound);
        outcome.parts.push(looked_at / hindsight);
    }
    outcome.parts.sort_by(f64::total_cmp);
    outcome
}

/// The most cases that chance makes of one in twenty: two standard deviations more than the mean.
fn one_in_twenty(cases: u64) -> f64 {
    let cases = f64::from(u32::try_from(cases).unwrap());
    0.05 * cases + 2.0 * (0.05 * 0.95 * cases).sqrt()
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[test]
fn ready_is_as_rarely_wrong_as_it_says() {
    let tail = watch(300, 1, Program::with_a_tail);
    assert!(tail.ready > 150, "{tail:?}");
    assert!(float(tail.above) <= one_in_twenty(tail.ready), "{tail:?}");
    assert!(float(tail.broken) <= one_in_twenty(tail.ready), "{tail:?}");
    assert!(tail.came <= tail.expected, "{tail:?}");
    // Rare things do come late: the test is about something. But most of them have come.
    assert!(tail.new * 5 > tail.ready && tail.new * 20 < tail.ready * 11, "{tail:?}");
    assert!(tail.median() <= 3.0, "{tail:?}");
}

/// The chance that something new begins is bounded; how long it goes on when it does is not.
#[test]
fn jobs_are_counted_by_how_often_they_come() {
    let jobs = watch(100, 2, Program::with_jobs);
    assert!(jobs.ready > 90, "{jobs:?}");
    assert!(float(jobs.above) <= one_in_twenty(jobs.ready), "{jobs:?}");
    assert!(jobs.median() <= 3.0, "{jobs:?}");
}
