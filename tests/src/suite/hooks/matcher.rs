//! The kernel's verdicts, those of `profile explain` and those of a plain matcher: all the same.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::agent;
use super::case;
use super::chance::Chance;
use super::glob::{self, Glob};
use super::subject::Subject;
use crate::suite::{Report, stockade};

const TOP: &str = "/tmp/matcher";
/// Away from what is matched.
const LIST: &str = "/tmp/matcher.list";
const QUESTIONS: &str = "/tmp/matcher.questions";
const PROFILES: u64 = 8;
const PATHS: usize = 300;
const RULES: usize = 10;

pub(super) fn run(report: &mut Report) {
    report.case("matcher.agrees", agrees);
}

fn agrees() -> Result<()> {
    let paths = tree(Chance::new(0).paths(TOP, PATHS))?;
    let ask: Vec<u8> = paths.iter().flat_map(|path| [path, &b"\0"[..]].concat()).collect();
    fs::write(LIST, ask).context(LIST)?;
    let ask: Vec<u8> = paths.iter().flat_map(|path| [b"read ", &path[..], b"\n"].concat()).collect();
    fs::write(QUESTIONS, ask).context(QUESTIONS)?;
    let (mut allowed, mut all) = (0, 0);
    for seed in 1..=PROFILES {
        let mut chance = Chance::new(seed);
        let globs: Vec<Glob> = (0..RULES).map(|_| chance.glob_like_one_of(TOP, &paths)).collect();
        let name = format!("matcher-{seed}");
        let file = agent::profile_file(&name, &profile(&name, &globs)?)?;
        let by_kernel = by_kernel(&file).with_context(|| name.clone())?;
        let by_explain = by_explain(&file).with_context(|| name.clone())?;
        let counts = (by_kernel.len(), by_explain.len());
        ensure!(counts == (paths.len(), paths.len()), "{name}: {counts:?} answers to {} paths", paths.len());
        for (path, (kernel, explain)) in paths.iter().zip(by_kernel.into_iter().zip(by_explain)) {
            let plain = if globs.iter().any(|glob| glob::matches(glob, path)) { '1' } else { '0' };
            ensure!(
                kernel == plain && explain == plain,
                "{name}: {}: kernel {kernel}, explain {explain}, plain {plain}; rules {:?}",
                path.escape_ascii(),
                globs.iter().map(|glob| glob::text(glob)).collect::<Vec<_>>()
            );
            allowed += usize::from(plain == '1');
            all += 1;
        }
    }
    ensure!((all / 10..=all / 10 * 9).contains(&allowed), "{allowed} of {all} allowed: nothing is proven");
    Ok(())
}

/// Makes the paths, deepest first, so that what lies on the way to one is a directory.
fn tree(mut paths: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    paths.sort_by_key(|path| std::cmp::Reverse(path.iter().filter(|byte| **byte == b'/').count()));
    for path in &paths {
        let path = Path::new(OsStr::from_bytes(path));
        let parent = path.parent().context("no directory")?;
        fs::create_dir_all(parent).with_context(|| path.display().to_string())?;
        match File::create_new(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => drop(other.with_context(|| path.display().to_string())?),
        }
    }
    Ok(paths)
}

fn profile(name: &str, globs: &[Glob]) -> Result<String> {
    let rule = |path: &str| json!({"path": path, "access": ["read"]});
    let mut files = vec![rule(LIST), rule("/proc/self/**")];
    files.extend(globs.iter().map(|glob| rule(&glob::text(glob))));
    let profile = json!({
        "apiVersion": "stockade.dev/v1alpha1",
        "kind": "Profile",
        "metadata": {"name": name},
        "spec": {"mode": "enforce", "exec": [{"path": "/stockade/guest"}], "files": files},
    });
    case::yaml(&profile)
}

fn by_kernel(file: &str) -> Result<Vec<char>> {
    let mut subject = Subject::start(file)?;
    let (code, printed) = subject.hear(&format!("reads {LIST}"))?;
    ensure!(code == 0, "the subject: {code} {printed}");
    subject.end()?;
    Ok(printed.chars().collect())
}

fn by_explain(file: &str) -> Result<Vec<char>> {
    let output = Command::new(stockade())
        .args(["profile", "explain", file, "-"])
        .stdin(Stdio::from(File::open(QUESTIONS).context(QUESTIONS)?))
        .output()
        .context("explain")?;
    ensure!(output.status.success(), "explain: {}", agent::told(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| if line.starts_with("allowed") { '1' } else { '0' }).collect())
}
