//! Tests with baselines of real servers, a Python application and a batch job, recorded in a guest: Debian 12's packages
//! in podman containers, three or more lives of about 25 seconds under a small workload. Of the longer ones three windows
//! and runs of each observation are left, and of the names that `sort` makes up in the batch job, one in eight.

use stockade_abi::access::{AccessSet, CREATE, EXEC, MAP, READ, WRITE};
use stockade_abi::peer;
use stockade_abi::reason::{Mode, Verdict};

use super::Seen;
use super::complete::{Baseline, LIMIT, complete};
use super::evidence::{run_number, unit, unit_start_ms};
use super::export::export;
use super::how::How;
use super::transfer::Transfer;
use crate::compile::{Object, Policy, compile};
use crate::profile::{self, Finding, Profile, Weight};

const RECORDED: [(&str, &str, &str); 5] = [
    ("batch", include_str!("recorded/batch.jsonl"), include_str!("../../../profiles/batch.yaml")),
    ("nginx", include_str!("recorded/nginx.jsonl"), include_str!("../../../profiles/nginx.yaml")),
    ("postgres", include_str!("recorded/postgres.jsonl"), include_str!("../../../profiles/postgres.yaml")),
    (
        "python-web",
        include_str!("recorded/python-web.jsonl"),
        include_str!("../../../profiles/python-web.yaml"),
    ),
    ("redis", include_str!("recorded/redis.jsonl"), include_str!("../../../profiles/redis.yaml")),
];

fn baseline(text: &str) -> Baseline {
    Transfer::read(text.as_bytes()).unwrap().baseline()
}

fn policy(profile: &Profile) -> Policy {
    compile(profile, Mode::Enforce).unwrap()
}

fn denied(policy: &Policy, seen: &[Seen]) -> Vec<String> {
    let allows = |one: &&Seen| {
        let Some((object, access)) = one.question() else { return true };
        policy.decide(&object, access, false).verdict == Verdict::Allowed
    };
    let words = |access: AccessSet| stockade_abi::access::words(access).collect::<Vec<_>>().join(",");
    let denied = seen.iter().filter(|one| !allows(one));
    denied.map(|one| format!("{} {}", words(one.access), one.object.escape_ascii())).collect()
}

/// What was known, and what had been looked at, when `windows` windows were over.
fn until(baseline: &Baseline, windows: usize) -> Baseline {
    let mut part = baseline.clone();
    part.windows.truncate(windows);
    let end = baseline.windows.get(windows).map_or(i64::MAX, |window| window.started_ms);
    part.runs.retain(|run| run.started.saturating_mul(1000) < end);
    for run in &mut part.runs {
        run.ended = run.ended.filter(|ended| ended.saturating_mul(1000) <= end);
    }
    part.seen.retain_mut(|seen| {
        let evidence = &mut seen.evidence;
        evidence.windows = evidence.windows.iter().filter(|unit| unit_start_ms(*unit) < end).collect();
        evidence.last = evidence.last.min(end / 1000);
        // Of the runs some are kept; the windows say which others it was in.
        let was_in =
            |number: i64| evidence.windows.iter().any(|window| window == unit(unit_start_ms(window), number));
        let kept = |number: &i64| evidence.runs.iter().any(|run| run == *number) || was_in(*number);
        evidence.runs = part.runs.iter().map(|run| run_number(&run.id)).filter(kept).collect();
        !evidence.windows.is_empty()
    });
    part
}

#[test]
fn profiles_are_short_and_allow_what_was_recorded() {
    for (name, text, _) in RECORDED {
        let baseline = baseline(text);
        let found = complete(&baseline, None, LIMIT, How::default());
        assert!(found.ready(), "{name}: {:?}", found.missing);
        assert!(found.rules <= 60, "{name}: {} rules", found.rules);
        let proposed = export(name, Mode::Enforce, None, &baseline.seen, None, How::default()).profile;
        assert_eq!(denied(&policy(&proposed), &baseline.seen), [] as [String; 0], "{name}");
        assert!(proposed.exec.iter().all(|rule| !rule.path.contains('*')), "{name}: {:?}", proposed.exec);
    }
}

#[test]
fn shipped_profiles_allow_what_was_recorded() {
    for (name, text, shipped) in RECORDED {
        let shipped = profile::parse(name, shipped).unwrap().profile;
        let mut denied = denied(&policy(&shipped), &baseline(text).seen);
        // The guest's own: it lets everybody in without a password.
        denied.retain(|what| what != "read /hba.conf");
        assert_eq!(denied, [] as [String; 0], "{name}");
    }
}

/// What somebody who broke in would try first, asked of all of them.
#[test]
fn shipped_profiles_do_not_serve_an_intruder() {
    let unwanted = [
        (EXEC, "/usr/bin/id /usr/bin/curl /usr/bin/perl /tmp/tmp.abcdef /data/out/x /var/lib/app/x"),
        (MAP, "/tmp/x.so /data/out/x.so /var/lib/app/x.so"),
        (READ, "/etc/shadow /root/.ssh/id_rsa /home/a/.aws/credentials /proc/1/environ /dev/sda"),
        (WRITE | CREATE, "/etc/passwd /etc/ld.so.preload /srv/app/app.py /srv/batch/job /usr/bin/gzip"),
    ];
    let questions =
        || unwanted.iter().flat_map(|(access, paths)| paths.split(' ').map(move |path| (*access, path)));
    for (name, _, shipped) in RECORDED {
        let parsed = profile::parse(name, shipped).unwrap();
        assert_eq!((parsed.profile.name.as_str(), parsed.profile.mode), (name, Mode::Enforce));
        let warnings: Vec<String> = parsed
            .findings
            .iter()
            .filter(|finding| finding.problem().weight != Weight::Note)
            .map(Finding::line)
            .collect();
        assert_eq!(warnings, [] as [String; 0], "{name}");
        let policy = policy(&parsed.profile);
        let granted = |path: &str| policy.granted(&Object::Path(path.as_bytes()));
        let allowed: Vec<_> = questions().filter(|(access, path)| granted(path) & access != 0).collect();
        assert_eq!(allowed, [], "{name}");
        let elsewhere = [peer::V4, peer::TCP, 192, 0, 2, 1, 0x01, 0xbb];
        assert_eq!(policy.granted(&Object::Peer(&elsewhere)), 0, "{name}");
    }
}

/// At each point of the recording the bound is compared with what came in the very next window.
#[test]
fn the_bound_holds_on_what_was_held_out() {
    for (name, text, _) in RECORDED {
        let baseline = baseline(text);
        let (mut expected, mut came) = (0.0, 0.0);
        let mut denied_after_ready = Vec::new();
        let (mut ready, mut not_ready) = (None, None);
        for windows in (5..baseline.windows.len()).step_by(5) {
            let known = until(&baseline, windows);
            let found = complete(&known, None, LIMIT, How::default());
            let proposed =
                policy(&export(name, Mode::Enforce, None, &known.seen, None, How::default()).profile);
            let next = until(&baseline, windows + 1);
            let new = !denied(&proposed, &next.seen).is_empty();
            expected += found.windows.bound();
            came += if new { 1.0 } else { 0.0 };
            if found.ready() {
                ready = ready.or(Some(windows));
                denied_after_ready.extend(denied(&proposed, &baseline.seen));
            } else {
                not_ready = Some(windows);
            }
        }
        assert!(
            came <= expected,
            "{name}: {came} windows brought something new, the bounds add up to {expected}"
        );
        assert_eq!(denied_after_ready, [] as [String; 0], "{name}: denied after it was ready");
        // What the profile would have allowed all along is nothing new, and takes nothing back.
        let third = baseline.runs.get(2).map_or(0, |run| run.started.saturating_mul(1000));
        let third = baseline.windows.iter().filter(|window| window.started_ms < third).count();
        let soon = 100.max(third + 25);
        assert!(
            ready.is_some_and(|ready| ready <= soon),
            "{name}: ready after {ready:?} windows, not {soon}"
        );
        assert!(not_ready < ready, "{name}: ready after {ready:?} windows, and not after {not_ready:?}");
    }
}
