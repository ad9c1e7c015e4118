//! `guest act bench OP…`: does operations again and again and tells what each costs.
//!
//! The guest's clock counts executed instructions, so a difference of two readings is a cost that a busy
//! host does not change.

mod files;
mod net;
mod process;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;

pub(crate) use self::process::STARTS;

/// How often a series is repeated; the first time everything on its way is still cold.
pub(crate) const SERIES: usize = 4;
/// What the kernel puts off is done by then. It takes no time: the clock of an idle guest skips.
const SETTLE: Duration = Duration::from_millis(100);

/// The cost of one operation.
struct Cost {
    /// Instructions, in the best series.
    best: u64,
    /// How much more the second best took: what the best is worth.
    spread: u64,
}

/// Measures each operation named and prints one line of JSON for it. With `warm` before the names, each is done once
/// before it is measured, and that is told under the name `OP-first`.
pub(super) fn bench(names: &[String]) -> Result<u8> {
    let (warm, names) = match names {
        [first, names @ ..] if first == "warm" => (true, names),
        names => (false, names),
    };
    for name in names {
        if warm {
            tell(&format!("{name}-first"), &measure(name).with_context(|| name.clone())?);
        }
        tell(name, &measure(name).with_context(|| name.clone())?);
    }
    Ok(0)
}

fn tell(name: &str, cost: &Cost) {
    println!("{}", json!({ "op": name, "best": cost.best, "spread": cost.spread }));
}

fn measure(name: &str) -> Result<Cost> {
    match name {
        "open" => files::same("/tmp/b/file01", 1000),
        "open-nested" => files::same(files::NESTED, 1000),
        "open-4000" => files::long(200),
        "open-300-levels" => files::deep(200),
        "open-inside-300-levels" => files::inside(1000),
        "distinct" => files::distinct("/tmp/b/many"),
        "distinct-nested" => files::distinct("/tmp/b/usr/share/application/data/locale/en_GB/many"),
        "create" => files::names(files::Change::Create),
        "unlink" => files::names(files::Change::Unlink),
        "rename" => files::names(files::Change::Rename),
        "write" => files::write(1000),
        "exec" => process::exec(),
        "connect" => net::connect(1000),
        "send" => net::send(20, 50),
        _ => bail!("there is no such operation"),
    }
}

/// Runs series of `times` operations each; `one` gets the number of the series and of the operation.
fn series(times: u64, mut one: impl FnMut(usize, u64) -> Result<()>) -> Result<Cost> {
    let mut all = Vec::with_capacity(SERIES);
    for number in 0..SERIES {
        settle();
        let started = Instant::now();
        for time in 0..times {
            one(number, time)?;
        }
        all.push(elapsed(started)? / times);
    }
    best(all)
}

/// Lets the kernel free what the last series left.
fn settle() {
    let started = Instant::now();
    while started.elapsed() < SETTLE {
        thread::park_timeout(SETTLE);
    }
}

fn elapsed(since: Instant) -> Result<u64> {
    u64::try_from(since.elapsed().as_nanos()).context("a time")
}

fn best(mut all: Vec<u64>) -> Result<Cost> {
    all.sort_unstable();
    let [best, second, ..] = all[..] else { bail!("fewer than two series") };
    Ok(Cost { best, spread: second - best })
}
