//! Globs as what they mean, written down as text, and matched in the plainest way that there is.

use std::fmt::Write as _;

/// A glob: parts, one after the other.
pub(super) type Glob = Vec<Part>;

#[derive(Clone, Debug)]
pub(super) enum Part {
    Component(Vec<Piece>),
    /// `**`.
    Tree,
    /// Braces around whole components.
    Ways(Vec<Vec<Part>>),
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Byte(u8),
    /// `?`.
    Any,
    /// `*`.
    Star,
    Class {
        outside: bool,
        ranges: Vec<(u8, u8)>,
    },
    /// Braces within a component.
    Choice(Vec<Vec<Piece>>),
}

/// The glob in a profile.
pub(super) fn text(parts: &[Part]) -> String {
    parts.iter().fold(String::new(), |mut out, part| {
        out.push('/');
        match part {
            Part::Component(pieces) => write_pieces(&mut out, pieces),
            Part::Tree => out.push_str("**"),
            Part::Ways(ways) => {
                // The slash before the braces is theirs already.
                let ways: Vec<String> = ways.iter().map(|way| text(way)[1..].to_owned()).collect();
                out.push_str(&format!("{{{}}}", ways.join(",")));
            }
        }
        out
    })
}

fn write_pieces(out: &mut String, pieces: &[Piece]) {
    for piece in pieces {
        match piece {
            Piece::Byte(byte) => write_byte(out, *byte),
            Piece::Any => out.push('?'),
            Piece::Star => out.push('*'),
            Piece::Class { outside, ranges } => {
                out.push_str(if *outside { "[!" } else { "[" });
                for (first, last) in ranges {
                    write_byte(out, *first);
                    if last > first {
                        out.push('-');
                        write_byte(out, *last);
                    }
                }
                out.push(']');
            }
            Piece::Choice(choices) => {
                out.push('{');
                for (index, choice) in choices.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_pieces(out, choice);
                }
                out.push('}');
            }
        }
    }
}

fn write_byte(out: &mut String, byte: u8) {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b' ' => out.push(char::from(byte)),
        0x21..=0x7e => out.extend(['\\', char::from(byte)]),
        // Writing to a text does not fail.
        _ => drop(write!(out, "\\x{byte:02x}")),
    }
}

/// Whether the glob matches the absolute path.
pub(super) fn matches(glob: &[Part], path: &[u8]) -> bool {
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
    parts_match(glob, &names)
}

fn parts_match(glob: &[Part], names: &[&[u8]]) -> bool {
    match (glob.split_first(), names.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Part::Component(pieces), rest)), Some((name, names))) => {
            pieces_match(pieces, name) && parts_match(rest, names)
        }
        (Some((Part::Component(_), _)), None) => false,
        (Some((Part::Tree, [])), _) => !names.is_empty(),
        (Some((Part::Tree, rest)), _) => {
            (0..=names.len()).any(|skipped| parts_match(rest, &names[skipped..]))
        }
        (Some((Part::Ways(ways), rest)), _) => {
            ways.iter().any(|way| parts_match(&[way.as_slice(), rest].concat(), names))
        }
    }
}

fn pieces_match(pieces: &[Piece], name: &[u8]) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return name.is_empty() };
    let first_and = |fits: &dyn Fn(u8) -> bool| {
        name.split_first().is_some_and(|(first, name)| fits(*first) && pieces_match(rest, name))
    };
    match piece {
        Piece::Byte(byte) => first_and(&|first| first == *byte),
        Piece::Any => first_and(&|_| true),
        Piece::Class { outside, ranges } => {
            first_and(&|first| ranges.iter().any(|(from, to)| (*from..=*to).contains(&first)) != *outside)
        }
        Piece::Star => (0..=name.len()).any(|skipped| pieces_match(rest, &name[skipped..])),
        Piece::Choice(choices) => {
            choices.iter().any(|choice| pieces_match(&[choice.as_slice(), rest].concat(), name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_meaning() {
        let word = |text: &str| text.bytes().map(Piece::Byte).collect::<Vec<_>>();
        let glob = vec![
            Part::Component(word("a*")),
            Part::Tree,
            Part::Ways(vec![
                vec![
                    Part::Component(vec![Piece::Star, Piece::Byte(0xff)]),
                    Part::Component(vec![Piece::Any]),
                ],
                vec![Part::Component(vec![
                    Piece::Class { outside: true, ranges: vec![(b'a', b'c')] },
                    Piece::Choice(vec![word("x"), word("")]),
                ])],
            ]),
        ];
        assert_eq!(text(&glob), "/a\\*/**/{*\\xff/?,[!a-c]{x,}}");
        for path in [&b"/a*/d"[..], b"/a*/b/dx", b"/a*/\xff/q", b"/a*/b/c/x\xff/q"] {
            assert!(matches(&glob, path), "{}", path.escape_ascii());
        }
        for path in [&b"/a*"[..], b"/a/d", b"/a*/bx", b"/a*/x\xff/qq", b"/a*/d/"] {
            assert!(!matches(&glob, path), "{}", path.escape_ascii());
        }
    }
}
