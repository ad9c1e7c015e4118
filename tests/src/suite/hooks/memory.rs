//! What the kernel programs remember ends when it is no longer true.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move, unmount,
};

use super::agent::Agent;
use super::subject::Subject;
use super::swap::in_force;
use crate::act::{BROKEN, REFUSED};
use crate::suite::Report;

const NAME: &str = "memory";
const DIR: &str = "/tmp/memory";
/// The first time something is judged, the second time remembered, the third time known.
const TIMES: u32 = 3;
/// How often everything goes there and back.
const TURNS: u32 = 5;

type Case = fn(&Agent, &mut Subject, &str) -> Result<()>;
const CASES: [(&str, Case); 10] = [
    ("renamed-file", renamed_file),
    ("renamed-ancestor", renamed_ancestor),
    ("exchanged-directories", exchanged_directories),
    ("made-below-renamed", made_below_renamed),
    ("made-anew", made_anew),
    ("second-name", second_name),
    ("mounts", mounts),
    ("other-root", other_root),
    ("other-subject", other_subject),
    ("swapped-policy", swapped_policy),
];

pub(super) fn run(report: &mut Report, agent: &Agent) -> Result<()> {
    if !CASES.iter().any(|(name, _)| report.wants(&format!("memory.{name}"))) {
        return Ok(());
    }
    in_force(agent, NAME, &profile("good"), 0)?;
    let mut subject = Subject::start(NAME)?;
    for (name, case) in CASES {
        let dir = format!("{DIR}/{name}");
        report.case(&format!("memory.{name}"), || case(agent, &mut subject, &dir));
    }
    subject.end()
}

/// Allowed are files of one name, directly in a case's directory, and everything below `yes` there.
fn profile(name: &str) -> String {
    format!(
        "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {{ name: {NAME} }}\nspec:\n  mode: \
         enforce\n  exec:\n    - path: /stockade/guest\n  files:\n    - path: {DIR}/*/{name}\n      access: \
         [read]\n    - path: {DIR}/*/yes/**\n      access: [read, create, delete]\n    - path: \
         /proc/self/**\n      access: [read]\n  capabilities: [sys_chroot]\n  facilities: [chroot]\n"
    )
}

fn file(path: &str, text: &str) -> Result<()> {
    let parent = Path::new(path).parent().context("no directory")?;
    fs::create_dir_all(parent).with_context(|| path.to_owned())?;
    fs::write(path, text).with_context(|| path.to_owned())
}

fn rename(from: &str, to: &str) -> Result<()> {
    fs::rename(from, to).with_context(|| format!("renaming {from} to {to}"))
}

/// Each of these actions ends like this, and does so again.
fn all_end(subject: &mut Subject, wanted: u8, actions: &[String]) -> Result<()> {
    for time in 0..TIMES {
        for action in actions {
            let code = subject.ask(action)?;
            ensure!(code == wanted, "{action}, time {time}: {code}, not {wanted}");
        }
    }
    Ok(())
}

fn may(subject: &mut Subject, path: &str) -> Result<()> {
    all_end(subject, 0, &[format!("read {path}")])
}

fn may_not(subject: &mut Subject, path: &str) -> Result<()> {
    all_end(subject, REFUSED, &[format!("read {path}")])
}

fn renamed_file(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, bad) = (format!("{dir}/good"), format!("{dir}/bad"));
    file(&good, "text")?;
    for _ in 0..TURNS {
        may(subject, &good)?;
        rename(&good, &bad)?;
        may_not(subject, &bad)?;
        rename(&bad, &good)?;
    }
    may(subject, &good)
}

/// First with the directory's own name, then by another place for one below it.
fn renamed_ancestor(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    file(&format!("{dir}/yes/x/y/f"), "text")?;
    file(&format!("{dir}/yes/x/y/g"), "text")?;
    for (from, to) in [("yes", "no"), ("yes/x", "x")] {
        let (from, to) = (format!("{dir}/{from}"), format!("{dir}/{to}"));
        let rest = if from.ends_with('x') { "y" } else { "x/y" };
        for _ in 0..TURNS {
            may(subject, &format!("{from}/{rest}/f"))?;
            rename(&from, &to)?;
            may_not(subject, &format!("{to}/{rest}/f"))?;
            // Not seen before: judged by what is remembered of its directory, if by anything.
            may_not(subject, &format!("{to}/{rest}/g"))?;
            rename(&to, &from)?;
        }
        may(subject, &format!("{from}/{rest}/f"))?;
    }
    Ok(())
}

fn exchanged_directories(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (yes, no) = (format!("{dir}/yes"), format!("{dir}/no"));
    file(&format!("{yes}/x/f"), "one")?;
    file(&format!("{no}/x/f"), "other")?;
    for _ in 0..TURNS {
        may(subject, &format!("{yes}/x/f"))?;
        may_not(subject, &format!("{no}/x/f"))?;
        renameat_with(CWD, &yes, CWD, &no, RenameFlags::EXCHANGE).context("exchanging")?;
    }
    Ok(())
}

fn made_below_renamed(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (yes, no) = (format!("{dir}/yes"), format!("{dir}/no"));
    fs::create_dir_all(format!("{yes}/x")).context("the directory")?;
    for _ in 0..TURNS {
        all_end(subject, 0, &[format!("mkdir {yes}/x/new"), format!("rmdir {yes}/x/new")])?;
        rename(&yes, &no)?;
        all_end(subject, REFUSED, &[format!("mkdir {no}/x/new")])?;
        ensure!(!Path::new(&no).join("x/new").exists(), "it was made");
        rename(&no, &yes)?;
    }
    Ok(())
}

fn made_anew(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, bad) = (format!("{dir}/good"), format!("{dir}/bad"));
    for _ in 0..TURNS {
        file(&good, "text")?;
        may(subject, &good)?;
        fs::remove_file(&good).context("removing")?;
        all_end(subject, BROKEN, &[format!("read {good}")])?;
        file(&bad, "text")?;
        may_not(subject, &bad)?;
        fs::remove_file(&bad).context("removing")?;
    }
    Ok(())
}

fn second_name(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, bad) = (format!("{dir}/good"), format!("{dir}/bad"));
    file(&good, "text")?;
    may(subject, &good)?;
    fs::hard_link(&good, &bad).context("linking")?;
    for _ in 0..TURNS {
        may_not(subject, &bad)?;
        may(subject, &good)?;
    }
    // The allowed name goes, the file stays.
    fs::remove_file(&good).context("removing")?;
    may_not(subject, &bad)
}

fn mounts(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    file(&format!("{dir}/yes/x/f"), "text")?;
    let [yes, no, other] = ["yes", "no", "other"].map(|name| format!("{dir}/{name}"));
    for place in [&no, &other, &format!("{yes}/in")] {
        fs::create_dir_all(place).with_context(|| place.clone())?;
    }
    // Mounts cannot be moved out of one that is shared.
    mount_bind(dir, dir).context("binding")?;
    mount_change(dir, MountPropagationFlags::PRIVATE).context("making it private")?;
    let below = |place: &str| format!("{place}/x/f");
    for _ in 0..TURNS {
        may(subject, &below(&yes))?;
        mount_bind(&yes, &no).context("binding")?;
        may_not(subject, &below(&no))?;
        may(subject, &below(&yes))?;
        mount_move(&no, format!("{yes}/in")).context("moving")?;
        may(subject, &below(&format!("{yes}/in")))?;
        mount_move(format!("{yes}/in"), &other).context("moving")?;
        may_not(subject, &below(&other))?;
        unmount(&other, UnmountFlags::empty()).context("unmounting")?;
        all_end(subject, BROKEN, &[format!("read {}", below(&other))])?;
        // Another file appears under the name, and goes again.
        mount(c"tmpfs", format!("{yes}/x"), c"tmpfs", MountFlags::empty(), None).context("covering")?;
        all_end(subject, BROKEN, &[format!("read {}", below(&yes))])?;
        unmount(format!("{yes}/x"), UnmountFlags::empty()).context("unmounting")?;
    }
    unmount(dir, UnmountFlags::DETACH).context("unmounting")
}

/// One file has one name: the one that it has for the subject, whatever the root is of who opens it.
fn other_root(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, root) = (format!("{dir}/good"), format!("{dir}/root"));
    file(&good, "text")?;
    file(&format!("{root}{good}"), "text")?;
    let inner = format!("{dir}/yes");
    file(&format!("{inner}/f"), "text")?;
    for _ in 0..TURNS {
        may(subject, &good)?;
        all_end(subject, REFUSED, &[format!("child chroot {root} read {good}")])?;
        may_not(subject, &format!("{root}{good}"))?;
        may(subject, &format!("{inner}/f"))?;
        all_end(subject, 0, &[format!("child chroot {inner} read /f")])?;
    }
    Ok(())
}

/// What two subjects of one profile call by one name are two files, though the root that one began with is the one that the
/// other has changed to.
fn other_subject(_: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, jail) = (format!("{dir}/good"), format!("{dir}/jail"));
    let (outside, inside) = (format!("{dir}/yes"), format!("{dir}/yes/f"));
    file(&format!("{jail}{good}"), "text")?;
    file(&format!("{jail}/f"), "text")?;
    fs::create_dir_all(&outside).context("the other name")?;
    // What is unmounted there later must stay mounted where it comes from.
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_bind(&jail, &outside).context("binding")?;
    mount_change(&outside, alone).context("making it private")?;
    let needed = ["/stockade", "/run", "/proc", "/sys", "/dev"];
    for place in needed {
        let there = format!("{jail}{place}");
        fs::create_dir_all(&there).with_context(|| there.clone())?;
        mount_bind_recursive(place, &there).with_context(|| format!("binding {place}"))?;
        mount_change(&there, alone).with_context(|| format!("making {there} private"))?;
    }
    let mut other = Subject::start_in(&jail, NAME)?;
    for _ in 0..TURNS {
        may(&mut other, &good)?;
        all_end(subject, REFUSED, &[format!("child chroot {jail} read {good}")])?;
        all_end(subject, 0, &[format!("child chroot {outside} read /f")])?;
        may(subject, &inside)?;
        may_not(&mut other, "/f")?;
    }
    other.end()?;
    for place in needed {
        unmount(format!("{jail}{place}"), UnmountFlags::DETACH)
            .with_context(|| format!("unbinding {place}"))?;
    }
    unmount(&outside, UnmountFlags::DETACH).context("unbinding")
}

fn swapped_policy(agent: &Agent, subject: &mut Subject, dir: &str) -> Result<()> {
    let (good, bad) = (format!("{dir}/good"), format!("{dir}/bad"));
    file(&good, "text")?;
    file(&bad, "text")?;
    let mut generation = in_force(agent, NAME, &profile("good"), 0)?;
    for _ in 0..2 {
        may(subject, &good)?;
        may_not(subject, &bad)?;
        generation = in_force(agent, NAME, &profile("bad"), generation)?;
        may_not(subject, &good)?;
        may(subject, &bad)?;
        generation = in_force(agent, NAME, &profile("good"), generation)?;
    }
    may(subject, &good)
}
