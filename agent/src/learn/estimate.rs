//! How likely the next unit of observation is to show something new.
//!
//! A unit is a window of a run, a run, or a replica. Let `n` units have been looked at, and let `u` of them hold
//! something that no other holds. If the units come in no particular order, then each of them was as likely
//! to be the last as any other, and looking at it last, it would have shown something new exactly if it is one
//! of the `u`. So `u / n` estimates the probability that the next unit does: this is Good and Turing's argument,
//! put for units instead of sightings. A start-up with hundreds of new files is one unit that holds something
//! new, not hundreds.
//!
//! The bound adds what chance can do. The largest probability under which seeing no more than `u` in `n` tries
//! would still happen in one case of twenty (Clopper and Pearson) allows for chance in `u`; with `u = 0` it is
//! about `3 / n`. But what is left to be seen is a matter of chance, too: things that were met twice could as well
//! have been met once or not at all. The variance of the estimate's error grows by two for each pair of units
//! that have something of their own (Esty's variance, put for units), and is added in square.

use std::collections::{BTreeMap, BTreeSet};

use super::few::Few;

/// How sure the bound is.
pub const CONFIDENCE: f64 = 0.95;
/// As many standard deviations.
const QUANTILE: f64 = 1.645;

/// How things are spread over units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Units that were looked at.
    pub units: u64,
    /// Units that hold something that no other holds.
    pub alone: u64,
    /// Things seen in one unit.
    pub once: u64,
    /// Things seen in two units.
    pub twice: u64,
    /// Pairs of units that hold something that no other holds.
    pub pairs: u64,
}

impl Spread {
    /// From the units in which each thing was seen.
    pub fn of<'a>(units: u64, things: impl IntoIterator<Item = &'a Few>) -> Self {
        let mut alone: BTreeMap<i64, u64> = BTreeMap::new();
        let mut twice = 0;
        let mut pairs = BTreeSet::new();
        for thing in things {
            match (thing.len(), thing.first()) {
                (1, Some(unit)) => *alone.entry(unit).or_default() += 1,
                (2, _) => {
                    twice += 1;
                    pairs.insert(thing.to_string());
                }
                (_, _) => {}
            }
        }
        let with_own = alone.len() as u64;
        Self {
            units: units.max(with_own),
            alone: with_own,
            once: alone.values().sum(),
            twice,
            pairs: pairs.len() as u64,
        }
    }

    /// The probability that the next unit shows something new, as it is estimated; 1 when nothing is known.
    pub fn estimate(&self) -> f64 {
        if self.units == 0 { 1.0 } else { ratio(self.alone, self.units) }
    }

    /// What that probability is at most, with [`CONFIDENCE`].
    pub fn bound(&self) -> f64 {
        if self.alone >= self.units {
            return 1.0;
        }
        let above = upper(self.alone, self.units) - self.estimate();
        let pairs = QUANTILE * (2.0 * float(self.pairs)).sqrt() / float(self.units);
        (self.estimate() + above.hypot(pairs)).min(1.0)
    }

    /// How many things at least were not seen yet (Chao's estimator for incidence, bias-corrected).
    pub fn unseen(&self) -> f64 {
        if self.units == 0 {
            return 0.0;
        }
        let (once, twice) = (float(self.once), float(self.twice));
        (1.0 - 1.0 / float(self.units)) * once * (once - 1.0) / (2.0 * (twice + 1.0))
    }
}

/// Whole numbers up to 2^53 are exact; nothing here counts further.
#[expect(clippy::cast_precision_loss, reason = "counts of windows and names are far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

/// A part of a whole.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// The largest `p` under which at most `hits` of `tries` happen with a probability of 1 - [`CONFIDENCE`].
pub fn upper(hits: u64, tries: u64) -> f64 {
    if hits >= tries {
        return 1.0;
    }
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(hits, tries, middle) > 1.0 - CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of at most `hits` in `tries` tries, each with probability `p`.
fn at_most(hits: u64, tries: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return if hits >= tries { 1.0 } else { 0.0 };
    }
    // In logarithms: the first term of a long series is too small for a float.
    let mut term = float(tries) * (-p).ln_1p();
    let odds = p.ln() - (-p).ln_1p();
    let mut sum = term.exp();
    for hit in 1..=hits {
        term += (float(tries - hit + 1) / float(hit)).ln() + odds;
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::Dice;
    use super::*;

    #[test]
    fn known_bounds() {
        // The rule of three, and tabled values of the exact binomial limit.
        for (hits, tries, wanted) in
            [(0, 59, 0.0495), (0, 300, 0.0099), (1, 20, 0.2161), (5, 100, 0.1024), (3, 3, 1.0), (0, 0, 1.0)]
        {
            let found = upper(hits, tries);
            assert!((found - wanted).abs() < 0.0002, "{hits} of {tries}: {found}");
        }
        assert!(upper(20, 1_000_000) < 0.00003);
    }

    #[test]
    fn a_unit_counts_once_however_much_it_holds() {
        let things: Vec<Few> = [&[1][..], &[1], &[1], &[1, 2], &[3]]
            .iter()
            .map(|units| units.iter().copied().collect())
            .collect();
        let spread = Spread::of(10, &things);
        assert_eq!(spread, Spread { units: 10, alone: 2, once: 4, twice: 1, pairs: 1 });
        assert!((spread.estimate() - 0.2).abs() < 1e-9);
        assert!((spread.unseen() - 0.9 * 4.0 * 3.0 / 4.0).abs() < 1e-9);
    }

    /// A program that does thing `i` in a window with probability `rates[i]`.
    fn watched(rates: &[f64], windows: u64, dice: &mut Dice) -> Vec<Few> {
        let mut seen = vec![Few::default(); rates.len()];
        for window in 0..windows {
            for (few, rate) in seen.iter_mut().zip(rates) {
                if dice.fraction() < *rate {
                    few.insert(i64::try_from(window).unwrap());
                }
            }
        }
        seen
    }

    /// The true probability that the next window shows something new.
    fn truth(rates: &[f64], seen: &[Few]) -> f64 {
        let unseen = rates.iter().zip(seen).filter(|(_, few)| few.is_empty());
        1.0 - unseen.map(|(rate, _)| 1.0 - rate).product::<f64>()
    }

    /// Things with rates as in Zipf's law.
    fn zipf(count: u32, scale: f64, power: f64) -> Vec<f64> {
        (1..=count).map(|rank| (scale / f64::from(rank).powf(power)).min(1.0)).collect()
    }

    #[test]
    fn the_bound_holds_as_often_as_it_says() {
        let mut dice = Dice(11);
        let workloads = [
            zipf(300, 1.0, 1.0),
            zipf(300, 1.0, 1.5),
            zipf(2000, 0.5, 1.2),
            zipf(50, 2.0, 2.0),
            // Nothing but common things, and one that is rare.
            [vec![1.0; 40], vec![0.02]].concat(),
            // Many rare things of one kind, the hardest case: none tells of the others.
            vec![0.001; 400],
        ];
        for (number, rates) in workloads.iter().enumerate() {
            for windows in [20, 60, 240] {
                let tries = 200;
                let mut held = 0;
                for _ in 0..tries {
                    let seen = watched(rates, windows, &mut dice);
                    let bound = Spread::of(windows, &seen).bound();
                    held += u64::from(truth(rates, &seen) <= bound);
                }
                // Nineteen of twenty, less what chance does to two hundred tries.
                assert!(
                    ratio(held, tries) > 0.92,
                    "workload {number}, {windows} windows: held {held} of {tries}"
                );
            }
        }
    }

    #[test]
    fn the_bound_is_of_use() {
        let mut dice = Dice(5);
        let rates = [vec![0.6; 60], vec![0.05; 5]].concat();
        let bounds: Vec<f64> = [30, 120, 480]
            .map(|windows| Spread::of(windows, &watched(&rates, windows, &mut dice)).bound())
            .into();
        assert!(bounds[1] < 0.15 && bounds[2] < 0.02, "{bounds:?}");
    }
}
