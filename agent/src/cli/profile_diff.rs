//! `stockade profile diff`: what one profile allows and another does not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use stockade_abi::access;

use super::{FAILURE, Format};
use crate::compare::{Change, Difference, Who, WordChange, compare, word_changes};
use crate::compile::Section;
use crate::profile::{Profile, Shelf, read_any_file, read_profile};

/// What does B allow that A does not, and the other way round?
///
/// Compares what the profiles mean, not what they say: the same rules in other words are no difference.
/// Exits with 0 when there is none, with 1 when there is one, with 2 when a profile cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The profile to start from
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The profile to compare with it
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Compare what sessions may do, instead of the container and what is only for sessions
    #[arg(long)]
    session: bool,
    /// How to print the differences
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Runs the verb.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (Some(a), Some(b)) = (read(&args.first)?, read(&args.second)?) else {
        return Ok(ExitCode::from(FAILURE));
    };
    let who = if args.session { Who::Session } else { Who::All };
    let rules = compare(&a, &b, who)?;
    let words = word_changes(&a, &b);
    let mut out = io::BufWriter::new(io::stdout().lock());
    let same = rules.is_empty() && words.is_empty() && a.mode == b.mode;
    match args.output {
        Format::Text if same => writeln!(out, "no difference")?,
        Format::Text => text(&a, &b, &rules, &words, &mut out)?,
        Format::Json => objects(&a, &b, &rules, &words, &mut out)?,
    }
    out.flush()?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The profile in a file; what is wrong with it is printed.
pub(super) fn read(file: &Path) -> anyhow::Result<Option<Profile>> {
    let name = file.display().to_string();
    let bytes = read_any_file(file).with_context(|| format!("cannot read {name}"))?;
    match read_profile(&name, &bytes, &Shelf::beside(file)) {
        Ok(profile) => Ok(Some(profile)),
        Err(error) => {
            eprint!("{error}");
            Ok(None)
        }
    }
}

fn text(
    a: &Profile,
    b: &Profile,
    rules: &[Difference],
    words: &[WordChange],
    out: &mut impl Write,
) -> io::Result<()> {
    if a.mode != b.mode {
        writeln!(out, "~ mode {} becomes {}", a.mode.word(), b.mode.word())?;
    }
    for change in [Change::Added, Change::Removed] {
        for rule in rules.iter().filter(|rule| rule.change == change) {
            let access: Vec<&str> = access::words(rule.access).collect();
            let session = if rule.only_session { " to sessions" } else { "" };
            let (access, example) = (access.join(","), &rule.example);
            let of = side(change, a, b);
            writeln!(out, "{} {} grants {access}{session}", sign(change), of.shown(&rule.rule))?;
            match &rule.parent {
                Some(parent) => writeln!(out, "    for example {example}, started by {parent}")?,
                // A rule that is its own example says enough.
                None if *example == rule.rule.text => {}
                None => writeln!(out, "    for example {example}")?,
            }
        }
        for word in words.iter().filter(|word| word.change == change) {
            writeln!(out, "{} {} {}", sign(change), word.kind, word.text)?;
        }
    }
    Ok(())
}

fn objects(
    a: &Profile,
    b: &Profile,
    rules: &[Difference],
    words: &[WordChange],
    out: &mut impl Write,
) -> io::Result<()> {
    if a.mode != b.mode {
        let object = json!({
            "change": "changed", "kind": "mode", "from": a.mode.word(), "to": b.mode.word(),
        });
        writeln!(out, "{object}")?;
    }
    for rule in rules {
        let access: Vec<&str> = access::words(rule.access).collect();
        let mut object = json!({
            "change": word(rule.change), "kind": kind(rule.rule.section), "access": access,
            "example": rule.example, "rule": side(rule.change, a, b).shown(&rule.rule), "only_session": rule.only_session,
        });
        if let Some(parent) = &rule.parent {
            object["parent"] = json!(parent);
        }
        writeln!(out, "{object}")?;
    }
    for one in words {
        let object = json!({ "change": word(one.change), "kind": one.kind, "text": one.text });
        writeln!(out, "{object}")?;
    }
    Ok(())
}

/// The profile that a difference is a rule of.
const fn side<'a>(change: Change, a: &'a Profile, b: &'a Profile) -> &'a Profile {
    match change {
        Change::Added => b,
        Change::Removed => a,
    }
}

const fn sign(change: Change) -> char {
    match change {
        Change::Added => '+',
        Change::Removed => '-',
    }
}

const fn word(change: Change) -> &'static str {
    match change {
        Change::Added => "added",
        Change::Removed => "removed",
    }
}

const fn kind(section: Section) -> &'static str {
    match section {
        Section::Exec | Section::SessionExec | Section::DenyExec => "exec",
        Section::Files | Section::SessionFiles | Section::DenyFiles => "file",
        Section::Peers | Section::DenyPeers => "peer",
        Section::Listen => "listen",
    }
}
