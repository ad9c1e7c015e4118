//! Globs for several files that are only read, and what each costs its reader.
//!
//! A glob costs its text, and what it lets in that was never seen. How much that is, the image can tell where its
//! packages are known: if everything that the glob matches came with one package, then the cost of the names
//! that were not seen is that of saying which of the package's files are used, the logarithm of the number of ways to
//! choose them, and half of what it costs to let in anything. Without that knowledge a glob costs the same for each
//! directory or tree. And each file of the image that is let in without having been seen costs a little: a few rules
//! fewer are not worth a large part of the image.

use super::how::How;
use super::pattern::looks_secret;
use super::trees::is_shared;
use crate::compile::escape;

/// What a rule costs its reader, beside its text.
const RULE: usize = 60;
/// What a byte of a rule's text costs.
const BYTE: usize = 2;
/// What it costs to let in the other files of one directory with the same ending,
pub(super) const SIBLINGS: usize = 420;
/// of a whole tree with the same ending,
const SAME_ENDING: usize = 700;
/// and everything in a tree of files that came with the image.
const WHOLE: usize = 1100;
/// What it costs to let in any name of a directory that holds other things than that: as much as some hundred names.
pub(super) const FORMLESS: usize = 60_000;
/// What it costs besides to let in a file of the image that was not seen: a hundred or so cost what a rule does.
const UNSEEN: usize = 1;
/// What the cheapest glob for an ending costs at least.
pub(super) const CHEAPEST: usize = RULE + SIBLINGS / 8;

/// Endings of program text.
const CODE: [&str; 17] = [
    ".c", ".h", ".html", ".js", ".jsp", ".lua", ".mjs", ".php", ".pl", ".pm", ".ps1", ".py", ".pyc", ".rb",
    ".sh", ".so", ".ts",
];

/// Whether files with this ending are text of programs, or programs.
pub(super) fn is_text_of_programs(ending: &[u8]) -> bool {
    CODE.iter().any(|code| code.as_bytes() == ending)
}

/// What a rule with nothing but this name costs.
pub(super) fn literal(path: &[u8]) -> usize {
    RULE + BYTE * path.len()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Files of one directory with this ending.
    Siblings(Vec<u8>),
    /// Files of a tree with this ending.
    SameEnding(Vec<u8>),
    /// Any name of one directory.
    Names,
    /// Everything in a tree, and the directory itself.
    Whole,
    /// A library of whatever minor version: names that begin like this, up to the dot after the major one.
    Versions(Vec<u8>),
}

/// The package that everything a glob matches came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Its name.
    pub(crate) package: String,
    /// How many of its files the glob matches,
    pub(crate) files: usize,
    /// and how many of these were seen.
    pub(crate) seen: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    pub(super) dir: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) cost: usize,
    pub(super) origin: Option<Origin>,
}

/// What the image holds of the names that a glob matches.
enum Holds {
    /// So many files, which came with several packages or with none; or nothing is known of it.
    Any(usize),
    /// So many files, all of this package.
    Package(String, usize),
    /// Something that came with no package and looks like a secret.
    Secret,
}

impl Glob {
    /// The glob of a kind in a directory, for `all` the names that were seen there; `None`: it is not to be had.
    pub(super) fn new(dir: &[u8], kind: Kind, all: &[&[u8]], how: How<'_>) -> Option<Self> {
        let mut glob = Self { dir: dir.to_vec(), kind, cost: 0, origin: None };
        let any = match glob.kind {
            Kind::Siblings(_) => Some(SIBLINGS),
            Kind::SameEnding(_) => Some(SAME_ENDING),
            Kind::Names => Some(FORMLESS),
            Kind::Whole if is_shared(dir) => Some(WHOLE),
            Kind::Whole => Some(2 * FORMLESS),
            Kind::Versions(_) => None,
        };
        let seen = |counts: &dyn Fn(&[u8]) -> bool| {
            all.iter().filter(|path| glob.covers(path) && counts(path)).count()
        };
        let price = match glob.holds(how) {
            Holds::Secret => None,
            Holds::Any(files) => any.map(|any| any + UNSEEN * files.saturating_sub(seen(&|_| true))),
            Holds::Package(package, files) => {
                let seen = seen(&|path| how.owner(path).is_some());
                let which = choices(files, seen);
                glob.origin = Some(Origin { package, files, seen });
                let unseen = UNSEEN * files.saturating_sub(seen);
                // One library is what it was, by another name.
                Some(any.map_or(0, |any| any.min(any / 2 + which) + unseen))
            }
        };
        glob.cost = RULE + BYTE * glob.text().len() + how.width.price(price?)?;
        Some(glob)
    }

    fn holds(&self, how: How<'_>) -> Holds {
        let Some(packages) = how.packages else { return Holds::Any(0) };
        let mut package: Option<&str> = None;
        let (mut files, mut one) = (0, true);
        for (path, owner) in packages.below(&self.dir).filter(|(path, _)| self.covers(path)) {
            match owner {
                // What everybody can download with the package is no secret, whatever its name.
                None if hides_something(path) => return Holds::Secret,
                None => one = false,
                Some(owner) => one &= **package.get_or_insert(owner) == *owner,
            }
            files += 1;
        }
        match package.filter(|_| one) {
            Some(package) => Holds::Package(package.to_owned(), files),
            None => Holds::Any(files),
        }
    }

    pub(super) fn text(&self) -> String {
        let dir = escape(&self.dir);
        let shown = |ending: &[u8]| {
            let versions = if ending == b".so" { "*" } else { "" };
            format!("{}{versions}", escape(ending))
        };
        match &self.kind {
            Kind::Siblings(ending) => format!("{dir}/*{}", shown(ending)),
            Kind::SameEnding(ending) => format!("{dir}/**/*{}", shown(ending)),
            Kind::Names => format!("{dir}/*"),
            Kind::Whole => format!("{dir}{{,/**}}"),
            Kind::Versions(name) => format!("{dir}/{}*", escape(name)),
        }
    }

    pub(super) fn covers(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(self.dir.as_slice()) else { return false };
        let below = rest.strip_prefix(b"/");
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
        let here = below.is_some_and(|below| !below.contains(&b'/'));
        match &self.kind {
            Kind::Siblings(wanted) => here && ending(name) == Some(wanted),
            Kind::SameEnding(wanted) => below.is_some() && ending(name) == Some(wanted),
            Kind::Names => here,
            Kind::Whole => rest.is_empty() || below.is_some(),
            Kind::Versions(wanted) => here && name.starts_with(wanted),
        }
    }

    /// Whether this one, further up in the same tree or as far, makes `other` superfluous.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        use Kind::{Names, SameEnding, Siblings, Versions, Whole};
        match (&other.kind, &self.kind) {
            (Siblings(_) | SameEnding(_) | Names | Whole | Versions(_), Whole) => true,
            (Siblings(old) | SameEnding(old), SameEnding(new)) => old == new,
            (Siblings(_) | Versions(_), Names) => other.dir == self.dir,
            (Versions(_), Siblings(new)) => other.dir == self.dir && new == b".so",
            (Versions(_), SameEnding(new)) => new == b".so",
            (
                Siblings(_) | SameEnding(_) | Names | Whole | Versions(_),
                Siblings(_) | Names | Versions(_),
            )
            | (Names | Whole, SameEnding(_)) => false,
        }
    }
}

/// A name's ending with its dot: `.py`; none for a number, a hidden file, or something long. Digits and dots after
/// `.so` are the version of a library.
pub(super) fn ending(name: &[u8]) -> Option<&[u8]> {
    if let Some(at) = name.windows(3).position(|part| part == b".so") {
        let rest = name.get(at + 3..).unwrap_or(b"");
        if rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            return Some(b".so");
        }
    }
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    let ending = name.get(dot..)?;
    let letters = ending.get(1..)?;
    let plain = (1..=6).contains(&letters.len())
        && letters.iter().all(u8::is_ascii_alphanumeric)
        && letters.iter().any(u8::is_ascii_alphabetic);
    plain.then_some(ending)
}

/// Whether a file that nobody published looks as if it were not for everybody. Text of programs is no place for a
/// secret, but has names like `token.py`.
fn hides_something(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
    looks_secret(path) && !ending(name).is_some_and(is_text_of_programs)
}

/// The part of a library's name up to its major version, when a minor one follows: `libz.so.1.` of `libz.so.1.2.13`.
pub(super) fn major(name: &[u8]) -> Option<&[u8]> {
    let start = name.windows(4).position(|part| part == b".so.")? + 4;
    let version = name.get(start..)?;
    let dot = version.iter().position(|byte| *byte == b'.')?;
    let minor = version.get(dot + 1..)?;
    let numbers = version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (numbers && dot > 0 && !minor.is_empty()).then(|| name.get(..=start + dot))?
}

/// The bits that it takes to say which `seen` of `files` are meant.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of files are far below 2^53, and the result is between 0 and their number"
)]
fn choices(files: usize, seen: usize) -> usize {
    let seen = seen.min(files);
    let part = |count: usize| if count == 0 { 0.0 } else { count as f64 * (count as f64).log2() };
    // Stirling's formula without its small terms.
    (part(files) - part(seen) - part(files - seen)).max(0.0).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_of_them() {
        assert_eq!([choices(10, 0), choices(10, 10), choices(0, 3), choices(2, 1)], [0, 0, 0, 2]);
        // Of 1800 time zones, five.
        assert!((45..60).contains(&choices(1800, 5)), "{}", choices(1800, 5));
        assert!(choices(1400, 300) > choices(1400, 60));
    }

    #[test]
    fn endings() {
        let shown = |name: &str| ending(name.as_bytes()).map(|ending| ending.escape_ascii().to_string());
        for (name, wanted) in [
            ("a.py", ".py"),
            ("libz.so", ".so"),
            ("libz.so.1.2.13", ".so"),
            ("php-fpm.sock", ".sock"),
            ("ld.so.conf", ".conf"),
        ] {
            assert_eq!(shown(name).as_deref(), Some(wanted), "{name}");
        }
        for name in ["a", ".profile", "a.", "a.7", "a.something", "libz.so-old"] {
            assert_eq!(shown(name), None, "{name}");
        }
    }

    #[test]
    fn versions_of_a_library() {
        let shown = |name: &str| major(name.as_bytes()).map(|major| major.escape_ascii().to_string());
        assert_eq!(shown("libz.so.1.2.13").as_deref(), Some("libz.so.1."));
        assert_eq!(shown("libpq.so.5.15").as_deref(), Some("libpq.so.5."));
        for name in ["libc.so.6", "ld-2.36.so", "libx.so.1.", "libx.so..1", "libx.so.1.2-a", "x"] {
            assert_eq!(shown(name), None, "{name}");
        }
    }
}
