//! A compiled policy on its way into a slot.

use stockade_abi::reason::Mode;
use stockade_abi::table::GENERATION;

use crate::compile::{CompileError, compile};
use crate::profile::Profile;

/// A table whose generation is not decided yet.
#[derive(Clone, Debug)]
pub struct Table {
    words: Vec<u64>,
    /// Identifies the table's content, its generation left out.
    pub digest: String,
    /// Its size.
    pub size: Size,
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
    /// Compiles `profile` to be judged under `mode`.
    pub fn compile(profile: &Profile, mode: Mode) -> Result<Self, CompileError> {
        let policy = compile(profile, mode, 0)?;
        let words = policy.words().to_vec();
        // The padding says nothing.
        let digest = digest(words.get(..policy.used_words()).unwrap_or(&words));
        Ok(Self { words, digest, size: Size { words: policy.used_words(), states: policy.states() } })
    }

    /// The words with their generation.
    pub fn stamped(&mut self, generation: u64) -> &[u64] {
        if let Some(word) = self.words.get_mut(GENERATION as usize) {
            *word = generation;
        }
        &self.words
    }
}

/// FNV-1a over 128 bits. It tells versions of one person's profiles apart; nothing trusts it further.
fn digest(words: &[u64]) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    let sum = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(BASIS, |sum, byte| (sum ^ u128::from(byte)).wrapping_mul(PRIME));
    format!("{sum:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::FileRule;

    #[test]
    fn content_and_mode_make_the_digest() {
        let mut profile = Profile::new("web", Mode::Enforce);
        let empty = Table::compile(&profile, Mode::Enforce).unwrap();
        let audit = Table::compile(&profile, Mode::Audit).unwrap();
        profile.files.push(FileRule::new("/a", 1));
        let mut more = Table::compile(&profile, Mode::Enforce).unwrap();
        assert_ne!(empty.digest, audit.digest);
        assert_ne!(empty.digest, more.digest);
        assert_eq!(more.stamped(7)[GENERATION as usize], 7);
    }

    #[test]
    fn known_value() {
        assert_eq!(digest(&[]), "6c62272e07bb014262b821756295c58d");
    }
}
