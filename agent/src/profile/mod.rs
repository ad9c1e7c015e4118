//! Profiles: the YAML document a person reads and edits, its checks, and its canonical form.

#[cfg(test)]
mod canonical_tests;
mod emit;
mod fields;
mod include;
#[cfg(test)]
mod include_tests;
mod json_schema;
mod library;
#[cfg(test)]
mod library_tests;
mod lint;
mod list;
mod origin;
mod parse;
mod problem;
#[cfg(test)]
mod provenance_tests;
mod reader;
mod rule;
mod rules;
mod scalar;
mod schema;
#[cfg(test)]
mod schema_tests;
mod shelf;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

use stockade_abi::facility::Facility;
use stockade_abi::reason::Mode;

pub use json_schema::json_schema;
pub use list::List;
pub use origin::Included;
pub(crate) use parse::parse_digest;
pub use parse::{Parsed, parse, parse_any, parse_target, parse_with, read_any, read_profile};
pub use problem::{Finding, Place, Problem, ProfileError, Weight};
pub use rule::{
    Deny, ExecRule, FILE_ACCESS, FileRule, ListenRule, PeerRule, PeerTarget, PortRange, Protocol, Provenance,
    Sessions,
};
pub use shelf::{FILE_MAX, INCLUDE, SetFile, Shelf, is_set, read_any_file, read_file};

/// The only `apiVersion` there is.
pub const API_VERSION: &str = "stockade.dev/v1alpha1";
/// The `kind` of a profile.
pub const KIND: &str = "Profile";
/// The `kind` of a rule set.
pub const SET_KIND: &str = "RuleSet";

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A profile.
    Profile,
    /// Rules that profiles include by name.
    RuleSet,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Profile, Self::RuleSet];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Profile => KIND,
            Self::RuleSet => SET_KIND,
        }
    }
}

/// A profile, checked, and with the rules of the rule sets it includes behind its own.
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
    /// The rule sets that it includes, by name. Their rules are in the lists below.
    pub include: Vec<String>,
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
    /// Facilities that may be used.
    pub facilities: Vec<Facility>,
    /// What is denied whatever else is granted.
    pub deny: Deny,
    /// What sessions may do beyond all that.
    pub sessions: Sessions,
    /// Which of the rules came out of rule sets, with those that they include themselves.
    pub origins: Vec<Included>,
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

impl Profile {
    /// A profile without rules.
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        Self {
            name: name.into(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            mode,
            matches: Match::default(),
            include: Vec::new(),
            exec: Vec::new(),
            files: Vec::new(),
            peers: Vec::new(),
            listen: Vec::new(),
            capabilities: Vec::new(),
            facilities: Vec::new(),
            deny: Deny::default(),
            sessions: Sessions::default(),
            origins: Vec::new(),
        }
    }

    /// The profile as YAML, always in the same order and layout. What it includes is named there, not
    /// written out.
    pub fn to_yaml(&self) -> String {
        emit::document(&self.own(), Kind::Profile)
    }

    /// The same document as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        yaml::json(&self.to_yaml())
    }

    /// Text that means the same without any other file: `text`, which this profile was read from, or when
    /// it includes rule sets, the canonical form with these behind it.
    pub fn standalone(&self, text: &str) -> String {
        if self.include.is_empty() { text.to_owned() } else { self.bundle() }
    }

    fn bundle(&self) -> String {
        let sets = self.origins.iter().map(|set| emit::document(&self.set(set), Kind::RuleSet));
        std::iter::once(self.to_yaml()).chain(sets).collect::<Vec<_>>().join("---\n")
    }
}
