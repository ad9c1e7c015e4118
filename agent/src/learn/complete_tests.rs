//! Tests of what counts as complete.

use stockade_abi::access::{CREATE, DRIFT, EXEC, MAP, READ};
use stockade_abi::reason::Operation;

use super::super::evidence::tests::Dice;
use super::super::evidence::unit;
use super::*;
use crate::compile::{Object, compile};
use crate::learn::export::export;
use crate::profile::FileRule;

/// A program that is watched: windows of a second, in runs.
#[derive(Default)]
struct World {
    baseline: Baseline,
    now_ms: i64,
}

impl World {
    fn start(&mut self) -> i64 {
        let id = format!("run@{}", self.now_ms);
        let number = run_number(&id);
        self.baseline.runs.push(Run {
            id,
            subject: "web".to_owned(),
            image: None,
            started: self.now_ms / 1000,
            ended: None,
            from_start: true,
            session_at: None,
        });
        self.window(number, &["/bin/app", "/etc/app.conf"]);
        number
    }

    fn window(&mut self, run: i64, paths: &[&str]) {
        let started_ms = self.now_ms;
        self.now_ms += 1000;
        self.baseline.windows.push(Window { node: "n".to_owned(), started_ms, length_ms: 1000, units: 1 });
        for path in paths {
            let at = started_ms / 1000;
            let evidence = Evidence {
                first: at,
                last: at,
                count: 1,
                windows: [unit(started_ms, run)].into_iter().collect(),
                runs: [run].into_iter().collect(),
                phases: Phase::Steady as u8,
                ..Evidence::default()
            };
            match self.baseline.seen.iter_mut().find(|seen| seen.object == path.as_bytes()) {
                Some(seen) => seen.evidence.add(&evidence),
                None => self.baseline.seen.push(Seen {
                    operation: Operation::File,
                    access: READ,
                    object: path.as_bytes().to_vec(),
                    evidence,
                }),
            }
        }
    }

    fn stop(&mut self) {
        let ended = self.now_ms / 1000;
        if let Some(run) = self.baseline.runs.last_mut() {
            run.ended = Some(ended);
        }
    }

    fn lives(runs: usize, windows: usize) -> Self {
        let mut world = Self { now_ms: 1_700_000_000_000, ..Self::default() };
        for _ in 0..runs {
            let run = world.start();
            for _ in 0..windows {
                world.window(run, &["/srv/index.html"]);
            }
            world.stop();
        }
        world
    }

    fn missing(&self) -> Vec<String> {
        complete(&self.baseline, None, LIMIT, How::default()).missing
    }
}

#[test]
fn three_quiet_lives_are_enough() {
    let world = World::lives(3, 30);
    let complete = complete(&world.baseline, None, LIMIT, How::default());
    assert_eq!(complete.missing, [] as [String; 0]);
    assert!(complete.ready() && complete.windows.bound() < LIMIT);
    assert_eq!((complete.rules, complete.windows.units), (3, 93));
}

#[test]
fn each_gap_is_named() {
    assert_eq!(World::default().missing(), ["nothing was recorded: run it under mode learn"]);
    assert_eq!(World::lives(2, 60).missing(), ["2 of 3 starts seen: restart it"]);
    let mut world = World::lives(3, 30);
    world.baseline.loss = Some(Loss { at: 0, reason: "9 events lost".to_owned() });
    assert!(
        world.missing()[0].starts_with("9 events lost since 1970-01-01T00:00:00Z"),
        "{:?}",
        world.missing()
    );
    let mut world = World::lives(3, 30);
    for run in &mut world.baseline.runs {
        run.ended = None;
    }
    assert_eq!(world.missing(), ["no shutdown was seen: stop it once"]);
    let last = world.now_ms / 1000;
    world.baseline.runs[2].session_at = Some(last);
    assert!(world.missing().contains(&"a session is open in web: close it".to_owned()));
    for run in &mut world.baseline.runs {
        run.from_start = false;
    }
    assert!(world.missing()[0].starts_with("no start-up was seen"), "{:?}", world.missing());
}

#[test]
fn too_little_exposure_and_recent_growth_wait() {
    let few = World::lives(3, 5);
    assert_eq!(few.missing().len(), 1, "{:?}", few.missing());
    assert!(few.missing()[0].contains("42 s of work"), "{:?}", few.missing());
    let mut grown = World::lives(3, 60);
    let run = grown.start();
    grown.window(run, &["/srv/new"]);
    grown.stop();
    let answer = complete(&grown.baseline, None, LIMIT, How::default());
    assert!(
        answer.missing.len() == 1
            && answer.missing[0].starts_with("something new (read /srv/new) came 0 s of work ago")
    );
    assert!(
        answer.ready_in_s.is_some_and(|seconds| (180..190).contains(&seconds)),
        "{:?}",
        answer.ready_in_s
    );
    // Allowed already, it is not new.
    let mut current = Profile::new("web", Mode::Learn);
    current.files.push(FileRule::new("/srv/new", READ));
    assert!(complete(&grown.baseline, Some(&current), LIMIT, How::default()).ready());
}

#[test]
fn a_start_that_brings_something_new_wants_another() {
    let mut world = World::lives(3, 60);
    let run = run_number(&world.baseline.runs[2].id);
    let extra = Evidence {
        windows: [unit(1, run), unit(2, run)].into_iter().collect(),
        runs: [run].into_iter().collect(),
        phases: Phase::Startup as u8,
        ..Evidence::default()
    };
    let object = b"/var/lib/app/dump".to_vec();
    world.baseline.seen.push(Seen { operation: Operation::File, access: READ, object, evidence: extra });
    assert_eq!(
        world.missing(),
        ["the last start or shutdown brought 1 new thing (read /var/lib/app/dump): restart it once more"]
    );
    world.start();
    world.stop();
    assert!(complete(&world.baseline, None, LIMIT, How::default()).ready());
}

/// Rare paths are hidden in a workload: wherever the answer is "ready", the windows that follow must hold
/// something that the profile denies no more often than the bound says.
#[test]
fn ready_is_a_promise_that_is_kept() {
    let mut dice = Dice(3);
    let (mut ready, mut broken) = (0_u32, 0_u32);
    for round in 0..40 {
        let rates: Vec<f64> =
            (1..=30).map(|rank| (0.8 / f64::from(rank).powf(1.0 + f64::from(round % 3))).min(1.0)).collect();
        let mut world = World { now_ms: 1_700_000_000_000, ..World::default() };
        let mut answer = None;
        for life in 0..12 {
            let run = world.start();
            for _ in 0..40 {
                let done: Vec<String> = did(&rates, &mut dice);
                world.window(run, &done.iter().map(String::as_str).collect::<Vec<_>>());
            }
            world.stop();
            let found = complete(&world.baseline, None, LIMIT, How::default());
            if found.ready() {
                answer = Some((life, found));
                break;
            }
        }
        let Some((_, found)) = answer else { continue };
        ready += 1;
        let proposed = export("web", Mode::Enforce, None, &world.baseline.seen, None, How::default()).profile;
        let policy = compile(&proposed, Mode::Enforce).unwrap();
        let next = 2000;
        let new = (0..next).filter(|_| {
            did(&rates, &mut dice)
                .iter()
                .any(|path| policy.granted(&Object::Path(path.as_bytes())) & READ == 0)
        });
        let share = f64::from(u32::try_from(new.count()).unwrap()) / f64::from(next);
        broken += u32::from(share > found.windows.bound());
    }
    assert!(ready >= 20, "only {ready} of 40 became ready");
    assert!(broken * 20 <= ready + 20, "{broken} of {ready} promises were broken");
}

fn did(rates: &[f64], dice: &mut Dice) -> Vec<String> {
    let letter = |index: usize| char::from(b'a' + u8::try_from(index % 26).unwrap());
    let name = |index: usize| format!("/srv/{}{}", letter(index), letter(index / 26));
    (0..rates.len()).filter(|index| dice.fraction() < rates[*index]).map(name).collect()
}

#[test]
fn a_facility_waits_for_a_person() {
    let mut world = World::lives(3, 30);
    let evidence = world.baseline.seen[0].evidence.clone();
    let object = b"raw_sockets".to_vec();
    world.baseline.seen.push(Seen { operation: Operation::Facility, access: 0, object, evidence });
    let missing = world.missing();
    assert!(missing.len() == 1 && missing[0].starts_with("facility raw_sockets was used"), "{missing:?}");

    let decided = |spec: &str| {
        let head = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: learn\n";
        let profile = crate::profile::parse("web.yaml", &format!("{head}{spec}")).unwrap().profile;
        complete(&world.baseline, Some(&profile), LIMIT, How::default()).missing
    };
    assert_eq!(decided("  facilities: [raw_sockets]\n"), [] as [String; 0]);
    assert_eq!(decided("  deny:\n    facilities: [raw_sockets]\n"), [] as [String; 0]);
    assert_eq!(decided("  facilities: [mount]\n"), missing);
}

#[test]
fn so_does_what_does_not_come_from_the_image() {
    let mut world = World::lives(3, 30);
    let evidence = world.baseline.seen[0].evidence.clone();
    let object = b"/tmp/unpacked".to_vec();
    world.baseline.seen.push(Seen { operation: Operation::Exec, access: EXEC | DRIFT, object, evidence });
    let missing = world.missing();
    assert!(missing.len() == 1 && missing[0].starts_with("/tmp/unpacked was started"), "{missing:?}");

    let with = |spec: &str| {
        let head = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: { name: web }\nspec:\n  mode: learn\n";
        crate::profile::parse("web.yaml", &format!("{head}{spec}")).unwrap().profile
    };
    let decided = |spec: &str| complete(&world.baseline, Some(&with(spec)), LIMIT, How::default()).missing;
    assert_eq!(decided("  exec: [{ path: /tmp/unpacked, from: any }]\n"), [] as [String; 0]);
    assert_eq!(decided("  deny:\n    exec: [/tmp/unpacked]\n"), [] as [String; 0]);
    assert_eq!(decided("  exec: [{ path: /tmp/unpacked }]\n"), missing);
    // It is proposed by nothing that learning writes.
    let export = export("web", Mode::Enforce, None, &world.baseline.seen, None, How::default());
    assert!(export.made_code.started.contains_key(&b"/tmp/unpacked"[..]));
    assert!(
        export.yaml.contains("# /tmp/unpacked was started") && !export.yaml.contains("path: /tmp/unpacked")
    );
}

#[test]
fn what_is_mapped_under_a_new_name_each_time_waits_for_a_person_alone() {
    let mut world = World::lives(3, 60);
    for run in world.baseline.runs.clone() {
        let number = run_number(&run.id);
        let evidence = Evidence {
            windows: [unit(run.started * 1000, number)].into_iter().collect(),
            runs: [number].into_iter().collect(),
            phases: Phase::Startup as u8,
            ..Evidence::default()
        };
        let object = format!("/tmp/native-{}918273.so", run.started).into_bytes();
        let (operation, access) = (Operation::File, READ | CREATE | MAP);
        world.baseline.seen.push(Seen { operation, access, object, evidence });
    }
    let missing = world.missing();
    let glob = "3 files /tmp/native-[0-9]*.so were made and mapped as code";
    assert!(missing.len() == 1 && missing[0].starts_with(glob), "{missing:?}");
    let mut current = Profile::new("web", Mode::Learn);
    current.files.push(FileRule::new("/tmp/native-*.so", MAP));
    assert!(complete(&world.baseline, Some(&current), LIMIT, How::default()).ready());
}
