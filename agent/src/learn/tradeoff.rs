//! What a wider or a narrower profile would cost: rules against the files that they allow.

use std::path::Path;

use stockade_abi::reason::Mode;

use super::Seen;
use super::complete::rules;
use super::export::propose;
use super::how::{How, Width};
use crate::compile::{CompileError, compile};
use crate::image::{Left, Surface, WalkError, surface};
use crate::profile::Profile;

/// One way to make rules of what was seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// How far its rules may reach.
    pub width: Width,
    /// How many there are.
    pub rules: usize,
    /// What they allow of the image.
    pub surface: Surface,
}

/// The reasons for which there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum TradeoffError {
    /// What was learned makes no policy.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The image cannot be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
}

/// The profile that each width makes of a baseline, measured against the image below `root`.
pub fn tradeoff(
    name: &str,
    current: Option<&Profile>,
    seen: &[Seen],
    how: How<'_>,
    root: &Path,
) -> Result<(Vec<Choice>, Left), TradeoffError> {
    let mut counts = Vec::new();
    let mut policies = Vec::new();
    for width in Width::ALL {
        let profile = propose(name, Mode::Enforce, current, seen, How { width, ..how }).profile;
        policies.push(compile(&profile, Mode::Enforce)?);
        counts.push((width, rules(&profile)));
    }
    let (surfaces, left) = surface(root, &policies)?;
    let choices = counts.into_iter().zip(surfaces);
    Ok((choices.map(|((width, rules), surface)| Choice { width, rules, surface }).collect(), left))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use stockade_abi::access::READ;
    use stockade_abi::reason::Operation;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn fewer_rules_allow_more_files() {
        let dir = TempDir::new("tradeoff");
        let mut seen = Vec::new();
        for (place, read) in [("site", 12), ("more", 4)] {
            fs::create_dir_all(dir.path().join("srv/www").join(place)).unwrap();
            for n in 0..20 {
                let letter = char::from(b'a' + n);
                let path = format!("/srv/www/{place}/page-{letter}.html");
                fs::write(dir.path().join(&path[1..]), "").unwrap();
                if n < read {
                    seen.push(Seen::bare(Operation::File, READ, path));
                }
            }
        }
        let (choices, left) = tradeoff("web", None, &seen, How::default(), dir.path()).unwrap();
        assert_eq!(left, Left::default());
        let figures: Vec<_> =
            choices.iter().map(|choice| (choice.width, choice.rules, choice.surface.files.read)).collect();
        assert_eq!(figures, [(Width::Exact, 16, 16), (Width::Normal, 5, 24), (Width::Wide, 2, 40)]);
    }
}
