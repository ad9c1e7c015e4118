//! The glob grammar: from text to flat patterns, one for each way through its braces.
//!
//! Everything is bytes. `\xHH` stands for the byte with that number, so that a path which is not UTF-8
//! can be written down; any other character after `\` stands for itself.

mod error;
mod parser;

use std::fmt::Write as _;

pub use error::GlobError;
use parser::Parser;

/// Ways through the braces of one glob; more are refused rather than compiled slowly.
const WAYS_MAX: usize = 4096;
/// Tokens of all ways together.
const TOKENS_MAX: usize = 1 << 20;

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(crate) const EMPTY: Self = Self([0; 4]);
    pub(crate) const ALL: Self = Self([u64::MAX; 4]);

    /// What `*` and `?` stand for.
    pub(crate) fn no_slash() -> Self {
        let mut set = Self::ALL;
        set.remove(b'/');
        set
    }

    pub(crate) fn range(first: u8, last: u8) -> Self {
        let mut set = Self::EMPTY;
        for byte in first..=last {
            set.insert(byte);
        }
        set
    }

    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    fn remove(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] &= !(1 << (byte & 63));
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }
}

/// One step of a flat pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// This byte.
    Byte(u8),
    /// One byte of the set.
    Set(ByteSet),
    /// `*`.
    Star,
    /// `**`, a whole component.
    Tree,
}

/// A pattern without braces.
pub(crate) type Flat = Vec<Token>;

/// What a glob is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An absolute path.
    Path,
    /// A name in which `/` has no meaning of its own.
    Name,
}

enum Item {
    Token(Token),
    Braces(Vec<Vec<Self>>),
}

/// Reads a glob.
pub(crate) fn parse(text: &str, kind: Kind) -> Result<Vec<Flat>, GlobError> {
    if text.is_empty() {
        return Err(GlobError::Empty);
    }
    if kind == Kind::Path && !text.starts_with(['/', '{', '\\']) {
        return Err(GlobError::NotAbsolute(text.to_owned()));
    }
    let items = Parser::new(text).whole()?;
    if count(&items).is_none_or(|(ways, tokens)| ways > WAYS_MAX || tokens > TOKENS_MAX) {
        return Err(GlobError::TooManyWays);
    }
    let mut flats = expand(&items);
    for flat in &flats {
        match kind {
            Kind::Path => check_path(flat)?,
            Kind::Name if flat.contains(&Token::Tree) => return Err(GlobError::Glued(text.to_owned())),
            Kind::Name => {}
        }
    }
    // Two stars side by side, from two braces, are one; they would only make more states.
    for flat in &mut flats {
        flat.dedup_by(|next, star| *next == Token::Star && *star == Token::Star);
    }
    Ok(flats)
}

/// Ways and tokens of all ways; `None` when they cannot be counted.
fn count(items: &[Item]) -> Option<(usize, usize)> {
    let mut ways = 1usize;
    let mut tokens = 0usize;
    for item in items {
        let (more_ways, more_tokens) = match item {
            Item::Token(_) => (1, 1),
            Item::Braces(choices) => {
                let mut sum = (0usize, 0usize);
                for choice in choices {
                    let (ways, tokens) = count(choice)?;
                    sum = (sum.0.checked_add(ways)?, sum.1.checked_add(tokens)?);
                }
                sum
            }
        };
        tokens = tokens.checked_mul(more_ways)?.checked_add(more_tokens.checked_mul(ways)?)?;
        ways = ways.checked_mul(more_ways)?;
    }
    Some((ways, tokens))
}

fn expand(items: &[Item]) -> Vec<Flat> {
    let mut ways: Vec<Flat> = vec![Flat::new()];
    for item in items {
        match item {
            Item::Token(token) => ways.iter_mut().for_each(|way| way.push(*token)),
            Item::Braces(choices) => {
                let tails: Vec<Flat> = choices.iter().flat_map(|choice| expand(choice)).collect();
                ways = ways
                    .iter()
                    .flat_map(|way| tails.iter().map(|tail| way.iter().chain(tail).copied().collect()))
                    .collect();
            }
        }
    }
    ways
}

fn check_path(flat: &[Token]) -> Result<(), GlobError> {
    let slash = Token::Byte(b'/');
    let Some((first, rest)) = flat.split_first() else { return Err(GlobError::Empty) };
    if *first != slash {
        return Err(GlobError::NotAbsolute(show(flat)));
    }
    if flat.contains(&Token::Byte(0)) {
        return Err(GlobError::Zero);
    }
    if rest.is_empty() {
        return Ok(());
    }
    let odd = |what, remedy: String| Err(GlobError::NotCanonical { path: show(flat), what, remedy });
    let parts: Vec<&[Token]> = rest.split(|token| *token == slash).collect();
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        if part.contains(&Token::Tree) && part.len() > 1 {
            return Err(GlobError::Glued(show(flat)));
        }
        match *part {
            [] if index == last => {
                let shown = show(flat);
                let without = shown.trim_end_matches('/');
                return odd(
                    "a slash at the end",
                    format!(
                        "write the directory without a slash, `{without}`, or what is below it, `{without}/**`"
                    ),
                );
            }
            [] => return odd("an empty component, `//`", "write one slash".to_owned()),
            [Token::Byte(b'.')] => return odd("a component `.`", "leave it out".to_owned()),
            [Token::Byte(b'.'), Token::Byte(b'.')] => {
                return odd("a component `..`", "write the path it leads to".to_owned());
            }
            [..] => {}
        }
    }
    Ok(())
}

/// The pattern as text, for messages and for literal prefixes.
pub(crate) fn show(flat: &[Token]) -> String {
    let mut text = String::new();
    let mut bytes = Vec::new();
    for token in flat {
        if let Token::Byte(byte) = token {
            bytes.push(*byte);
            continue;
        }
        text.push_str(&escape(&bytes));
        bytes.clear();
        text.push_str(match token {
            Token::Star => "*",
            Token::Tree => "**",
            Token::Set(set) if *set == ByteSet::no_slash() => "?",
            Token::Set(_) | Token::Byte(_) => "[…]",
        });
    }
    text.push_str(&escape(&bytes));
    text
}

/// The bytes that every match starts with.
pub(crate) fn literal_prefix(flat: &[Token]) -> Vec<u8> {
    flat.iter().map_while(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
}

/// A glob that matches `path` and nothing else. Control characters, and bytes that are not UTF-8, come
/// out as `\xHH`.
pub fn escape(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    push_hex(&mut text, byte);
                }
                continue;
            }
            if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        for byte in chunk.invalid() {
            push_hex(&mut text, *byte);
        }
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a string cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}
