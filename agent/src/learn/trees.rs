//! Trees of files that are only read: the modules of an interpreter, the pages of a site, time zones, libraries.
//!
//! Whether they become one glob is decided by description length: a profile costs its reader the text of its rules,
//! and each glob costs more for what it lets in that was never seen. What comes out cheaper is written. So
//! five long names may be worth a glob that three short ones are not, and there is no number of files from which on
//! everything is widened. Where the packages of the image are known, a glob costs less that matches the files of one package
//! alone (see [`super::glob`]).
//!
//! Names with nothing in common are named together only where there are hundreds of them, and nothing among them looks like a
//! secret: what they cost is as much as letting in anything.
//!
//! Never widened: what is written or made or started by anybody, whatever looks like a secret, `/etc`, home
//! directories, devices and what the kernel shows as files. Libraries are widened only to libraries, in directories of
//! the system in which nothing was seen to be made.

use std::collections::{BTreeMap, BTreeSet};

use stockade_abi::access::{self, AccessSet};

use super::glob::{CHEAPEST, FORMLESS, Glob, Kind, Origin, ending, literal, major};
use super::how::How;
use super::pattern::looks_secret;
use crate::image::SHARED;

/// Trees of which names are named one by one.
const EXACT: [&str; 11] =
    ["/bin", "/boot", "/dev", "/etc", "/home", "/proc", "/root", "/run", "/sbin", "/sys", "/var/run"];

/// A glob, with the files it was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) glob: String,
    pub(super) access: AccessSet,
    pub(super) origin: Option<Origin>,
}

/// Globs for those of `files` that are cheaper to name together. `made`: paths that were written, made, renamed or
/// started; no glob covers a directory that holds one of them.
pub(super) fn trees(files: &BTreeMap<&[u8], AccessSet>, made: &BTreeSet<&[u8]>, how: How<'_>) -> Vec<Tree> {
    let busy: BTreeSet<&[u8]> = made.iter().flat_map(|path| above(path)).collect();
    let hiding = files.keys().filter(|path| looks_secret(path)).flat_map(|path| above(path)).collect();
    let seen = Seen { busy, hiding, how };
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
        let plan = root.plan(b"", access, &seen);
        let covered: BTreeSet<&[u8]> = of_kind.into_iter().filter(|path| plan.covers(path)).collect();
        left.retain(|(path, _)| !covered.contains(path));
        found.extend(plan.globs.into_iter().map(|glob| Tree {
            glob: glob.text(),
            access,
            origin: glob.origin,
        }));
    }
    found
}

/// The directories above a path.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| path.get(..at).unwrap_or(b""))
}

fn may_be_widened(path: &[u8], access: AccessSet) -> bool {
    access & !(access::READ | access::MAP) == 0
        && path.first() == Some(&b'/')
        && std::str::from_utf8(path).is_ok()
        && !is_exact(path)
        && !looks_secret(path)
}

/// Whether names below this one are named one by one.
pub(super) fn is_exact(path: &[u8]) -> bool {
    let below = |tree: &str| {
        path.strip_prefix(tree.as_bytes()).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
    };
    EXACT.into_iter().any(below)
}

/// What is known of directories beside the files that are named together.
struct Seen<'a> {
    /// Those in or below which something was made, written or started,
    busy: BTreeSet<&'a [u8]>,
    /// and those in or below which something looks like a secret.
    hiding: BTreeSet<&'a [u8]>,
    how: How<'a>,
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

    fn plan(&self, dir: &[u8], access: AccessSet, seen: &Seen<'_>) -> Plan {
        let mut plan = Plan { cost: self.files.iter().map(|path| literal(path)).sum(), globs: Vec::new() };
        for (name, node) in &self.dirs {
            let below = node.plan(&[dir, b"/", name].concat(), access, seen);
            plan.cost += below.cost;
            plan.globs.extend(below.globs);
        }
        let depth = dir.iter().filter(|byte| **byte == b'/').count();
        // Nobody may put something where a glob lets it in.
        if depth < 2 || seen.busy.contains(dir) {
            return plan;
        }
        let all = self.all();
        let endings = endings(&all);
        let maps = access & access::MAP != 0;
        let glob = |kind| Glob::new(dir, kind, &all, seen.how);
        if maps && is_shared(dir) {
            let majors: BTreeSet<&[u8]> = self.files.iter().filter_map(|path| major(name(path))).collect();
            for major in majors {
                plan = plan.or(&all, glob(Kind::Versions(major.to_vec())));
            }
        }
        for ending in endings {
            if maps && (ending != b".so" || !is_shared(dir)) {
                continue;
            }
            if self.files.iter().any(|path| self::ending(name(path)) == Some(ending)) {
                plan = plan.or(&all, glob(Kind::Siblings(ending.to_vec())));
            }
            if depth >= 3 && !maps {
                plan = plan.or(&all, glob(Kind::SameEnding(ending.to_vec())));
            }
        }
        // Cheaper than all of them it can be only where they are that dear.
        let many = plan.cost > FORMLESS / 4 && access == access::READ && !seen.hiding.contains(dir);
        if many && !is_shared(dir) && !self.files.is_empty() {
            plan = plan.or(&all, glob(Kind::Names));
        }
        if depth >= 3 && access == access::READ && (many || is_shared(dir)) {
            plan = plan.or(&all, glob(Kind::Whole));
        }
        plan
    }
}

impl Plan {
    /// This plan, or one with `glob` if that is cheaper for `all`.
    fn or(self, all: &[&[u8]], glob: Option<Glob>) -> Self {
        let Some(glob) = glob else { return self };
        let mut globs: Vec<Glob> = self.globs.iter().filter(|old| !glob.replaces(old)).cloned().collect();
        globs.push(glob);
        let left = all.iter().filter(|path| !globs.iter().any(|glob| glob.covers(path)));
        let cost =
            left.map(|path| literal(path)).sum::<usize>() + globs.iter().map(|glob| glob.cost).sum::<usize>();
        if cost < self.cost { Self { cost, globs } } else { self }
    }
}

/// Endings of which a glob may be cheaper than the names: in a storm of names, most have one of their own.
fn endings<'a>(all: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut costs: BTreeMap<&[u8], usize> = BTreeMap::new();
    for path in all {
        if let Some(ending) = ending(name(path)) {
            *costs.entry(ending).or_default() += literal(path);
        }
    }
    costs.into_iter().filter(|(_, cost)| *cost > CHEAPEST).map(|(ending, _)| ending).collect()
}

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(b"")
}

pub(super) fn is_shared(dir: &[u8]) -> bool {
    // On most distributions with rpm it is what `/usr/lib/x86_64-linux-gnu` is on others.
    dir == b"/usr/lib64" || SHARED.iter().any(|tree| dir.starts_with(tree.as_bytes()))
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{MAP, READ};

    use super::*;
    use crate::image::Packages;

    fn globs(paths: &[String], access: AccessSet, made: &[&str]) -> Vec<String> {
        let files = paths.iter().map(|path| (path.as_bytes(), access)).collect();
        let made = made.iter().map(|path| path.as_bytes()).collect();
        trees(&files, &made, How::default()).into_iter().map(|tree| tree.glob).collect()
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
        assert_eq!(globs(&names("/usr/lib64", ".so.1.2", 10), READ | MAP, &[]), ["/usr/lib64/*.so*"]);
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

    fn in_packages(paths: &[String], access: AccessSet, packages: &Packages) -> Vec<Tree> {
        let files = paths.iter().map(|path| (path.as_bytes(), access)).collect();
        trees(&files, &BTreeSet::new(), How { packages: Some(packages), ..How::default() })
    }

    #[test]
    fn the_files_of_one_package_are_cheaper_together() {
        let zones: Vec<String> =
            (0..200).map(|n| format!("/usr/share/zoneinfo/Area{}/Zone{n}", n % 4)).collect();
        let read = &zones[..8];
        let of = |owner: &dyn Fn(usize) -> Option<&'static str>| {
            let files: Vec<_> = zones.iter().enumerate().map(|(n, zone)| (zone.as_str(), owner(n))).collect();
            Packages::of(&files)
        };
        assert_eq!(globs(read, READ, &[]), [] as [String; 0], "nothing is known of packages");
        let one = in_packages(read, READ, &of(&|_| Some("tzdata")));
        assert_eq!(one.len(), 1);
        assert_eq!(one[0].glob, "/usr/share/zoneinfo{,/**}");
        let origin = Origin { package: "tzdata".to_owned(), files: 200, seen: 8 };
        assert_eq!(one[0].origin, Some(origin));
        // Three are named one by one, and so are eight of several packages or of none.
        assert_eq!(in_packages(&read[..3], READ, &of(&|_| Some("tzdata"))), []);
        assert_eq!(in_packages(read, READ, &of(&|n| Some(if n == 150 { "other" } else { "tzdata" }))), []);
        assert_eq!(in_packages(read, READ, &of(&|n| (n != 150).then_some("tzdata"))), []);
        assert_eq!(in_packages(read, READ, &of(&|_| None)), []);
    }

    #[test]
    fn what_no_package_brought_and_looks_secret_stops_every_glob() {
        let modules = names("/usr/lib/tool/modules", ".json", 10);
        let mut files: Vec<(&str, Option<&str>)> =
            modules.iter().map(|path| (path.as_str(), Some("tool"))).collect();
        files.push(("/usr/lib/tool/modules/token.py", None));
        files.push(("/usr/lib/tool/modules/private.json", Some("tool")));
        assert_eq!(in_packages(&modules, READ, &Packages::of(&files)).len(), 1);
        files.push(("/usr/lib/tool/modules/api-token.json", None));
        assert_eq!(in_packages(&modules, READ, &Packages::of(&files)), []);
    }

    #[test]
    fn a_library_keeps_its_major_version() {
        let library = ["/usr/lib/x/libz.so.1.2.13".to_owned()];
        let of = |other: Option<&str>| {
            Packages::of(&[(library[0].as_str(), Some("zlib")), ("/usr/lib/x/libz.so.1.bak", other)])
        };
        let found = in_packages(&library, READ | MAP, &of(Some("zlib")));
        assert_eq!(
            found.iter().map(|tree| tree.glob.as_str()).collect::<Vec<_>>(),
            ["/usr/lib/x/libz.so.1.*"]
        );
        assert_eq!(in_packages(&library, READ | MAP, &of(None)), []);
        assert_eq!(in_packages(&library, READ, &of(Some("zlib"))), []);
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
