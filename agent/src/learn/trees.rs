//! Trees of files that are only read: the modules of an interpreter, the pages of a site, time zones, libraries.
//!
//! Whether they become one glob is decided by description length: a profile costs its reader the text of its rules,
//! and each glob costs more for what it lets in that was never seen. What comes out cheaper is written. So
//! five long names may be worth a glob that three short ones are not, and there is no number of files from which on
//! everything is widened.
//!
//! Never widened: what is written or made or started by anybody, whatever looks like a secret, `/etc`, home
//! directories, devices and what the kernel shows as files. Libraries are widened only to libraries, in directories of
//! the system in which nothing was seen to be made.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access::{self, AccessSet};

use super::how::Width;
use super::pattern::looks_secret;
use crate::compile::escape;

/// What a rule costs its reader, beside its text.
const RULE: usize = 60;
/// What a byte of a rule's text costs.
const BYTE: usize = 2;
/// What it costs to let in the other files of one directory with the same ending,
const SIBLINGS: usize = 420;
/// of a whole tree with the same ending,
const SAME_ENDING: usize = 700;
/// and everything in a tree.
const WHOLE: usize = 1100;

/// Trees that hold no program's own data and no configuration: what is in them came with the image.
const SHARED: [&str; 4] = ["/usr/lib/", "/usr/share/", "/usr/local/lib/", "/usr/local/share/"];
/// Trees of which names are named one by one.
const EXACT: [&str; 11] =
    ["/bin", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sbin", "/sys", "/var/run"];

/// A glob, with the files it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) glob: String,
    pub(super) access: AccessSet,
}

/// Globs for those of `files` that are cheaper to name together. `made`: paths that were written, made, renamed or
/// started; no glob covers a directory that holds one of them.
pub(super) fn trees(files: &BTreeMap<&[u8], AccessSet>, made: &BTreeSet<&[u8]>, width: Width) -> Vec<Tree> {
    let busy: BTreeSet<&[u8]> = made.iter().flat_map(|path| above(path)).collect();
    let mut found = Vec::new();
    let mut left: Vec<(&[u8], AccessSet)> = files
        .iter()
        .map(|(path, access)| (*path, *access))
        .filter(|(path, access)| may_be_widened(path, *access) && !made.contains(path))
        .collect();
    for access in [access::READ | access::MAP, access::READ] {
        let of_kind: Vec<&[u8]> = left
            .iter()
            .filter(|(_, have)| *have == access || *have == access & access::MAP)
            .map(|(path, _)| *path)
            .collect();
        let mut root = Node::default();
        for path in &of_kind {
            root.add(path);
        }
        let plan = root.plan(b"", access, width, &busy);
        let covered: BTreeSet<&[u8]> = of_kind.into_iter().filter(|path| plan.covers(path)).collect();
        left.retain(|(path, _)| !covered.contains(path));
        found.extend(plan.globs.into_iter().map(|glob| Tree { glob: glob.text(), access }));
    }
    found
}

/// The directories above a path.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| path.get(..at).unwrap_or(b""))
}

fn may_be_widened(path: &[u8], access: AccessSet) -> bool {
    let below = |tree: &str| {
        path.strip_prefix(tree.as_bytes()).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    };
    access & !(access::READ | access::MAP) == 0
        && path.first() == Some(&b'/')
        && std::str::from_utf8(path).is_ok()
        && !EXACT.into_iter().any(below)
        && !looks_secret(path)
}

/// A name's ending with its dot: `.py`; none for a number, a hidden file, or something long. All that comes after
/// `.so` is the version of a library.
fn ending(name: &[u8]) -> Option<&[u8]> {
    if let Some(at) = name.windows(3).position(|part| part == b".so") {
        let rest = name.get(at + 3..).unwrap_or(b"");
        return rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.').then_some(&b".so"[..]);
    }
    let dot = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > 0)?;
    let ending = name.get(dot..)?;
    let letters = ending.get(1..)?;
    let plain = (1..=6).contains(&letters.len())
        && letters.iter().all(u8::is_ascii_alphanumeric)
        && letters.iter().any(u8::is_ascii_alphabetic);
    plain.then_some(ending)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Files of one directory with this ending.
    Siblings(Vec<u8>),
    /// Files of a tree with this ending.
    SameEnding(Vec<u8>),
    /// Everything in a tree, and the directory itself.
    Whole,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Glob {
    dir: Vec<u8>,
    kind: Kind,
    cost: usize,
}

impl Glob {
    fn text(&self) -> String {
        let dir = escape(&self.dir);
        let shown = |ending: &[u8]| {
            let versions = if ending == b".so" { "*" } else { "" };
            format!("{}{versions}", escape(ending))
        };
        match &self.kind {
            Kind::Siblings(ending) => format!("{dir}/*{}", shown(ending)),
            Kind::SameEnding(ending) => format!("{dir}/**/*{}", shown(ending)),
            Kind::Whole => format!("{dir}{{,/**}}"),
        }
    }

    /// `None`: it is not to be had.
    fn new(dir: &[u8], kind: Kind, width: Width) -> Option<Self> {
        let price = width.price(match kind {
            Kind::Siblings(_) => SIBLINGS,
            Kind::SameEnding(_) => SAME_ENDING,
            Kind::Whole => WHOLE,
        })?;
        let mut glob = Self { dir: dir.to_vec(), kind, cost: 0 };
        glob.cost = RULE + BYTE * glob.text().len() + price;
        Some(glob)
    }

    fn covers(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(self.dir.as_slice()) else { return false };
        let below = rest.strip_prefix(b"/");
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(b"");
        match &self.kind {
            Kind::Siblings(wanted) => {
                below.is_some_and(|below| !below.contains(&b'/')) && ending(name) == Some(wanted)
            }
            Kind::SameEnding(wanted) => below.is_some() && ending(name) == Some(wanted),
            Kind::Whole => rest.is_empty() || below.is_some(),
        }
    }
}

/// The cheapest way found to name what is in a tree.
#[derive(Clone, Debug, Default)]
struct Plan {
    cost: usize,
    globs: Vec<Glob>,
}

impl Plan {
    fn covers(&self, path: &[u8]) -> bool {
        self.globs.iter().any(|glob| glob.covers(path))
    }
}

/// A directory of the files that were seen.
#[derive(Default)]
struct Node<'a> {
    dirs: BTreeMap<&'a [u8], Node<'a>>,
    files: Vec<&'a [u8]>,
}

impl<'a> Node<'a> {
    fn add(&mut self, path: &'a [u8]) {
        let mut node = self;
        let mut components: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
        let name = components.pop();
        for component in components {
            node = node.dirs.entry(component).or_default();
        }
        node.files.extend(name.map(|_| path));
    }

    fn all(&self) -> Vec<&'a [u8]> {
        let mut all = self.files.clone();
        all.extend(self.dirs.values().flat_map(Node::all));
        all
    }

    fn plan(&self, dir: &[u8], access: AccessSet, width: Width, busy: &BTreeSet<&[u8]>) -> Plan {
        let mut plan = Plan { cost: self.files.iter().map(|path| literal(path)).sum(), globs: Vec::new() };
        for (name, node) in &self.dirs {
            let below = node.plan(&[dir, b"/", name].concat(), access, width, busy);
            plan.cost += below.cost;
            plan.globs.extend(below.globs);
        }
        let depth = dir.iter().filter(|byte| **byte == b'/').count();
        // Nobody may put something where a glob lets it in.
        if depth < 2 || busy.contains(dir) {
            return plan;
        }
        let all = self.all();
        let endings: BTreeSet<&[u8]> =
            all.iter().filter_map(|path| ending(path.rsplit(|byte| *byte == b'/').next()?)).collect();
        for ending in endings {
            let maps = access & access::MAP != 0;
            if maps && (ending != b".so" || !is_shared(dir)) {
                continue;
            }
            plan = plan.or(&all, Glob::new(dir, Kind::Siblings(ending.to_vec()), width));
            if depth >= 3 && !maps {
                plan = plan.or(&all, Glob::new(dir, Kind::SameEnding(ending.to_vec()), width));
            }
        }
        if depth >= 3 && access == access::READ && is_shared(dir) {
            plan = plan.or(&all, Glob::new(dir, Kind::Whole, width));
        }
        plan
    }
}

impl Plan {
    /// This plan, or one with `glob` if that is cheaper for `all`.
    fn or(self, all: &[&[u8]], glob: Option<Glob>) -> Self {
        let Some(glob) = glob else { return self };
        let whole = glob.kind == Kind::Whole;
        let mut globs: Vec<Glob> = self
            .globs
            .iter()
            .filter(|old| {
                let inside = old.dir.starts_with(&glob.dir);
                let same = match (&old.kind, &glob.kind) {
                    (Kind::Siblings(old), Kind::SameEnding(new))
                    | (Kind::SameEnding(old), Kind::SameEnding(new)) => old == new,
                    (Kind::Whole | Kind::Siblings(_) | Kind::SameEnding(_), _) => whole,
                };
                !(inside && same)
            })
            .cloned()
            .collect();
        globs.push(glob);
        let left = all.iter().filter(|path| !globs.iter().any(|glob| glob.covers(path)));
        let cost =
            left.map(|path| literal(path)).sum::<usize>() + globs.iter().map(|glob| glob.cost).sum::<usize>();
        if cost < self.cost { Self { cost, globs } } else { self }
    }
}

fn literal(path: &[u8]) -> usize {
    RULE + BYTE * path.len()
}

fn is_shared(dir: &[u8]) -> bool {
    SHARED.iter().any(|tree| dir.starts_with(tree.as_bytes()))
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{MAP, READ};

    use super::*;

    fn globs(paths: &[String], access: AccessSet, made: &[&str]) -> Vec<String> {
        let files = paths.iter().map(|path| (path.as_bytes(), access)).collect();
        let made = made.iter().map(|path| path.as_bytes()).collect();
        trees(&files, &made, Width::Normal).into_iter().map(|tree| tree.glob).collect()
    }

    fn names(dir: &str, ending: &str, count: usize) -> Vec<String> {
        ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"][..count]
            .iter()
            .map(|name| format!("{dir}/{name}{ending}"))
            .collect()
    }

    #[test]
    fn the_length_of_the_text_decides() {
        assert_eq!(globs(&names("/srv/www", ".html", 10), READ, &[]), ["/srv/www/*.html"]);
        assert_eq!(globs(&names("/srv/www", ".html", 3), READ, &[]), [] as [String; 0]);
        // Long names are worth it sooner.
        let long = "/srv/a-site-with-a-long-name/generation-of-pages/of-some-kind";
        assert_eq!(globs(&names(long, ".html", 4), READ, &[]).len(), 1);
        assert_eq!(globs(&names("/srv/w", ".html", 4), READ, &[]).len(), 0);
    }

    #[test]
    fn modules_of_an_interpreter_are_a_tree() {
        let mut modules = Vec::new();
        for dir in ["", "/json", "/email", "/http", "/asyncio", "/json/__pycache__", "/email/__pycache__"] {
            modules.extend(names(&format!("/usr/lib/python3.11{dir}"), ".py", 6));
            modules.push(format!("/usr/lib/python3.11{dir}"));
        }
        assert_eq!(globs(&modules, READ, &[]), ["/usr/lib/python3.11{,/**}"]);
    }

    #[test]
    fn libraries_are_widened_to_libraries() {
        let libraries = names("/usr/lib/x86_64-linux-gnu", ".so.1.2", 8);
        assert_eq!(globs(&libraries, READ | MAP, &[]), ["/usr/lib/x86_64-linux-gnu/*.so*"]);
        assert_eq!(globs(&libraries, READ | MAP, &["/usr/lib/x86_64-linux-gnu/new"]), [] as [String; 0]);
        assert_eq!(globs(&names("/srv/lib", ".so", 8), READ | MAP, &[]), [] as [String; 0]);
        assert_eq!(globs(&names("/usr/lib/tools", "", 8), READ | MAP, &[]), [] as [String; 0]);
    }

    #[test]
    fn what_is_sensitive_or_written_is_not_widened() {
        for dir in ["/etc/app", "/home/a/site", "/root/x", "/srv/secrets", "/proc/sys/a", "/run/app"] {
            assert_eq!(globs(&names(dir, ".html", 10), READ, &[]), [] as [String; 0], "{dir}");
        }
        assert_eq!(globs(&names("/srv/tls", ".pem", 10), READ, &[]), [] as [String; 0]);
        assert_eq!(globs(&names("/srv/www", ".html", 10), READ, &["/srv/www/upload"]), [] as [String; 0]);
    }

    #[test]
    fn a_tree_takes_the_place_of_its_parts() {
        let mut pages = Vec::new();
        for dir in ["a", "b", "c", "d", "e"] {
            pages.extend(names(&format!("/srv/www/site/{dir}"), ".html", 10));
        }
        assert_eq!(globs(&pages, READ, &[]), ["/srv/www/site/**/*.html"]);
    }
}
