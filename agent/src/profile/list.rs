//! The lists of rules that a profile and a rule set are made of.

/// A list of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// `spec.exec`.
    Exec,
    /// `spec.files`.
    Files,
    /// `spec.peers`.
    Peers,
    /// `spec.listen`.
    Listen,
    /// `spec.capabilities`.
    Capabilities,
    /// `spec.deny.exec`.
    DenyExec,
    /// `spec.deny.files`.
    DenyFiles,
    /// `spec.deny.peers`.
    DenyPeers,
    /// `spec.sessions.exec`.
    SessionExec,
    /// `spec.sessions.files`.
    SessionFiles,
}

impl List {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Exec,
        Self::Files,
        Self::Peers,
        Self::Listen,
        Self::Capabilities,
        Self::DenyExec,
        Self::DenyFiles,
        Self::DenyPeers,
        Self::SessionExec,
        Self::SessionFiles,
    ];

    /// The name of the list, as seen from `spec`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Peers => "peers",
            Self::Listen => "listen",
            Self::Capabilities => "capabilities",
            Self::DenyExec => "deny.exec",
            Self::DenyFiles => "deny.files",
            Self::DenyPeers => "deny.peers",
            Self::SessionExec => "sessions.exec",
            Self::SessionFiles => "sessions.files",
        }
    }

    /// The list of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.word() == word)
    }
}
