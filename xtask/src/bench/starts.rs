//! Where the instructions of a start go, by the kernel's own count of the programs' runs.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::record::{Figures, Record};
use super::table::number;

const CONFIGURATION: &str = "starts";
/// Runs are kept in hundredths.
const HUNDRED: u64 = 100;

const HEAD: &str = "## Where the instructions of a start go

What the programs execute for one `posix_spawn + exit + wait`, outside every subject and inside one, by the kernel's own
count (`kernel.bpf_stats_enabled`; `stockade status -o json` has it as `runs` and `run_time_ns`). Each run holds about 80
instructions of the clock's own. What is not in it is the way to a program and back, which is what *empty programs* add to
an operation with one call, nor that the kernel frees what a label is kept in when its process is gone. The sum is
steadier than the difference of two whole starts above, in which the kernel's own work behind a start differs by more than
what is looked for.

";
/// What reading the clock adds to a run.
const CLOCK: u64 = 80;

const TAIL: &str = "The calls themselves are half of it, and none can be left out: without the mappings a library could be loaded that no
rule grants, without `file_permission` a file that was handed over could be read, and the kernel asks each time. Most of
the rest is `task_alloc`, where the kernel makes the storage in which a new process carries its label. That cannot wait: a
process without a label is outside. Tried and kept: of a label only the word that is asked for is read, a mapping that is
neither executable nor shared ends before its file is looked at, and what the kernel opens to start it is not looked up.

";

/// What a run of each program takes, by name. How often they run is not compared: what others do meanwhile is counted too.
pub(super) fn runs(figures: &Figures) -> BTreeMap<&str, u64> {
    let counts = figures.configurations(CONFIGURATION).flat_map(|(_, counts)| counts);
    counts.filter_map(|(name, figure)| Some((name.strip_suffix("-each")?, figure.value))).collect()
}

/// The section with a table for each kernel; nothing where it was not measured.
pub(super) fn section(record: &Record) -> String {
    let tables: String = record.kernels.iter().map(|(family, figures)| table(family, figures)).collect();
    if tables.is_empty() { tables } else { format!("{HEAD}{tables}{TAIL}") }
}

fn table(family: &str, figures: &Figures) -> String {
    let Some((_, counts)) = figures.configurations(CONFIGURATION).next() else { return String::new() };
    let count = |who: &str, hook: &str, what: &str| {
        counts.get(&format!("{who}-{hook}-{what}")).map_or(0, |figure| figure.value)
    };
    let total = |who: &str, hook: &str| count(who, hook, "runs") * count(who, hook, "each") / HUNDRED;
    let mut hooks: Vec<&str> =
        counts.keys().filter_map(|name| name.strip_prefix("inside-")?.strip_suffix("-runs")).collect();
    hooks.sort_by_key(|hook| std::cmp::Reverse(total("inside", hook)));
    let mut out = format!(
        "| Linux {family} | runs | a run, outside | a run, inside | a start, outside | a start, inside |\n\
         |---|--:|--:|--:|--:|--:|\n"
    );
    let mut sums = [0; 3];
    for hook in hooks {
        let runs = count("inside", hook, "runs");
        let (outside, inside) = (total("outsider", hook), total("inside", hook));
        for (sum, more) in sums.iter_mut().zip([runs, outside, inside]) {
            *sum += more;
        }
        let each = ["outsider", "inside"].map(|who| number(count(who, hook, "each")));
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(
            out,
            "| `{hook}` | {} | {} | {} | {} | {} |",
            hundredths(runs),
            each[0],
            each[1],
            number(outside),
            number(inside)
        );
    }
    let [runs, outside, inside] = sums;
    let _ = writeln!(out, "| all | {} | | | {} | {} |", hundredths(runs), number(outside), number(inside));
    if let Some(together) = together(figures, runs, inside) {
        out.push_str(&together);
    }
    out.push('\n');
    out
}

/// What a start inside comes to, of what a start takes: `inside` in `runs`, without the clock and with the way there.
fn together(figures: &Figures, runs: u64, inside: u64) -> Option<String> {
    let way = u64::try_from(figures.over("floor", "open")?).ok()?;
    let all = (inside + runs * way / HUNDRED).saturating_sub(runs * CLOCK / HUNDRED);
    let start = figures.get("base", "exec")?.value.max(1);
    let part = hundredths(all * HUNDRED * 100 / start);
    let (all, start) = (number(all), number(start));
    Some(format!("\nWithout the clock and with the way there and back: {all} of {start}, {part} %.\n"))
}

/// `2.25` of 225.
fn hundredths(value: u64) -> String {
    format!("{}.{:02}", value / HUNDRED, value % HUNDRED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest;

    #[test]
    fn the_dearest_first() {
        let mut figures = Figures::new("linux");
        for (operation, value) in [
            ("inside-cheap-runs", 500),
            ("inside-cheap-each", 90),
            ("outsider-cheap-each", 80),
            ("outsider-cheap-runs", 500),
            ("inside-dear-runs", 100),
            ("inside-dear-each", 1000),
            ("outsider-dear-runs", 100),
            ("outsider-dear-each", 85),
        ] {
            figures.put(&guest::Figure {
                configuration: CONFIGURATION.to_owned(),
                operation: operation.to_owned(),
                value,
                spread: 0,
            });
        }
        let known =
            [("inside-cheap", 90), ("inside-dear", 1000), ("outsider-cheap", 80), ("outsider-dear", 85)];
        assert_eq!(runs(&figures), BTreeMap::from(known));
        let page = section(&Record { kernels: BTreeMap::from([("6.1".to_owned(), figures)]) });
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        assert_eq!(
            rows,
            [
                "| `dear` | 1.00 | 85 | 1\u{202f}000 | 85 | 1\u{202f}000 |",
                "| `cheap` | 5.00 | 80 | 90 | 400 | 450 |",
                "| all | 6.00 | | | 485 | 1\u{202f}450 |"
            ]
        );
        assert_eq!(section(&Record::default()), "");
    }
}
