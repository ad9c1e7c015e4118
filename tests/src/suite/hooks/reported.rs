//! Learning recognises by directory and name what it has recorded, and takes nothing for recorded that is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, mount_bind, unmount};
use serde_json::Value;

use super::agent::{self, Agent, PATIENCE};
use super::subject::Subject;
use super::swap::in_force;
use crate::suite::Report;
use crate::suite::wait::eventually;

const NAME: &str = "reported";
const DIR: &str = "/tmp/reported";
/// What is recorded, what is found by the directory, what is found by the file.
const TIMES: u32 = 3;

/// What has to be recorded: paths, each with its accesses.
type Wanted = BTreeMap<String, BTreeSet<&'static str>>;
type Case = fn(&mut Subject, &str) -> Result<Wanted>;
const CASES: [(&str, Case); 5] = [
    ("many-names", many_names),
    ("same-names-elsewhere", same_names_elsewhere),
    ("other-accesses", other_accesses),
    ("renamed-directory", renamed_directory),
    ("bound-directory", bound_directory),
];

pub(super) fn run(report: &mut Report, agent: &Agent) -> Result<()> {
    if !CASES.iter().any(|(name, _)| report.wants(&format!("reported.{name}"))) {
        return Ok(());
    }
    let profile = format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {NAME} }}\nspec: {{ mode: learn }}\n"
    );
    in_force(agent, NAME, &profile, 0)?;
    let mut subject = Subject::start(NAME)?;
    for (name, case) in CASES {
        let dir = format!("{DIR}/{name}");
        report.case(&format!("reported.{name}"), || {
            fs::create_dir_all(&dir).context("the case's directory")?;
            let wanted = case(&mut subject, &dir)?;
            recorded(&wanted, &dir)
        });
    }
    subject.end()
}

/// Exactly this is recorded below `dir`.
fn recorded(wanted: &Wanted, dir: &str) -> Result<()> {
    let mut found = BTreeMap::new();
    let complete = eventually(PATIENCE, "all of it recorded", || {
        found = observations(dir)?;
        Ok((found == *wanted).then_some(()))
    });
    complete.with_context(|| format!("recorded are {found:?}, wanted {wanted:?}"))
}

fn observations(dir: &str) -> Result<Wanted> {
    const WORDS: [&str; 6] = ["read", "append", "write", "create", "delete", "rename"];
    let output = agent::cli(&["learn", "export", NAME])?;
    ensure!(output.status.success(), "{}", agent::told(&output));
    let mut found = Wanted::new();
    for line in String::from_utf8(output.stdout).context("the export")?.lines() {
        let line: Value = serde_json::from_str(line).context("a line of the export")?;
        let Some(object) = line["seen"]["object"].as_str().filter(|object| object.starts_with(dir)) else {
            continue;
        };
        let accesses = line["seen"]["access"].as_array().context("no accesses")?;
        let entry = found.entry(object.to_owned()).or_default();
        for access in accesses {
            let word = WORDS.into_iter().find(|word| access == word);
            entry.insert(word.with_context(|| format!("access {access}"))?);
        }
    }
    Ok(found)
}

fn done(subject: &mut Subject, action: &str) -> Result<()> {
    let code = subject.ask(action)?;
    ensure!(code == 0, "{action} ends with {code}");
    Ok(())
}

/// Reads a file that is made first.
fn read(subject: &mut Subject, path: &str, wanted: &mut Wanted) -> Result<()> {
    if fs::metadata(path).is_err() {
        fs::write(path, "text").with_context(|| path.to_owned())?;
    }
    for _ in 0..TIMES {
        done(subject, &format!("read {path}"))?;
    }
    wanted.entry(path.to_owned()).or_default().insert("read");
    Ok(())
}

/// Of every length around those at which names are kept and read differently.
fn names() -> impl Iterator<Item = String> {
    let lengths = (1..=34).chain([39, 40, 41, 63, 64, 254, 255]);
    lengths.flat_map(|length| ["a", "b"].map(|end| format!("{end:x>length$}")))
}

fn many_names(subject: &mut Subject, dir: &str) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    for name in names() {
        read(subject, &format!("{dir}/{name}"), &mut wanted)?;
    }
    for name in names() {
        let path = format!("{dir}/d{}", &name[1..]);
        if wanted.contains_key(&path) {
            continue;
        }
        for _ in 0..TIMES {
            done(subject, &format!("mkdir {path}"))?;
            done(subject, &format!("rmdir {path}"))?;
        }
        wanted.insert(path, BTreeSet::from(["create", "delete"]));
    }
    Ok(wanted)
}

/// Directories that share names, and such as differ only in where a slash stands.
fn same_names_elsewhere(subject: &mut Subject, dir: &str) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    for below in ["one", "other", "one/deeper", "on", "onee"] {
        fs::create_dir_all(format!("{dir}/{below}")).context("a directory")?;
        for name in ["f", "ef", "r", "a-name-that-is-longer-than-sixteen"] {
            read(subject, &format!("{dir}/{below}/{name}"), &mut wanted)?;
        }
    }
    Ok(wanted)
}

fn other_accesses(subject: &mut Subject, dir: &str) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    for name in ["f", "g"] {
        let path = format!("{dir}/{name}");
        read(subject, &path, &mut wanted)?;
        for how in ["write+append", "write"] {
            for _ in 0..TIMES {
                done(subject, &format!("open {how} {path}"))?;
            }
        }
        let other = format!("{dir}/{name}2");
        for _ in 0..TIMES {
            done(subject, &format!("rename {path} {other}"))?;
            done(subject, &format!("rename {other} {path}"))?;
        }
        wanted.entry(path.clone()).or_default().extend(["append", "write", "rename", "create"]);
        wanted.insert(other, BTreeSet::from(["rename", "create"]));
        done(subject, &format!("unlink {path}"))?;
        wanted.entry(path).or_default().insert("delete");
    }
    Ok(wanted)
}

fn renamed_directory(subject: &mut Subject, dir: &str) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    let place = |number: u32| format!("{dir}/{number}");
    fs::create_dir_all(format!("{}/below", place(0))).context("the directory")?;
    for number in 0..4 {
        for name in ["f", "g", "below/f"] {
            read(subject, &format!("{}/{name}", place(number)), &mut wanted)?;
        }
        fs::rename(place(number), place(number + 1)).context("renaming")?;
        // Not seen before, in a directory that is.
        read(subject, &format!("{}/new-{number}", place(number + 1)), &mut wanted)?;
        done(subject, &format!("mkdir {}/made", place(number + 1)))?;
        done(subject, &format!("rmdir {}/made", place(number + 1)))?;
        wanted.insert(format!("{}/made", place(number + 1)), BTreeSet::from(["create", "delete"]));
    }
    Ok(wanted)
}

fn bound_directory(subject: &mut Subject, dir: &str) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    let [from, to] = ["from", "to"].map(|name| format!("{dir}/{name}"));
    for place in [&from, &to] {
        fs::create_dir_all(place).context("a directory")?;
        read(subject, &format!("{place}/f"), &mut wanted)?;
    }
    mount_bind(&from, &to).context("binding")?;
    let read_all = |subject: &mut Subject, wanted: &mut Wanted| -> Result<()> {
        for name in ["f", "g"] {
            read(subject, &format!("{from}/{name}"), wanted)?;
            read(subject, &format!("{to}/{name}"), wanted)?;
        }
        Ok(())
    };
    let outcome = read_all(subject, &mut wanted);
    unmount(&to, UnmountFlags::empty()).context("unmounting")?;
    outcome?;
    read(subject, &format!("{to}/h"), &mut wanted)?;
    Ok(wanted)
}
