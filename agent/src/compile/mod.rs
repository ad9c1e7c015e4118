//! Policies from profiles: globs and peers become one automaton table, which this module also walks
//! for `explain` and replays, with the very function that the kernel programs use.

mod check;
mod dfa;
mod error;
pub(crate) mod glob;
mod nfa;
mod own;
mod pack;
mod peer;
mod policy;
#[cfg(test)]
mod tests;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::object::{OWN_TID, View};
use stockade_abi::reason::Mode;

pub use check::{TableError, check};
pub use error::CompileError;
pub use glob::{GlobError, escape};
pub use policy::{Decision, Object, Policy, RuleRef, Section};
pub(crate) use policy::{Grant, StartKind};

use crate::profile::Profile;
use dfa::Guard;
use glob::{Flat, Kind, Token};
use nfa::{Marks, Nfa, NodeId, RuleId};

/// Compiles a profile, to be judged under `mode`. The same profile always gives the same words.
pub fn compile(profile: &Profile, mode: Mode, generation: u64) -> Result<Policy, CompileError> {
    let mut source = Source::default();
    source.read(profile)?;
    let starts = source.starts();
    let dfa =
        dfa::build(&source.nfa, &starts).map_err(|too_much| error::too_much(&too_much, &source.rules))?;
    let grants: Vec<(u32, u32)> = dfa
        .accepts
        .iter()
        .map(|rules| {
            rules
                .iter()
                .map(|rule| &source.rules[*rule as usize])
                .fold((0, 0), |all, rule| (all.0 | rule.container(), all.1 | rule.access))
        })
        .collect();
    let head = pack::Head { generation, mode: u64::from(mode as u8) };
    let (words, used) =
        pack::pack(&dfa, &grants, &head).map_err(|needed| error::too_large(needed, &dfa, &source.rules))?;
    Ok(Policy::new(words, used, dfa, mode, source.rules))
}

/// A rule, and what it grants to whom.
#[derive(Clone, Debug)]
struct Rule {
    at: RuleRef,
    access: AccessSet,
}

impl Rule {
    /// What it grants to the container's own processes; a session gets all it grants.
    fn container(&self) -> AccessSet {
        match self.at.section {
            Section::Exec | Section::Files | Section::Peers => self.access,
            Section::SessionExec | Section::SessionFiles => 0,
        }
    }
}

#[derive(Default)]
struct Source {
    nfa: Nfa,
    rules: Vec<Rule>,
    paths: Vec<NodeId>,
    peers: Vec<NodeId>,
}

impl Source {
    fn read(&mut self, profile: &Profile) -> Result<(), CompileError> {
        for (index, rule) in profile.exec.iter().enumerate() {
            self.path(Section::Exec, index, &rule.path, access::EXEC)?;
        }
        for (index, rule) in profile.files.iter().enumerate() {
            self.path(Section::Files, index, &rule.path, file_access(rule.access))?;
        }
        for (index, rule) in profile.peers.iter().enumerate() {
            let at = RuleRef { section: Section::Peers, index, text: rule.to_string() };
            let flats = peer::patterns(rule)
                .map_err(|error| CompileError::Glob { rule: Box::new(at.clone()), error })?;
            let id = self.rule(at, access::CONNECT);
            self.peers.extend(flats.iter().map(|flat| self.nfa.add(flat, id)));
        }
        for (index, path) in profile.sessions.exec.iter().enumerate() {
            self.path(Section::SessionExec, index, path, access::EXEC)?;
        }
        for (index, rule) in profile.sessions.files.iter().enumerate() {
            self.path(Section::SessionFiles, index, &rule.path, file_access(rule.access))?;
        }
        Ok(())
    }

    fn path(
        &mut self,
        section: Section,
        index: usize,
        path: &str,
        access: AccessSet,
    ) -> Result<(), CompileError> {
        let at = RuleRef { section, index, text: path.to_owned() };
        let flats = glob::parse(path, Kind::Path)
            .map_err(|error| CompileError::Glob { rule: Box::new(at.clone()), error })?;
        let id = self.rule(at, access);
        self.paths.extend(flats.into_iter().map(|flat| self.nfa.add(&own_thread(flat), id)));
        Ok(())
    }

    fn rule(&mut self, at: RuleRef, access: AccessSet) -> RuleId {
        let rule = Rule { at, access };
        let id = self.nfa.rule(rule.container(), rule.access);
        self.rules.push(rule);
        id
    }

    /// Where paths, the own process's entries, the own thread's entries, and peers begin.
    fn starts(&self) -> [(Guard, Vec<NodeId>); 4] {
        let marks = &mut Marks::new(self.nfa.len());
        let paths = self.nfa.closure(&self.paths, marks);
        let proc_dir = own::walk(&self.nfa, &paths, b"/proc/", marks);
        let process = own::own_entry(&self.nfa, &proc_dir, b"self", marks);
        let task_dir = own::walk(&self.nfa, &process, b"/task/", marks);
        let thread = own::own_entry(&self.nfa, &task_dir, &[OWN_TID], marks);
        let peers = self.nfa.closure(&self.peers, marks);
        [(Guard::Off, paths), (Guard::Off, process), (Guard::Off, thread), (Guard::Peer, peers)]
    }
}

/// Who may write anywhere in a file may write at its end.
fn file_access(access: AccessSet) -> AccessSet {
    if access & access::WRITE == 0 { access } else { access | access::APPEND }
}

/// `/proc/thread-self` is matched as the own thread in the list of the own process's threads.
fn own_thread(flat: Flat) -> Flat {
    let word = View::ThreadSelf.prefix();
    let same = flat.len() >= word.len()
        && flat.iter().zip(word).all(|(token, byte)| *token == Token::Byte(*byte))
        && flat.get(word.len()).is_none_or(|next| *next == Token::Byte(b'/'));
    if !same {
        return flat;
    }
    let head = b"/proc/self/task/".iter().chain(&[OWN_TID]).map(|byte| Token::Byte(*byte));
    head.chain(flat.into_iter().skip(word.len())).collect()
}
