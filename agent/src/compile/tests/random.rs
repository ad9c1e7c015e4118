//! Random profiles: the plain matcher, the automaton with its rules, and the packed table must agree.

use stockade_abi::access::{APPEND, ATTR, CREATE, DRIFT, EXEC, MAP, READ, WRITE};
use stockade_abi::reason::{Mode, Reason};
use stockade_abi::table::Grant;

use super::reference::{self, Random};
use super::{Policy, policy};
use crate::compile::{Object, Start, StartKind, compile_table, glob};
use crate::profile::{ExecRule, FileRule, Profile, Provenance};

/// What rules come to by their words alone.
fn expected(profile: &Profile, path: &[u8]) -> Grant {
    let hits = |glob: &str| reference::matches(glob.as_bytes(), path);
    let mut grant = Grant::default();
    let mut groups: Vec<Vec<String>> = Vec::new();
    for rule in &profile.exec {
        if rule.parents.is_empty() {
            if hits(&rule.path) {
                let drift = if rule.from == Provenance::Any { DRIFT } else { 0 };
                grant.container |= EXEC | drift;
                grant.session |= EXEC | drift;
            }
            continue;
        }
        let mut list = rule.parents.clone();
        list.sort();
        list.dedup();
        let group = groups.iter().position(|known| *known == list).unwrap_or_else(|| {
            groups.push(list);
            groups.len() - 1
        });
        if rule.parents.iter().any(|parent| hits(parent)) {
            grant.member |= 1 << group;
        }
        if hits(&rule.path) {
            grant.parents |= 1 << group;
        }
    }
    let writes = |access| if access & WRITE == 0 { access } else { access | APPEND };
    for rule in profile.files.iter().filter(|rule| hits(&rule.path)) {
        grant.container |= writes(rule.access);
        grant.session |= writes(rule.access);
    }
    grant.session |= profile.sessions.exec.iter().filter(|glob| hits(glob)).fold(0, |all, _| all | EXEC);
    for rule in profile.sessions.files.iter().filter(|rule| hits(&rule.path)) {
        grant.session |= writes(rule.access);
    }
    let mut denied = profile.deny.exec.iter().filter(|glob| hits(glob)).fold(0, |all, _| all | EXEC);
    for rule in profile.deny.files.iter().filter(|rule| hits(&rule.path)) {
        denied |= rule.access;
    }
    if denied & (WRITE | APPEND) != 0 {
        denied |= WRITE | APPEND;
    }
    if (grant.container | denied) & EXEC != 0 {
        grant.parents = 0;
    }
    grant.container &= !denied;
    grant.session &= !denied;
    for side in [&mut grant.container, &mut grant.session] {
        if *side & EXEC == 0 {
            *side &= !DRIFT;
        }
    }
    (grant.denied, grant.session_denied) = (denied, denied);
    grant
}

fn globs(random: &mut Random, most: usize) -> Vec<String> {
    let globs = (0..random.below(most + 1)).map(|_| random.glob()).collect::<Vec<_>>();
    globs.into_iter().filter(|glob| glob::parse(glob, glob::Kind::Path).is_ok()).collect()
}

fn files(random: &mut Random, most: usize) -> Vec<FileRule> {
    let accesses = [READ, WRITE, READ | APPEND, CREATE, MAP | READ, ATTR, APPEND];
    globs(random, most).into_iter().map(|glob| FileRule::new(glob, accesses[random.below(7)])).collect()
}

fn profile(random: &mut Random) -> Profile {
    let mut profile = Profile::new("test", Mode::Enforce);
    profile.files = files(random, 4);
    profile.sessions.files = files(random, 1);
    profile.sessions.exec = globs(random, 1);
    profile.deny.files = files(random, 2);
    profile.deny.exec = globs(random, 1);
    profile.exec = globs(random, 3).into_iter().map(ExecRule::new).collect();
    for rule in &mut profile.exec {
        rule.parents = globs(random, 2);
        if rule.parents.is_empty() && random.below(2) == 0 {
            rule.from = Provenance::Any;
        }
    }
    profile
}

fn all_globs(profile: &Profile) -> Vec<String> {
    let files = [&profile.files, &profile.sessions.files, &profile.deny.files].into_iter().flatten();
    let exec = profile.exec.iter().flat_map(|rule| rule.parents.iter().chain([&rule.path]));
    let all = files.map(|rule| &rule.path).chain(exec).chain(&profile.deny.exec);
    all.chain(&profile.sessions.exec).cloned().collect()
}

fn walked(policy: &Policy, path: &[u8]) -> Grant {
    let start = policy.table().start(StartKind::Path);
    policy.table().grant(path.iter().fold(start, |state, byte| policy.table().next(state, *byte)))
}

#[test]
fn all_agree() {
    let mut random = Random::new(77);
    let (mut total, mut some, mut denials, mut conditional) = (0, 0, 0, 0);
    for _ in 0..500 {
        let profile = profile(&mut random);
        let policy = policy(&profile);
        assert_eq!(compile_table(&profile).unwrap().words(), policy.words());
        let globs = all_globs(&profile);
        let mut last = b"/a".to_vec();
        for _ in 0..20 {
            let path = match globs.len() {
                0 => random.path(),
                _ if random.below(4) == 0 => random.path(),
                len => {
                    let glob = random.below(len);
                    random.path_like(&globs[glob])
                }
            };
            let wanted = expected(&profile, &path);
            let shown = || format!("{profile:#?} on {}", path.escape_ascii());
            assert_eq!(walked(&policy, &path), wanted, "table of {}", shown());
            assert_eq!(policy.attributed(&Object::Path(&path)), wanted, "rules of {}", shown());
            judged(&policy, &path, &last, &wanted, &expected(&profile, &last));
            total += 1;
            some += usize::from(wanted != Grant::default());
            denials += usize::from(wanted.denied != 0);
            conditional += usize::from(wanted.parents != 0);
            last = path;
        }
    }
    assert!(
        some * 10 > total * 3 && denials * 10 > total && conditional * 50 > total,
        "{some} {denials} {conditional}"
    );
}

/// The answers, with the rules that they name.
fn judged(policy: &Policy, path: &[u8], parent: &[u8], wanted: &Grant, by: &Grant) {
    for session in [false, true] {
        let (granted, denied) =
            if session { (wanted.session, wanted.session_denied) } else { (wanted.container, wanted.denied) };
        let reason = |access: u32, granted: u32| match () {
            () if access & denied != 0 => Reason::DenyRule,
            () if access & !granted == DRIFT => Reason::NotFromImage,
            () if access & !granted != 0 => Reason::NoRule,
            () => Reason::Rule,
        };
        for access in [READ, WRITE, EXEC, EXEC | DRIFT, READ | APPEND] {
            let decision = policy.decide(&Object::Path(path), access, session);
            assert_eq!((decision.reason, decision.missing), (reason(access, granted), access & !granted));
            let by_a_rule = matches!(decision.reason, Reason::Rule | Reason::DenyRule);
            assert_eq!(decision.rule.is_some(), by_a_rule);
            let denies = decision.rule.is_some_and(|rule| rule.section.denies());
            assert_eq!(denies, decision.reason == Reason::DenyRule);
        }
        let granted = granted | if wanted.parents & by.member == 0 { 0 } else { EXEC };
        for access in [EXEC, EXEC | DRIFT] {
            assert_eq!(
                policy
                    .decide_exec(path, access, &Start { parent: Some(parent), content: None }, session)
                    .reason,
                reason(access, granted)
            );
        }
    }
}
