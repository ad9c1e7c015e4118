//! Walking a document's tree: every mismatch becomes a problem with the steps to where it is.

use super::fields::Object;
use super::problem::Problem;
use super::yaml::{Node, Step};

/// A part of the document, and how it was reached.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) node: &'a Node,
    pub(super) steps: Vec<Step>,
}

impl<'a> At<'a> {
    pub(super) fn root(node: &'a Node) -> Self {
        Self { node, steps: Vec::new() }
    }

    fn below(&self, node: &'a Node, step: Step) -> Self {
        let mut steps = self.steps.clone();
        steps.push(step);
        Self { node, steps }
    }
}

/// The entries of a mapping whose keys are known.
pub(super) struct Fields<'a> {
    at: At<'a>,
    entries: Vec<(&'a str, At<'a>)>,
}

impl<'a> Fields<'a> {
    /// The value of `name`; nothing written after the colon counts as absent.
    pub(super) fn get(&self, name: &str) -> Option<&At<'a>> {
        self.entries
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, at)| at)
            .filter(|at| *at.node != Node::Null)
    }
}

/// Problems, in the order found.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<(Vec<Step>, Problem)>,
}

impl Reader {
    pub(super) fn fail(&mut self, at: &At<'_>, problem: Problem) {
        self.problems.push((at.steps.clone(), problem));
    }

    /// The value if it is good; otherwise its problem is kept.
    pub(super) fn keep<T>(&mut self, at: &At<'_>, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.fail(at, problem)).ok()
    }

    /// The entries of a mapping with any text as keys.
    pub(super) fn entries<'a>(&mut self, at: &At<'a>, what: &str) -> Vec<(&'a str, At<'a>)> {
        let Node::Map(pairs) = at.node else {
            self.fail(at, Problem::new(format!("{what} is {}, but a mapping is needed", kind(at.node))));
            return Vec::new();
        };
        let mut entries: Vec<(&str, At<'_>)> = Vec::new();
        for (index, (key, value)) in pairs.iter().enumerate() {
            let key_at = at.below(key, Step::Key(index));
            let Node::Text(name) = key else {
                self.fail(&key_at, Problem::new(format!("a key of {what} is {}, not text", kind(key))));
                continue;
            };
            if entries.iter().any(|(known, _)| known == name) {
                self.fail(&key_at, Problem::new(format!("`{name}` stands twice in {what}")).help("keep one"));
                continue;
            }
            entries.push((name, at.below(value, Step::Value(index))));
        }
        entries
    }

    /// The entries of a mapping; keys that `object` does not have, and needed ones that are missing, are
    /// problems.
    pub(super) fn fields<'a>(&mut self, at: &At<'a>, what: &str, object: &Object) -> Fields<'a> {
        let known: Vec<&str> = object.names().collect();
        let mut entries = self.entries(at, what);
        entries.retain(|(name, value)| {
            let good = known.contains(name);
            if !good {
                let mut key = value.steps.clone();
                if let Some(Step::Value(index)) = key.pop() {
                    key.push(Step::Key(index));
                }
                let help = match nearest(name, &known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known here: {}", known.join(", ")),
                };
                self.problems
                    .push((key, Problem::new(format!("unknown field `{name}` in {what}")).help(help)));
            }
            good
        });
        let fields = Fields { at: at.clone(), entries };
        for field in object.fields.iter().filter(|field| field.needed) {
            self.need(&fields, what, field.name);
        }
        fields
    }

    fn need(&mut self, fields: &Fields<'_>, what: &str, name: &str) {
        if fields.get(name).is_none() && matches!(fields.at.node, Node::Map(_)) {
            // A field left empty is a better place to point at than its mapping.
            let at = fields.entries.iter().find(|(key, _)| *key == name).map_or(&fields.at, |(_, at)| at);
            self.fail(at, Problem::new(format!("{what} has no `{name}`")));
        }
    }

    pub(super) fn items<'a>(&mut self, at: &At<'a>, what: &str) -> Vec<At<'a>> {
        if let Node::List(items) = at.node {
            return items.iter().enumerate().map(|(index, item)| at.below(item, Step::Item(index))).collect();
        }
        let problem = Problem::new(format!("{what} is {}, but a list is needed", kind(at.node)));
        self.fail(at, problem.help("write it as `[…]`, or one item a line after `- `"));
        Vec::new()
    }

    pub(super) fn text(&mut self, at: &At<'_>, what: &str) -> Option<String> {
        let problem = match at.node {
            Node::Text(text) => return Some(text.clone()),
            Node::Bool(value) => Problem::new(format!("{what} is the boolean {value}, but text is needed"))
                .help(format!("write it in quotes: \"{value}\"")),
            Node::Int(value) => Problem::new(format!("{what} is the number {value}, but text is needed"))
                .help(format!("write it in quotes: \"{value}\"")),
            Node::Number(value) => Problem::new(format!("{what} is the number {value}, but text is needed"))
                .help("write it in quotes"),
            Node::Null | Node::List(_) | Node::Map(_) => {
                Problem::new(format!("{what} is {}, but text is needed", kind(at.node)))
            }
        };
        self.fail(at, problem);
        None
    }

    pub(super) fn texts(&mut self, at: &At<'_>, what: &str) -> Vec<String> {
        self.items(at, what)
            .iter()
            .filter_map(|item| self.text(item, &format!("an entry of {what}")))
            .collect()
    }
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::Null => "empty",
        Node::Bool(_) => "a boolean",
        Node::Int(_) | Node::Number(_) => "a number",
        Node::Text(_) => "text",
        Node::List(_) => "a list",
        Node::Map(_) => "a mapping",
    }
}

/// The known word that `word` most likely means.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let far = (word.chars().count() / 2).clamp(1, 3);
    known
        .iter()
        .map(|near| (distance(&word, near), *near))
        .filter(|(far_off, _)| *far_off <= far)
        .min()
        .map(|best| best.1)
}

/// Letters to insert, drop or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, letter) in from.chars().enumerate() {
        let mut corner = line;
        let mut left = line.saturating_add(1);
        row[0] = left;
        for (column, other) in to.iter().enumerate() {
            let above = row[column.saturating_add(1)];
            left = (corner.saturating_add(usize::from(letter != *other)))
                .min(above.saturating_add(1))
                .min(left.saturating_add(1));
            corner = above;
            row[column.saturating_add(1)] = left;
        }
    }
    row.last().copied().unwrap_or(0)
}
