//! Tests of what is written down.

use std::path::PathBuf;

use stockade_abi::event::EventHeader;
use stockade_abi::reason::Reason;

use super::super::catalog::{Catalog, Source, judge};
use super::super::core::tests::{Fake, yaml};
use super::*;
use crate::events::log::FILE;
use crate::events::record::Record;
use crate::events::render::tests::header;
use crate::testing::TempDir;

fn bytes(change: impl FnOnce(&mut EventHeader), object: &[u8]) -> Vec<u8> {
    let mut h = header();
    h.object_len = u32::try_from(object.len()).unwrap();
    change(&mut h);
    let mut out = Vec::new();
    for word in [h.time_ns, h.subject, h.generation] {
        out.extend(word.to_ne_bytes());
    }
    for word in [h.pid, h.tid, h.ppid, h.uid, h.policy, h.flags, h.access, h.missing] {
        out.extend(word.to_ne_bytes());
    }
    out.extend([h.operation, h.verdict, h.reason, h.mode, h.view, h.reserved]);
    out.extend(h.skip.to_ne_bytes());
    out.extend(h.object_len.to_ne_bytes());
    out.extend(h.reserved2.to_ne_bytes());
    out.extend(h.comm);
    out.extend(object);
    out
}

fn recorder(dir: &TempDir) -> Recorder<Fake> {
    let mut core = Core::recover(Fake::default(), Store::in_memory(), true).unwrap();
    let sources = vec![Source {
        path: PathBuf::from("/p/web.yaml"),
        text: Ok(yaml("web", "learn", "/a").into_bytes()),
    }];
    let (catalog, tables) = judge(sources, &Catalog::default());
    core.apply(catalog, tables, true).unwrap();
    let store = Store::open(dir.path()).unwrap();
    Recorder::new(Arc::new(Mutex::new(core)), Arc::default(), Log::new(dir.path(), 1 << 20), store)
}

fn lines(dir: &TempDir) -> Vec<Record> {
    let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn learned(header: &mut EventHeader) {
    header.mode = Mode::Learn as u8;
    header.verdict = Verdict::Allowed as u8;
}

#[test]
fn denials_go_to_the_log_and_equal_ones_together() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    let denied = bytes(|_| {}, b"/etc/shadow");
    let other = bytes(|h| h.verdict = Verdict::WouldDeny as u8, b"/etc/shadow");
    recorder.take(&[denied.clone(), other, denied]);
    let lines = lines(&dir);
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[0].verdict.as_str(), lines[0].count), ("denied", 2));
    assert_eq!((lines[1].verdict.as_str(), lines[1].count), ("would-deny", 1));
    assert_eq!(lines[0].profile.as_deref(), Some("web"));
    assert_eq!(lines[0].subject.id, "cgroup:42");
    recorder.flush();
    assert!(recorder.store.seen("web", false).unwrap().is_empty());
}

#[test]
fn a_demotion_is_written_down() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    let text = yaml("web", "enforce", "/a")
        .replace("name: web }", "name: web, annotations: { stockade.dev/breaker: 3 in 60s } }");
    let sources = vec![Source { path: PathBuf::from("/p/web.yaml"), text: Ok(text.into_bytes()) }];
    let (catalog, tables) = judge(sources, &Catalog::default());
    locked(&recorder.core).apply(catalog, tables, false).unwrap();
    let slot = header().policy;
    assert!(locked(&recorder.core).who(0, slot, 0).profile.is_some());
    recorder.take(&vec![bytes(|_| {}, b"/etc/shadow"); 3]);
    recorder.flush();
    let lines = lines(&dir);
    assert_eq!((lines[1].kind.as_str(), lines[1].reason.as_str()), ("breaker", "3 denials in 60 s"));
}

#[test]
fn observations_go_to_the_database() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    recorder.take(&[bytes(learned, b"/data/a"), bytes(learned, b"/data/b"), bytes(learned, b"/data/a")]);
    recorder.flush();
    assert!(lines(&dir).is_empty());
    let seen = recorder.store.seen("web", false).unwrap();
    let objects: Vec<&[u8]> = seen.iter().map(|one| one.object.as_slice()).collect();
    assert_eq!(objects, [b"/data/a", b"/data/b"]);
    assert_eq!(recorder.store.baselines().unwrap()[0].incomplete_since, None);
}

#[test]
fn what_was_not_seen_whole_spoils_the_baseline() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    let cut = |h: &mut EventHeader| {
        learned(h);
        h.reason = Reason::PathTooLong as u8;
    };
    recorder.take(&[bytes(cut, b"/data/a")]);
    recorder.flush();
    assert_eq!(lines(&dir)[0].reason, "path-too-long");
    assert!(recorder.store.seen("web", false).unwrap().is_empty());
    let baseline = recorder.store.baselines().unwrap().remove(0);
    assert!(baseline.incomplete_reason.unwrap().contains("path-too-long"));
}

#[test]
fn records_that_cannot_be_read_are_counted() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    recorder.take(&[vec![1, 2, 3], bytes(|h| h.verdict = 9, b"/a")]);
    recorder.flush();
    assert_eq!(locked(&recorder.status).bad_records, 2);
    assert!(recorder.store.baselines().unwrap()[0].incomplete_reason.is_some());
}

#[test]
fn a_hundred_thousand_names_lose_nothing() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    let names: Vec<u32> = (0..100_000).collect();
    for batch in names.chunks(1000) {
        let batch: Vec<Vec<u8>> =
            batch.iter().map(|n| bytes(learned, format!("/var/cache/app/{n}").as_bytes())).collect();
        recorder.take(&batch);
        // At twice the rate that is asked for, the agent would have written more often.
        if recorder.pending.len() >= 20_000 {
            recorder.flush();
        }
    }
    recorder.flush();
    assert_eq!(locked(&recorder.status).observations_lost, 0);
    let baseline = recorder.store.baselines().unwrap().remove(0);
    assert_eq!((baseline.observations, baseline.incomplete_reason), (100_000, None));
}

#[test]
fn names_that_find_no_room_are_counted_and_mark_the_baseline() {
    let dir = TempDir::new("recorder");
    let mut recorder = recorder(&dir);
    let more = u32::try_from(PENDING_MAX).unwrap() + 100;
    let names: Vec<Vec<u8>> =
        (0..more).map(|n| bytes(learned, format!("/var/cache/app/{n}").as_bytes())).collect();
    recorder.take(&names);
    assert_eq!(locked(&recorder.status).observations_lost, 100);
    recorder.flush();
    let baseline = recorder.store.baselines().unwrap().remove(0);
    assert_eq!(baseline.observations, PENDING_MAX as u64);
    assert_eq!(baseline.incomplete_reason.as_deref(), Some("observations could not be stored"));
}
