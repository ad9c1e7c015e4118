//! Rules that add nothing to the others.

use std::collections::HashMap;

use stockade_abi::access::AccessSet;

use super::automaton::{Allowed as _, Automaton};
use super::each::each;
use super::pattern::{Pattern, patterns, profile_of, subset};
use super::sample::{Sample, sample};
use crate::compile::{Attribution, CompileError, Label, Several};
use crate::profile::Profile;

/// Different places kept of those at which rules depend on each other. Rules of further places count as
/// needed.
const PLACES_MAX: usize = 1 << 18;
/// Single rules that are tried out as the one that covers another.
const TRIED: usize = 16;

/// What is granted to the container, and to sessions.
type Both = [AccessSet; 2];

/// Rules about one thing, granting or denying, and who matches what.
pub(crate) struct Rules<'a> {
    all: &'a [Pattern],
    attribution: Attribution,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(all: &'a [Pattern]) -> Result<Self, CompileError> {
        let attribution = Several::read(all.iter().map(Pattern::item))?.attribution();
        Ok(Self { all, attribution })
    }

    /// Positions of rules that can all be taken out together without a change to what all come to.
    ///
    /// A rule with conditions covers nothing. Of rules that say the same, the first stays.
    pub(crate) fn covered(&self) -> Result<Vec<usize>, CompileError> {
        let suspects = self.suspects()?;
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let mut suspected = vec![false; self.all.len()];
        suspects.iter().for_each(|index| suspected[*index] = true);
        let firm: Vec<&Pattern> = self
            .all
            .iter()
            .zip(&suspected)
            .filter(|(rule, suspected)| !**suspected && !rule.conditional)
            .map(|(rule, _)| rule)
            .collect();
        let firm = Automaton::compiled(&profile_of(firm.into_iter()))?;
        let rules: Vec<&Pattern> = suspects.iter().map(|index| &self.all[*index]).collect();
        let gone = Places::of(&rules, &firm)?.gone(&rules);
        Ok(gone.into_iter().map(|rule| suspects[rule]).collect())
    }

    /// The one rule that covers the one at `index` all by itself, if there is one.
    pub(crate) fn by_whom(&self, index: usize) -> Result<Option<&'a Pattern>, CompileError> {
        let rule = &self.all[index];
        let Some(sample) = sample(rule)? else { return Ok(None) };
        let wide = |other: &&usize| adds_nothing(rule.grants(), self.all[**other].grants());
        for other in self.others(index, &sample).iter().filter(wide).take(TRIED) {
            let other = &self.all[*other];
            let alone = Automaton::compiled(&profile_of([other].into_iter()))?;
            if Places::of(&[rule], &alone)?.open.is_empty() {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// Rules whose every access others grant for one of the names they match.
    fn suspects(&self) -> Result<Vec<usize>, CompileError> {
        let mut suspects = Vec::new();
        for (index, rule) in self.all.iter().enumerate() {
            let suspect = match sample(rule)? {
                Some(sample) => {
                    let others = self.others(index, &sample);
                    let granted = others.iter().fold([0; 2], |all, other| or(all, self.all[*other].grants()));
                    adds_nothing(rule.grants(), granted)
                }
                // It matches nothing.
                None => true,
            };
            if suspect {
                suspects.push(index);
            }
        }
        Ok(suspects)
    }

    /// The other rules that match a name and have no conditions.
    fn others(&self, index: usize, sample: &Sample) -> Vec<usize> {
        let labels = self.attribution.rules(sample.kind, &sample.name);
        let all = labels.iter().map(|label| *label as usize);
        all.filter(|other| *other != index && !self.all[*other].conditional).collect()
    }
}

/// Where rules match and firm ones do not grant all of it.
struct Places {
    /// For each place, the rules that match there and what the firm ones grant.
    all: Vec<(Vec<Label>, Both)>,
    /// For each rule that is at any such place: the places, and whether there were too many.
    open: HashMap<usize, (Vec<usize>, bool)>,
}

impl Places {
    fn of(rules: &[&Pattern], firm: &Automaton) -> Result<Self, CompileError> {
        let grants: Vec<Both> = rules.iter().map(|rule| rule.grants()).collect();
        let mut ids: HashMap<(Vec<Label>, Both), usize> = HashMap::new();
        let mut places = Self { all: Vec::new(), open: HashMap::new() };
        each(rules, [firm], |matching, place, _| {
            let [firm] = place.grants;
            let firm = [false, true].map(|session| firm.allowed(session));
            let needs = |rule: &&usize| !adds_nothing(grants[**rule], firm);
            if !matching.iter().any(|rule| needs(&rule)) || place.name().is_none() {
                return;
            }
            let labels = matching.iter().filter_map(|rule| Label::try_from(*rule).ok()).collect();
            let key = (labels, firm);
            if ids.contains_key(&key) {
                return;
            }
            let full = places.all.len() >= PLACES_MAX;
            for rule in matching.iter().filter(needs) {
                let (at, too_many) = places.open.entry(*rule).or_default();
                *too_many |= full;
                if !full {
                    at.push(places.all.len());
                }
            }
            if !full {
                ids.insert(key.clone(), places.all.len());
                places.all.push(key);
            }
        })?;
        Ok(places)
    }

    /// The rules that can go, the last first.
    fn gone(&self, rules: &[&Pattern]) -> Vec<usize> {
        let mut gone = vec![false; rules.len()];
        for rule in (0..rules.len()).rev() {
            let Some((places, too_many)) = self.open.get(&rule) else {
                gone[rule] = true;
                continue;
            };
            let spare = |place: &usize| {
                let (labels, firm) = &self.all[*place];
                let others = labels.iter().map(|label| *label as usize);
                let others = others.filter(|other| *other != rule && !gone[*other]);
                let others = others.filter(|other| !rules[*other].conditional);
                let granted = others.fold(*firm, |all, other| or(all, rules[other].grants()));
                adds_nothing(rules[rule].grants(), granted)
            };
            gone[rule] = !too_many && places.iter().all(spare);
        }
        (0..rules.len()).filter(|rule| gone[*rule]).collect()
    }
}

fn or(a: Both, b: Both) -> Both {
    [a[0] | b[0], a[1] | b[1]]
}

fn adds_nothing(of: Both, to: Both) -> bool {
    of[0] & !to[0] == 0 && of[1] & !to[1] == 0
}

/// `profile` without its covered rules. What deny rules take, they take from whichever rule grants it.
pub(crate) fn without_covered(profile: &Profile) -> Result<Profile, CompileError> {
    let all = patterns(profile);
    let gone = Rules::new(&all)?.covered()?;
    Ok(subset(profile, &all, |index| !gone.contains(&index)))
}
