//! What a profile includes: rule sets by name, found behind the profile in the same text, else in the
//! directory beside it, else in the library. A rule set that several include counts once.

use super::lint::{Part, Remark};
use super::parse::{documents, one, placed};
use super::problem::{Problem, ProfileError};
use super::reader::nearest;
use super::yaml::Document;
use super::{INCLUDE, Kind, Profile, Shelf, library, schema};

/// How deep rule sets may include each other.
const DEPTH_MAX: usize = 16;

/// A document, and the text it stands in.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    /// The text's name in messages.
    pub(super) source: &'a str,
    pub(super) text: &'a str,
    pub(super) document: &'a Document,
    /// The documents behind it.
    pub(super) behind: &'a [Document],
}

/// Adds the rules of what `profile` includes, and says what is questionable about that.
pub(super) fn resolve(
    profile: &mut Profile,
    kind: Kind,
    home: &Home<'_>,
    shelf: &Shelf,
) -> Result<Vec<Remark>, ProfileError> {
    let mut resolver =
        Resolver { home: *home, shelf, near: Vec::new(), stack: Vec::new(), errors: Vec::new() };
    resolver.read_near();
    if kind == Kind::RuleSet {
        resolver.stack.push(profile.name.clone());
    }
    let names = profile.include.clone();
    resolver.include(home, &names, profile);
    for near in &resolver.near {
        if !profile.origins.iter().any(|set| set.name == near.name) && resolver.errors.is_empty() {
            let problem = Problem::new(format!("nothing includes the rule set `{}`", near.name))
                .help("name it under `include`, or leave it out");
            resolver.errors.push(home.at_document(near.document, problem));
        }
    }
    match resolver.errors.into_iter().reduce(ProfileError::and) {
        Some(error) => Err(error),
        None => Ok(twice(&names)),
    }
}

fn twice(names: &[String]) -> Vec<Remark> {
    let again = |index: usize, name| names.iter().take(index).any(|first| first == name);
    let repeated = names.iter().enumerate().filter(|(index, name)| again(*index, *name));
    repeated
        .map(|(index, name)| {
            (place(index), Problem::new(format!("`{name}` is included twice")).help("once is enough"))
        })
        .collect()
}

fn place(index: usize) -> Vec<Part> {
    vec![Part::Name(INCLUDE), Part::Item(index)]
}

impl Home<'_> {
    /// A problem with an entry of its `include`.
    fn at_entry(&self, index: usize, problem: Problem) -> ProfileError {
        let problems = placed(self.text, self.document, vec![(place(index), problem)]);
        ProfileError::new(self.source, self.text, problems)
    }

    /// A problem with one of the documents in its text.
    fn at_document(&self, document: &Document, problem: Problem) -> ProfileError {
        ProfileError::new(self.source, self.text, vec![super::parse::at_start(self.text, document, problem)])
    }
}

/// A rule set that stands behind the profile in the same text.
struct Near<'a> {
    name: String,
    document: &'a Document,
    rules: Profile,
}

/// A rule set that was found.
struct Found {
    source: String,
    text: String,
    document: Document,
    rules: Profile,
}

struct Resolver<'a> {
    home: Home<'a>,
    shelf: &'a Shelf,
    near: Vec<Near<'a>>,
    /// The rule sets that are being included right now, the outermost first.
    stack: Vec<String>,
    errors: Vec<ProfileError>,
}

impl Resolver<'_> {
    fn read_near(&mut self) {
        let home = self.home;
        for document in home.behind {
            if schema::kind(&document.root) != Some(Kind::RuleSet) {
                let problem = Problem::new("the file holds more than one document").help(
                    "write each profile into a file of its own; only rule sets that it includes may stand behind it",
                );
                self.errors.push(home.at_document(document, problem));
                continue;
            }
            match one(home.source, home.text, document, Kind::RuleSet) {
                Ok(rules) if self.near.iter().any(|near| near.name == rules.name) => {
                    let problem = Problem::new(format!("the rule set `{}` stands here twice", rules.name));
                    self.errors.push(home.at_document(document, problem));
                }
                Ok(rules) => self.near.push(Near { name: rules.name.clone(), document, rules }),
                Err(error) => self.errors.push(error),
            }
        }
    }

    fn include(&mut self, from: &Home<'_>, names: &[String], into: &mut Profile) {
        for (index, name) in names.iter().enumerate() {
            if self.stack.contains(name) {
                let way = [&self.stack[..], std::slice::from_ref(name)].concat().join(" → ");
                let problem = Problem::new(format!("rule sets include each other in a circle: {way}"));
                self.errors.push(from.at_entry(index, problem.help("leave this one out")));
                continue;
            }
            if into.origins.iter().any(|set| set.name == *name) {
                continue;
            }
            if self.stack.len() >= DEPTH_MAX {
                let problem =
                    Problem::new(format!("rule sets include each other more than {DEPTH_MAX} deep"));
                self.errors.push(from.at_entry(index, problem));
                continue;
            }
            self.add(from, index, name, into);
        }
    }

    fn add(&mut self, from: &Home<'_>, index: usize, name: &str, into: &mut Profile) {
        let before = self.errors.len();
        let near = self.near.iter().find(|near| near.name == name);
        let near = near.map(|near| (near.rules.clone(), near.document));
        match near {
            Some((rules, document)) => {
                let home = Home { document, ..self.home };
                self.enter(&home, rules, into);
            }
            None => match self.find(name) {
                Ok(Found { source, text, document, rules }) => {
                    let home = Home { source: &source, text: &text, document: &document, behind: &[] };
                    self.enter(&home, rules, into);
                }
                Err(Missing::Unknown(problem)) => {
                    self.errors.push(from.at_entry(index, problem));
                    return;
                }
                Err(Missing::Bad(error)) => self.errors.push(error),
            },
        }
        if self.errors.len() > before && std::ptr::eq(from.document, self.home.document) {
            // So that the message begins in the file that somebody asked about.
            let problem = Problem::new(format!("the rule set `{name}` cannot be used"));
            self.errors.insert(before, from.at_entry(index, problem.help("see what is wrong with it below")));
        }
    }

    fn enter(&mut self, home: &Home<'_>, rules: Profile, into: &mut Profile) {
        let names = rules.include.clone();
        self.stack.push(rules.name.clone());
        into.absorb(rules);
        self.include(home, &names, into);
        self.stack.pop();
    }

    /// Looks beside the profile, then in the library.
    fn find(&self, name: &str) -> Result<Found, Missing> {
        let dir = self.shelf.dir().map(|dir| dir.display().to_string());
        let beside = self.shelf.get(name).map_err(|failure| {
            let dir = dir.clone().unwrap_or_default();
            Missing::Unknown(Problem::new(format!(
                "cannot look for the rule set `{name}` in {dir}: {failure}"
            )))
        })?;
        let (source, text) = match beside {
            Some(file) => {
                let source = file.path.display().to_string();
                let bytes = file.text.as_ref().map_err(|error| {
                    Missing::Unknown(Problem::new(format!("cannot read the rule set {source}: {error}")))
                })?;
                let text = str::from_utf8(bytes).map_err(|error| {
                    let at = error.valid_up_to();
                    Missing::Unknown(Problem::new(format!("{source} is not UTF-8 text from byte {at} on")))
                })?;
                (source, text.to_owned())
            }
            None => match library::text(name) {
                Some(text) => (format!("library/{name}.yaml"), text.to_owned()),
                None => return Err(Missing::Unknown(self.unknown(name, dir))),
            },
        };
        let (document, behind) = documents(&source, &text).map_err(Missing::Bad)?;
        let home = Home { source: &source, text: &text, document: &document, behind: &behind };
        if let Some(second) = behind.first() {
            let problem = Problem::new("the file holds more than one document");
            return Err(Missing::Bad(
                home.at_document(second, problem.help("write each rule set into a file of its own")),
            ));
        }
        let rules = one(&source, &text, &document, Kind::RuleSet).map_err(Missing::Bad)?;
        if rules.name != name {
            let problem =
                Problem::new(format!("the rule set in this file is named `{}`, not `{name}`", rules.name));
            let help = format!("write name: {name}, or call the file {}.yaml", rules.name);
            return Err(Missing::Bad(home.at_document(&document, problem.help(help))));
        }
        Ok(Found { source, text, document, rules })
    }

    fn unknown(&self, name: &str, dir: Option<String>) -> Problem {
        let mut known: Vec<&str> = self.near.iter().map(|near| near.name.as_str()).collect();
        known.extend(self.shelf.names());
        for name in library::names() {
            known.push(name);
        }
        known.sort_unstable();
        known.dedup();
        let own = dir.map_or(String::new(), |dir| format!("; rule sets of your own are {dir}/NAME.yaml"));
        let help = match nearest(name, &known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}{own}", known.join(", ")),
        };
        Problem::new(format!("there is no rule set `{name}`")).help(help)
    }
}

enum Missing {
    /// There is none that could be read.
    Unknown(Problem),
    /// It is none.
    Bad(ProfileError),
}
