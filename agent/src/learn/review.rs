//! Denials as candidates: what was refused under `enforce`, or would have been under `audit`, and what a person
//! decided about it.

use std::collections::BTreeMap;

use rusqlite::params;
use serde::Serialize;
use stockade_abi::reason::Reason;

use crate::events::record::Record;
use crate::store::{Store, StoreError};

/// What a person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It was fine this time; if it comes again, it is shown again.
    Once,
    /// It shall be allowed from now on.
    Rule,
    /// It shall stay denied, and is not shown again.
    Deny,
}

impl Decision {
    const ALL: [Self; 3] = [Self::Once, Self::Rule, Self::Deny];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Rule => "rule",
            Self::Deny => "deny",
        }
    }
}

/// What was denied, as one thing to decide about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// Whether a session asked.
    pub session: bool,
    /// The accesses, with commas between; `capability` or `facility` for those.
    pub access: String,
    /// The object, as `profile explain` takes it.
    pub object: String,
}

/// Denials of one thing.
#[derive(Clone, Debug, Serialize)]
pub struct Candidate {
    /// Its number: the order of the first denials in the event log.
    pub number: usize,
    /// Whether a session asked.
    pub session: bool,
    /// The accesses, with commas between.
    pub access: String,
    /// The object.
    pub object: String,
    /// Why it was denied last.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// First time.
    pub first: String,
    /// Last time.
    pub last: String,
    /// The program that asked first.
    pub exe: Option<String>,
    /// What was decided, if that still holds.
    pub decision: Option<Decision>,
}

impl Candidate {
    /// What is to be decided.
    pub fn asked(&self) -> Asked {
        Asked { session: self.session, access: self.access.clone(), object: self.object.clone() }
    }

    /// Why a rule that grants what was asked for would change nothing; `None` where it would.
    pub fn obstacle(&self) -> Option<&'static str> {
        let reason = Reason::ALL.into_iter().find(|reason| reason.word() == self.reason)?;
        match reason {
            Reason::Rule | Reason::NoRule | Reason::NotFromImage => None,
            Reason::DenyRule => Some("a rule under `deny` takes it, whatever others grant"),
            Reason::WiderRules => Some(
                "below its new name the directory would come under rules that grant more: write the same rules \
                 below both names, or one for the whole tree",
            ),
            Reason::OtherContent => Some("it has not the contents that its rule names by `sha256`"),
            Reason::Guarded => Some("it is the agent's own, which no rule grants"),
            Reason::PathTooLong
            | Reason::PathUnreadable
            | Reason::ScratchBusy
            | Reason::UnknownSubject
            | Reason::PolicyCorrupt
            | Reason::LabelFull
            | Reason::BadAddress
            | Reason::UnsupportedFamily
            | Reason::RootUnknown => Some("the decision failed before rules were asked"),
        }
    }
}

/// The accesses of an event, as `profile explain` takes them.
fn access(record: &Record) -> String {
    match record.kind.as_str() {
        kind @ ("capability" | "facility") => kind.to_owned(),
        _ => record.access.join(","),
    }
}

/// The object of an event, as `profile explain` takes it; `None` for what it cannot be asked.
pub fn object(record: &Record) -> Option<String> {
    let object = &record.object;
    match (record.kind.as_str(), &object.path, &object.address) {
        ("connect", Some(path), _) => Some(format!("unix:{path}")),
        ("connect", None, Some(address)) => {
            let address = if address.contains(':') { format!("[{address}]") } else { address.clone() };
            Some(format!("{}:{address}:{}", object.protocol.as_deref()?, object.port?))
        }
        ("listen", None, None) => Some(format!("{}:{}", object.protocol.as_deref()?, object.port?)),
        ("exec" | "file", Some(path), _) => Some(path.clone()),
        ("capability", _, _) => object.capability.clone(),
        ("facility", _, _) => object.facility.clone(),
        (_, _, _) => None,
    }
}

/// The denials of `profile` among `records`, which are in order.
pub fn candidates(
    profile: &str,
    records: impl IntoIterator<Item = Record>,
    decided: &BTreeMap<Asked, (Decision, String)>,
) -> Vec<Candidate> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut known: BTreeMap<Asked, usize> = BTreeMap::new();
    for record in records {
        let denied = matches!(record.verdict.as_str(), "denied" | "would-deny");
        if !denied || record.profile.as_deref() != Some(profile) {
            continue;
        }
        let Some(object) = object(&record) else { continue };
        let asked = Asked { session: record.session, access: access(&record), object };
        let at = *known.entry(asked.clone()).or_insert(all.len());
        match all.get_mut(at) {
            Some(candidate) => {
                candidate.count = candidate.count.saturating_add(record.count);
                candidate.last = record.time;
                candidate.reason = record.reason;
            }
            None => all.push(Candidate {
                number: at + 1,
                session: asked.session,
                access: asked.access,
                object: asked.object,
                reason: record.reason,
                count: record.count,
                first: record.time.clone(),
                last: record.time,
                exe: record.process.exe,
                decision: None,
            }),
        }
    }
    for candidate in &mut all {
        candidate.decision = decided.get(&candidate.asked()).and_then(|(decision, at)| match decision {
            Decision::Rule | Decision::Deny => Some(*decision),
            // What came after the decision is to be decided anew.
            Decision::Once => (candidate.last <= *at).then_some(*decision),
        });
    }
    all
}

impl Store {
    /// Remembers a decision. `at` is the time of the last denial that it is about, in RFC 3339.
    pub fn decide(
        &mut self,
        profile: &str,
        asked: &Asked,
        decision: Decision,
        at: &str,
    ) -> Result<(), StoreError> {
        let Asked { session, access, object } = asked;
        self.db
            .execute(
                "INSERT OR REPLACE INTO reviews VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![profile, session, access, object, decision.word(), at],
            )
            .map(drop)
            .map_err(|source| self.error(source))
    }

    /// What was decided, with the time of the last denial that it was about.
    pub fn decisions(&self, profile: &str) -> Result<BTreeMap<Asked, (Decision, String)>, StoreError> {
        let read = || -> rusqlite::Result<BTreeMap<Asked, (Decision, String)>> {
            self.db
                .prepare("SELECT session, access, object, decision, at FROM reviews WHERE profile = ?1")?
                .query_map([profile], |row| {
                    let word: String = row.get(3)?;
                    let decision = Decision::ALL.into_iter().find(|decision| decision.word() == word);
                    let decision = decision.ok_or_else(|| {
                        let what = format!("`{word}` is no decision");
                        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Text, what.into())
                    })?;
                    let asked = Asked { session: row.get(0)?, access: row.get(1)?, object: row.get(2)? };
                    Ok((asked, (decision, row.get(4)?)))
                })?
                .collect()
        };
        read().map_err(|source| self.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::ObjectRef;
    use crate::events::record::tests::sample;

    fn at(second: u32, path: &str) -> Record {
        let mut record = sample();
        record.time = format!("2026-11-23T14:02:{second:02}.000000001Z");
        record.object.path = Some(path.to_owned());
        record
    }

    #[test]
    fn powers_are_candidates_by_their_names() {
        let mut capability = sample();
        capability.kind = "capability".to_owned();
        capability.access.clear();
        capability.object = ObjectRef { capability: Some("net_raw".to_owned()), ..ObjectRef::default() };
        let mut facility = capability.clone();
        facility.kind = "facility".to_owned();
        facility.object = ObjectRef { facility: Some("mount".to_owned()), ..ObjectRef::default() };
        let found = candidates("web", [capability, facility], &BTreeMap::new());
        let shown: Vec<_> = found.iter().map(|one| (one.access.as_str(), one.object.as_str())).collect();
        assert_eq!(shown, [("capability", "net_raw"), ("facility", "mount")]);
    }

    #[test]
    fn what_no_rule_mends_is_known_by_the_last_reason() {
        let because = |second, reason: Reason| {
            let mut record = at(second, "/a");
            record.reason = reason.word().to_owned();
            record
        };
        let obstacle = |reasons: &[Reason]| {
            let records = (1..).zip(reasons).map(|(second, reason)| because(second, *reason));
            candidates("web", records, &BTreeMap::new())[0].obstacle()
        };
        assert_eq!(obstacle(&[Reason::WiderRules, Reason::NoRule]), None);
        assert!(obstacle(&[Reason::NoRule, Reason::WiderRules]).is_some());
        assert!(obstacle(&[Reason::DenyRule]).is_some());
    }

    #[test]
    fn denials_of_one_thing_are_one_candidate() {
        let mut allowed = at(3, "/c");
        allowed.verdict = "allowed".to_owned();
        let mut other = at(4, "/d");
        other.profile = Some("other".to_owned());
        let records = [at(1, "/a"), at(2, "/b"), allowed, other, at(5, "/a")];
        let found = candidates("web", records, &BTreeMap::new());
        let shown: Vec<(usize, &str, u64)> =
            found.iter().map(|one| (one.number, one.object.as_str(), one.count)).collect();
        assert_eq!(shown, [(1, "/a", 2), (2, "/b", 1)]);
    }

    #[test]
    fn a_decision_holds_as_long_as_it_says() {
        let mut store = Store::in_memory();
        let records = || [at(1, "/a"), at(2, "/b"), at(3, "/c")];
        for (candidate, decision) in candidates("web", records(), &BTreeMap::new()).iter().zip([
            Decision::Once,
            Decision::Deny,
            Decision::Rule,
        ]) {
            store.decide("web", &candidate.asked(), decision, &candidate.last).unwrap();
        }
        let decided = store.decisions("web").unwrap();
        let words = |records: Vec<Record>| -> Vec<Option<&str>> {
            candidates("web", records, &decided).iter().map(|one| one.decision.map(Decision::word)).collect()
        };
        assert_eq!(words(records().into()), [Some("once"), Some("deny"), Some("rule")]);
        let again = records().into_iter().chain([at(9, "/a"), at(9, "/b")]).collect();
        assert_eq!(words(again), [None, Some("deny"), Some("rule")]);
    }
}
