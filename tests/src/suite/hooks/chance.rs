//! Paths and globs made up by chance, the same ones each time.

use std::collections::BTreeSet;

use super::glob::{Glob, Part, Piece};

/// A small generator of numbers.
pub(super) struct Chance(u64);

/// Components of paths: like each other, and like what has a meaning in globs.
const NAMES: [&[u8]; 19] = [
    b"a",
    b"b",
    b"ab",
    b"aab",
    b"aba",
    b"c",
    b"a b",
    b" ",
    b".a",
    b"...",
    b"\xff",
    b"a\xff",
    b"\xc3\xa4",
    b"*",
    b"[a]",
    b"{a,b}",
    b"-",
    b"\\",
    b"\\xff",
];
const LONGEST_NAME: usize = 255;
const MOST_COMPONENTS: usize = 200;

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        // xorshift64*.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % end
    }

    fn name(&mut self) -> Vec<u8> {
        NAMES[self.below(NAMES.len())].to_vec()
    }

    /// That many paths below `top`, and some long ones.
    pub(super) fn paths(&mut self, top: &str, count: usize) -> Vec<Vec<u8>> {
        let mut paths = BTreeSet::new();
        for last in [b'n', b'm'] {
            let mut name = vec![b'n'; LONGEST_NAME - 1];
            name.push(last);
            paths.insert([top.as_bytes(), b"/", &name].concat());
            let inner = b"/d".repeat(MOST_COMPONENTS - 1 - top.matches('/').count());
            paths.insert([top.as_bytes(), &inner, b"/", &[last]].concat());
        }
        while paths.len() < count {
            let mut path = top.as_bytes().to_vec();
            for _ in 0..=self.below(5) {
                path.push(b'/');
                path.extend(self.name());
            }
            paths.insert(path);
        }
        paths.into_iter().collect()
    }

    /// A glob that may match one of these paths below `top`, and others.
    pub(super) fn glob_like_one_of(&mut self, top: &str, paths: &[Vec<u8>]) -> Glob {
        let path = &paths[self.below(paths.len())];
        self.glob(top, path)
    }

    fn glob(&mut self, top: &str, path: &[u8]) -> Glob {
        let mut names = path.split(|byte| *byte == b'/').skip(1);
        let mut glob: Glob = names
            .by_ref()
            .take(top.matches('/').count())
            .map(|name| Part::Component(name.iter().copied().map(Piece::Byte).collect()))
            .collect();
        let names: Vec<&[u8]> = names.collect();
        let mut at = 0;
        while at < names.len() {
            match self.below(10) {
                0 => {
                    if !matches!(glob.last(), Some(Part::Tree)) {
                        glob.push(Part::Tree);
                    }
                    at += self.below(names.len() - at + 1);
                    continue;
                }
                1 => {
                    let other = self.name();
                    let deep = vec![Part::Component(self.pieces(&other)), Part::Component(vec![Piece::Star])];
                    glob.push(Part::Ways(vec![deep, vec![Part::Component(self.pieces(names[at]))]]));
                }
                _ => glob.push(Part::Component(self.pieces(names[at]))),
            }
            at += 1;
        }
        glob
    }

    fn pieces(&mut self, name: &[u8]) -> Vec<Piece> {
        if self.below(3) == 0 {
            return vec![Piece::Star];
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for byte in name {
            // No range with a slash in it, and no component that may be nothing or only dots.
            let last = if *byte < b'0' { *byte } else { byte.saturating_add(2) };
            let solid = pieces.iter().any(|piece| match piece {
                Piece::Byte(byte) => *byte != b'.',
                Piece::Any | Piece::Class { .. } => true,
                Piece::Star | Piece::Choice(_) => false,
            });
            let plain = Piece::Byte(*byte);
            pieces.push(match self.below(12) {
                0 => Piece::Any,
                1 => Piece::Class { outside: false, ranges: vec![(*byte, last), (b'0', b'9')] },
                2 => Piece::Class { outside: true, ranges: vec![(b'b', b'b'), (0x80, 0xfe)] },
                3 if solid => Piece::Choice(vec![vec![plain], vec![], vec![Piece::Byte(b'b'), Piece::Any]]),
                // Two of these side by side would be `**`.
                4 if !matches!(pieces.last(), Some(Piece::Star)) => Piece::Star,
                _ => plain,
            });
        }
        pieces
    }
}
