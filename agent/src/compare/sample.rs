//! One object that a rule matches, found without building anything where the rule's text shows it.

use stockade_abi::object::View;

use super::each::each;
use super::pattern::Pattern;
use super::product::fits;
use crate::compile::glob::{self, Kind, Token};
use crate::compile::{CompileError, Object, Section, StartKind};

/// The name of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) kind: StartKind,
    /// The name, from the start of `kind`.
    pub(crate) name: Vec<u8>,
}

impl Sample {
    /// The whole name, as questions to a policy have it.
    pub(crate) fn whole(&self) -> Vec<u8> {
        let prefix = match self.kind {
            StartKind::Path | StartKind::Peer => View::Plain.prefix(),
            StartKind::ProcSelf => View::ProcSelf.prefix(),
            StartKind::ThreadSelf => View::ThreadSelf.prefix(),
        };
        [prefix, &self.name].concat()
    }

    /// The question to a policy, `whole` being its whole name.
    pub(crate) fn object(kind: StartKind, whole: &[u8]) -> Object<'_> {
        match kind {
            StartKind::Path | StartKind::ProcSelf | StartKind::ThreadSelf => Object::Path(whole),
            StartKind::Peer => Object::Peer(whole),
        }
    }
}

/// An object that `pattern` matches; `None` when no object has such a name.
pub(crate) fn sample(pattern: &Pattern) -> Result<Option<Sample>, CompileError> {
    let path = match pattern.at.section {
        Section::Exec | Section::Files | Section::SessionExec | Section::SessionFiles => {
            spelt(&pattern.at.text)
        }
        Section::DenyExec | Section::DenyFiles => spelt(&pattern.at.text),
        Section::Peers | Section::Listen | Section::DenyPeers => None,
    };
    match path {
        Some(name) => Ok(Some(Sample { kind: StartKind::Path, name })),
        None => walked(pattern),
    }
}

/// The glob with something plain in place of each symbol, if that is a canonical path.
fn spelt(text: &str) -> Option<Vec<u8>> {
    let flats = glob::parse(text, Kind::Path).ok()?;
    let flat = flats.first()?;
    let bytes = flat.iter().map(|token| match token {
        Token::Byte(byte) => *byte,
        Token::Star | Token::Tree => b'a',
        Token::Set(set) => (b'a'..=b'z').chain(1..=u8::MAX).find(|byte| set.contains(*byte)).unwrap_or(b'a'),
    });
    let path: Vec<u8> = bytes.collect();
    let odd = |part: &[u8]| matches!(part, b"" | b"." | b"..");
    let mut parts = path.split(|byte| *byte == b'/').skip(1);
    (fits(StartKind::Path, &path) && !path.starts_with(b"/proc/") && !parts.any(odd)).then_some(path)
}

fn walked(pattern: &Pattern) -> Result<Option<Sample>, CompileError> {
    let mut found = None;
    each(&[pattern], [], |_, place, open| {
        if let Some(name) = place.name() {
            found = Some(Sample { kind: place.kind, name });
            open.done(0);
        }
    })?;
    Ok(found)
}
