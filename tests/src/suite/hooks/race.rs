//! Names that change while they are judged.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::agent;
use super::subject::Subject;
use crate::suite::Report;

const DIR: &str = "/tmp/race";
/// The names change at least as often, and the subject goes around so often until they have.
const TURNS: u64 = 2000;
const ASKS: u32 = 40;
const ROUNDS: u32 = 400;

pub(super) fn run(report: &mut Report) {
    report.case("memory.race", race);
}

/// The secret is only ever called `store/s` or, while the directory is not called `pub`, `tmp/f`. So
/// whatever the order in which a reader finds a name and a directory, it must never get the secret.
fn race() -> Result<()> {
    for (path, text) in [("pub/f", "public"), ("store/s", "secret")] {
        let path = format!("{DIR}/{path}");
        let (parent, _) = path.rsplit_once('/').context("no directory")?;
        fs::create_dir_all(parent).with_context(|| parent.to_owned())?;
        fs::write(&path, text).with_context(|| path.clone())?;
    }
    symlink("pub", format!("{DIR}/link")).context("the link")?;
    let profile = format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: race }}\nspec:\n  mode: \
         enforce\n  exec:\n    - path: /stockade/guest\n  files:\n    - path: {DIR}/pub/f\n      access: \
         [read]\n    - path: /proc/self/**\n      access: [read]\n"
    );
    let mut subject = Subject::start(&agent::profile_file("race", &profile)?)?;
    let (done, turns) = (AtomicBool::new(false), AtomicU64::new(0));
    let (turned, asked) = thread::scope(|scope| {
        let turner = scope.spawn(|| turn(&done, &turns));
        let asked = ask(&mut subject, &turns);
        done.store(true, Ordering::Relaxed);
        (turner.join().map_err(|_| anyhow!("the turner panicked")), asked)
    });
    turned??;
    asked?;
    subject.end()
}

fn ask(subject: &mut Subject, turns: &AtomicU64) -> Result<()> {
    let (mut read, mut refused) = (0u64, 0u64);
    for _ in 0..ASKS {
        let (code, printed) = subject.hear(&format!("race {DIR} {ROUNDS}"))?;
        let turns = turns.load(Ordering::Relaxed);
        ensure!(code == 0, "after {turns} turns: {code} {printed}");
        let (more_read, more_refused) = printed.split_once(' ').with_context(|| printed.clone())?;
        read += more_read.parse::<u64>().with_context(|| printed.clone())?;
        refused += more_refused.parse::<u64>().with_context(|| printed.clone())?;
        if turns >= TURNS && read > 0 && refused > 0 {
            return Ok(());
        }
    }
    let turns = turns.load(Ordering::Relaxed);
    Err(anyhow!("{turns} turns, {read} times read, {refused} times refused: too few of something"))
}

fn turn(done: &AtomicBool, turns: &AtomicU64) -> Result<()> {
    let rename = |from: &str, to: &str, flags| {
        renameat_with(CWD, format!("{DIR}/{from}"), CWD, format!("{DIR}/{to}"), flags)
            .with_context(|| format!("{from} to {to}"))
    };
    while !done.load(Ordering::Relaxed) {
        rename("pub", "tmp", RenameFlags::empty())?;
        rename("tmp/f", "store/s", RenameFlags::EXCHANGE)?;
        rename("tmp/f", "store/s", RenameFlags::EXCHANGE)?;
        rename("tmp", "pub", RenameFlags::empty())?;
        turns.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
