//! A compiled policy on its way into a slot.

use stockade_abi::reason::Mode;

use crate::compile::{CompileError, compile_table};
use crate::profile::Profile;

/// A compiled policy.
#[derive(Clone, Debug)]
pub struct Table {
    words: Vec<u64>,
    /// Identifies the table's content and the mode it is judged under.
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
        let table = compile_table(profile)?;
        let size = Size { words: table.used_words(), states: table.states() };
        let words = table.into_words();
        // The padding says nothing.
        let digest = digest(mode, words.get(..size.words).unwrap_or(&words));
        Ok(Self { words, digest, size })
    }

    /// The words of the table.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

/// FNV-1a over 128 bits. It tells versions of one person's profiles apart; nothing trusts it further.
fn digest(mode: Mode, words: &[u64]) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;
    let sum = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .chain([mode as u8])
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
        let more = Table::compile(&profile, Mode::Enforce).unwrap();
        assert_ne!(empty.digest, audit.digest);
        assert_ne!(empty.digest, more.digest);
    }

    #[test]
    fn every_word_counts() {
        assert_ne!(digest(Mode::Audit, &[]), digest(Mode::Audit, &[0]));
    }
}
