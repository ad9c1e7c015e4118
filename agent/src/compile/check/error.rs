//! What can be wrong with a table.

use stockade_abi::table::{FORMAT, LARGE, MEDIUM, SMALL};

/// Why words are not a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A branch says that it holds and does not.
    #[error("the state at word {0} of the table does not hold what it says it holds")]
    Hold(u32),
    /// Their number is none of the sizes.
    #[error("a table has {SMALL}, {MEDIUM} or {LARGE} words, not {0}")]
    Size(usize),
    /// The first word is not the one every table begins with.
    #[error("the words are no policy table: they begin with {0:#x}")]
    Magic(u64),
    /// Another version of the format.
    #[error("the table has format {0}, and this version reads format {FORMAT}")]
    Format(u32),
    /// More words in use than there are, or fewer than the grants need.
    #[error("the table says that {0} words are in use")]
    Used(u32),
    /// No grants, or more than there is room for.
    #[error("the table says that it has {0} grants")]
    Grants(u32),
    /// A grant that no rules can come to.
    #[error("grant {0} of the table is one that no rules can come to")]
    Grant(u32),
    /// Pins in the wrong place, or more than there is room for.
    #[error("the table says that it has {0} pins, or has them in the wrong place")]
    Pins(u32),
    /// A pin that no rules can come to.
    #[error("pin {0} of the table is one that no rules can come to")]
    Pin(u32),
    /// Powers that no rules can come to.
    #[error("the capabilities and facilities of the table are none that rules can come to")]
    Powers,
    /// A word that is not in use, or that nothing leads to, is not zero.
    #[error("word {0} of the table is not zero, and nothing uses it")]
    NotZero(usize),
    /// A state, or what it looks at, lies outside of the states' words.
    #[error("the table leads to the state {0:#x}, which is not inside of it")]
    State(u32),
    /// A state has the number of a grant that does not exist.
    #[error("the state {0:#x} of the table has a grant that does not exist")]
    NoGrant(u32),
    /// Two states read the same words as different things.
    #[error("word {0} of the table is used for two things")]
    Overlap(usize),
}
