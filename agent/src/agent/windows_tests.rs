//! Tests of windows and lives.

use super::super::core::tests::{apply, bind, core, yaml};
use super::*;
use crate::learn::evidence::run_number;

const BUSY: Glance = Glance { cpu_usec: None, session: false };

fn learning() -> Core<super::super::core::tests::Fake> {
    let mut core = core();
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "learn", "/a"))], true);
    core
}

#[test]
fn a_window_is_a_generation() {
    let mut core = learning();
    bind(&mut core, 7, "web").unwrap();
    let slot = core.subjects[&7].slot;
    let began = core.live[&slot].watch.windows.back().unwrap().1;
    let first = core.rows[&slot].generation;
    core.turn_windows(began + 900, |_| BUSY);
    assert_eq!(core.rows[&slot].generation, first);
    core.turn_windows(began + 1000, |_| BUSY);
    let second = core.rows[&slot].generation;
    assert!(second > first);
    assert_eq!(core.kernel.policies[&slot].0, second);
    assert_eq!(core.who(7, slot, first).window_ms, Some(began));
    assert_eq!(core.who(7, slot, second).window_ms, Some(began + 1000));
    assert_eq!(core.who(7, slot, 0).window_ms, None);
    let windows = core.store.windows("web").unwrap();
    assert_eq!((windows.len(), windows[0].length_ms, windows[0].units), (1, 1000, 1));
}

#[test]
fn idle_time_teaches_nothing() {
    let mut core = learning();
    bind(&mut core, 7, "web").unwrap();
    bind(&mut core, 8, "web").unwrap();
    let slot = core.subjects[&7].slot;
    let mut at = core.live[&slot].watch.windows.back().unwrap().1;
    let mut turn = |core: &mut Core<_>, usec: [u64; 2]| {
        at += 1000;
        let index = |row: &SubjectRow| usize::from(row.cgroup == 8);
        core.turn_windows(at, |row| Glance { cpu_usec: Some(usec[index(row)]), session: row.cgroup == 8 });
    };
    turn(&mut core, [5000, 9000]);
    turn(&mut core, [5100, 9900]);
    turn(&mut core, [5150, 9950]);
    let units: Vec<i64> = core.store.windows("web").unwrap().iter().map(|window| window.units).collect();
    assert_eq!(units, [2, 1]);
    let sessions: Vec<bool> =
        core.store.runs("web").unwrap().iter().map(|run| run.session_at.is_some()).collect();
    assert_eq!(sessions, [false, true]);
}

#[test]
fn ticks_that_come_early_make_no_window_longer() {
    let mut core = learning();
    bind(&mut core, 7, "web").unwrap();
    let slot = core.subjects[&7].slot;
    let began = core.live[&slot].watch.windows.back().unwrap().1;
    for tick in 1..=40 {
        let early = if tick % 3 == 0 { 9 } else { 0 };
        core.turn_windows(began + tick * 250 - early, |_| BUSY);
    }
    let lengths: Vec<i64> =
        core.store.windows("web").unwrap().iter().map(|window| window.length_ms).collect();
    assert_eq!(lengths.len(), 10, "{lengths:?}");
}

#[test]
fn windows_grow_with_what_was_seen() {
    let mut core = learning();
    bind(&mut core, 7, "web").unwrap();
    let slot = core.subjects[&7].slot;
    core.live.get_mut(&slot).unwrap().watch.exposure_ms = Some(PART * 5000);
    let began = core.live[&slot].watch.windows.back().unwrap().1;
    core.turn_windows(began + 4900, |_| BUSY);
    assert_eq!(core.store.windows("web").unwrap(), []);
    core.turn_windows(began + 5000, |_| BUSY);
    assert_eq!(core.store.windows("web").unwrap().len(), 1);
}

#[test]
fn lives_are_recorded_from_birth_to_death() {
    let mut core = learning();
    bind(&mut core, 7, "web").unwrap();
    let slot = core.subjects[&7].slot;
    let who = core.who(7, slot, 0);
    let run = core.store.runs("web").unwrap().remove(0);
    assert_eq!(who.run.unwrap().number, run_number(&run.id));
    assert!(run.from_start && run.ended.is_none());
    core.sweep(500, |_| true).unwrap();
    assert_eq!(core.store.runs("web").unwrap()[0].ended, Some(500));
    // It was over before a window counted it.
    let began = core.live[&slot].watch.windows.back().unwrap().1;
    core.turn_windows(began + 1000, |_| BUSY);
    assert_eq!(core.store.windows("web").unwrap()[0].units, 1);
    // Under another mode nothing is recorded, and who runs already was not seen from the start.
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "enforce", "/a"))], false);
    bind(&mut core, 9, "web").unwrap();
    assert_eq!(core.store.runs("web").unwrap().len(), 1);
    apply(&mut core, &[("/p/web.yaml", &yaml("web", "learn", "/a"))], false);
    core.turn_windows(began + 2000, |_| BUSY);
    let runs = core.store.runs("web").unwrap();
    assert_eq!(runs.iter().map(|run| run.from_start).filter(|from_start| !from_start).count(), 1);
}
