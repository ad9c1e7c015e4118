//! Profiles: the YAML document a person reads and edits, its checks, and its canonical form.

mod emit;
mod lint;
mod problem;
mod reader;
mod rule;
mod scalar;
mod schema;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

use stockade_abi::reason::Mode;

pub use problem::{Finding, Place, Problem, ProfileError};
pub use rule::{
    Deny, ExecRule, FILE_ACCESS, FileRule, ListenRule, PeerRule, PeerTarget, PortRange, Protocol, Sessions,
};

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "stockade.dev/v1alpha1";
/// The only `kind` there is.
pub const KIND: &str = "Profile";

/// A profile, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// What happens with what no rule grants.
    pub mode: Mode,
    /// Which containers it is for.
    pub matches: Match,
    /// Programs that may be started.
    pub exec: Vec<ExecRule>,
    /// Files that may be used.
    pub files: Vec<FileRule>,
    /// Peers that may be connected to.
    pub peers: Vec<PeerRule>,
    /// Ports that may be listened on.
    pub listen: Vec<ListenRule>,
    /// Capabilities that may be used, lower case, without `cap_`.
    pub capabilities: Vec<String>,
    /// What sessions may do beyond all that.
    pub sessions: Sessions,
    /// What nobody may do.
    pub deny: Deny,
}

/// Which containers a profile is for: those that fulfil any of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Globs of image references.
    pub images: Vec<String>,
    /// Labels, all of which a pod has.
    pub labels: BTreeMap<String, String>,
    /// Names of containers.
    pub containers: Vec<String>,
}

/// A profile and what is questionable about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The profile.
    pub profile: Profile,
    /// Warnings, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Reads the one profile in `text`; `source` names it in messages.
pub fn parse(source: &str, text: &str) -> Result<Parsed, ProfileError> {
    let fail = |problems| ProfileError::new(source, text, problems);
    let root = yaml::tree(text).map_err(|error| fail(vec![no_tree(text, error)]))?;
    let mut reader = reader::Reader::default();
    let profile = schema::profile(&mut reader, &root);
    let problems = placed(text, reader.problems);
    match profile {
        Some(profile) if problems.is_empty() => {
            let remarks = lint::lint(&profile);
            let remarks =
                remarks.into_iter().map(|(parts, problem)| (steps(&root, &parts), problem)).collect();
            let findings = Finding::all(source, text, placed(text, remarks));
            Ok(Parsed { profile, findings })
        }
        Some(_) | None => Err(fail(problems)),
    }
}

/// The same for bytes that may not be UTF-8.
pub fn parse_bytes(source: &str, bytes: &[u8]) -> Result<Parsed, ProfileError> {
    let error = match str::from_utf8(bytes) {
        Ok(text) => return parse(source, text),
        Err(error) => error,
    };
    let good = bytes.split_at(error.valid_up_to()).0;
    let text = String::from_utf8_lossy(bytes);
    let line = good.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
    let row = good.rsplit(|byte| *byte == b'\n').next().unwrap_or(b"");
    let column = String::from_utf8_lossy(row).chars().count().saturating_add(1);
    let mut problem = Problem::new("the file is not UTF-8 text")
        .help("write other bytes of a path as `\\xHH`, for example `/data/caf\\xe9`");
    problem.place = Some(Place { len: 1, ..Place::at(&text, line, column) });
    Err(ProfileError::new(source, &text, vec![problem]))
}

/// Reads what a peer rule's `to` can say, for rules that are not read from a file.
pub fn parse_target(text: &str) -> Result<PeerTarget, String> {
    scalar::target(text).map_err(|problem| match problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message,
    })
}

fn no_tree(text: &str, error: yaml::TreeError) -> Problem {
    let at = |line, column| Some(Place::at(text, line, column));
    let mut problem;
    match error {
        yaml::TreeError::Empty => {
            problem = Problem::new("the file holds no profile: it is empty, or holds only comments")
                .help(format!("a profile begins with `apiVersion: {API_VERSION}` and `kind: {KIND}`"));
            problem.place = (!text.trim().is_empty()).then(|| Place::at(text, 1, 1));
        }
        yaml::TreeError::Several(line) => {
            problem = Problem::new("the file holds more than one document")
                .help("write each profile into a file of its own");
            problem.place = at(line, 1);
        }
        yaml::TreeError::Syntax { message, line, column } => {
            problem = Problem::new(format!("this is not YAML: {message}"));
            problem.place = at(line, column);
        }
    }
    problem
}

/// Problems whose place is worked out; each takes another look at the text.
const PLACED: usize = 100;

fn placed(text: &str, found: Vec<(Vec<yaml::Step>, Problem)>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = found
        .into_iter()
        .enumerate()
        .map(|(index, (steps, mut problem))| {
            let at = (index < PLACED).then(|| yaml::locate(text, &steps)).flatten();
            problem.place = at.map(|(line, column)| Place::at(text, line, column));
            problem
        })
        .collect();
    problems.sort_by_key(|problem| (problem.place.is_none(), problem.place));
    problems
}

/// The way to a part of `spec`; as far as it exists.
fn steps(root: &yaml::Node, parts: &[lint::Part]) -> Vec<yaml::Step> {
    let mut node = root;
    let mut steps = Vec::new();
    for part in std::iter::once(&lint::Part::Name("spec")).chain(parts) {
        let next = match (part, node) {
            (lint::Part::Name(name), yaml::Node::Map(entries)) => entries
                .iter()
                .enumerate()
                .find(|(_, (key, _))| matches!(key, yaml::Node::Text(key) if key == name))
                .map(|(index, (_, value))| (yaml::Step::Value(index), value)),
            (lint::Part::Item(index), yaml::Node::List(items)) => {
                items.get(*index).map(|item| (yaml::Step::Item(*index), item))
            }
            (lint::Part::Name(_) | lint::Part::Item(_), _) => None,
        };
        let Some((step, below)) = next else { break };
        steps.push(step);
        node = below;
    }
    steps
}

impl Profile {
    /// A profile without rules.
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            mode,
            matches: Match::default(),
            exec: Vec::new(),
            files: Vec::new(),
            peers: Vec::new(),
            listen: Vec::new(),
            capabilities: Vec::new(),
            sessions: Sessions::default(),
            deny: Deny::default(),
        }
    }

    /// The profile as YAML, always in the same order and layout.
    pub fn to_yaml(&self) -> String {
        emit::profile(self)
    }
}
