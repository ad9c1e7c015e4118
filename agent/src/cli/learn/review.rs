//! `stockade learn review`: what was denied, and what shall become of it.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use stockade_abi::access;
use stockade_abi::reason::Operation;

use super::promote::replace;
use super::{State, current};
use crate::cli::output::{complain, print};
use crate::cli::profile_explain::Asked;
use crate::cli::{FAILURE, Format};
use crate::compile::{Power, escape};
use crate::events::read::Reader;
use crate::events::record::printable;
use crate::learn::Seen;
use crate::learn::export::export;
use crate::learn::how::How;
use crate::learn::review::{Candidate, Decision, candidates};
use crate::profile::{self, ExecRule, FileRule, Profile, Provenance};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the profile
    name: String,
    /// Write a rule for the denials with these numbers
    #[arg(long, value_name = "N", value_delimiter = ',')]
    allow: Vec<usize>,
    /// The denials with these numbers were fine this time
    #[arg(long, value_name = "N", value_delimiter = ',')]
    once: Vec<usize>,
    /// Keep these denied, and do not show them again
    #[arg(long, value_name = "N", value_delimiter = ',')]
    deny: Vec<usize>,
    /// Where to write the profile; the file that it came from unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Show what was decided, too
    #[arg(long)]
    all: bool,
    /// How to print the denials
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
    #[command(flatten)]
    state: State,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.state.dir();
    let store = Store::open_read_only(&dir)?;
    let found = read(&dir, &store, &args.name)?;
    let open = found.iter().filter(|one| args.all || one.decision.is_none());
    let named = !(args.allow.is_empty() && args.once.is_empty() && args.deny.is_empty());
    if named {
        return settle(args, &found, &by_number(args, &found)?);
    }
    if args.output == Format::Text && io::stdin().is_terminal() && !args.all {
        let decided = walk(&open.cloned().collect::<Vec<_>>())?;
        return settle(args, &found, &decided);
    }
    let open: Vec<&Candidate> = open.collect();
    for one in &open {
        print(&match args.output {
            Format::Json => format!("{}\n", serde_json::to_string(one)?),
            Format::Text => format!("{}\n", line(one)),
        })?;
    }
    Ok(if open.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(dir: &std::path::Path, store: &Store, name: &str) -> anyhow::Result<Vec<Candidate>> {
    let mut records = Vec::new();
    let mut reader = Reader::new(dir);
    reader
        .read(&mut |_, record| {
            records.push(record);
            Ok(())
        })
        .with_context(|| format!("the event log in {}", dir.display()))?;
    Ok(candidates(name, records, &store.decisions(name)?))
}

fn line(one: &Candidate) -> String {
    let decided = one.decision.map(|decision| format!(" [{}]", decision.word())).unwrap_or_default();
    let reason = if one.obstacle().is_some() { format!(" ({})", one.reason) } else { String::new() };
    printable(&format!(
        "{}: {} {}{} by {}{reason} x{}, last {}{decided}",
        one.number,
        one.access,
        one.object,
        if one.session { " of a session" } else { "" },
        one.exe.as_deref().unwrap_or("?"),
        one.count,
        one.last.get(..19).unwrap_or(&one.last),
    ))
}

fn by_number(args: &Args, found: &[Candidate]) -> anyhow::Result<Vec<(usize, Decision)>> {
    let each = |numbers: &[usize], decision| numbers.iter().map(move |n| (*n, decision)).collect::<Vec<_>>();
    let mut all = each(&args.allow, Decision::Rule);
    all.extend(each(&args.once, Decision::Once));
    all.extend(each(&args.deny, Decision::Deny));
    for (number, _) in &all {
        if *number == 0 || *number > found.len() {
            bail!("there is no denial {number}: `{}` has {}", args.name, found.len());
        }
        if all.iter().filter(|(other, _)| other == number).count() > 1 {
            bail!("denial {number} is named twice");
        }
    }
    Ok(all)
}

/// Asks for each.
fn walk(open: &[Candidate]) -> anyhow::Result<Vec<(usize, Decision)>> {
    let mut decided = Vec::new();
    let mut answers = io::stdin().lock().lines();
    for one in open {
        print(&format!("{}\n  [r]ule, [o]nce, keep [d]enied, [s]kip, [q]uit: ", line(one)))?;
        io::stdout().flush()?;
        let Some(answer) = answers.next().transpose()? else { break };
        match (answer.trim(), one.obstacle()) {
            ("r", Some(why)) => complain(&format!("no rule allows it: {why}")),
            ("r", None) => decided.push((one.number, Decision::Rule)),
            ("o", _) => decided.push((one.number, Decision::Once)),
            ("d", _) => decided.push((one.number, Decision::Deny)),
            ("q", _) => break,
            (_, _) => {}
        }
    }
    Ok(decided)
}

/// Writes the rules first: a decision that is remembered is one that was carried out.
fn settle(args: &Args, found: &[Candidate], decided: &[(usize, Decision)]) -> anyhow::Result<ExitCode> {
    let of = |number: usize| number.checked_sub(1).and_then(|index| found.get(index));
    let allowed: Vec<&Candidate> = decided
        .iter()
        .filter(|(_, decision)| *decision == Decision::Rule)
        .filter_map(|(number, _)| of(*number))
        .collect();
    let mut store = Store::open(&args.state.dir())?;
    if !allowed.is_empty() {
        let Some(current) = current(&store.slots()?, &args.name) else {
            complain(&format!("there is no profile `{}` to write rules into", args.name));
            return Ok(ExitCode::from(FAILURE));
        };
        let Some(out) = args.out.clone().or(current.source) else {
            complain(&format!(
                "`{}` came from no file of the profile directory; name one with --out",
                args.name
            ));
            return Ok(ExitCode::from(FAILURE));
        };
        let text = with_rules(&args.name, current.profile, &allowed)?;
        replace(&out, &text).with_context(|| format!("writing {}", out.display()))?;
        print(&format!("{}: rules for {} denials added\n", out.display(), allowed.len()))?;
    }
    for (number, decision) in decided {
        if let Some(one) = of(*number) {
            store.decide(&args.name, &one.asked(), *decision, &one.last)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The profile's text with rules that allow what was denied.
fn with_rules(name: &str, mut profile: Profile, allowed: &[&Candidate]) -> anyhow::Result<String> {
    let mut seen = Vec::new();
    for one in allowed {
        if let Some(why) = one.obstacle() {
            bail!("denial {}: no rule allows it: {why}", one.number);
        }
        let asked = Asked::parse(one.access.as_bytes(), one.object.as_bytes())
            .map_err(|why| anyhow::anyhow!("denial {} cannot be allowed by a rule: {why}", one.number))?;
        let question = match asked {
            Asked::Object(question) => question,
            Asked::Power(power) => {
                profile.change_own(|own| grant(own, power, one.session));
                continue;
            }
        };
        let operation = match question.access {
            set if set & access::EXEC != 0 => Operation::Exec,
            access::CONNECT => Operation::Connect,
            access::LISTEN => Operation::Listen,
            _ => Operation::File,
        };
        if question.access & access::DRIFT != 0 {
            if one.session {
                bail!("denial {}: no rule lets sessions start what does not come from the image", one.number);
            }
            profile.change_own(|own| grant_from_anywhere(&mut own.exec, escape(question.bytes())));
            continue;
        }
        if !one.session {
            seen.push(Seen::bare(operation, question.access, question.bytes()));
            continue;
        }
        let glob = escape(question.bytes());
        let access = question.access;
        match operation {
            Operation::Exec => profile.change_own(|own| own.sessions.exec.push(glob)),
            Operation::File => profile.change_own(|own| own.sessions.files.push(FileRule::new(glob, access))),
            // The question parsed above is never one of the last three.
            Operation::Connect
            | Operation::Listen
            | Operation::Fork
            | Operation::Capability
            | Operation::Facility => {
                bail!("denial {}: no rule lets only sessions use the network", one.number)
            }
        }
    }
    let mode = profile.mode;
    let export = export(name, mode, Some(&profile), &seen, None, How::default());
    if let Some(refused) = export.refused.first() {
        bail!("{} cannot be allowed by a rule: {}", printable(&refused.object), refused.why);
    }
    let body: Vec<&str> = export.yaml.lines().filter(|line| !line.starts_with('#')).collect();
    let text = format!("{}\n", body.join("\n"));
    profile::parse("the profile", &export.profile.standalone(&text))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(text)
}

/// Grants a power: who reviews is the person who has to.
fn grant(own: &mut Profile, power: Power, session: bool) {
    let (capabilities, facilities) = if session {
        (&mut own.sessions.capabilities, &mut own.sessions.facilities)
    } else {
        (&mut own.capabilities, &mut own.facilities)
    };
    match power {
        Power::Capability(_) => capabilities.push(power.word()),
        Power::Facility(facility) => facilities.push(facility),
    }
}

/// Lets the program start wherever it comes from.
fn grant_from_anywhere(rules: &mut Vec<ExecRule>, path: String) {
    match rules.iter_mut().find(|rule| rule.path == path && rule.parents.is_empty()) {
        Some(rule) => rule.from = Provenance::Any,
        None => rules.push(ExecRule { from: Provenance::Any, ..ExecRule::new(path) }),
    }
}

#[cfg(test)]
mod tests {
    use stockade_abi::facility::Facility;
    use stockade_abi::reason::Mode;

    use super::*;

    fn candidate(number: usize, session: bool, access: &str, object: &str) -> Candidate {
        Candidate {
            number,
            session,
            access: access.to_owned(),
            object: object.to_owned(),
            reason: "no-rule".to_owned(),
            count: 2,
            first: String::new(),
            last: String::new(),
            exe: None,
            decision: None,
        }
    }

    #[test]
    fn rules_go_where_they_belong() {
        let mut profile = Profile::new("web", Mode::Enforce);
        profile.files.push(FileRule::new("/etc/x", access::READ));
        profile.exec.push(ExecRule::new("/bin/known"));
        let all = [
            candidate(1, false, "write", "/etc/x"),
            candidate(2, false, "connect", "tcp:10.0.0.1:443"),
            candidate(3, true, "exec", "/bin/sh"),
            candidate(4, true, "read", "/etc/*"),
            candidate(5, false, "exec,drift", "/bin/new"),
            candidate(6, false, "exec,drift", "/bin/known"),
            candidate(7, false, "capability", "net_raw"),
            candidate(8, true, "capability", "sys_ptrace"),
            candidate(9, false, "facility", "mount"),
            candidate(10, true, "facility", "ptrace"),
        ];
        let text = with_rules("web", profile.clone(), &all.iter().collect::<Vec<_>>()).unwrap();
        let written = profile::parse("web", &text).unwrap().profile;
        assert_eq!(written.mode, Mode::Enforce);
        assert_eq!(written.files, [FileRule::new("/etc/x", access::READ | access::WRITE)]);
        assert_eq!(written.peers[0].to_string(), "10.0.0.1 port 443 tcp");
        assert_eq!(written.sessions.exec, ["/bin/sh"]);
        let drifting = |path: &str| ExecRule { from: Provenance::Any, ..ExecRule::new(path) };
        assert_eq!(written.exec, [drifting("/bin/known"), drifting("/bin/new")]);
        assert_eq!(
            (written.capabilities, written.sessions.capabilities),
            (vec!["net_raw".to_owned()], vec!["sys_ptrace".to_owned()])
        );
        assert_eq!(
            (written.facilities, written.sessions.facilities),
            (vec![Facility::Mount], vec![Facility::Ptrace])
        );
        assert_eq!(written.sessions.files, [FileRule::new("/etc/\\*", access::READ)]);
        for (access, object) in [("connect", "tcp:10.0.0.1:443"), ("exec,drift", "/bin/new")] {
            let candidate = candidate(11, true, access, object);
            assert!(with_rules("web", profile.clone(), &[&candidate]).is_err());
        }
        let renamed =
            Candidate { reason: "wider-rules".to_owned(), ..candidate(12, false, "rename", "/srv/a") };
        let told = with_rules("web", profile, &[&renamed]).unwrap_err().to_string();
        assert!(told.starts_with("denial 12: no rule allows it: below its new name"), "{told}");
    }
}
