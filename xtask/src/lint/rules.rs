//! Rules of this repository that no lint of the compiler knows.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::words;
use crate::exec::say;
use crate::project::Project;

/// Where `unsafe` may stand.
const UNSAFE: [&str; 2] = ["ebpf/", "agent/src/kernel/"];

pub(super) fn check(project: &Project) -> Result<bool> {
    say("Checking", "rules of the repository");
    let mut broken = Vec::new();
    for member in &project.members {
        let manifest = fs::read_to_string(&member.manifest)
            .with_context(|| format!("reading {}", member.manifest.display()))?;
        if !opts_in(&manifest) {
            broken.push(format!("{} lacks `[lints] workspace = true`", member.name));
        }
        let dir = member.manifest.parent().context("a manifest in no directory")?;
        let mut parsers = Vec::new();
        for path in sources(dir)? {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let name = path.strip_prefix(&project.root).unwrap_or(&path).display().to_string();
            let places = words::find(&text, "unsafe");
            if let Some(line) = places.first()
                && !UNSAFE.iter().any(|allowed| name.starts_with(allowed))
            {
                broken.push(format!("{name}:{line}: `unsafe` belongs in {} only", UNSAFE.join(" and ")));
            }
            if !words::find(&text, "serde_yaml").is_empty() {
                parsers.push(name);
            }
        }
        if parsers.len() > 1 {
            let parsers = parsers.join(", ");
            broken.push(format!(
                "{}: serde_yaml is no longer maintained; one module alone may name it, not {parsers}",
                member.name
            ));
        }
    }
    for rule in &broken {
        say("FAIL", rule);
    }
    Ok(broken.is_empty())
}

fn opts_in(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .any(|line| line.replace(' ', "") == "workspace=true")
}

/// All Rust files below a directory, in order.
fn sources(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut rest = vec![dir.to_owned()];
    while let Some(dir) = rest.pop() {
        for item in fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
            let path = item.with_context(|| format!("reading {}", dir.display()))?.path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    rest.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_lints_must_be_the_workspaces() {
        assert!(opts_in("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"));
        assert!(!opts_in("[package]\nworkspace = true\n"));
        assert!(!opts_in("[lints]\n[dependencies]\nworkspace = true\n"));
    }
}
