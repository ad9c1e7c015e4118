//! Unix sockets that were reached, as a profile names them.
//!
//! A socket that the container makes is a file of its own, whose name may be made up: by the number of its process, at
//! random. It is then named as that file is, or the next start would reach one that no rule names.

use std::collections::{BTreeMap, BTreeSet};

use super::generalise::{File, split};
use super::how::Width;
use super::names::name_patterns;
use super::pattern::{Pattern, must_stay_literal};
use crate::compile::escape;
use crate::profile::PeerTarget;

/// The paths and the abstract names that were reached, all of them text.
#[derive(Default)]
pub(super) struct UnixSockets {
    pub(super) paths: BTreeSet<Vec<u8>>,
    pub(super) names: BTreeSet<Vec<u8>>,
}

impl UnixSockets {
    /// What rules for them say. `made_up` are the patterns of files that are not named one by one.
    pub(super) fn targets(&self, made_up: &BTreeMap<&[u8], Pattern>, width: Width) -> Vec<PeerTarget> {
        let mut globs = BTreeSet::new();
        let mut others: BTreeMap<&[u8], BTreeSet<&[u8]>> = BTreeMap::new();
        for path in &self.paths {
            if let Some(glob) = made_up.get(path.as_slice()).and_then(of_form) {
                globs.insert(glob);
                continue;
            }
            match split(path).filter(|_| !must_stay_literal(path, false)) {
                Some((dir, name)) => drop(others.entry(dir).or_default().insert(name)),
                None => drop(globs.insert(escape(path))),
            }
        }
        for (dir, names) in others {
            globs.extend(series(&names, width).iter().map(|name| format!("{}/{name}", escape(dir))));
        }
        let names = series(&self.names.iter().map(Vec::as_slice).collect(), width);
        globs.into_iter().map(PeerTarget::Unix).chain(names.into_iter().map(PeerTarget::Abstract)).collect()
    }
}

/// The glob, unless it lets in any name, or any of an ending: who may write such files need not speak with every server.
fn of_form(pattern: &Pattern) -> Option<String> {
    let glob = pattern.glob()?;
    let name = glob.rsplit('/').next()?;
    (!name.starts_with('*')).then_some(glob)
}

/// Each name, or in its stead what names have in common that differ in their numbers. Who made them was not seen, so it
/// takes as many as of files that were only used.
fn series(names: &BTreeSet<&[u8]>, width: Width) -> BTreeSet<String> {
    let used = File::default();
    let found = match width {
        Width::Exact => BTreeMap::new(),
        Width::Normal | Width::Wide => name_patterns(names.iter().map(|name| (*name, &used))),
    };
    names.iter().map(|name| found.get(name).and_then(Pattern::glob).unwrap_or_else(|| escape(name))).collect()
}

#[cfg(test)]
mod tests {
    use stockade_abi::access::{AccessSet, CONNECT, CREATE, DELETE, READ, WRITE};
    use stockade_abi::reason::Operation;

    use super::super::generalise::generalise;
    use super::super::how::How;
    use super::*;
    use crate::learn::Seen;

    const MADE: AccessSet = CREATE | DELETE;

    fn file(path: &str, access: AccessSet) -> Seen {
        Seen::bare(Operation::File, access, path)
    }

    fn reached(kind: char, name: &str) -> Seen {
        Seen::bare(Operation::Connect, CONNECT, format!("{kind}{name}"))
    }

    fn peers(seen: &[Seen], width: Width) -> Vec<String> {
        let rules = generalise(seen, How { width, ..How::default() }).peers;
        rules.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_socket_with_a_made_up_name_is_named_as_its_file() {
        let path = "/run/app/worker.4711";
        let own = [file(path, MADE), reached('u', path)];
        assert_eq!(peers(&own, Width::Normal), ["unix:/run/app/worker.[0-9]*"]);
        assert_eq!(peers(&own, Width::Exact), ["unix:/run/app/worker.4711"]);
        // In a directory with a made-up name.
        let path = "/tmp/pool-a1b2c3d4e5f6/listener";
        let own = [file("/tmp/pool-a1b2c3d4e5f6", MADE), file(path, MADE), reached('u', path)];
        assert_eq!(peers(&own, Width::Normal), ["unix:/tmp/pool-????????????/listener"]);
    }

    #[test]
    fn a_socket_that_others_made_keeps_its_name() {
        assert_eq!(
            peers(&[reached('u', "/run/app/worker.4711")], Width::Normal),
            ["unix:/run/app/worker.4711"]
        );
        let read = file("/run/app/worker.4711", READ);
        assert_eq!(
            peers(&[read, reached('u', "/run/app/worker.4711")], Width::Normal),
            ["unix:/run/app/worker.4711"]
        );
    }

    #[test]
    fn a_series_is_one_rule() {
        let four = |kind, dir: &str| -> Vec<Seen> {
            (1..=4).map(|n| reached(kind, &format!("{dir}/shard{n}.sock"))).collect()
        };
        assert_eq!(peers(&four('u', "/run/app"), Width::Normal), ["unix:/run/app/shard[0-9]*.sock"]);
        assert_eq!(peers(&four('a', "app"), Width::Normal), ["unix:@app/shard[0-9]*.sock"]);
        assert_eq!(peers(&four('u', "/run/app")[..3], Width::Normal).len(), 3);
        assert_eq!(peers(&four('u', "/run/app"), Width::Exact).len(), 4);
        assert_eq!(peers(&four('u', "/etc/app"), Width::Normal).len(), 4);
        assert_eq!(peers(&four('u', "/srv/secrets"), Width::Normal).len(), 4);
    }

    #[test]
    fn any_name_for_a_file_is_not_any_socket() {
        let words = ["cat", "dog", "horse", "cow", "hen", "sheep", "goat", "duck", "mule", "rabbit"];
        let all = READ | WRITE | MADE;
        let mut seen: Vec<Seen> =
            words.iter().map(|word| file(&format!("/data/uploads/{word}.ipc"), all)).collect();
        assert_eq!(generalise(&seen, How::default()).files.len(), 1);
        seen.push(reached('u', "/data/uploads/cow.ipc"));
        assert_eq!(peers(&seen, Width::Normal), ["unix:/data/uploads/cow.ipc"]);
    }
}
