//! Health probes: sessions that belong to the workload.
//!
//! A probe enters the container from outside, as a person does. What tells them apart is not how they behave,
//! which a person can do as well, but that somebody has named the probe's program, in the profile's annotation
//! `stockade.dev/probes`. What probes do becomes rules for sessions; what only people do, never does.

use std::collections::BTreeSet;

use stockade_abi::reason::Operation;

use super::Seen;
use super::few::KEPT;
use super::generalise::generalise;
use super::how::How;
use crate::profile::Profile;

/// The annotation: paths of programs, with spaces between.
pub const ANNOTATION: &str = "stockade.dev/probes";

fn named(profile: &Profile) -> Vec<&str> {
    profile.annotations.get(ANNOTATION).map_or_else(Vec::new, |text| text.split_ascii_whitespace().collect())
}

/// Whether `exe`, as an observation names it, may be the program at `path`. A process that was gone has only the
/// name of its thread, of which the kernel keeps 15 bytes.
fn is_program(exe: &str, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let thread = exe.strip_prefix('(').and_then(|name| name.strip_suffix(')'));
    exe == path || thread.is_some_and(|thread| thread == name.get(..15).unwrap_or(name))
}

fn of_probe(seen: &Seen, probes: &[&str]) -> bool {
    let evidence = &seen.evidence;
    probes.iter().any(|probe| {
        (seen.operation == Operation::Exec && seen.object == probe.as_bytes())
            || evidence.exe.iter().chain(&evidence.parent).any(|exe| is_program(exe, probe))
    })
}

/// The profile with rules for what its probes did, of what sessions did.
pub fn with_probes(mut profile: Profile, of_sessions: &[Seen]) -> Profile {
    let probes = named(&profile);
    let seen: Vec<Seen> = of_sessions.iter().filter(|seen| of_probe(seen, &probes)).cloned().collect();
    if seen.is_empty() {
        return profile;
    }
    let rules = generalise(&seen, How::default());
    profile.change_own(|own| {
        for rule in rules.exec {
            if !own.sessions.exec.contains(&rule.path) {
                own.sessions.exec.push(rule.path);
            }
        }
        for rule in rules.files {
            match own.sessions.files.iter_mut().find(|known| known.path == rule.path) {
                Some(known) => known.access |= rule.access,
                None => own.sessions.files.push(rule),
            }
        }
        // There are no peers that only sessions may speak to.
        for rule in rules.peers {
            if !own.peers.contains(&rule) {
                own.peers.push(rule);
            }
        }
    });
    profile
}

/// Programs that sessions start again and again, and that nobody has named: they may be probes.
pub fn suspects(profile: Option<&Profile>, of_sessions: &[Seen]) -> Vec<String> {
    let probes = profile.map(named).unwrap_or_default();
    let mut often = BTreeSet::new();
    for seen in of_sessions.iter().filter(|seen| seen.operation == Operation::Exec) {
        // Started in as many windows as are told apart.
        let recurs = seen.evidence.windows.len() >= KEPT;
        if recurs
            && let Ok(path) = std::str::from_utf8(&seen.object)
            && !of_probe(seen, &probes)
        {
            often.insert(path.to_owned());
        }
    }
    often.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{CONNECT, EXEC, READ};
    use stockade_abi::reason::Mode;

    use super::super::evidence::Evidence;
    use super::*;
    use crate::profile::FileRule;

    fn seen(operation: Operation, access: u32, object: &[u8], exe: &str, windows: i64) -> Seen {
        let evidence =
            Evidence { exe: Some(exe.to_owned()), windows: (0..windows).collect(), ..Evidence::default() };
        Seen { operation, access, object: object.to_vec(), evidence }
    }

    #[test]
    fn only_named_programs_are_probes() {
        let all = [
            seen(Operation::Exec, EXEC, b"/usr/bin/pg_isready", "/usr/bin/crun", 9),
            seen(Operation::File, READ, b"/etc/ssl/openssl.cnf", "(pg_isready)", 9),
            seen(Operation::Connect, CONNECT, b"u/run/postgresql/.s.PGSQL.5432", "/usr/bin/pg_isready", 9),
            seen(Operation::Exec, EXEC, b"/bin/bash", "/usr/bin/crun", 9),
            seen(Operation::File, READ, b"/etc/shadow", "/bin/bash", 2),
        ];
        let mut profile = Profile::new("db", Mode::Enforce);
        assert_eq!(with_probes(profile.clone(), &all), profile);
        assert_eq!(suspects(Some(&profile), &all), ["/bin/bash", "/usr/bin/pg_isready"]);
        profile.annotations.insert(ANNOTATION.to_owned(), "/usr/bin/pg_isready".to_owned());
        let with = with_probes(profile.clone(), &all);
        assert_eq!(with.sessions.exec, ["/usr/bin/pg_isready"]);
        assert_eq!(with.sessions.files, [FileRule::new("/etc/ssl/openssl.cnf", READ)]);
        assert_eq!(with.peers.len(), 1);
        assert_eq!(with_probes(with.clone(), &all), with);
        assert_eq!(suspects(Some(&profile), &all), ["/bin/bash"]);
    }
}
