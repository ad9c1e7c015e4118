//! The tests that run on this machine, counted from what the test harness prints.

use std::time::Instant;

use anyhow::Result;

use crate::exec::{Event, lines, say, seconds};
use crate::guest::Verdict;
use crate::project::Project;

pub(super) fn run(project: &Project, filter: Option<&str>) -> Result<Verdict> {
    say("Testing", "units");
    let started = Instant::now();
    let mut cargo = project.cargo();
    // The programs exist for the bpf target only; what they share with the agent is tested in `abi`.
    cargo.args(["test", "--workspace", "--exclude", "stockade-ebpf", "--locked", "--no-fail-fast"]);
    if let Some(filter) = filter {
        cargo.args(["--", filter]);
    }
    let mut verdict = Verdict::default();
    let status = lines(&mut cargo, |event| match event {
        Event::Line(line) => {
            if let Some(numbers) = numbers(&line) {
                verdict.add(numbers);
            } else if !is_dull(&line) {
                eprintln!("{line}");
            }
        }
        Event::Tick => {}
    })?;
    if !status.success() && verdict.failed == 0 {
        say("FAIL", &format!("the unit tests did not come to their end ({status})"));
        verdict.failed += 1;
    }
    let Verdict { passed, failed, skipped } = verdict;
    say("", &format!("units: {passed} passed, {failed} failed, {skipped} skipped in {}", seconds(started)));
    Ok(verdict)
}

/// The harness's summary: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn numbers(line: &str) -> Option<Verdict> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut verdict = Verdict::default();
    for part in rest.split("; ") {
        let (number, what) = part.split_once(' ')?;
        match what {
            "passed" => verdict.passed = number.parse().ok()?,
            "failed" => verdict.failed = number.parse().ok()?,
            "ignored" => verdict.skipped = number.parse().ok()?,
            _ => {}
        }
    }
    Some(verdict)
}

fn is_dull(line: &str) -> bool {
    line.is_empty()
        || line.starts_with("running ")
        || (line.starts_with("test ") && line.ends_with(" ... ok"))
        || line.trim_start().starts_with("Running ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let line = "test result: FAILED. 12 passed; 2 failed; 3 ignored; 0 measured; 4 filtered out; finished in 0.1s";
        assert_eq!(numbers(line), Some(Verdict { passed: 12, failed: 2, skipped: 3 }));
        assert_eq!(numbers("test result"), None);
        assert_eq!(numbers("test a::b ... ok"), None);
    }
}
