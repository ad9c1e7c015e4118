//! A matcher that is slow and plain, and a source of globs and paths.

use crate::testing::Xorshift;

/// Whether `glob`, which is well-formed, matches `path`.
pub(super) fn matches(glob: &[u8], path: &[u8]) -> bool {
    without_braces(glob).iter().any(|glob| {
        // Of an own entry, a glob that covers numbers speaks too; the generator makes no such paths.
        let globs: Vec<&[u8]> = components(glob);
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        trees(&globs, &names)
    })
}

fn escape_len(glob: &[u8]) -> usize {
    if glob.get(1) == Some(&b'x') { 4 } else { 2 }
}

fn class_len(glob: &[u8]) -> usize {
    let mut at = 1;
    while glob[at] != b']' {
        at += if glob[at] == b'\\' { escape_len(&glob[at..]) } else { 1 };
    }
    at + 1
}

/// The length of the first symbol.
fn symbol(glob: &[u8]) -> usize {
    match glob[0] {
        b'\\' => escape_len(glob),
        b'[' => class_len(glob),
        _ => 1,
    }
}

fn without_braces(glob: &[u8]) -> Vec<Vec<u8>> {
    let mut at = 0;
    while at < glob.len() && glob[at] != b'{' {
        at += symbol(&glob[at..]);
    }
    if at >= glob.len() {
        return vec![glob.to_vec()];
    }
    let (head, mut depth, mut start, mut choices) = (&glob[..at], 0, at + 1, Vec::new());
    loop {
        match glob[at] {
            b'{' => depth += 1,
            b',' if depth == 1 => {
                choices.push(&glob[start..at]);
                start = at + 1;
            }
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    choices.push(&glob[start..at]);
                    break;
                }
            }
            _ => {}
        }
        at += symbol(&glob[at..]);
    }
    let tail = &glob[at + 1..];
    // The mark keeps stars from two sides of a brace apart: only a written `**` is one.
    choices.iter().flat_map(|choice| without_braces(&[head, b"\0", choice, b"\0", tail].concat())).collect()
}

fn components(glob: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while at < glob.len() {
        if glob[at] == b'/' {
            parts.push(&glob[start..at]);
            start = at + 1;
        }
        at += symbol(&glob[at..]);
    }
    parts.push(&glob[start..]);
    parts.into_iter().map(without_marks).collect()
}

fn without_marks(part: &[u8]) -> &[u8] {
    let start = part.iter().take_while(|byte| **byte == 0).count();
    let end = part.iter().rev().take_while(|byte| **byte == 0).count();
    part.get(start..part.len() - end).unwrap_or(b"")
}

fn trees(globs: &[&[u8]], names: &[&[u8]]) -> bool {
    match globs.split_first() {
        None => names.is_empty(),
        Some((glob, [])) if *glob == b"**" => names.first().is_some_and(|name| !name.is_empty()),
        Some((glob, rest)) if *glob == b"**" => {
            let whole = names.iter().take_while(|name| !name.is_empty()).count();
            (0..=whole).any(|skip| trees(rest, &names[skip..]))
        }
        Some((glob, rest)) => {
            names.split_first().is_some_and(|(name, more)| one(glob, name) && trees(rest, more))
        }
    }
}

fn one(glob: &[u8], name: &[u8]) -> bool {
    let Some(first) = glob.first() else { return name.is_empty() };
    let rest = &glob[symbol(glob)..];
    if *first == 0 {
        return one(rest, name);
    }
    if *first == b'*' {
        return (0..=name.len()).any(|skip| one(rest, &name[skip..]));
    }
    let Some((byte, more)) = name.split_first() else { return false };
    let fits = match first {
        b'?' => true,
        b'[' => in_class(&glob[1..symbol(glob) - 1], *byte),
        _ => literal(glob) == *byte,
    };
    fits && one(rest, more)
}

fn literal(glob: &[u8]) -> u8 {
    match glob {
        [b'\\', b'x', high, low, ..] => {
            u8::from_str_radix(std::str::from_utf8(&[*high, *low]).unwrap(), 16).unwrap()
        }
        [b'\\', byte, ..] | [byte, ..] => *byte,
        [] => unreachable!(),
    }
}

fn in_class(class: &[u8], byte: u8) -> bool {
    let negated = matches!(class[0], b'!' | b'^');
    let (mut at, mut inside) = (usize::from(negated), false);
    while at < class.len() {
        let first = literal(&class[at..]);
        at += symbol(&class[at..]);
        let mut last = first;
        if class.get(at) == Some(&b'-') && at + 1 < class.len() {
            last = literal(&class[at + 1..]);
            at += 1 + symbol(&class[at + 1..]);
        }
        inside |= (first..=last).contains(&byte);
    }
    inside != negated
}

/// Pseudo-random choices, the same in each run.
pub(super) struct Random(Xorshift);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xorshift::scattered(seed))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.word()
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.word().to_be_bytes()[0]
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    pub(super) fn glob(&mut self) -> String {
        let mut glob = String::new();
        for _ in 0..=self.below(4) {
            glob.push('/');
            if self.below(4) == 0 {
                glob.push_str("**");
                continue;
            }
            for _ in 0..=self.below(3) {
                let part = self.part(0);
                glob.push_str(&part);
            }
        }
        glob
    }

    fn part(&mut self, depth: usize) -> String {
        if depth < 3 && self.below(6) == 0 {
            let choices: Vec<String> = (0..=self.below(3)).map(|_| self.choice(depth + 1)).collect();
            return format!("{{{}}}", choices.join(","));
        }
        self.pick(&[
            "a",
            "b",
            "c",
            "ab",
            ".",
            "..",
            "*",
            "?",
            "[ab]",
            "[!a]",
            "[a-c]",
            "[^b-]",
            "\\*",
            "\\xff",
            "é",
            "a*b",
            "[!\\xff]",
            "[\\]\\\\]",
        ])
        .to_owned()
    }

    fn choice(&mut self, depth: usize) -> String {
        match self.below(6) {
            0 => String::new(),
            1 => format!("{}/{}", self.part(depth), self.part(depth)),
            2 => format!("**/{}", self.part(depth)),
            3 => format!("/{}", self.part(depth)),
            4 | 5.. => self.part(depth),
        }
    }

    pub(super) fn path(&mut self) -> Vec<u8> {
        let mut path = Vec::new();
        for _ in 0..=self.below(5) {
            path.extend(b"/");
            for _ in 0..=self.below(3) {
                path.extend(
                    [b"a".as_slice(), b"b", b"c", b"ab", b".", b"*", b"\xff", b"-", b"\xc3\xa9", b"\x01"]
                        [self.below(10)],
                );
            }
        }
        path
    }

    /// A path that `glob` may well match: each symbol replaced by something of its kind.
    pub(super) fn path_like(&mut self, glob: &str) -> Vec<u8> {
        let ways = without_braces(glob.as_bytes());
        let glob = &ways[self.below(ways.len())];
        let (mut path, mut at) = (Vec::new(), 0);
        while at < glob.len() {
            let len = symbol(&glob[at..]);
            match glob[at] {
                b'*' if glob.get(at + 1) == Some(&b'*') => {
                    path.extend([b"a".as_slice(), b"a/b", b"b/a/c", b".x"][self.below(4)]);
                    at += 1;
                }
                b'*' => path.extend([b"".as_slice(), b"a", b"ab", b".b", b"\xff"][self.below(5)]),
                b'?' | b'[' => path.push([b'a', b'b', b'c', b'd', b']', b'\\', b'-', 0xff][self.below(8)]),
                0 => {}
                _ => path.push(literal(&glob[at..])),
            }
            at += len;
        }
        path
    }
}
