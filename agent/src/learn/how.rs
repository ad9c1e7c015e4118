//! How rules are made of what was seen: as narrow as it was, or wider for fewer rules.

use clap::ValueEnum;

use crate::image::Packages;

/// How far rules may reach beyond what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Width {
    /// Each name that was seen, and nothing else
    Exact,
    /// Globs where they are the shorter description
    #[default]
    Normal,
    /// Globs at a quarter of the price
    Wide,
}

impl Width {
    /// All of them, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Normal, Self::Wide];

    /// What it costs to let in names that were not seen; `None`: they are not let in.
    pub(super) const fn price(self, normal: usize) -> Option<usize> {
        match self {
            Self::Exact => None,
            Self::Normal => Some(normal),
            Self::Wide => Some(normal / 4),
        }
    }

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Normal => "normal",
            Self::Wide => "wide",
        }
    }
}

/// How rules are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct How<'a> {
    /// How far they may reach.
    pub width: Width,
    /// The packages of the image that was watched, if they are known.
    pub packages: Option<&'a Packages>,
}

impl How<'_> {
    /// The package that a file came with.
    pub(super) fn owner(&self, path: &[u8]) -> Option<&str> {
        self.packages.and_then(|packages| packages.owner(path))
    }
}
