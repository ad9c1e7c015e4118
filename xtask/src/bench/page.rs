//! `docs/PERFORMANCE.md`: every figure in it comes from the run that writes it.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use super::record::{Figures, Record};
use super::{chart, lane, starts, table};
use crate::project::Project;

const HEAD: &str = "# Performance

What confinement costs, counted in instructions that the processor executes, kernel and all.
`cargo xtask bench` measures it and writes this page, [the chart](performance.svg) and
[the record](performance.json); nothing here is edited by hand.

![Instructions that each configuration adds to an operation](performance.svg)

";

const METHOD: &str = "## How it is measured

- A throw-away qemu guest of one processor runs with `-icount shift=0,sleep=off`: its clock advances by one
  nanosecond for each instruction executed, so a time is a count, and a busy host changes nothing. Three
  seconds after boot, when the kernel has settled for a clock source, measuring begins.
- One boot of each kernel measures all configurations, each in three passes: no confinement first, then empty programs,
  then AppArmor, then stockade. Every measured process is in a cgroup made as `stockade run` makes it, also
  without confinement, since being in one has a price of its own. Address randomisation is off.
- Each operation runs in four series, with a pause between them in which the kernel frees what it put off; the
  best series of a pass counts, and the middle one of the three passes. `±` is how far apart they are.
- Files are on tmpfs and new for each configuration. `500 files once each` opens files that nobody opened
  before, in a directory where one was. `exec` starts a static busybox. nginx opens and sends a file of
  1000 bytes for each request; everybody's instructions count, the client's too, which is not confined.

The configurations:

| name | what it is |
|---|---|
| base | no confinement, nothing attached |
| empty programs | LSM programs that do nothing on the hooks that any mediator of these operations needs: the floor |
| AppArmor *n* | the equivalent allowlist of *n* rules, enforced by AppArmor |
| outsider | stockade's programs are attached, the process is outside any profile |
| stockade *n* | the same allowlist of *n* rules, enforced by stockade |
| audit *n* | the same in mode audit, each operation after it was done once |
| learn *n* | the same in mode learn, which looks at no rule and remembers what was done in a window |

The allowlist holds the ten rules that the measured programs need; the rest are rules of the kinds that real
profiles hold, mostly plain names, some patterns. One generator (`xtask/src/bench/rules.rs`) writes it for both.
A *promise* holds for stockade whatever the number of rules.

## Repeating it

```sh
cargo xtask bench           # both kernels, ten to twenty-five minutes; writes this page
cargo xtask bench --check   # compares with the record instead, and fails where a figure is worse
cargo xtask bench --only agent-500 --renew   # measures a part anew, and keeps the rest of the page
```

`cargo xtask test` compares too, without the agent's figures and the configurations that are not stockade's. A figure is worse when
what it adds to the base exceeds the recorded one by more than 5 %, or by more than the noise of its operation
(`xtask/src/bench/operations.rs`) where that is larger, in two guests: how a kernel happens to lay out its memory and
its tables makes a figure worse in one, a worse program makes it worse in all.

";

const AGENT: &str = "## The agent

Compiling is what `stockade profile explain` executes for a profile, less what it executes for one of a single
rule. Swapping is what is executed from the finished table until the new policy judges.
A million instructions take a processor about a third of a millisecond. Kernel memory is what the kernel
charges to the agent's cgroup for a policy; maps of a fixed size are in the first line.

";

/// Writes the page and the chart.
pub(super) fn write(project: &Project, record: &Record) -> Result<()> {
    let mut page = HEAD.to_owned();
    page.push_str("## What it adds to an operation\n\nInstructions over no confinement.\n\n");
    for (family, figures) in &record.kernels {
        page.push_str(&table::over(family, figures));
        page.push_str(&table::learning(figures));
    }
    page.push_str(&starts::section(record));
    // A guest that did not get as far as the agent has figures for all that comes before.
    if record.kernels.values().any(|figures| {
        ROWS.iter().any(|(_, name, counts)| {
            counts.iter().any(|count| figures.agent(&name.replace('*', count)).is_some())
        })
    }) {
        page.push_str(AGENT);
        page.push_str(&agent(record));
    }
    page.push_str(METHOD);
    page.push_str("## All figures\n\nInstructions for one operation.\n\n");
    for (family, figures) in &record.kernels {
        page.push_str(&table::absolute(family, figures));
    }
    for (name, text) in
        [("PERFORMANCE.md", page.trim_end().to_owned() + "\n"), ("performance.svg", chart::draw(record))]
    {
        let path = lane::docs(project).join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Rows of the agent's table: what is counted, the figure's name with the count as `*`, the counts.
const ROWS: [(&str, &str, &[&str]); 9] = [
    ("kernel memory without a policy", "kernel-memory-start", &[""]),
    ("agent memory (VmRSS) without a policy", "agent-memory-start", &[""]),
    ("compiling * rules, instructions", "compile-*", &["10", "100", "1000", "10000"]),
    ("swapping a policy of * rules, instructions", "swap-*", &["10", "100", "1000", "10000"]),
    ("kernel memory of a policy of * rules", "kernel-memory-*", &["10", "100", "1000", "10000"]),
    ("kernel memory, policies of 10 rules: *", "kernel-memory-*-policies", &["1", "100", "500"]),
    ("agent memory, policies of 10 rules: *", "agent-memory-*-policies", &["1", "100", "500"]),
    ("kernel memory, subjects of one policy: *", "kernel-memory-*-subjects", &["1", "100", "500"]),
    ("agent memory, subjects of one policy: *", "agent-memory-*-subjects", &["1", "100", "500"]),
];

fn agent(record: &Record) -> String {
    let families: Vec<&Figures> = record.kernels.values().collect();
    let mut out = String::from("| |");
    for family in record.kernels.keys() {
        // Writing to a string cannot fail, here and below.
        let _ = write!(out, " Linux {family} |");
    }
    let _ = writeln!(out, "\n|---|{}", "--:|".repeat(families.len()));
    for (title, name, counts) in ROWS {
        for count in counts {
            let grouped = count.parse().map_or_else(|_| String::new(), table::number);
            let _ = write!(out, "| {} |", title.replace('*', &grouped));
            let name = name.replace('*', count);
            for figures in &families {
                let shown = figures.agent(&name).map_or_else(|| "–".to_owned(), |value| unit(&name, value));
                let _ = write!(out, " {shown} |");
            }
            out.push('\n');
        }
    }
    out.push('\n');
    out
}

fn unit(name: &str, value: u64) -> String {
    if name.contains("memory") {
        format!("{} KiB", table::number(value / 1024))
    } else {
        format!("{}.{} M", table::number(value / 1_000_000), value / 100_000 % 10)
    }
}
