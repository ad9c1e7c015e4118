//! YAML text as trees, and where in the text a part of the tree stands. The only module that knows
//! the YAML library.
//!
//! Values carry no positions. A part's position is found by reading the text once more with a visitor
//! that fails on purpose when it reaches that part, because an error does have one.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A part of a document.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Int(u64),
    /// Any other number, as it would be printed.
    Number(String),
    Text(String),
    List(Vec<Self>),
    /// Keys as they stand, repeated ones too.
    Map(Vec<(Self, Self)>),
}

/// One step from a part to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The value of a mapping's entry, by its position.
    Value(usize),
    /// The key of a mapping's entry, by its position.
    Key(usize),
    /// An element of a list.
    Item(usize),
}

/// Why there is no tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TreeError {
    /// The text holds no document.
    Empty,
    /// It is not YAML. Line and column from 1.
    Syntax { message: String, line: usize, column: usize },
}

impl Node {
    /// The value of `key` in a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries
            .iter()
            .find(|(name, _)| matches!(name, Self::Text(name) if name == key))
            .map(|(_, value)| value)
    }
}

impl Node {
    fn json(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Number(text) | Self::Text(text) => text.into(),
            Self::List(items) => items.into_iter().map(Self::json).collect(),
            Self::Map(entries) => {
                let named = |(key, value): (Self, Self)| match key {
                    Self::Text(key) => Some((key, value.json())),
                    Self::Null
                    | Self::Bool(_)
                    | Self::Int(_)
                    | Self::Number(_)
                    | Self::List(_)
                    | Self::Map(_) => None,
                };
                serde_json::Value::Object(entries.into_iter().filter_map(named).collect())
            }
        }
    }
}

/// A document, and its number in the text.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) number: usize,
    pub(super) root: Node,
}

/// Reads the documents in `text`, at least one.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, TreeError> {
    // Words that no document contains end the parse early, also when only a comment is there.
    let blank = text.lines().all(|line| {
        let line = line.trim().trim_start_matches('\u{feff}');
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    });
    if blank {
        return Err(TreeError::Empty);
    }
    let mut found = Vec::new();
    for (number, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        let root = Node::deserialize(document).map_err(|error| syntax(&error))?;
        // A marker without anything behind it is no document of its own.
        if number == 0 || root != Node::Null {
            found.push(Document { number, root });
        }
    }
    if found.is_empty() { Err(TreeError::Empty) } else { Ok(found) }
}

fn syntax(error: &serde_yaml::Error) -> TreeError {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    let text = error.to_string();
    // The position is shown beside the message.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    TreeError::Syntax { message, line, column }
}

/// The first document in `text` as JSON; null when there is none.
pub(super) fn json(text: &str) -> serde_json::Value {
    let first = documents(text).ok().and_then(|all| all.into_iter().next());
    first.map_or(serde_json::Value::Null, |document| document.root.json())
}

/// Line and column, from 1, of the part that `steps` lead to in a document.
pub(super) fn locate(text: &str, document: usize, steps: &[Step]) -> Option<(usize, usize)> {
    let document = serde_yaml::Deserializer::from_str(text).nth(document)?;
    let error = Seek(steps).deserialize(document).err()?;
    error.location().map(|at| (at.line(), at.column()))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain YAML without tags")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Int(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

/// Fails where its steps end.
#[derive(Clone, Copy)]
struct Seek<'a>(&'a [Step]);

const FOUND: &str = "found";

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! fail_on {
    ($($visit:ident($type:ty)),+) => {
        $(fn $visit<E: serde::de::Error>(self, _: $type) -> Result<(), E> {
            Err(E::custom(FOUND))
        })+
    };
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was read before")
    }

    fail_on!(
        visit_bool(bool),
        visit_u64(u64),
        visit_i64(i64),
        visit_u128(u128),
        visit_i128(i128),
        visit_f64(f64),
        visit_str(&str)
    );

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Err(E::custom(FOUND))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Some((Step::Item(wanted), rest)) = self.0.split_first() else {
            return Err(A::Error::custom(FOUND));
        };
        for _ in 0..*wanted {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(Seek(rest))?;
        Err(A::Error::custom(FOUND))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, rest) = match self.0.split_first() {
            Some((Step::Value(wanted) | Step::Key(wanted), rest)) => (*wanted, rest),
            Some((Step::Item(_), _)) | None => return Err(A::Error::custom(FOUND)),
        };
        for _ in 0..wanted {
            map.next_entry::<IgnoredAny, IgnoredAny>()?;
        }
        if matches!(self.0.first(), Some(Step::Key(_))) {
            map.next_key_seed(Seek(&[]))?;
        } else {
            map.next_key::<IgnoredAny>()?;
            map.next_value_seed(Seek(rest))?;
        }
        Err(A::Error::custom(FOUND))
    }
}
