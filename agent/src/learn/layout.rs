//! Data directories whose layout is known: what a database keeps in its own directory is named by
//! number, and the numbers of tomorrow's tables cannot be learned today.

use std::collections::BTreeMap;

use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Operation;

use super::Seen;
use crate::compile::escape;

/// Names that a database makes below its data directory.
struct Layout {
    /// A file that the database, and nothing else, writes there.
    marker: &'static str,
    /// Globs below the data directory: files it makes.
    files: &'static [&'static str],
    /// Globs below the data directory: directories it lists.
    dirs: &'static [&'static str],
    /// Globs below the data directory: directories it also makes, one for each database.
    databases: &'static [&'static str],
}

/// The on-disk layout that PostgreSQL documents ("Database File Layout").
const POSTGRESQL: Layout = Layout {
    marker: "/global/pg_control",
    files: &[
        "base/[0-9]*/[0-9]*",
        "base/[0-9]*/t[0-9]*",
        "base/[0-9]*/{PG_VERSION,pg_filenode.map*,pg_internal.init*}",
        "base/pgsql_tmp/**",
        "global/[0-9]*",
        "global/pg_{control,filenode.map*,internal.init*}",
        "pg_{commit_ts,notify,serial,subtrans,xact}/[0-9A-F]*",
        "pg_{dynshmem,logical,replslot,snapshots,stat,stat_tmp}/**",
        "pg_multixact/{members,offsets}/[0-9A-F]*",
        "pg_wal/[0-9A-F]*",
        "pg_wal/archive_status/*",
        "pg_wal/xlogtemp.[0-9]*",
    ],
    dirs: &[
        "base",
        "base/[0-9]*",
        "base/pgsql_tmp",
        "global",
        "pg_{commit_ts,dynshmem,logical,multixact,notify,replslot,serial,snapshots,stat,stat_tmp,subtrans,tblspc,twophase,wal,xact}",
        "pg_multixact/{members,offsets}",
        "pg_wal/archive_status",
    ],
    databases: &["base/[0-9]*"],
};

/// What MariaDB and MySQL keep in theirs: a directory for each database, files for each table.
const MYSQL: Layout = Layout {
    marker: "/ibdata1",
    files: &[
        "*/*.{ARM,ARZ,CSM,CSV,MAD,MAI,MRG,MYD,MYI,TRG,TRN,cfg,frm,ibd,isl,opt,par,sdi}",
        "*/#sql*",
        "{#ib_,aria_log,ddl_recovery,ib_buffer_pool,ib_logfile,ibdata,ibtmp,undo}*",
        "#innodb_{redo,temp}/*",
        "{*bin,binlog}.{index,[0-9]*}",
        "*.{err,info,log,lower-test,pid}",
        "{auto.cnf,mysql.ibd,mysql_upgrade_info}",
    ],
    dirs: &["#innodb_{redo,temp}"],
    databases: &["*"],
};

const LAYOUTS: [&Layout; 2] = [&POSTGRESQL, &MYSQL];

/// A data directory found among what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    /// Its path.
    pub path: Vec<u8>,
    layout: usize,
}

/// The data directory that `path` shows to be one, when it is a marker that was opened for writing.
pub fn recognise(path: &[u8], seen: AccessSet) -> Option<DataDir> {
    if seen & access::WRITE == 0 {
        return None;
    }
    LAYOUTS.iter().enumerate().find_map(|(layout, known)| {
        let dir = path.strip_suffix(known.marker.as_bytes())?;
        (!dir.is_empty()).then(|| DataDir { path: dir.to_vec(), layout })
    })
}

impl DataDir {
    /// A glob below it as that of a rule.
    pub fn rule(&self, glob: &str) -> String {
        format!("{}/{glob}", escape(&self.path))
    }

    /// The rules its layout stands for: globs below the directory, with their accesses. `seen` is what
    /// was done with files of the layout.
    pub fn rules(&self, seen: AccessSet) -> Vec<(&'static str, AccessSet)> {
        let Some(layout) = LAYOUTS.get(self.layout) else { return Vec::new() };
        // Reading, writing and making files is what such a directory is for.
        let files = access::READ | access::WRITE | access::CREATE | (seen & !(access::MAP | access::EXEC));
        let files = layout.files.iter().map(|glob| (*glob, files));
        let dirs = layout.dirs.iter().map(|glob| (*glob, access::READ));
        let databases = layout.databases.iter().map(|glob| (*glob, access::CREATE));
        files.chain(dirs).chain(databases).collect()
    }
}

/// The rules that stand for the layouts of data directories among what was seen, each with its directory: what is done with
/// one file of a layout is granted for all of them.
pub fn data_dirs(seen: &[Seen]) -> BTreeMap<String, Vec<u8>> {
    let mut written: BTreeMap<&[u8], AccessSet> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.operation == Operation::File) {
        *written.entry(&one.object).or_default() |= one.access;
    }
    let dirs = written.into_iter().filter_map(|(path, access)| recognise(path, access));
    let rules = dirs.flat_map(|dir| {
        let names = dir.rules(0).into_iter().map(|(glob, _)| dir.rule(glob)).collect::<Vec<_>>();
        names.into_iter().map(move |rule| (rule, dir.path.clone()))
    });
    rules.collect()
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
