//! `stockade profile test`: what a profile would deny of what was recorded.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;
use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::{Mode, Reason, Verdict};

use super::events::state_dir;
use super::profile_explain::Question;
use super::{FAILURE, Format};
use crate::compile::{Decision, Object, Policy, Start, compile};
use crate::events::record::{Record, printable, text};
use crate::events::render::{Peer, protocol_word};
use crate::learn::review::object;
use crate::learn::transfer::Transfer;
use crate::profile::{Profile, Shelf, parse_any};
use crate::store::Store;

/// What would a profile have denied of what was recorded?
///
/// Exits with 0 when nothing, with 1 when something would be denied.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The profile
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Events, as `stockade events -o json` prints them; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "baseline", conflicts_with = "baseline")]
    events: Option<PathBuf>,
    /// What was learned: a file of `stockade learn export`, or the name of a profile
    #[arg(long, value_name = "FILE|NAME")]
    baseline: Option<String>,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// State directory, for the name of a profile; asked from the agent unless given
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Something that was done.
struct Done {
    object: Vec<u8>,
    access: AccessSet,
    session: bool,
    /// Programs that may have started it.
    parents: Vec<String>,
    exe: Option<String>,
    count: u64,
}

/// What came out.
#[derive(Default)]
struct Outcome {
    allowed: u64,
    denied: u64,
    /// Of kinds that no rule of a profile can speak of here.
    unjudged: u64,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {name}"))?;
    let profile = match parse_any(&name, &bytes, &Shelf::beside(&args.file)) {
        Ok(parsed) => parsed.profile,
        Err(error) => {
            eprint!("{error}");
            return Ok(ExitCode::from(FAILURE));
        }
    };
    let policy = compile(&profile, Mode::Enforce).with_context(|| name.clone())?;
    let mut outcome = Outcome::default();
    let done = match (&args.events, &args.baseline) {
        (Some(events), _) => from_events(events, &mut outcome)?,
        (None, Some(baseline)) => from_baseline(baseline, args.state.clone(), &mut outcome)?,
        (None, None) => bail!("name what was recorded with --events or --baseline"),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    for one in &done {
        judge(&profile, &policy, one, args.output, &mut outcome, &mut out)?;
    }
    if args.output == Format::Text {
        writeln!(
            out,
            "{} allowed, {} denied, {} not judged",
            outcome.allowed, outcome.denied, outcome.unjudged
        )?;
    }
    out.flush()?;
    Ok(if outcome.denied == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn from_events(path: &Path, outcome: &mut Outcome) -> anyhow::Result<Vec<Done>> {
    let input: Box<dyn io::BufRead> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?))
    };
    let mut all = Vec::new();
    for (index, line) in input.lines().enumerate() {
        let record: Record = serde_json::from_str(&line?)
            .with_context(|| format!("line {} of {} is not an event", index + 1, path.display()))?;
        match question(&record) {
            Some(question) => all.push(Done {
                object: question.bytes().to_vec(),
                access: question.access,
                session: record.session,
                parents: record.process.exe.iter().cloned().collect(),
                exe: record.process.exe,
                count: record.count,
            }),
            None => outcome.unjudged += record.count,
        }
    }
    Ok(all)
}

/// What an event asks; `None` for what `explain` cannot be asked either.
fn question(record: &Record) -> Option<Question> {
    let text = object(record)?;
    Question::parse(record.access.join(",").as_bytes(), text.as_bytes()).ok()
}

fn from_baseline(baseline: &str, state: Option<PathBuf>, outcome: &mut Outcome) -> anyhow::Result<Vec<Done>> {
    let transfer = if Path::new(baseline).is_file() {
        let file = File::open(baseline).with_context(|| format!("cannot read {baseline}"))?;
        Transfer::read(BufReader::new(file)).with_context(|| baseline.to_owned())?
    } else {
        Transfer::of(&Store::open_read_only(&state_dir(state))?, baseline)?
    };
    if transfer.seen.is_empty() {
        bail!("nothing was recorded for `{baseline}`");
    }
    let mut all = Vec::new();
    for (session, seen) in transfer.seen {
        let Some((_, access)) = seen.question() else {
            outcome.unjudged += seen.evidence.count;
            continue;
        };
        let evidence = seen.evidence;
        all.push(Done {
            access,
            session,
            // Asked when the start is under way, a process names its old program or its new one.
            parents: evidence.exe.iter().chain(&evidence.parent).cloned().collect(),
            exe: evidence.exe,
            count: evidence.count,
            object: seen.object,
        });
    }
    Ok(all)
}

fn judge(
    profile: &Profile,
    policy: &Policy,
    done: &Done,
    output: Format,
    outcome: &mut Outcome,
    out: &mut impl Write,
) -> io::Result<()> {
    let decision = decide(policy, done);
    if decision.verdict == Verdict::Allowed {
        outcome.allowed += done.count;
        return Ok(());
    }
    outcome.denied += done.count;
    let words: Vec<&str> = access::words(done.access).collect();
    let (object, rule) = (shown(done), decision.rule.as_ref().map(|rule| profile.shown(rule)));
    match output {
        Format::Json => writeln!(
            out,
            "{}",
            json!({
                "verdict": decision.verdict.word(), "reason": decision.reason.word(), "access": words,
                "object": object, "session": done.session, "exe": done.exe, "count": done.count, "rule": rule,
            })
        ),
        Format::Text => writeln!(
            out,
            "{} {} {}{} ({}) by {} x{}",
            decision.verdict.word(),
            words.join("+"),
            printable(&object),
            if done.session { " of a session" } else { "" },
            rule.unwrap_or_else(|| decision.reason.word().to_owned()),
            printable(done.exe.as_deref().unwrap_or("?")),
            done.count
        ),
    }
}

fn decide(policy: &Policy, done: &Done) -> Decision {
    if done.access & (access::CONNECT | access::LISTEN) != 0 {
        return policy.decide(&Object::Peer(&done.object), done.access, done.session);
    }
    let alone = policy.decide(&Object::Path(&done.object), done.access, done.session);
    if alone.reason != Reason::NoRule || alone.missing != access::EXEC {
        return alone;
    }
    let parents = done.parents.iter();
    let mut granted = parents.map(|parent| {
        let start = Start { parent: Some(parent.as_bytes()), ..Start::default() };
        policy.decide_exec(&done.object, done.access, &start, done.session)
    });
    granted.find(|decision| decision.verdict == Verdict::Allowed).unwrap_or(alone)
}

fn shown(done: &Done) -> String {
    if done.access & (access::CONNECT | access::LISTEN) == 0 {
        return text(&done.object);
    }
    match Peer::parse(&done.object) {
        Some(Peer::Unix(path)) => format!("unix:{}", text(&path)),
        Some(Peer::Abstract(name)) => format!("unix:@{}", text(&name)),
        Some(Peer::Inet { address, port, protocol }) => {
            format!("{}:{}", protocol_word(protocol), std::net::SocketAddr::new(address, port))
        }
        Some(Peer::Local { port, protocol }) => format!("{}:{port}", protocol_word(protocol)),
        None => text(&done.object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::ObjectRef;
    use crate::events::record::tests::sample;

    #[test]
    fn an_event_asks_what_was_asked() {
        let asked = |record: &Record| question(record).map(|question| question.bytes().to_vec());
        assert_eq!(asked(&sample()).unwrap(), b"/tmp/x");
        let mut record = sample();
        record.kind = "connect".to_owned();
        record.access = vec!["connect".to_owned()];
        record.object = ObjectRef {
            path: None,
            address: Some("10.0.0.1".to_owned()),
            port: Some(443),
            protocol: Some("tcp".to_owned()),
            ..ObjectRef::default()
        };
        assert_eq!(asked(&record).unwrap(), b"4\x06\x0a\0\0\x01\x01\xbb");
        record.kind = "fork".to_owned();
        assert_eq!(asked(&record), None);
    }

    #[test]
    fn denials_are_counted_and_shown() {
        let mut profile = Profile::new("web", Mode::Enforce);
        profile.exec.push(crate::profile::ExecRule {
            parents: vec!["/bin/sh".to_owned()],
            ..crate::profile::ExecRule::new("/tmp/x")
        });
        let policy = compile(&profile, Mode::Enforce).unwrap();
        let done = |object: &str, parent: &str| Done {
            object: object.as_bytes().to_vec(),
            access: access::EXEC,
            session: false,
            parents: vec![parent.to_owned()],
            exe: None,
            count: 3,
        };
        let (mut outcome, mut out) = (Outcome::default(), Vec::new());
        for one in [done("/tmp/x", "/bin/sh"), done("/tmp/x", "/bin/ls"), done("/tmp/y\n", "/bin/sh")] {
            judge(&profile, &policy, &one, Format::Text, &mut outcome, &mut out).unwrap();
        }
        assert_eq!((outcome.allowed, outcome.denied), (3, 6));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "denied exec /tmp/x (no-rule) by ? x3\ndenied exec /tmp/y\\n (no-rule) by ? x3\n");
    }
}
