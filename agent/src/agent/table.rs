//! A compiled policy on its way into a slot.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::compile::{CompileError, compile_table};
use crate::profile::Profile;

/// A table, with what tells it from others.
#[derive(Clone, Debug)]
pub struct Table {
    words: Vec<u64>,
    /// The SHA-256 of the words in use: policies whose tables have the same share one.
    pub digest: String,
    /// Its size.
    pub size: Size,
    /// How long it took to compile.
    pub compiled_in: Duration,
}

/// How large a policy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Words in use.
    pub words: usize,
    /// States of the automaton.
    pub states: usize,
}

impl Table {
    /// Compiles `profile`.
    pub fn compile(profile: &Profile) -> Result<Self, CompileError> {
        let began = Instant::now();
        let table = compile_table(profile)?;
        let size = Size { words: table.used_words(), states: table.states() };
        let mut words = table.into_words();
        // The padding says nothing, and is most of a small table.
        words.truncate(size.words);
        words.shrink_to_fit();
        Ok(Self { digest: digest(&words), words, size, compiled_in: began.elapsed() })
    }

    /// The words, without what the kernel's map is padded with.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

fn digest(words: &[u64]) -> String {
    let mut sum = Sha256::new();
    for word in words {
        sum.update(word.to_le_bytes());
    }
    sum.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use stockade_abi::reason::Mode;

    use super::*;
    use crate::profile::FileRule;

    #[test]
    fn the_content_makes_the_digest() {
        let mut profile = Profile::new("web", Mode::Enforce);
        let empty = Table::compile(&profile).unwrap();
        profile.mode = Mode::Audit;
        let audit = Table::compile(&profile).unwrap();
        profile.files.push(FileRule::new("/a", 1));
        let more = Table::compile(&profile).unwrap();
        assert_eq!(empty.digest, audit.digest, "the mode is not in the table");
        assert_ne!(empty.digest, more.digest);
    }

    #[test]
    fn known_value() {
        assert_eq!(digest(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
