//! A set of which only the smallest few are kept: enough to tell "once" from "twice" from "often",
//! whatever is put together, in whatever order.

use std::fmt;
use std::str::FromStr;

/// How many are kept.
pub const KEPT: usize = 8;

/// The smallest few of a set of numbers, in order. Its size is that of the set as long as it is below [`KEPT`].
///
/// There are three for each observation, most of them with one number or none: a tree would take a node for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Few(Vec<i64>);

impl Few {
    /// Adds one.
    pub fn insert(&mut self, number: i64) {
        let Err(at) = self.0.binary_search(&number) else { return };
        if at < KEPT {
            self.0.truncate(KEPT - 1);
            self.0.reserve_exact(1);
            self.0.insert(at, number);
        }
    }

    /// Adds those of another.
    pub fn join(&mut self, other: &Self) {
        for number in &other.0 {
            self.insert(*number);
        }
    }

    /// How many there are; [`KEPT`] stands for that many or more.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest.
    pub fn first(&self) -> Option<i64> {
        self.0.first().copied()
    }

    /// Those that are kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = i64> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<i64> for Few {
    fn from_iter<T: IntoIterator<Item = i64>>(numbers: T) -> Self {
        let mut few = Self::default();
        for number in numbers {
            few.insert(number);
        }
        few
    }
}

impl fmt::Display for Few {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            write!(f, "{}{number}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for Few {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').filter(|part| !part.is_empty()).map(str::parse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_stay_in_any_order() {
        let up: Few = (0..100).collect();
        let down: Few = (0..100).rev().collect();
        assert_eq!(up, down);
        assert_eq!((up.len(), up.first()), (KEPT, Some(0)));
        assert_eq!(up.to_string().parse::<Few>().unwrap(), up);
        assert_eq!("".parse::<Few>().unwrap(), Few::default());
        assert!("1,x".parse::<Few>().is_err());
    }
}
