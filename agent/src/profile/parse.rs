//! From text to a checked profile: its tree, its rules, the rule sets it includes, and the remarks on it.

use super::include::{self, Home};
use super::lint::{self, Part};
use super::problem::{Finding, Place, Problem, ProfileError};
use super::reader::Reader;
use super::yaml::{self, Document, Node, Step, TreeError};
use super::{API_VERSION, KIND, Kind, PeerTarget, Profile, Shelf, scalar, schema};

/// A profile and what is questionable about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What the text holds.
    pub kind: Kind,
    /// The profile. A rule set is one under `audit` that matches nothing.
    pub profile: Profile,
    /// Warnings, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Reads the one profile in `text`; `source` names it in messages. What it includes is found in the same
/// text, as documents behind the profile, or in the library.
pub fn parse(source: &str, text: &str) -> Result<Parsed, ProfileError> {
    parse_with(source, text, &Shelf::default())
}

/// The same with rule sets from `shelf`, which come before those of the library.
pub fn parse_with(source: &str, text: &str, shelf: &Shelf) -> Result<Parsed, ProfileError> {
    whole(source, text, shelf, Some(Kind::Profile), true)
}

/// The same for bytes that may not be UTF-8, and either a profile or a rule set.
pub fn parse_any(source: &str, bytes: &[u8], shelf: &Shelf) -> Result<Parsed, ProfileError> {
    whole(source, utf8(source, bytes)?, shelf, None, true)
}

/// The profile in `bytes`, without the remarks on it: to look at what it means takes longer than to read it.
pub fn read_profile(source: &str, bytes: &[u8], shelf: &Shelf) -> Result<Profile, ProfileError> {
    whole(source, utf8(source, bytes)?, shelf, Some(Kind::Profile), false).map(|parsed| parsed.profile)
}

/// The same for either a profile or a rule set.
pub fn read_any(source: &str, bytes: &[u8], shelf: &Shelf) -> Result<Profile, ProfileError> {
    whole(source, utf8(source, bytes)?, shelf, None, false).map(|parsed| parsed.profile)
}

/// Reads what a peer rule's `to` can say, for rules that are not read from a file.
pub fn parse_target(text: &str) -> Result<PeerTarget, String> {
    scalar::target(text).map_err(in_a_line)
}

/// Reads a digest as `sha256` can say it, for questions: 64 lower-case hexadecimal digits.
pub(crate) fn parse_digest(text: &str) -> Result<String, String> {
    scalar::digest(text).map_err(in_a_line)
}

fn in_a_line(problem: Problem) -> String {
    match problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message,
    }
}

fn whole(
    source: &str,
    text: &str,
    shelf: &Shelf,
    kind: Option<Kind>,
    remarks: bool,
) -> Result<Parsed, ProfileError> {
    let (first, behind) = documents(source, text)?;
    let kind = kind.or_else(|| schema::kind(&first.root)).unwrap_or(Kind::Profile);
    let mut profile = one(source, text, &first, kind)?;
    let home = Home { source, text, document: &first, behind: &behind };
    let mut found = include::resolve(&mut profile, kind, &home, shelf)?;
    if !remarks {
        return Ok(Parsed { kind, profile, findings: Vec::new() });
    }
    found.extend(lint::lint(&profile, kind));
    let findings = Finding::all(source, text, placed(text, &first, found));
    Ok(Parsed { kind, profile, findings })
}

/// The first document, and those behind it.
pub(super) fn documents(source: &str, text: &str) -> Result<(Document, Vec<Document>), ProfileError> {
    let bad = |error| ProfileError::new(source, text, vec![no_tree(text, error)]);
    let mut documents = yaml::documents(text).map_err(bad)?.into_iter();
    match documents.next() {
        Some(first) => Ok((first, documents.collect())),
        None => Err(bad(TreeError::Empty)),
    }
}

/// What one document says, without what it includes.
pub(super) fn one(
    source: &str,
    text: &str,
    document: &Document,
    kind: Kind,
) -> Result<Profile, ProfileError> {
    let mut reader = Reader::default();
    let read = schema::document(&mut reader, &document.root, kind);
    let problems = at_steps(text, document.number, reader.problems);
    match read {
        Some(profile) if problems.is_empty() => Ok(profile),
        Some(_) | None => Err(ProfileError::new(source, text, problems)),
    }
}

/// Remarks as problems with their place in the text.
pub(super) fn placed(text: &str, document: &Document, remarks: Vec<lint::Remark>) -> Vec<Problem> {
    let found = remarks.into_iter().map(|(parts, problem)| (steps(&document.root, &parts), problem));
    at_steps(text, document.number, found.collect())
}

/// A problem at the beginning of a document.
pub(super) fn at_start(text: &str, document: &Document, mut problem: Problem) -> Problem {
    let at = yaml::locate(text, document.number, &[]);
    problem.place = at.map(|(line, column)| Place::at(text, line, column));
    problem
}

fn utf8<'a>(source: &str, bytes: &'a [u8]) -> Result<&'a str, ProfileError> {
    let error = match str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let good = bytes.split_at(error.valid_up_to()).0;
    let text = String::from_utf8_lossy(bytes);
    let line = good.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
    let row = good.rsplit(|byte| *byte == b'\n').next().unwrap_or(b"");
    let column = String::from_utf8_lossy(row).chars().count().saturating_add(1);
    let mut problem = Problem::new("the file is not UTF-8 text")
        .help("write other bytes of a path as `\\xHH`, for example `/data/caf\\xe9`");
    problem.place = Some(Place { len: 1, ..Place::at(&text, line, column) });
    Err(ProfileError::new(source, &text, vec![problem]))
}

fn no_tree(text: &str, error: TreeError) -> Problem {
    match error {
        TreeError::Empty => {
            let mut problem = Problem::new("the file holds no profile: it is empty, or holds only comments")
                .help(format!("a profile begins with `apiVersion: {API_VERSION}` and `kind: {KIND}`"));
            problem.place = (!text.trim().is_empty()).then(|| Place::at(text, 1, 1));
            problem
        }
        TreeError::Syntax { message, line, column } => {
            let mut problem = Problem::new(format!("this is not YAML: {message}"));
            problem.place = Some(Place::at(text, line, column));
            problem
        }
    }
}

/// Bytes of text that are read to find the places of problems: one by one, from the beginning.
const LOOKED_AT: usize = 1 << 24;
/// Problems whose place is always worked out.
const PLACED: usize = 100;

fn at_steps(text: &str, document: usize, found: Vec<(Vec<Step>, Problem)>) -> Vec<Problem> {
    let placed = LOOKED_AT.checked_div(text.len()).unwrap_or(0).max(PLACED);
    let mut problems: Vec<Problem> = found
        .into_iter()
        .enumerate()
        .map(|(index, (steps, mut problem))| {
            let at = (index < placed).then(|| yaml::locate(text, document, &steps)).flatten();
            problem.place = at.map(|(line, column)| Place::at(text, line, column));
            problem
        })
        .collect();
    problems.sort_by_key(|problem| (problem.place.is_none(), problem.place));
    problems
}

/// The way to a part of `spec`; as far as it exists.
fn steps(root: &Node, parts: &[Part]) -> Vec<Step> {
    let mut node = root;
    let mut steps = Vec::new();
    for part in std::iter::once(&Part::Name("spec")).chain(parts) {
        let next = match (part, node) {
            (Part::Name(name), Node::Map(entries)) => entries
                .iter()
                .enumerate()
                .find(|(_, (key, _))| matches!(key, Node::Text(key) if key == name))
                .map(|(index, (_, value))| (Step::Value(index), value)),
            (Part::Item(index), Node::List(items)) => {
                items.get(*index).map(|item| (Step::Item(*index), item))
            }
            (Part::Name(_) | Part::Item(_), _) => None,
        };
        let Some((step, below)) = next else { break };
        steps.push(step);
        node = below;
    }
    steps
}
