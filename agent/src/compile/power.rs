//! Capabilities and facilities: what a profile grants and denies without an object.

use stockade_abi::capability::{self, CAPABILITIES};
use stockade_abi::facility::{self, Facility};
use stockade_abi::reason::{Reason, Verdict};
use stockade_abi::table::Powers;

use crate::profile::{List, Profile};

/// Something that is used without an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// A capability, by its number.
    Capability(u32),
    /// A facility.
    Facility(Facility),
}

impl Power {
    /// The word for it in a profile; the number of a capability without one.
    pub fn word(self) -> String {
        match self {
            Self::Capability(number) => {
                capability::name(number).map_or_else(|| number.to_string(), str::to_owned)
            }
            Self::Facility(facility) => facility.word().to_owned(),
        }
    }

    /// What kind of power it is: the word that events, `explain` and `diff` use.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Capability(_) => "capability",
            Self::Facility(_) => "facility",
        }
    }

    /// Whether a profile that says nothing grants it.
    pub const fn is_granted_to_all(self) -> bool {
        match self {
            Self::Capability(_) => false,
            Self::Facility(facility) => facility.bit() & facility::GRANTED != 0,
        }
    }

    /// The facility that `word` names.
    pub fn facility(word: &str) -> Option<Self> {
        Facility::from_word(word).map(Self::Facility)
    }

    /// Every power that has a name.
    pub fn all() -> impl Iterator<Item = Self> {
        let capabilities = (0..).zip(CAPABILITIES).map(|(number, _)| Self::Capability(number));
        capabilities.chain(Facility::ALL.map(Self::Facility))
    }

    /// Whether `powers` let the container, or a session, use it.
    pub fn granted(self, powers: &Powers, session: bool) -> bool {
        judge(powers, self, session).0
    }

    /// The capability that `word` names.
    pub fn capability(word: &str) -> Option<Self> {
        capability::from_word(word).map(|set| Self::Capability(set.trailing_zeros()))
    }
}

/// A rule about one power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerRule {
    /// Its list.
    pub list: List,
    /// Its position there, from 0.
    pub index: usize,
    /// What it speaks of.
    pub power: Power,
}

impl PowerRule {
    /// Whether it takes the power away.
    pub const fn denies(&self) -> bool {
        matches!(self.list, List::DenyCapabilities | List::DenyFacilities)
    }

    /// Whether it grants nothing to the container itself.
    pub const fn is_for_sessions(&self) -> bool {
        matches!(self.list, List::SessionCapabilities | List::SessionFacilities)
    }
}

/// The answer to the question whether a power may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerDecision {
    /// The answer under the policy's mode.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// The rule that made it; absent as well where a profile that says nothing grants the power.
    pub rule: Option<PowerRule>,
}

/// Every rule about powers, those that grant first.
pub(crate) fn rules(profile: &Profile) -> Vec<PowerRule> {
    let mut rules = Vec::new();
    let mut add = |list: List, powers: Vec<Option<Power>>| {
        let known = powers.into_iter().enumerate();
        rules.extend(known.filter_map(|(index, power)| Some(PowerRule { list, index, power: power? })));
    };
    let capabilities = |words: &[String]| words.iter().map(|word| Power::capability(word)).collect();
    let facilities = |all: &[Facility]| all.iter().map(|one| Some(Power::Facility(*one))).collect();
    let (deny, sessions) = (&profile.deny, &profile.sessions);
    add(List::Capabilities, capabilities(&profile.capabilities));
    add(List::Facilities, facilities(&profile.facilities));
    add(List::SessionCapabilities, capabilities(&sessions.capabilities));
    add(List::SessionFacilities, facilities(&sessions.facilities));
    add(List::DenyCapabilities, capabilities(&deny.capabilities));
    add(List::DenyFacilities, facilities(&deny.facilities));
    rules
}

/// What the rules come to.
pub(crate) fn powers(profile: &Profile) -> Powers {
    let mut powers = Powers { facilities: facility::GRANTED, ..Powers::default() };
    for rule in rules(profile) {
        let (capability, facility) = match rule.power {
            Power::Capability(number) => (1 << number, 0),
            Power::Facility(facility) => (0, facility.bit()),
        };
        if rule.denies() {
            powers.denied_capabilities |= capability;
            powers.denied_facilities |= facility;
        } else if rule.is_for_sessions() {
            powers.session_capabilities |= capability;
            powers.session_facilities |= facility;
        } else {
            powers.capabilities |= capability;
            powers.facilities |= facility;
        }
    }
    powers.capabilities &= !powers.denied_capabilities;
    powers.facilities &= !powers.denied_facilities;
    powers.session_capabilities =
        (powers.session_capabilities | powers.capabilities) & !powers.denied_capabilities;
    powers.session_facilities = (powers.session_facilities | powers.facilities) & !powers.denied_facilities;
    powers
}

/// Whether `powers` let the container, or a session, use `power`; and whether a deny rule is why not.
pub(crate) fn judge(powers: &Powers, power: Power, session: bool) -> (bool, bool) {
    let (granted, denied) = match power {
        Power::Capability(number) => {
            let bit = 1_u64.checked_shl(number).unwrap_or(0);
            let granted = if session { powers.session_capabilities } else { powers.capabilities };
            (granted & bit, powers.denied_capabilities & bit)
        }
        Power::Facility(facility) => {
            let granted = if session { powers.session_facilities } else { powers.facilities };
            (u64::from(granted & facility.bit()), u64::from(powers.denied_facilities & facility.bit()))
        }
    };
    (granted != 0, denied != 0)
}
