//! What is wrong with a profile, and where: rendered as one screen with file, line, column and the
//! lines concerned.

use std::fmt;
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity};

/// Problems shown at once; the rest is counted.
const SHOWN: usize = 5;

/// A position in a profile's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Byte offset.
    pub offset: usize,
    /// Bytes to underline.
    pub len: usize,
}

impl Place {
    /// The position at `line` and `column` (both from 1) of `text`, with what to underline there.
    pub(crate) fn at(text: &str, line: usize, column: usize) -> Self {
        let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let rest = text.get(start..).unwrap_or("");
        let row = rest.lines().next().unwrap_or("");
        let skip: usize = row.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
        let shown = row.get(skip..).unwrap_or("");
        let shown = shown.find(" #").map_or(shown, |end| shown.get(..end).unwrap_or(shown));
        Self { line, column, offset: start.saturating_add(skip), len: shown.trim_end().len() }
    }
}

/// How much a remark on a profile that reads well matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The profile cannot be used.
    Error,
    /// It can be used, but perhaps does not do what it seems to.
    Warning,
    /// It may well be meant: to be shown to who asks, and to nobody else.
    Note,
}

impl Weight {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing to say about a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where; `None` when it concerns the file as a whole.
    pub place: Option<Place>,
    /// How much it matters.
    pub weight: Weight,
    /// What it and others like it are, in the plural. There can be many.
    group: Option<&'static str>,
}

impl Problem {
    /// A problem that has no place yet.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, place: None, weight: Weight::Warning, group: None }
    }

    /// What it and others like it are, in the plural, when there can be many.
    pub(crate) fn group(&self) -> Option<&'static str> {
        self.group
    }

    /// The same with a remedy.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same as one of many alike, `group` in the plural.
    #[must_use]
    pub(crate) fn among(mut self, group: &'static str) -> Self {
        self.group = Some(group);
        self
    }

    /// The same for something that keeps the profile from being used.
    #[must_use]
    pub(crate) fn error(mut self) -> Self {
        self.weight = Weight::Error;
        self
    }

    /// The same for something that may well be meant.
    #[must_use]
    pub(crate) fn note(mut self) -> Self {
        self.weight = Weight::Note;
        self
    }
}

/// The name and text that problems refer to.
#[derive(Clone, Debug)]
struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    fn render(&self, problem: &Problem, severity: Severity, f: &mut impl fmt::Write) -> fmt::Result {
        let report = Report {
            problem,
            severity,
            code: NamedSource::new(&self.name, Arc::clone(&self.text)),
            name: &self.name,
        };
        // A path broken at a slash could not be searched for; terminals wrap by themselves.
        GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
            .with_wrap_lines(false)
            .with_context_lines(1)
            .render_report(f, &report)
    }
}

#[derive(Debug)]
struct Report<'a> {
    problem: &'a Problem,
    severity: Severity,
    code: NamedSource<Arc<str>>,
    name: &'a str,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problem.place {
            Some(_) => f.write_str(&self.problem.message),
            None => write!(f, "{}: {}", self.name, self.problem.message),
        }
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'b>(&'b self) -> Option<Box<dyn fmt::Display + 'b>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.problem.place.map(|_| &self.code as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place?;
        let label = LabeledSpan::new(None, place.offset, place.len);
        Some(Box::new(std::iter::once(label)))
    }
}

/// Why a profile cannot be used. Its `Display` is the complete message.
#[derive(Clone, Debug)]
pub struct ProfileError {
    /// The profile's own text first, then those of rule sets that it includes.
    files: Vec<(Source, Vec<Problem>)>,
}

impl ProfileError {
    pub(crate) fn new(name: &str, text: &str, problems: Vec<Problem>) -> Self {
        Self { files: vec![(Source::new(name, text), problems)] }
    }

    /// The same with what is wrong elsewhere behind it.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self
    }

    /// Every problem found, with the name of its file: those of the profile in the order of the text, then
    /// those of rule sets.
    pub fn problems(&self) -> impl Iterator<Item = (&str, &Problem)> {
        self.files
            .iter()
            .flat_map(|(source, problems)| problems.iter().map(move |problem| (&*source.name, problem)))
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self
            .files
            .iter()
            .flat_map(|(source, problems)| problems.iter().map(move |problem| (source, problem)));
        for (source, problem) in all.clone().take(SHOWN) {
            source.render(problem, Severity::Error, f)?;
        }
        match all.skip(SHOWN).count() {
            0 => Ok(()),
            more => {
                let name = self.files.first().map_or("the profile", |(source, _)| &*source.name);
                writeln!(
                    f,
                    "… and {more} more in {name}{}",
                    if self.files.len() > 1 { " and what it includes" } else { "" }
                )
            }
        }
    }
}

impl std::error::Error for ProfileError {}

/// A remark on a profile that reads well. Its `Display` is the
/// complete message.
#[derive(Clone, Debug)]
pub struct Finding {
    source: Source,
    problem: Problem,
}

impl Finding {
    /// What it says, and its place.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// All on one line, `FILE:LINE:COLUMN: message`.
    pub fn line(&self) -> String {
        match self.problem.place {
            Some(place) => {
                format!("{}:{}:{}: {}", self.source.name, place.line, place.column, self.problem.message)
            }
            None => format!("{}: {}", self.source.name, self.problem.message),
        }
    }

    pub(crate) fn all(name: &str, text: &str, problems: Vec<Problem>) -> Vec<Self> {
        let source = Source::new(name, text);
        problems.into_iter().map(|problem| Self { source: source.clone(), problem }).collect()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.problem.weight {
            Weight::Error => Severity::Error,
            Weight::Warning => Severity::Warning,
            Weight::Note => Severity::Advice,
        };
        self.source.render(&self.problem, severity, f)
    }
}
