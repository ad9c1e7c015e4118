//! Tests of the rules that learning proposes.

use stockade_abi::access::{APPEND, CREATE, DELETE, EXEC, MAP, READ, RENAME, WRITE};

use super::super::evidence::Evidence;
use super::super::evidence::tests::Dice;
use super::*;
use crate::image::{Packages, SHARED};

fn file(path: &str, access: AccessSet) -> Seen {
    Seen::bare(Operation::File, access, path)
}

fn own(path: &str, pid: i64) -> Seen {
    let evidence = Evidence { own_pids: [pid].into_iter().collect(), ..Evidence::default() };
    Seen { evidence, ..file(path, WRITE | CREATE) }
}

fn globs(seen: &[Seen]) -> Vec<(String, AccessSet)> {
    generalise(seen, How::default()).files.into_iter().map(|rule| (rule.path, rule.access)).collect()
}

fn paths(seen: &[Seen]) -> Vec<String> {
    globs(seen).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn accesses_of_one_path_become_one_rule() {
    let seen = [file("/var/log/x", CREATE | APPEND), file("/var/log/x", READ)];
    assert_eq!(globs(&seen), [("/var/log/x".to_owned(), READ | CREATE | APPEND)]);
}

#[test]
fn programs_and_libraries_are_named_exactly() {
    let mut seen = Vec::new();
    for n in 0..9 {
        seen.push(file(&format!("/opt/lib{n}.so"), READ | MAP));
        seen.push(Seen { operation: Operation::Exec, access: EXEC, ..file(&format!("/opt/run{n}"), 0) });
        seen.push(file(&format!("/opt/run{n}"), READ));
    }
    let rules = generalise(&seen, How::default());
    assert_eq!((rules.exec.len(), rules.files.len()), (9, 18));
    assert!(rules.files.iter().all(|rule| !rule.path.contains('*')));
}

#[test]
fn other_processes_in_procfs() {
    let seen = [
        file("/proc/17/stat", READ),
        file("/proc/18/stat", READ),
        file("/proc/17/task/19/comm", WRITE),
        file("/proc/self/fd/7", READ),
        file("/proc/sys/kernel/cap_last_cap", READ),
    ];
    assert_eq!(
        paths(&seen),
        [
            "/proc/[0-9]*/stat",
            "/proc/[0-9]*/task/[0-9]*/comm",
            "/proc/self/fd/[0-9]*",
            "/proc/sys/kernel/cap_last_cap"
        ]
    );
}

#[test]
fn series_need_four_names_of_the_same_use() {
    let many: Vec<Seen> = (1..=4).map(|n| file(&format!("/srv/part{n}.dat"), READ)).collect();
    assert_eq!(paths(&many), ["/srv/part[0-9]*.dat"]);
    assert_eq!(paths(&many[..3]).len(), 3);
    let mut mixed = many;
    mixed[0].access = WRITE;
    assert_eq!(paths(&mixed).len(), 4);
}

#[test]
fn guarded_places_are_named_exactly() {
    for dir in ["/etc/x", "/usr/share/x", "/lib/x", "/srv/.ssh"] {
        let seen: Vec<Seen> = (1..=9).map(|n| file(&format!("{dir}/part{n}"), READ | CREATE)).collect();
        assert_eq!(paths(&seen).len(), 9, "{dir}");
    }
    let keys: Vec<Seen> = (1..=9).map(|n| file(&format!("/srv/key{n}"), READ | CREATE)).collect();
    assert_eq!(paths(&keys).len(), 9);
}

#[test]
fn one_temporary_file_is_enough() {
    assert_eq!(
        paths(&[file("/var/lib/nginx/body/0000000001", WRITE | CREATE)]),
        ["/var/lib/nginx/body/[0-9]*"]
    );
    assert_eq!(
        paths(&[file("/var/lib/nginx/proxy/1/00/0000000001", WRITE | CREATE)]),
        ["/var/lib/nginx/proxy/[0-9]*/[0-9]*/[0-9]*"]
    );
    assert_eq!(paths(&[own("/data/temp-15.rdb", 15)]), ["/data/temp-[0-9]*.rdb"]);
    assert_eq!(paths(&[own("/data/temp-15.rdb", 16)]), ["/data/temp-15.rdb"]);
    // Only read: no reason to believe that there will be another.
    assert_eq!(paths(&[file("/srv/0000000001", READ)]), ["/srv/0000000001"]);
}

#[test]
fn one_day_is_enough() {
    let made = WRITE | CREATE;
    assert_eq!(
        paths(&[
            file("/data/log/orders-2026-11-28.log.1", made),
            file("/data/out/summary-2026-11.txt", made)
        ]),
        ["/data/log/orders-[0-9]*-[0-9]*-[0-9]*.log.[0-9]*", "/data/out/summary-[0-9]*-[0-9]*.txt"]
    );
    // The same as a tree.
    let tree = [("2026", CREATE), ("2026/11", CREATE), ("2026/11/28", CREATE), ("2026/11/28/page", made)];
    let seen: Vec<Seen> = tree.iter().map(|(path, access)| file(&format!("/data/{path}"), *access)).collect();
    assert_eq!(
        paths(&seen),
        [
            "/data/[0-9]*",
            "/data/[0-9]*/[0-9]*",
            "/data/[0-9]*/[0-9]*/[0-9]*",
            "/data/[0-9]*/[0-9]*/[0-9]*/page"
        ]
    );
    // What was there, only read, or in a directory that was there is not of today.
    let there = [
        file("/data/orders-2026-11-28.csv", READ),
        file("/srv/2026", READ),
        file("/srv/2026/11", CREATE),
        file("/var/log/v2026.11", made),
    ];
    let found = paths(&there);
    assert_eq!(found[..3], ["/data/orders-2026-11-28.csv", "/srv/2026", "/srv/2026/11"]);
    assert_eq!(found[3..], ["/var/log/v[0-9]*.[0-9]*"]);
}

#[test]
fn what_is_in_a_temporary_directory_follows_its_name() {
    let mut seen = Vec::new();
    for name in ["tmp.aB3xYz", "tmp.Qw9Rt2", "tmp.k0LmN8"] {
        seen.push(file(&format!("/tmp/{name}"), CREATE));
        seen.push(file(&format!("/tmp/{name}/part"), WRITE | CREATE));
        seen.push(file(&format!("/tmp/{name}/server.key"), READ));
    }
    let found = paths(&seen);
    assert_eq!(found[..2], ["/tmp/tmp.??????", "/tmp/tmp.??????/part"]);
    assert!(found[2..].iter().all(|path| path.ends_with("/server.key") && !path.contains('?')), "{found:?}");
    // Directories that were there are named one by one.
    let there: Vec<Seen> = (1..=9).map(|n| file(&format!("/srv/part{n}/page"), READ)).collect();
    assert_eq!(paths(&there).len(), 9);
}

#[test]
fn later_uses_follow_the_pattern() {
    let seen = [file("/tmp/body-0000000001", WRITE | CREATE), file("/tmp/body-0000000007", READ)];
    assert_eq!(globs(&seen), [("/tmp/body-[0-9]*".to_owned(), READ | WRITE | CREATE)]);
}

#[test]
fn files_without_a_name() {
    assert_eq!(paths(&[file("/tmp/#4711 (deleted)", WRITE | CREATE)]), ["/tmp/#[0-9]* (deleted)"]);
    assert_eq!(paths(&[file("/dev/zero (deleted)", READ)]), ["/dev/zero (deleted)"]);
}

#[test]
fn one_rotation_is_enough() {
    let made = CREATE | WRITE;
    assert_eq!(paths(&[file("/var/log/app/error.log.1", CREATE)]), ["/var/log/app/error.log.[0-9]*"]);
    assert_eq!(
        globs(&[
            file("/var/log/app/error.log.1.gz", made),
            file("/var/log/app/error.log.3.gz", CREATE | READ)
        ]),
        [("/var/log/app/error.log.[0-9]*.gz".to_owned(), made | READ)]
    );
    for path in ["/data/app-1.2", "/data/x1", "/data/.1", "/data/1.gz", "/data/x.gz"] {
        assert_eq!(paths(&[file(path, made)]), [path]);
    }
    assert_eq!(paths(&[file("/var/log/app/error.log.1", READ)]), ["/var/log/app/error.log.1"]);
}

#[test]
fn a_small_number_in_a_word_is_no_process() {
    assert_eq!(
        paths(&[own("/var/lib/apache2/x", 2), own("/data/x2", 2)]),
        ["/data/x2", "/var/lib/apache2/x"]
    );
    assert_eq!(paths(&[own("/data/x.2", 2)]), ["/data/x.[0-9]*"]);
    assert_eq!(paths(&[own("/run/apache2", 2)]), ["/run/apache2"]);
}

#[test]
fn one_session_is_enough() {
    let made = READ | WRITE | CREATE;
    assert_eq!(
        paths(&[file("/var/lib/php/sessions/sess_srvoj0t5ak5ipd9nopct9b4g", made)]),
        ["/var/lib/php/sessions/sess_????????????????????????"]
    );
    let layer = "/srv/layers/3f2a9c1b7d4e5a6b";
    assert_eq!(paths(&[file(layer, READ)]), [layer]);
    assert_eq!(paths(&[file(layer, CREATE), file(&format!("{layer}/x"), made)]).len(), 2);
    assert!(paths(&[file(layer, CREATE), file(&format!("{layer}/x"), made)])[1].ends_with("??/x"));
}

#[test]
fn counters_in_hexadecimal() {
    let seen: Vec<Seen> = (1..60)
        .map(|n| file(&format!("/tmp/#sql-temptable-1-{:x}-{n:x}.MAD", n / 4), READ | WRITE | CREATE))
        .collect();
    assert_eq!(paths(&seen), ["/tmp/#sql-temptable-1-[0-9a-f]*-[0-9a-f]*.MAD"]);
}

#[test]
fn what_no_rule_can_name_is_told() {
    let seen = [
        file("pipe:[123]", WRITE),
        Seen { object: b"/a\xff".to_vec(), ..file("", READ) },
        Seen { operation: Operation::Exec, object: b"/b\xff".to_vec(), ..file("", EXEC) },
    ];
    let rules = generalise(&seen, How::default());
    assert!(rules.files.is_empty() && rules.exec.is_empty());
    assert_eq!(rules.refused.len(), 3);
}

/// Names of an image, of which some are sensitive, and what of them must never be granted unseen.
fn any_image(dice: &mut Dice) -> Vec<String> {
    const PLACES: [&str; 12] = [
        "/usr/share/zone",
        "/usr/share/zone/Area",
        "/usr/lib/tool3/modules",
        "/usr/lib/tool3/modules/deep/er",
        "/usr/lib/arch-linux-gnu",
        "/usr/local/share/site/pages",
        "/etc/tool/conf.d",
        "/usr/bin",
        "/root/share/x",
        "/home/a/site/pages",
        "/usr/share/state",
        "/run/tool/x",
    ];
    const NAMES: [&str; 8] =
        ["a.py", "b.py", "liba.so.1.2.3", "libb.so.1.4.56", "c.html", "d", "e.json", "token.json"];
    let mut image = Vec::new();
    for place in PLACES {
        for name in NAMES {
            for n in 0..dice.below(6) {
                image.push(format!("{place}/{}{name}", "z".repeat(usize::try_from(n).unwrap())));
            }
        }
    }
    image
}

#[test]
fn packages_never_widen_what_is_sensitive() {
    let mut dice = Dice(17);
    let mut widened = 0;
    for _ in 0..30 {
        let image = any_image(&mut dice);
        let owner = |place: &str, dice: &mut Dice| match dice.below(9) {
            0 => None,
            1 => Some("other"),
            _ if place.contains("zone") => Some("tzdata"),
            _ => Some("tool"),
        };
        let tidy = dice.below(2) == 0;
        let owned: Vec<(&str, Option<&str>)> = image
            .iter()
            .map(|path| (path.as_str(), if tidy { Some("tool") } else { owner(path, &mut dice) }))
            .collect();
        let packages = Packages::of(&owned);
        let busy = "/usr/share/state/";
        let mut seen = vec![file("/usr/share/state/made", WRITE | CREATE)];
        for path in &image {
            let maps = path.contains(".so");
            match dice.below(3) {
                0 => seen.push(file(path, if maps { READ | MAP } else { READ })),
                1 if path.starts_with("/usr/bin/") => {
                    seen.push(Seen { operation: Operation::Exec, access: EXEC, ..file(path, 0) });
                }
                _ => {}
            }
        }
        for width in Width::ALL {
            let rules = generalise(&seen, How { width, packages: Some(&packages) });
            let mut profile = Profile::new("web", Mode::Enforce);
            (profile.files, profile.exec) = (rules.files, rules.exec);
            let policy = compile(&profile, Mode::Enforce).unwrap();
            for (path, owner) in &owned {
                let was_seen = seen.iter().any(|seen| seen.object == path.as_bytes());
                let granted = policy.granted(&Object::Path(path.as_bytes()));
                if was_seen || granted == 0 {
                    continue;
                }
                widened += 1;
                assert_eq!(granted & !(READ | MAP), 0, "{path} was never used");
                assert!(granted & MAP == 0 || path.contains(".so"), "{path} is no library");
                assert!(width != Width::Exact, "{path} was not seen");
                assert!(!path.starts_with(busy), "{path} is beside what was made");
                let shared = SHARED.iter().any(|tree| path.starts_with(tree));
                assert!(shared, "{path} is no shared file");
                assert!(owner.is_some() || !path.ends_with("token.json"), "{path} looks like a secret");
            }
        }
    }
    assert!(widened > 500, "only {widened} names were let in: nothing was tested");
}

#[test]
fn names_that_are_spread_over_made_up_directories() {
    let names = ["08F7C2F33", "1CBFD338F", "4AB382FAE", "7AC472D49", "A86463196", "C101D2C42", "D6FE63027"];
    let mut seen = Vec::new();
    for name in names {
        let dir = format!("/var/spool/mail/deferred/{}", &name[..1]);
        seen.push(file(&format!("{dir}/{name}"), READ | CREATE));
        seen.push(file(&dir, CREATE));
    }
    assert_eq!(
        paths(&seen),
        ["/var/spool/mail/deferred/[0-9A-F]*", "/var/spool/mail/deferred/[0-9A-F]*/?????????"]
    );
    // One name in each of them is no series.
    let kept: Vec<Seen> = seen
        .iter()
        .filter(|one| one.object.len() < 30)
        .flat_map(|dir| {
            let below = format!("{}/part1.dat", dir.object.escape_ascii());
            [dir.clone(), file(&below, READ | CREATE)]
        })
        .collect();
    assert_eq!(kept.len(), 14);
    assert_eq!(
        paths(&kept),
        ["/var/spool/mail/deferred/[0-9A-F]*", "/var/spool/mail/deferred/[0-9A-F]*/part1.dat"]
    );
}

#[test]
fn what_is_made_in_the_home_of_root_may_have_made_up_names() {
    let made =
        |n: u64| file(&format!("/root/.npm/_logs/2026-11-2{n}T10_15_30_12{n}Z-debug-0.log"), CREATE | APPEND);
    let logs = paths(&[made(1), made(2), made(3)]);
    assert!(logs.len() == 1 && logs[0].contains("[0-9]*"), "{logs:?}");
    let read: Vec<Seen> = (1..9).map(|n| file(&format!("/root/inventory{n}.txt"), READ)).collect();
    assert_eq!(paths(&read).len(), 8);
    let secret: Vec<Seen> = (1..9).map(|n| file(&format!("/root/.ssh/known{n}"), CREATE)).collect();
    assert_eq!(paths(&secret).len(), 8);
}

#[test]
fn temporary_files_may_be_removed_where_they_could_not_be_moved() {
    let made =
        |access| globs(&["aB3xYz", "Qw9Rt2", "k0LmN8"].map(|name| file(&format!("/tmp/php{name}"), access)));
    let moved = READ | WRITE | CREATE | RENAME;
    assert_eq!(made(moved), [("/tmp/php??????".to_owned(), moved | DELETE)]);
    for kept in [READ | WRITE | CREATE, CREATE | APPEND | RENAME, READ | RENAME] {
        assert!(made(kept).iter().all(|(_, access)| *access == kept), "{kept:x}");
    }
    assert_eq!(
        globs(&[file("/var/lib/app/state.new", moved)]),
        [("/var/lib/app/state.new".to_owned(), moved)]
    );
}
