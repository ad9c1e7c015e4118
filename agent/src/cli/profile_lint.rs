//! `stockade profile lint`: what is wrong or questionable in profiles.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::profile::{Finding, Parsed, Problem, ProfileError, Shelf, Weight, parse_any, read_any_file};

/// Findings of one kind that are shown to people; the rest is counted.
const LISTED: usize = 20;

/// What to check.
///
/// Exits with 0 when every file is a good profile or rule set (warnings do not count), with 1 when one is not, and
/// with 2 when a file cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Profiles and rule sets to check; `-` reads one from standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// One JSON object a line for each problem
    Json,
}

/// The outcome for one file, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Good,
    Bad,
    Unreadable,
}

/// Runs the verb.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut worst = Outcome::Good;
    for file in &args.files {
        worst = worst.max(lint(file, args.output, &mut out)?);
    }
    out.flush()?;
    Ok(match worst {
        Outcome::Good => ExitCode::SUCCESS,
        Outcome::Bad => ExitCode::from(1),
        Outcome::Unreadable => ExitCode::from(2),
    })
}

fn lint(file: &Path, output: Output, out: &mut impl Write) -> io::Result<Outcome> {
    let piped = file == Path::new("-");
    let name = if piped { "standard input".to_owned() } else { file.display().to_string() };
    let mut bytes = Vec::new();
    let read =
        if piped { io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes) } else { read_any_file(file) };
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => {
            let message = format!("cannot read the file: {error}");
            match output {
                Output::Text => writeln!(out, "{name}: {message}")?,
                Output::Json => object(out, &name, "error", &message, None, None)?,
            }
            return Ok(Outcome::Unreadable);
        }
    };
    match parse_any(&name, &bytes, &Shelf::beside(file)) {
        Ok(parsed) => good(&name, &parsed, output, out),
        Err(error) => {
            bad(&error, output, out)?;
            Ok(Outcome::Bad)
        }
    }
}

fn good(name: &str, parsed: &Parsed, output: Output, out: &mut impl Write) -> io::Result<Outcome> {
    match output {
        Output::Text => findings(name, &parsed.findings, out)?,
        Output::Json => {
            for problem in parsed.findings.iter().map(Finding::problem) {
                json_problem(out, name, problem.weight, problem)?;
            }
        }
    }
    let count = |weight: Weight| parsed.findings.iter().filter(|one| one.problem().weight == weight).count();
    // A profile whose table would not fit reads well and could still never be used.
    if count(Weight::Error) > 0 {
        return Ok(Outcome::Bad);
    }
    if output == Output::Text {
        let counts: Vec<String> = [Weight::Warning, Weight::Note]
            .into_iter()
            .filter_map(|weight| match count(weight) {
                0 => None,
                1 => Some(format!("1 {}", weight.word())),
                more => Some(format!("{more} {}s", weight.word())),
            })
            .collect();
        match counts.as_slice() {
            [] => writeln!(out, "{name}: good")?,
            some => writeln!(out, "{name}: good, with {}", some.join(" and "))?,
        }
    }
    Ok(Outcome::Good)
}

/// What to say about a profile that reads well; of much alike, the beginning.
fn findings(name: &str, findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings {
        if let Some(group) = finding.problem().group() {
            let count = counts.entry(group).or_default();
            *count = count.saturating_add(1);
            if *count > LISTED {
                continue;
            }
        }
        write!(out, "{finding}")?;
    }
    for (group, count) in counts {
        if count > LISTED {
            writeln!(out, "{name}: and {} more {group}; `-o json` lists all", count.saturating_sub(LISTED))?;
        }
    }
    Ok(())
}

fn bad(error: &ProfileError, output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Text => write!(out, "{error}"),
        Output::Json => {
            error.problems().try_for_each(|(file, one)| json_problem(out, file, Weight::Error, one))
        }
    }
}

fn json_problem(out: &mut impl Write, file: &str, weight: Weight, problem: &Problem) -> io::Result<()> {
    let place = problem.place.map(|place| (place.line, place.column));
    object(out, file, weight.word(), &problem.message, problem.help.as_deref(), place)
}

fn object(
    out: &mut impl Write,
    file: &str,
    severity: &str,
    message: &str,
    help: Option<&str>,
    place: Option<(usize, usize)>,
) -> io::Result<()> {
    let (line, column) = place.unzip();
    let object = json!({
        "file": file, "line": line, "column": column, "severity": severity, "message": message, "help": help,
    });
    writeln!(out, "{object}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn lint_text(text: &str, output: Output) -> (Outcome, String) {
        let file = std::env::temp_dir().join(format!("stockade-lint-{}-{output:?}.yaml", std::process::id()));
        fs::write(&file, text).unwrap();
        let mut out = Vec::new();
        let outcome = lint(&file, output, &mut out).unwrap();
        fs::remove_file(file).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn outcomes() {
        let head = "apiVersion: stockade.dev/v1alpha1\nkind: Profile\nmetadata: {name: a}\nspec:\n";
        let (outcome, text) = lint_text(&format!("{head}  mode: audit\n"), Output::Text);
        assert_eq!(outcome, Outcome::Good);
        assert!(text.ends_with(": good\n"), "{text}");
        let (outcome, text) =
            lint_text(&format!("{head}  mode: enforce\n  match: {{containers: [a]}}\n"), Output::Json);
        assert_eq!((outcome, text.lines().count()), (Outcome::Good, 2), "{text}");
        let (outcome, text) = lint_text(&format!("{head}  mode: enforced\n"), Output::Json);
        assert_eq!(outcome, Outcome::Bad);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&object["line"], &object["column"]), (&json!(5), &json!(9)));
        let mut out = Vec::new();
        let outcome = lint(Path::new("/nonexistent/x.yaml"), Output::Text, &mut out).unwrap();
        assert_eq!(outcome, Outcome::Unreadable);
    }
}
