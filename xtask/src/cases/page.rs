//! `docs/CASES.md`: everything in it comes from the run that writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::{Results, Went};
use crate::project::Project;

const HEAD: &str = "# Cases

What each case of suite `hooks` comes to under stockade, and under AppArmor with the same allowlist in its words, in the
same guest. `cargo xtask cases` runs them and writes this page; nothing here is edited by hand.

A case is something that a process tries under a profile that is written with it, in `tests/cases/GROUP.yaml`. It is tried
without confinement first: where it does not go through there, the kernel has no such thing, and nothing is claimed
(`n/a`). Whether it was done is looked up from outside the process where that can be seen.

- **denied**: refused with `EACCES` or `EPERM`, and nothing of it was done.
- **done**: it went through.
- **failed**: it did not, for another reason.

What is wrong stands in bold: done though forbidden, or not done though allowed. AppArmor has no word for some of what
profiles say here: addresses and ports, where a program comes from, processes that enter a container, facilities that
no capability stands for; the cases about facilities grant every capability, so that nothing else refuses them. Then it
gets what is nearest and lets the allowed go on (`tests/src/suite/hooks/apparmor.rs`), so what it does not deny here it may
still deny in a container with fewer capabilities.

";

pub(super) fn write(project: &Project, results: &Results) -> Result<()> {
    let path = project.root.join("docs/CASES.md");
    fs::write(&path, page(results)).with_context(|| format!("writing {}", path.display()))
}

fn page(results: &Results) -> String {
    let kernels: Vec<&String> = results.keys().collect();
    let mut out = HEAD.to_owned();
    // Writing to a string cannot fail.
    let _ = out.write_str(&summary(results));
    let cases: BTreeSet<&String> = results.values().flat_map(BTreeMap::keys).collect();
    let mut group = "";
    for case in cases {
        let (of, name) = case.split_once('.').unwrap_or(("", case));
        if of != group {
            group = of;
            let columns: String = ["stockade", "AppArmor"]
                .iter()
                .flat_map(|who| kernels.iter().map(move |k| format!(" {who} {k} |")))
                .collect();
            let _ = write!(
                out,
                "\n## {of}\n\n| case | is |{columns}\n|---|---|{}\n",
                "---|".repeat(2 * kernels.len())
            );
        }
        let of_kernels = || kernels.iter().map(|kernel| results[*kernel].get(case));
        let forbidden = of_kernels().flatten().any(|result| result.forbidden);
        let _ = write!(out, "| {name} | {} |", if forbidden { "forbidden" } else { "allowed" });
        for result in of_kernels() {
            let _ =
                write!(out, " {} |", result.map_or("n/a".to_owned(), |r| cell(forbidden, r.off, r.stockade)));
        }
        for result in of_kernels() {
            let _ =
                write!(out, " {} |", result.map_or("n/a".to_owned(), |r| cell(forbidden, r.off, r.apparmor)));
        }
        out.push('\n');
    }
    out
}

fn cell(forbidden: bool, off: Went, went: Went) -> String {
    if off != Went::Done {
        return "n/a".to_owned();
    }
    let word = match went {
        Went::Done => "done",
        Went::Refused => "denied",
        Went::Failed => "failed",
    };
    if is_right(forbidden, went) { word.to_owned() } else { format!("**{word}**") }
}

fn is_right(forbidden: bool, went: Went) -> bool {
    forbidden != (went == Went::Done)
}

/// How many are as they should be.
fn summary(results: &Results) -> String {
    let mut out =
        "| kernel | | forbidden, and not done | allowed, and done |\n|---|---|--:|--:|\n".to_owned();
    for (kernel, cases) in results {
        let there = || cases.values().filter(|result| result.off == Went::Done);
        for (who, of) in [("stockade", 0), ("AppArmor", 1)] {
            let right = |forbidden: bool| {
                let all = there().filter(|result| result.forbidden == forbidden);
                let right = all.clone().filter(|result| {
                    is_right(forbidden, if of == 0 { result.stockade } else { result.apparmor })
                });
                format!("{} of {}", right.count(), all.count())
            };
            let _ = writeln!(out, "| {kernel} | {who} | {} | {} |", right(true), right(false));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Fates;
    use super::*;

    #[test]
    fn what_is_wrong_stands_out() {
        use Went::{Done, Failed, Refused};
        let fates = |forbidden, off, stockade, apparmor| Fates { forbidden, off, stockade, apparmor };
        let cases = BTreeMap::from([
            ("exec.bad".to_owned(), fates(true, Done, Refused, Done)),
            ("exec.good".to_owned(), fates(false, Done, Done, Refused)),
            ("file.odd".to_owned(), fates(true, Failed, Refused, Failed)),
        ]);
        let page = page(&BTreeMap::from([("6.1".to_owned(), cases)]));
        for line in [
            "| 6.1 | stockade | 1 of 1 | 1 of 1 |",
            "| 6.1 | AppArmor | 0 of 1 | 0 of 1 |",
            "| case | is | stockade 6.1 | AppArmor 6.1 |",
            "| bad | forbidden | denied | **done** |",
            "| good | allowed | done | **denied** |",
            "| odd | forbidden | n/a | n/a |",
        ] {
            assert!(page.lines().any(|is| is == line), "{line} in {page}");
        }
    }
}
