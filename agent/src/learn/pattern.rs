//! The few patterns that learning proposes, and where it must not propose any.

use crate::compile::escape;

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// A number: the glob `[0-9]*`.
    Number,
    /// So many bytes, any but `/`.
    Any(usize),
    /// A number in hexadecimal: the glob `[0-9a-f]*` or `[0-9A-F]*`.
    Hex(Case),
    /// Any bytes but `/`, up to the end of a name that ends so.
    Name(Vec<u8>),
    /// Any number of whole components, also none: the glob `**`.
    Components,
}

/// How the digits above nine are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Case {
    /// `a` to `f`.
    Lower,
    /// `A` to `F`.
    Upper,
}

impl Case {
    /// Whether this is a hexadecimal digit.
    pub fn is_digit(self, byte: u8) -> bool {
        match self {
            Self::Lower => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Upper => matches!(byte, b'0'..=b'9' | b'A'..=b'F'),
        }
    }
}

/// A path or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Vec<Piece>);

impl Pattern {
    /// Exactly these bytes.
    pub fn literal(bytes: &[u8]) -> Self {
        let mut pattern = Self::default();
        pattern.push_literal(bytes);
        pattern
    }

    /// Appends bytes.
    pub fn push_literal(&mut self, bytes: &[u8]) {
        match self.0.last_mut() {
            _ if bytes.is_empty() => {}
            Some(Piece::Literal(literal)) => literal.extend_from_slice(bytes),
            Some(Piece::Number | Piece::Any(_) | Piece::Hex(_) | Piece::Name(_) | Piece::Components)
            | None => self.0.push(Piece::Literal(bytes.to_vec())),
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Literal(bytes) => self.push_literal(&bytes),
            Piece::Number | Piece::Any(_) | Piece::Hex(_) | Piece::Name(_) | Piece::Components => {
                self.0.push(piece)
            }
        }
    }

    /// Appends another pattern.
    pub fn append(&mut self, other: &Self) {
        for piece in &other.0 {
            self.push(piece.clone());
        }
    }

    /// Whether it stands for one name only.
    pub fn is_literal(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Whether it stands for random names and has no more than `most` bytes of its own.
    pub fn is_random(&self, most: usize) -> bool {
        let own = self.0.iter().map(|piece| match piece {
            Piece::Literal(bytes) => bytes.len(),
            Piece::Number | Piece::Any(_) | Piece::Hex(_) | Piece::Name(_) | Piece::Components => 0,
        });
        own.sum::<usize>() <= most && self.0.iter().any(|piece| matches!(piece, Piece::Any(_)))
    }

    /// The same with its last part of fixed length open in length, too; `None` if more than a literal ending follows that,
    /// or nothing else is left.
    pub(super) fn of_any_length(&self) -> Option<Self> {
        let at = self.0.iter().rposition(|piece| matches!(piece, Piece::Any(_)))?;
        let ending = match self.0.get(at + 1..)? {
            [] => Vec::new(),
            [Piece::Literal(ending)] => ending.clone(),
            _ => return None,
        };
        let mut pattern = Self(self.0.get(..at)?.to_vec());
        let named = at > 0 || !ending.is_empty();
        pattern.push(Piece::Name(ending));
        named.then_some(pattern)
    }

    /// The glob; `None` when a profile, which is text, cannot hold it.
    pub fn glob(&self) -> Option<String> {
        let mut glob = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => {
                    std::str::from_utf8(bytes).ok()?;
                    glob.push_str(&escape(bytes));
                }
                Piece::Number => glob.push_str("[0-9]*"),
                Piece::Any(count) => glob.extend(std::iter::repeat_n('?', *count)),
                Piece::Hex(Case::Lower) => glob.push_str("[0-9a-f]*"),
                Piece::Hex(Case::Upper) => glob.push_str("[0-9A-F]*"),
                Piece::Components => glob.push_str("**"),
                Piece::Name(ending) => {
                    glob.push('*');
                    std::str::from_utf8(ending).ok()?;
                    glob.push_str(&escape(ending));
                }
            }
        }
        Some(glob)
    }

    /// Whether `name` is of this form, a number being digits and nothing else, and what is random what such names are made
    /// of. Narrower than the glob.
    pub fn fits(&self, name: &[u8]) -> bool {
        let mut rest = name;
        for piece in &self.0 {
            let left = match piece {
                Piece::Literal(bytes) => rest.strip_prefix(bytes.as_slice()),
                Piece::Number => behind(rest, u8::is_ascii_digit),
                // Of paths: no single name has them.
                Piece::Components => None,
                Piece::Hex(case) => behind(rest, |byte| case.is_digit(*byte)),
                Piece::Name(ending) => {
                    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                    rest.split_at_checked(end)
                        .filter(|(name, _)| name.ends_with(ending))
                        .map(|(_, left)| left)
                }
                Piece::Any(count) => {
                    rest.get(..*count).filter(|bytes| bytes.iter().all(random)).and(rest.get(*count..))
                }
            };
            match left {
                Some(left) => rest = left,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

/// Whether random names are made of this.
pub(super) fn random(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// What comes behind the digits of a number; `None` where there are none.
fn behind(text: &[u8], is_digit: impl Fn(&u8) -> bool) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| is_digit(byte)).count();
    if digits == 0 { None } else { text.get(digits..) }
}

/// `name` with those of its digit runs as numbers for which `is_number` holds, asked with where they begin.
pub fn numbers(name: &[u8], is_number: impl Fn(usize, &[u8]) -> bool) -> Pattern {
    let mut pattern = Pattern::default();
    let mut at = 0;
    for run in name.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        if run.first().is_some_and(u8::is_ascii_digit) && is_number(at, run) {
            pattern.push(Piece::Number);
        } else {
            pattern.push_literal(run);
        }
        at += run.len();
    }
    pattern
}

/// The runs of letters and digits of a name, and what stands between them, each byte by itself.
pub(super) fn runs(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.chunk_by(|a, b| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
}

/// Whether the component is a number and nothing else.
pub fn is_number(component: &[u8]) -> bool {
    !component.is_empty() && component.iter().all(u8::is_ascii_digit)
}

/// Directories in which a sibling's name is never guessed: programs, libraries, configuration, devices.
const LITERAL_TREES: [&str; 11] =
    ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/sys", "/usr"];

/// Words in a name that say its content is nobody else's business.
const SECRETS: [&str; 13] = [
    "key", "secret", "passw", "passwd", "shadow", "token", "cred", "private", "cert", ".pem", ".pfx", ".p12",
    "id_",
];

/// Directories of which the same is true.
const SECRET_DIRS: [&str; 6] = [".ssh", ".gnupg", ".kube", ".aws", ".docker", "secrets"];

/// Whether a rule for `path` must name exactly this path, which the container `made` or somebody else.
pub fn must_stay_literal(path: &[u8], made: bool) -> bool {
    let below = |tree: &str| {
        path.strip_prefix(tree.as_bytes()).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    };
    // What the administrator put there is not what a container makes in its home.
    let put_there = !made && below("/root");
    if put_there || LITERAL_TREES.into_iter().any(below) && !below("/dev/shm") {
        return true;
    }
    looks_secret(path)
}

/// Whether the name or a directory of it says that its content is nobody else's business.
pub fn looks_secret(path: &[u8]) -> bool {
    let lower = path.to_ascii_lowercase();
    let mut components = lower.split(|byte| *byte == b'/');
    let name = components.next_back().unwrap_or(b"");
    components.any(|dir| SECRET_DIRS.iter().any(|secret| secret.as_bytes() == dir))
        || SECRETS.iter().any(|word| name.windows(word.len()).any(|part| part == word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        let all = numbers(b"a12-b3", |_, _| true);
        assert_eq!(all.glob().as_deref(), Some("a[0-9]*-b[0-9]*"));
        assert!(all.fits(b"a1-b999"));
        for other in [&b"a-b1"[..], b"a1-b", b"a1-b1x", b"xa1-b1", b""] {
            assert!(!all.fits(other), "{}", other.escape_ascii());
        }
        let long = numbers(b"a12-b345", |at, run| at == 5 && run.len() == 3);
        assert_eq!(long.glob().as_deref(), Some("a12-b[0-9]*"));
        assert!(numbers(b"plain", |_, _| true).is_literal());
    }

    #[test]
    fn random_bytes() {
        let mut pattern = Pattern::literal(b"tmp");
        pattern.push(Piece::Any(6));
        assert_eq!(pattern.glob().as_deref(), Some("tmp??????"));
        assert!(pattern.fits(b"tmpabcdef"));
        assert!(!pattern.fits(b"tmpab/def") && !pattern.fits(b"tmpabcde") && !pattern.fits(b"tmpabcdefg"));
    }

    #[test]
    fn bytes_that_no_profile_holds() {
        assert_eq!(Pattern::literal(b"/a\xff").glob(), None);
    }

    #[test]
    fn where_nothing_is_guessed() {
        for path in [
            "/etc/nginx/sites/site1.conf",
            "/usr/lib/x1",
            "/lib",
            "/dev/sda1",
            "/srv/tls/server1.key",
            "/home/a/.ssh/known1",
            "/data/API_TOKEN_1",
        ] {
            assert!(must_stay_literal(path.as_bytes(), true), "{path}");
        }
        for path in ["/var/lib/pg/1", "/dev/shm/PostgreSQL.1", "/library/1", "/tmp/1", "/etcetera/1"] {
            assert!(!must_stay_literal(path.as_bytes(), false), "{path}");
        }
        assert!(
            must_stay_literal(b"/root/run/1.sock", false) && !must_stay_literal(b"/root/run/1.sock", true)
        );
    }
}
