//! From text to tokens and braces.

use super::{ByteSet, GlobError, Item, Token};

/// Braces inside braces.
const DEPTH_MAX: usize = 16;

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn whole(mut self) -> Result<Vec<Item>, GlobError> {
        let items = self.items(0)?;
        if self.at < self.text.len() { Err(GlobError::BraceClose) } else { Ok(items) }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at = self.at.saturating_add(next.len_utf8());
        Some(next)
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at = self.at.saturating_add(wanted.len_utf8());
        }
        found
    }

    /// Up to the end, or inside braces up to `,` or `}`.
    fn items(&mut self, depth: usize) -> Result<Vec<Item>, GlobError> {
        if depth > DEPTH_MAX {
            return Err(GlobError::TooManyWays);
        }
        let mut items = Vec::new();
        while let Some(next) = self.peek() {
            if next == '}' || (next == ',' && depth > 0) {
                break;
            }
            self.next();
            match next {
                '*' => items.push(Item::Token(self.stars()?)),
                '?' => items.push(Item::Token(Token::Set(ByteSet::no_slash()))),
                '[' => items.push(Item::Token(Token::Set(self.class()?))),
                '{' => items.push(self.braces(depth)?),
                '\\' => self.escaped()?.for_each(|byte| items.push(Item::Token(Token::Byte(byte)))),
                literal => {
                    let mut buffer = [0; 4];
                    let bytes = literal.encode_utf8(&mut buffer).bytes();
                    items.extend(bytes.map(|byte| Item::Token(Token::Byte(byte))));
                }
            }
        }
        Ok(items)
    }

    fn stars(&mut self) -> Result<Token, GlobError> {
        if !self.eat('*') {
            return Ok(Token::Star);
        }
        if self.peek() == Some('*') {
            return Err(GlobError::Glued(self.text.to_owned()));
        }
        Ok(Token::Tree)
    }

    fn braces(&mut self, depth: usize) -> Result<Item, GlobError> {
        let mut choices = Vec::new();
        loop {
            choices.push(self.items(depth.saturating_add(1))?);
            if self.eat('}') {
                return Ok(Item::Braces(choices));
            }
            if !self.eat(',') {
                return Err(GlobError::BraceOpen);
            }
        }
    }

    fn escaped(&mut self) -> Result<impl Iterator<Item = u8> + use<>, GlobError> {
        let mut bytes = [0; 4];
        let len = match self.next().ok_or(GlobError::EscapeEnd)? {
            'x' => {
                bytes[0] = self.hex()?;
                1
            }
            other => other.encode_utf8(&mut bytes).len(),
        };
        Ok(bytes.into_iter().take(len))
    }

    fn hex(&mut self) -> Result<u8, GlobError> {
        let end = self.at.saturating_add(2);
        let digits = self.text.get(self.at..end).ok_or(GlobError::EscapeHex)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(GlobError::EscapeHex);
        }
        self.at = end;
        u8::from_str_radix(digits, 16).map_err(|_bad| GlobError::EscapeHex)
    }

    fn class(&mut self) -> Result<ByteSet, GlobError> {
        let start = self.at.saturating_sub(1);
        let negated = self.eat('!') || self.eat('^');
        let mut set = ByteSet::EMPTY;
        while !self.eat(']') {
            let first = self.member()?;
            let range = self
                .text
                .get(self.at..)
                .is_some_and(|rest| rest.starts_with('-') && !rest.starts_with("-]") && rest.len() > 1);
            if !range {
                set.insert(first);
                continue;
            }
            self.next();
            let from = self.at;
            let last = self.member()?;
            if last < first {
                let text = self.text.get(from.saturating_sub(2)..self.at).unwrap_or("-");
                return Err(GlobError::ClassRange(text.to_owned()));
            }
            for byte in first..=last {
                set.insert(byte);
            }
        }
        let mut set = if negated && set != ByteSet::EMPTY { set.not() } else { set };
        set.remove(b'/');
        if set == ByteSet::EMPTY {
            let text = self.text.get(start..self.at).unwrap_or("[]");
            return Err(GlobError::ClassEmpty(text.to_owned()));
        }
        Ok(set)
    }

    fn member(&mut self) -> Result<u8, GlobError> {
        let byte = match self.next().ok_or(GlobError::ClassOpen)? {
            '\\' => {
                let mut bytes = self.escaped()?;
                match (bytes.next(), bytes.next()) {
                    (Some(byte), None) => byte,
                    (Some(_), Some(_)) | (None, _) => return Err(GlobError::ClassWide('\\')),
                }
            }
            '[' if self.peek() == Some(':') => return Err(GlobError::ClassNamed),
            other => u8::try_from(other).ok().filter(u8::is_ascii).ok_or(GlobError::ClassWide(other))?,
        };
        if byte == b'/' {
            return Err(GlobError::ClassSlash);
        }
        Ok(byte)
    }
}
