//! The suites, and how a suite tells what became of its cases.

mod alive;
mod bench;
mod boot;
mod containers;
mod demo;
mod hooks;
mod refuse;
mod shell;
pub(crate) mod wait;

use std::any::Any;
use std::env;
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Runs the suite of this name.
pub(crate) fn run(name: &str, report: &mut Report) -> Result<()> {
    match name {
        "alive" => alive::run(report),
        "bench" => bench::run(report),
        "boot" => boot::run(report),
        "containers" => containers::run(report),
        "demo" => demo::run(report),
        "cases" => hooks::beside::run(report),
        "functions" | "hooks" => hooks::run(report),
        "races" => hooks::races(report),
        "refuse" => refuse::run(report),
        "shell" => shell::run(report),
        _ => bail!("there is no suite `{name}`"),
    }
}

/// Whether everything is to be done as often as it should be once, and not only as often as fits into
/// every run.
pub(crate) fn is_thorough() -> bool {
    Path::new("/stockade/thorough").exists()
}

/// The product's binary.
pub(crate) fn stockade() -> PathBuf {
    env::var_os("STOCKADE_BIN").map_or_else(|| "/stockade/stockade".into(), PathBuf::from)
}

/// Who reads what a suite prints.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// The host of a guest.
    Protocol,
    /// A person.
    Plain,
}

/// Counts cases and prints one line for each.
pub(crate) struct Report {
    style: Style,
    filter: Option<String>,
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Report {
    pub(crate) fn new(style: Style, filter: Option<String>) -> Self {
        Self { style, filter, passed: 0, failed: 0, skipped: 0 }
    }

    /// Whether a case of this name was asked for: by a part of it, or one of several with commas between.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.split(',').any(|part| name.contains(part)))
    }

    /// Runs a case if it was asked for; an error or a panic is its failure.
    pub(crate) fn case(&mut self, name: &str, run: impl FnOnce() -> Result<()>) {
        if !self.wants(name) {
            return;
        }
        match panic::catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => self.pass(name),
            Ok(Err(error)) => self.fail(name, &format!("{error:#}")),
            Err(panic) => self.fail(name, &format!("panicked: {}", panic_message(&*panic))),
        }
    }

    pub(crate) fn pass(&mut self, name: &str) {
        self.passed += 1;
        self.line("case", &format!("{} pass", one_word(name)));
    }

    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        self.line("case", &format!("{} fail {}", one_word(name), one_line(why)));
    }

    /// Counts a case that cannot run here, with the reason.
    #[expect(dead_code, reason = "no case of these suites is ever skipped")]
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        if self.wants(name) {
            self.skipped += 1;
            self.line("case", &format!("{} skip {}", one_word(name), one_line(why)));
        }
    }

    /// Hands a figure to the host: what `operation` costs under `configuration`, and how sure that is.
    pub(crate) fn figure(&self, configuration: &str, operation: &str, value: u64, spread: u64) {
        self.line("figure", &format!("{configuration} {operation} {value} {spread}"));
    }

    /// Tells something to whoever watches; a text of several lines keeps them.
    pub(crate) fn say(&self, text: &str) {
        for line in text.split('\n') {
            self.line("say", line);
        }
    }

    /// Prints the numbers; whether all is well.
    pub(crate) fn finish(self) -> bool {
        let Self { passed, failed, skipped, .. } = self;
        match self.style {
            Style::Protocol => {
                self.line("verdict", &format!("passed={passed} failed={failed} skipped={skipped}"));
            }
            Style::Plain => {
                self.line("verdict", &format!("{passed} passed, {failed} failed, {skipped} skipped"))
            }
        }
        failed == 0 && passed > 0
    }

    fn line(&self, word: &str, text: &str) {
        let line = match self.style {
            Style::Protocol => format!("##stockade {word} {text}\n"),
            Style::Plain => format!("{text}\n"),
        };
        // One write for the whole line, so that nothing gets in between. If even that fails, the
        // missing line is noticed by the host.
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()) {
            eprintln!("cannot report: {error}");
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "something that is no text".to_owned())
}

fn one_word(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join("-")
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" | ")
}
