//! `stockade profile explain`: would this be allowed, and by which rule?

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use stockade_abi::access;
use stockade_abi::reason::{Mode, Reason, Verdict};

use crate::compile::{Decision, Object, Policy, compile};
use crate::profile::{Profile, Shelf, read_any};

mod near;
mod nearest;
mod question;

use nearest::nearest;
pub(in crate::cli) use question::Question;

/// Would this be allowed under enforce, and by which rule?
///
/// Exits with 0 when it would be allowed, with 1 when not, with 2 when the question makes no sense.
/// With `-`, questions are lines of standard input, `ACCESS OBJECT`, each answered by one line; then
/// it exits with 0 when every line could be answered.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The profile, or a rule set
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is done: read, write, append, create, delete, rename, link, attr, map, exec or connect, or
    /// several with commas; `-` reads questions from standard input
    #[arg(value_name = "ACCESS")]
    access: String,
    /// To what: a canonical path, or for connect `tcp:10.0.0.1:443`, `udp:[::1]:53` or `unix:/path`
    #[arg(value_name = "OBJECT")]
    object: Option<OsString>,
    /// Ask for a session, a process that entered the running container from outside
    #[arg(long)]
    session: bool,
    /// The program that starts OBJECT, for exec rules that name parents
    #[arg(long, value_name = "PATH")]
    parent: Option<OsString>,
    /// How to print the answer
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object a line: verdict, reason, rule
    Json,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let name = args.file.display().to_string();
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {name}"))?;
    let profile = match read_any(&name, &bytes, &Shelf::beside(&args.file)) {
        Ok(profile) => profile,
        Err(error) => {
            eprint!("{error}");
            return Ok(ExitCode::from(2));
        }
    };
    let policy = compile(&profile, Mode::Enforce).with_context(|| name.clone())?;
    let mut out = io::BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let code = match (&args.object, args.access.as_str()) {
        (None, "-") => {
            stream(&profile, &policy, args.session, args.output, &mut io::stdin().lock(), &mut out)?
        }
        (Some(object), access) => match Question::parse(access.as_bytes(), object.as_bytes()) {
            Ok(question) => one(&profile, &policy, &question, &args, &mut out)?,
            Err(message) => {
                eprintln!("stockade profile explain: {message}");
                ExitCode::from(2)
            }
        },
        (None, _) => {
            eprintln!(
                "stockade profile explain: OBJECT is missing (or `-` in place of ACCESS, to read questions)"
            );
            ExitCode::from(2)
        }
    };
    out.flush()?;
    Ok(code)
}

fn ask(policy: &Policy, question: &Question, session: bool) -> Decision {
    policy.decide(&question.object(), question.access, session)
}

/// The decision when the program `parent` starts the object; `alone` is the one for whoever starts it.
fn started_by(
    policy: &Policy,
    question: &Question,
    parent: &[u8],
    session: bool,
    alone: Decision,
) -> Decision {
    let Object::Path(path) = question.object() else { return alone };
    if alone.reason != Reason::NoRule || alone.missing != access::EXEC {
        return alone;
    }
    policy.decide_exec(path, parent, session)
}

fn one(
    profile: &Profile,
    policy: &Policy,
    question: &Question,
    args: &Args,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    let alone = ask(policy, question, args.session);
    let decision = match &args.parent {
        Some(parent) => started_by(policy, question, parent.as_bytes(), args.session, alone),
        None => alone,
    };
    let words: Vec<&str> = access::words(question.access).collect();
    match args.output {
        Output::Json => answer_json(profile, &decision, out)?,
        Output::Text => {
            writeln!(out, "{}: {} {}", decision.verdict.word(), words.join(","), question.shown)?;
            if decision.reason != Reason::Rule {
                let missing: Vec<&str> = access::words(decision.missing).collect();
                writeln!(out, "  reason   {}: {}", decision.reason.word(), because(&decision, &missing))?;
            }
            match &decision.rule {
                Some(rule) => writeln!(out, "  rule     {}", profile.shown(rule))?,
                None => {
                    for line in nearest(profile, policy, question, args.session) {
                        writeln!(out, "  nearest  {line}")?;
                    }
                }
            }
        }
    }
    Ok(match decision.verdict {
        Verdict::Allowed => ExitCode::SUCCESS,
        Verdict::Denied | Verdict::WouldDeny => ExitCode::from(1),
    })
}

fn because(decision: &Decision, missing: &[&str]) -> String {
    match decision.reason {
        Reason::PathTooLong => "no name of more than 4095 bytes can be judged".to_owned(),
        Reason::DenyRule => "a rule denies it, whatever the others grant".to_owned(),
        Reason::Rule
        | Reason::NoRule
        | Reason::PathUnreadable
        | Reason::ScratchBusy
        | Reason::UnknownSubject
        | Reason::PolicyCorrupt
        | Reason::LabelFull
        | Reason::BadAddress
        | Reason::UnsupportedFamily => format!("no rule grants {}", missing.join(", ")),
    }
}

fn stream(
    profile: &Profile,
    policy: &Policy,
    session: bool,
    output: Output,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    let mut line = Vec::new();
    let mut good = true;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(2) });
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let space = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
        let (access, object) = text.split_at(space);
        let object = object.strip_prefix(b" ").unwrap_or(object);
        match (Question::parse(access, object), output) {
            (Ok(question), Output::Json) => answer_json(profile, &ask(policy, &question, session), out)?,
            (Ok(question), Output::Text) => {
                let decision = ask(policy, &question, session);
                write!(out, "{} {}", decision.verdict.word(), decision.reason.word())?;
                match &decision.rule {
                    Some(rule) => writeln!(out, " {}", profile.shown(rule))?,
                    None => writeln!(out)?,
                }
            }
            (Err(message), Output::Json) => {
                good = false;
                writeln!(out, "{}", json!({ "verdict": "error", "reason": message, "rule": null }))?;
            }
            (Err(message), Output::Text) => {
                good = false;
                writeln!(out, "error {message}")?;
            }
        }
    }
}

fn answer_json(profile: &Profile, decision: &Decision, out: &mut impl Write) -> io::Result<()> {
    let rule = decision.rule.as_ref().map(|rule| profile.shown(rule));
    let answer = json!({
        "verdict": decision.verdict.word(), "reason": decision.reason.word(), "rule": rule,
    });
    writeln!(out, "{answer}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{FileRule, PeerRule, parse_target};

    fn profile() -> Profile {
        let mut profile = Profile::new("test", Mode::Audit);
        profile.files = vec![FileRule::new("/etc/**", access::READ)];
        profile.peers = vec![PeerRule::new(parse_target("10.0.0.0/8").unwrap())];
        profile.sessions.exec = vec!["/bin/sh".to_owned()];
        profile
    }

    fn answers(input: &str, session: bool, output: Output) -> Vec<String> {
        let mut out = Vec::new();
        let profile = profile();
        let policy = compile(&profile, Mode::Enforce).unwrap();
        stream(&profile, &policy, session, output, &mut input.as_bytes(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn one_line_for_each_line() {
        let input = "read /etc/a b\nwrite /etc/x\nread,write /etc/x\nconnect tcp:10.1.1.1:1\nconnect [::1]:1\n\
                     read etc\nread /a/../b\nfly /x\n\nexec /bin/sh\nread";
        let wanted = [
            "allowed rule files[0] /etc/**",
            "denied no-rule",
            "denied no-rule",
            "allowed rule peers[0] 10.0.0.0/8",
            "denied no-rule",
        ];
        let found = answers(input, false, Output::Text);
        assert_eq!(found.len(), 11, "{found:#?}");
        assert_eq!(found[..5], wanted);
        assert!(found[5..9].iter().all(|line| line.starts_with("error ")), "{found:#?}");
        assert_eq!(found[9], "denied no-rule");
        assert!(found[10].starts_with("error "), "{found:#?}");
        assert_eq!(answers("exec /bin/sh\n", true, Output::Text), ["allowed rule sessions.exec[0] /bin/sh"]);
    }

    #[test]
    fn json_has_three_fields() {
        let found = answers("read /etc/x\nread x\n", false, Output::Json);
        let object: serde_json::Value = serde_json::from_str(&found[0]).unwrap();
        assert_eq!(object, json!({"verdict": "allowed", "reason": "rule", "rule": "files[0] /etc/**"}));
        let object: serde_json::Value = serde_json::from_str(&found[1]).unwrap();
        assert_eq!(object["verdict"], "error");
    }

    #[test]
    fn too_long() {
        let found = answers(&format!("read /etc/{}\n", "x".repeat(4095)), false, Output::Text);
        assert_eq!(found, ["denied path-too-long"]);
    }
}
