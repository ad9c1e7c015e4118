//! `stockade profile explain`: would this be allowed, and by which rule?

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, Read as _, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;
use stockade_abi::access;
use stockade_abi::reason::{Mode, Reason, Verdict};

use crate::compile::{Decision, Object, Policy, Power, PowerDecision, Start, compile, digest};
use crate::profile::{Profile, Shelf, parse_digest, read_any, read_any_file};

mod near;
mod nearest;
mod question;

use nearest::nearest;
pub(in crate::cli) use question::{Asked, Question};

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
    /// What is done: read, write, append, create, delete, rename, link, attr, map, exec, connect or listen, or
    /// several with commas, such as exec,drift for a program that does not come from the image; or capability or
    /// facility; `-` reads questions from standard input
    #[arg(value_name = "ACCESS")]
    access: String,
    /// To what: a canonical path; for connect `tcp:10.0.0.1:443`, `udp:[::1]:53` or `unix:/path`; or the
    /// name of the capability or facility
    #[arg(value_name = "OBJECT")]
    object: Option<OsString>,
    /// Ask for a session, a process that entered the running container from outside
    #[arg(long)]
    session: bool,
    /// The program that starts OBJECT, for exec rules that name parents
    #[arg(long, value_name = "PATH")]
    parent: Option<OsString>,
    /// The SHA-256 of what OBJECT holds, for exec rules that name contents; the right one unless given
    #[arg(long, value_name = "DIGEST", value_parser = content)]
    sha256: Option<[u64; 4]>,
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
    let bytes = read_any_file(&args.file).with_context(|| format!("cannot read {name}"))?;
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
        (None, "-") => stream(&profile, &policy, &args, &mut io::stdin().lock(), &mut out)?,
        (Some(object), access) => match Asked::parse(access.as_bytes(), object.as_bytes()) {
            Ok(Asked::Power(power)) => one_power(&profile, &policy, power, &args, &mut out)?,
            Ok(Asked::Object(question)) => one(&profile, &policy, &question, &args, &mut out)?,
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

fn ask(policy: &Policy, question: &Question, args: &Args) -> Decision {
    let Object::Path(path) = question.object() else {
        return policy.decide(&question.object(), question.access, args.session);
    };
    let start = Start { parent: args.parent.as_deref().map(OsStr::as_bytes), content: args.sha256 };
    policy.decide_exec(path, question.access, &start, args.session)
}

fn content(text: &str) -> Result<[u64; 4], String> {
    let digits = parse_digest(text)?;
    digest(&digits).ok_or_else(|| format!("`{text}` is no SHA-256 digest"))
}

fn one(
    profile: &Profile,
    policy: &Policy,
    question: &Question,
    args: &Args,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    let decision = ask(policy, question, args);
    let words: Vec<&str> = access::words(question.access).collect();
    match args.output {
        Output::Json => answer_json(&answer(profile, &decision), out)?,
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
    Ok(code(decision.verdict))
}

const fn code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Allowed => ExitCode::SUCCESS,
        Verdict::Denied | Verdict::WouldDeny => ExitCode::FAILURE,
    }
}

fn one_power(
    profile: &Profile,
    policy: &Policy,
    power: Power,
    args: &Args,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    let decision = policy.decide_power(power, args.session);
    match args.output {
        Output::Json => answer_json(&power_answer(profile, &decision), out)?,
        Output::Text => {
            writeln!(out, "{}: {} {}", decision.verdict.word(), power.kind(), power.word())?;
            match (&decision.rule, decision.reason) {
                (Some(rule), Reason::Rule) => writeln!(out, "  rule     {}", profile.shown_power(rule))?,
                (Some(rule), reason) => {
                    writeln!(
                        out,
                        "  reason   {}: a rule denies it, whatever the others grant",
                        reason.word()
                    )?;
                    writeln!(out, "  rule     {}", profile.shown_power(rule))?;
                }
                (None, Reason::Rule) => writeln!(out, "  rule     none: it is granted unless it is denied")?,
                (None, reason) => {
                    writeln!(out, "  reason   {}: no rule grants it", reason.word())?;
                    for rule in policy.power_rules(power).filter(|rule| rule.is_for_sessions()) {
                        writeln!(
                            out,
                            "  nearest  {} grants it, but only to sessions",
                            profile.shown_power(rule)
                        )?;
                    }
                }
            }
        }
    }
    Ok(code(decision.verdict))
}

fn because(decision: &Decision, missing: &[&str]) -> String {
    match decision.reason {
        Reason::PathTooLong => "no name of more than 4095 bytes can be judged".to_owned(),
        Reason::DenyRule => "a rule denies it, whatever the others grant".to_owned(),
        Reason::OtherContent => "its rules name contents, and this is none of them".to_owned(),
        Reason::NotFromImage => {
            "no rule lets it start if it does not come from the image; that takes `from: any`".to_owned()
        }
        Reason::Rule
        | Reason::NoRule
        | Reason::PathUnreadable
        | Reason::ScratchBusy
        | Reason::UnknownSubject
        | Reason::PolicyCorrupt
        | Reason::LabelFull
        | Reason::RootUnknown
        | Reason::BadAddress
        | Reason::UnsupportedFamily
        | Reason::Guarded
        | Reason::WiderRules => format!("no rule grants {}", missing.join(", ")),
    }
}

/// Bytes of a question's line at most: more than the longest path and every access.
const LINE_MAX: usize = 1 << 14;

fn stream(
    profile: &Profile,
    policy: &Policy,
    args: &Args,
    input: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<ExitCode> {
    let mut line = Vec::new();
    let mut good = true;
    while let Some(whole) = next_line(input, &mut line)? {
        let asked = if whole {
            Asked::of_line(&line)
        } else {
            Err(format!("the line has more than {LINE_MAX} bytes"))
        };
        let answer = asked.map(|asked| match asked {
            Asked::Object(question) => answer(profile, &ask(policy, &question, args)),
            Asked::Power(power) => power_answer(profile, &policy.decide_power(power, args.session)),
        });
        match (answer, args.output) {
            (Ok(answer), Output::Json) => answer_json(&answer, out)?,
            (Ok(Answer { verdict, reason, rule }), Output::Text) => {
                write!(out, "{} {}", verdict.word(), reason.word())?;
                match rule {
                    Some(rule) => writeln!(out, " {rule}")?,
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
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Reads a line without its end; whether it was read whole. Of one that is too long, the rest is passed over.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let most = u64::try_from(LINE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    if (&mut *input).take(most).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_some() || line.len() <= LINE_MAX {
        // Lines may end as on Windows.
        line.pop_if(|byte| *byte == b'\r');
        return Ok(Some(true));
    }
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

/// What is told of a decision in one line.
struct Answer {
    verdict: Verdict,
    reason: Reason,
    rule: Option<String>,
}

fn answer(profile: &Profile, decision: &Decision) -> Answer {
    let rule = decision.rule.as_ref().map(|rule| profile.shown(rule));
    Answer { verdict: decision.verdict, reason: decision.reason, rule }
}

fn power_answer(profile: &Profile, decision: &PowerDecision) -> Answer {
    let rule = decision.rule.as_ref().map(|rule| profile.shown_power(rule));
    Answer { verdict: decision.verdict, reason: decision.reason, rule }
}

fn answer_json(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let Answer { verdict, reason, rule } = answer;
    writeln!(out, "{}", json!({ "verdict": verdict.word(), "reason": reason.word(), "rule": rule }))
}

/// What the lines in `input` are answered.
#[cfg(test)]
pub(crate) fn answers_to(profile: &Profile, input: &[u8], json: bool) -> Vec<u8> {
    let output = if json { Output::Json } else { Output::Text };
    let args = Args {
        file: PathBuf::new(),
        access: "-".to_owned(),
        object: None,
        session: false,
        parent: None,
        sha256: None,
        output,
    };
    let policy = compile(profile, Mode::Enforce).unwrap();
    let mut out = Vec::new();
    stream(profile, &policy, &args, &mut &input[..], &mut out).unwrap();
    out
}

#[cfg(test)]
mod tests {
    use stockade_abi::facility::Facility;

    use super::*;
    use crate::profile::{FileRule, PeerRule, parse_target};

    fn profile() -> Profile {
        let mut profile = Profile::new("test", Mode::Audit);
        profile.files = vec![FileRule::new("/etc/**", access::READ)];
        profile.peers = vec![PeerRule::new(parse_target("10.0.0.0/8").unwrap())];
        profile.sessions.exec = vec!["/bin/sh".to_owned()];
        profile.sessions.facilities = vec![Facility::Mount];
        profile.capabilities = vec!["chown".to_owned()];
        profile
    }

    fn answers(input: impl AsRef<[u8]>, session: bool, output: Output) -> Vec<String> {
        let mut out = Vec::new();
        let profile = profile();
        let policy = compile(&profile, Mode::Enforce).unwrap();
        let args = Args {
            file: PathBuf::new(),
            access: "-".to_owned(),
            object: None,
            session,
            parent: None,
            sha256: None,
            output,
        };
        stream(&profile, &policy, &args, &mut input.as_ref(), &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_digest_is_read_as_in_a_profile() {
        let zeroes = "0".repeat(64);
        assert_eq!(content(&zeroes), Ok([0; 4]));
        assert_eq!(content(&format!("sha256:{zeroes}")), Ok([0; 4]));
        assert_eq!(content(&"AB".repeat(32)), content(&"ab".repeat(32)));
        for bad in [zeroes[1..].to_owned(), format!("+{}", &zeroes[1..]), "g".repeat(64)] {
            assert!(content(&bad).is_err(), "{bad}");
        }
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
    fn powers_are_answered_too() {
        let input = "capability chown\ncapability net_admin\nfacility io_uring\nfacility mount\nfacility x\n";
        let found = answers(input, false, Output::Text);
        let wanted =
            ["allowed rule capabilities[0] chown", "denied no-rule", "allowed rule", "denied no-rule"];
        assert_eq!(found[..4], wanted);
        assert!(found[4].starts_with("error `x` is no facility"), "{found:#?}");
        let found = answers("facility mount\n", true, Output::Text);
        assert_eq!(found, ["allowed rule sessions.facilities[0] mount"]);
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
    fn odd_lines() {
        let input = [
            b"read /etc/\xff\xfe\r\nread /etc/x\r\n\r\n\n read /etc/x\nread\t/etc/x\nread /etc/\0\nread /etc/".as_slice(),
            &b"x".repeat(1 << 20),
            b"\nread /etc/last",
        ]
        .concat();
        let found = answers(input, false, Output::Text);
        let good = "allowed rule files[0] /etc/**";
        let parts = [
            good,
            good,
            "error the line is empty",
            "error the line is empty",
            "error the line begins with a space",
            "error `read\\t/etc/x` has no object",
            "error `/etc/\\x00` has a zero byte",
            "error the line has more than",
            good,
        ];
        assert_eq!(found.len(), parts.len(), "{found:#?}");
        for (line, part) in found.iter().zip(parts) {
            assert!(line.starts_with(part), "{line}: {part}");
        }
        assert_eq!(answers("", false, Output::Json), [""; 0]);
    }

    #[test]
    fn too_long() {
        let found = answers(format!("read /etc/{}\n", "x".repeat(4095)), false, Output::Text);
        assert_eq!(found, ["denied path-too-long"]);
    }
}
