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
    /// `spec.facilities`.
    Facilities,
    /// `spec.deny.exec`.
    DenyExec,
    /// `spec.deny.files`.
    DenyFiles,
    /// `spec.deny.peers`.
    DenyPeers,
    /// `spec.deny.capabilities`.
    DenyCapabilities,
    /// `spec.deny.facilities`.
    DenyFacilities,
    /// `spec.sessions.exec`.
    SessionExec,
    /// `spec.sessions.files`.
    SessionFiles,
    /// `spec.sessions.capabilities`.
    SessionCapabilities,
    /// `spec.sessions.facilities`.
    SessionFacilities,
}

impl List {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Exec,
        Self::Files,
        Self::Peers,
        Self::Listen,
        Self::Capabilities,
        Self::Facilities,
        Self::DenyExec,
        Self::DenyFiles,
        Self::DenyPeers,
        Self::DenyCapabilities,
        Self::DenyFacilities,
        Self::SessionExec,
        Self::SessionFiles,
        Self::SessionCapabilities,
        Self::SessionFacilities,
    ];

    /// The name of the list, as seen from `spec`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Files => "files",
            Self::Peers => "peers",
            Self::Listen => "listen",
            Self::Capabilities => "capabilities",
            Self::Facilities => "facilities",
            Self::DenyExec => "deny.exec",
            Self::DenyFiles => "deny.files",
            Self::DenyPeers => "deny.peers",
            Self::DenyCapabilities => "deny.capabilities",
            Self::DenyFacilities => "deny.facilities",
            Self::SessionExec => "sessions.exec",
            Self::SessionFiles => "sessions.files",
            Self::SessionCapabilities => "sessions.capabilities",
            Self::SessionFacilities => "sessions.facilities",
        }
    }

    /// The list of that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.word() == word)
    }
}
