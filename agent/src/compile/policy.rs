//! A compiled profile: its table, and on the host's side which rules each state stands for.

use std::sync::Arc;

use stockade_abi::OBJECT_MAX;
use stockade_abi::access::{AccessSet, DRIFT, EXEC};
use stockade_abi::object::View;
use stockade_abi::reason::{Mode, Reason, Verdict};
use stockade_abi::table::{self, Powers};

use super::attribution::Attribution;
use super::policy_table::PolicyTable;
use super::power::{self, Power, PowerDecision, PowerRule};
use super::rule::{Rule, RuleRef};

/// A profile, compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    table: PolicyTable,
    mode: Mode,
    rules: Vec<Rule>,
    powers: Powers,
    power_rules: Vec<PowerRule>,
    attribution: Arc<Attribution>,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// A canonical path; the process's own procfs entries as `/proc/self/…` and `/proc/thread-self/…`.
    Path(&'a [u8]),
    /// A peer, encoded as in [`stockade_abi::peer`].
    Peer(&'a [u8]),
}

/// Where the walk over an object's name begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum StartKind {
    /// A path, from its first byte.
    Path = 0,
    /// What follows `/proc/self`.
    ProcSelf = 1,
    /// What follows `/proc/thread-self`.
    ThreadSelf = 2,
    /// A peer.
    Peer = 3,
}

impl StartKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Path, Self::ProcSelf, Self::ThreadSelf, Self::Peer];
}

/// What is known of the start of a program besides its path.
#[derive(Clone, Copy, Debug, Default)]
pub struct Start<'a> {
    /// The program that the process which starts it runs; none is in no rule's `parents`.
    pub parent: Option<&'a [u8]>,
    /// SHA-256 of what it holds, as in a table; unless it is given, it is what a rule means.
    pub content: Option<[u64; 4]>,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer under the policy's mode.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// When everything asked for is granted, the first rule that grants all of it, or else the first
    /// that grants some. When a rule denies something of it, that rule, chosen alike.
    pub rule: Option<RuleRef>,
    /// Accesses asked for that are not granted.
    pub missing: AccessSet,
}

impl Policy {
    pub(super) fn new(
        table: PolicyTable,
        mode: Mode,
        rules: Vec<Rule>,
        (powers, power_rules): (Powers, Vec<PowerRule>),
        attribution: Attribution,
    ) -> Self {
        Self { table, mode, rules, powers, power_rules, attribution: Arc::new(attribution) }
    }

    /// The table.
    pub fn table(&self) -> &PolicyTable {
        &self.table
    }

    /// The table, padded to the exact size of its class.
    pub fn words(&self) -> &[u64] {
        self.table.words()
    }

    /// Words in use.
    pub fn used_words(&self) -> usize {
        self.table.used_words()
    }

    /// States of the table's automaton.
    pub fn states(&self) -> usize {
        self.table.states()
    }

    /// The mode it is judged under.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Judges `access` to `object`, by the container's own processes or by a session. Who asks is not
    /// known, so what only the children of some programs may start is not granted.
    /// And what is started is what a rule that names contents means.
    pub fn decide(&self, object: &Object<'_>, access: AccessSet, session: bool) -> Decision {
        self.judge(object, access, session, (0, None))
    }

    /// Every access that the container's own processes have to `object`; to start it, if only some of them do.
    pub fn granted(&self, object: &Object<'_>) -> AccessSet {
        let Some(at) = locate(object) else { return 0 };
        let grant = self.table.grant(self.walk(at));
        let started = if grant.parents == 0 { 0 } else { EXEC };
        (grant.container | started | if grant.pins == 0 { 0 } else { EXEC }) & !grant.denied
    }

    /// Judges `access`, the start of the program at `path`.
    pub fn decide_exec(&self, path: &[u8], access: AccessSet, start: &Start<'_>, session: bool) -> Decision {
        // Of a parent whose name is too long, nothing is known.
        let parent = start.parent.and_then(|parent| locate(&Object::Path(parent)));
        let member = parent.map_or(0, |at| self.table.grant(self.walk(at)).member);
        self.judge(&Object::Path(path), access, session, (member, start.content.as_ref()))
    }

    /// Judges the use of `power`. The rule is absent from a decision that no rule made, and where a profile
    /// that says nothing grants it.
    pub fn decide_power(&self, power: Power, session: bool) -> PowerDecision {
        let (granted, denied) = power::judge(&self.powers, power, session);
        let rule = |denies: bool| {
            let mut says = self.power_rules(power).filter(|rule| rule.denies() == denies);
            says.find(|rule| session || !rule.is_for_sessions()).copied()
        };
        let (reason, rule) = match (granted, denied) {
            (true, _) => (Reason::Rule, rule(false)),
            (false, true) => (Reason::DenyRule, rule(true)),
            (false, false) => (Reason::NoRule, None),
        };
        PowerDecision { verdict: reason.verdict(Some(self.mode)), reason, rule }
    }

    /// What it grants without an object, as it stands in the table.
    pub fn powers(&self) -> &Powers {
        &self.powers
    }

    /// The rules about `power`, whoever they are for.
    pub fn power_rules(&self, power: Power) -> impl Iterator<Item = &PowerRule> {
        self.power_rules.iter().filter(move |rule| rule.power == power)
    }

    fn judge(
        &self,
        object: &Object<'_>,
        access: AccessSet,
        session: bool,
        (member, content): (u32, Option<&[u64; 4]>),
    ) -> Decision {
        let decision = |reason: Reason, rule: Option<&RuleRef>, missing| Decision {
            verdict: reason.verdict(Some(self.mode)),
            reason,
            rule: rule.cloned(),
            missing,
        };
        let Some(at) = locate(object) else { return decision(Reason::PathTooLong, None, access) };
        let grant = self.table.grant(self.walk(at));
        let (mut granted, denied) =
            if session { (grant.session, grant.session_denied) } else { (grant.container, grant.denied) };
        if grant.parents & member != 0 {
            granted |= EXEC;
        }
        // Only where it is asked: most grants have no pins.
        let sets = if grant.pins == 0 { 0 } else { grant.pins & self.table.sets(content, member) };
        if sets != 0 {
            granted |= EXEC | DRIFT;
        }
        let missing = access & !granted;
        if access & denied != 0 {
            let rule = self.first(at, access & denied, |rule| rule.effect.deny.of(session));
            decision(Reason::DenyRule, rule, missing)
        } else if missing & EXEC != 0 && grant.pins != 0 && content.is_some() {
            decision(Reason::OtherContent, None, missing)
        } else if missing == DRIFT {
            decision(Reason::NotFromImage, None, missing)
        } else if missing != 0 {
            decision(Reason::NoRule, None, missing)
        } else {
            let rule = self.first(at, access, |rule| rule.grants(session, member, sets));
            decision(Reason::Rule, rule, missing)
        }
    }

    /// The rules whose pattern matches `object`, with the accesses that each grants to a session or to
    /// the container, or takes from them.
    pub fn matching(&self, object: &Object<'_>, session: bool) -> Vec<(&RuleRef, AccessSet)> {
        let Some(at) = locate(object) else { return Vec::new() };
        self.rules_at(at)
            .into_iter()
            .filter(|rule| !rule.is_group())
            .map(|rule| (&rule.at, rule.access(session)))
            .collect()
    }

    /// Every rule, with the accesses it grants or takes.
    pub fn rules(&self) -> impl Iterator<Item = (&RuleRef, AccessSet)> {
        self.rules.iter().filter(|rule| !rule.is_group()).map(|rule| (&rule.at, rule.access(true)))
    }

    /// Globs of the programs whose children alone get what `rule` grants; empty: everybody gets it.
    pub fn parents(&self, rule: &RuleRef) -> &[String] {
        self.rules.iter().find(|known| known.at == *rule).map_or(&[], |rule| &rule.parents)
    }

    /// What the rules at an object come to before the automaton is made smaller.
    #[cfg(test)]
    pub(super) fn attributed(&self, object: &Object<'_>) -> table::Grant {
        let rules = locate(object).map(|at| self.rules_at(at)).unwrap_or_default();
        rules.iter().map(|rule| rule.effect).fold(super::Effect::default(), super::Effect::or).grant()
    }

    fn walk(&self, (kind, rest): (StartKind, &[u8])) -> u32 {
        table::walk(self.words(), self.table.start(kind), rest)
    }

    /// The rules that match where a name leads, in their order.
    fn rules_at(&self, (kind, rest): (StartKind, &[u8])) -> Vec<&Rule> {
        let labels = self.attribution.rules(kind, rest);
        labels.iter().filter_map(|label| self.rules.get(*label as usize)).collect()
    }

    /// The first rule of which `of` has all of `access`, or else the first of which it has some.
    fn first(
        &self,
        at: (StartKind, &[u8]),
        access: AccessSet,
        of: impl Fn(&Rule) -> AccessSet,
    ) -> Option<&RuleRef> {
        let rules = self.rules_at(at);
        let all = rules.iter().find(|rule| access & !of(rule) == 0);
        all.or_else(|| rules.iter().find(|rule| access & of(rule) != 0)).map(|rule| &rule.at)
    }
}

/// Where the walk over the object's name begins, and what is walked; `None` when the name is too long.
fn locate<'a>(object: &Object<'a>) -> Option<(StartKind, &'a [u8])> {
    match object {
        Object::Path(path) if path.len() > OBJECT_MAX => None,
        Object::Path(path) => Some(if let Some(rest) = own(path, View::ThreadSelf) {
            (StartKind::ThreadSelf, rest)
        } else if let Some(rest) = own(path, View::ProcSelf) {
            (StartKind::ProcSelf, rest)
        } else {
            (StartKind::Path, *path)
        }),
        Object::Peer(peer) => Some((StartKind::Peer, *peer)),
    }
}

/// What follows the name of an own procfs entry.
fn own(path: &[u8], view: View) -> Option<&[u8]> {
    let rest = path.strip_prefix(view.prefix())?;
    rest.first().is_none_or(|byte| *byte == b'/').then_some(rest)
}
