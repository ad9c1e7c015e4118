//! A baseline as lines of JSON, to be kept, carried to another node, and put together with others.
//!
//! The first line names the profile and the version of the format. Then each run, window, loss and observation has
//! a line. Reading the same file twice, or several in any order, comes to the same.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use stockade_abi::access::{self, AccessSet};
use stockade_abi::reason::Operation;

use super::Seen;
use super::complete::Baseline;
use super::evidence::{Evidence, Run, Window};
use super::history::Loss;
use super::store::{Adding, Key};
use crate::store::{Store, StoreError};

/// The version that is written, and the only one that is read.
const VERSION: u32 = 1;

/// A baseline that was written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Name of the profile.
    pub profile: String,
    /// Its runs.
    pub runs: Vec<Run>,
    /// Its windows.
    pub windows: Vec<Window>,
    /// What was missed.
    pub losses: Vec<Loss>,
    /// What was done, and whether a session did it.
    pub seen: Vec<(bool, Seen)>,
}

/// Why a file is not a baseline.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// It cannot be read or written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line says something else.
    #[error("line {line} is not part of a baseline: {error}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        error: String,
    },
    /// It does not begin with its name.
    #[error("it does not begin like a baseline")]
    Head,
    /// A newer program wrote it.
    #[error("it has version {0} of the format, this program knows {VERSION}")]
    Version(u32),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Baseline { profile: String, version: u32 },
    Run(Run),
    Window(Window),
    Loss { at: i64, reason: String },
    Seen(Row),
}

/// An observation as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default, skip_serializing_if = "is_false")]
    session: bool,
    kind: String,
    access: Vec<String>,
    object: Name,
    first: i64,
    last: i64,
    count: u64,
    phases: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    windows: Vec<i64>,
    runs: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    own_pids: Vec<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// An object's name: text where it is text, else its bytes.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Bytes { bytes: Vec<u8> },
}

impl Row {
    fn of(session: bool, seen: &Seen) -> Self {
        let evidence = &seen.evidence;
        Self {
            session,
            kind: seen.operation.word().to_owned(),
            access: access::words(seen.access).map(str::to_owned).collect(),
            object: match std::str::from_utf8(&seen.object) {
                Ok(text) => Name::Text(text.to_owned()),
                Err(_) => Name::Bytes { bytes: seen.object.clone() },
            },
            first: evidence.first,
            last: evidence.last,
            count: evidence.count,
            phases: evidence.phases,
            exe: evidence.exe.clone(),
            parent: evidence.parent.clone(),
            windows: evidence.windows.iter().collect(),
            runs: evidence.runs.iter().collect(),
            own_pids: evidence.own_pids.iter().collect(),
        }
    }

    fn seen(self) -> Result<(bool, Seen), String> {
        let number = (1..=u8::MAX).filter_map(|number| Operation::try_from(number).ok());
        let operation = number
            .into_iter()
            .find(|operation| operation.word() == self.kind)
            .ok_or_else(|| format!("`{}` is no kind of operation", self.kind))?;
        let access = self.access.iter().try_fold(0, |set: AccessSet, word| {
            access::from_word(word).map(|bit| set | bit).ok_or_else(|| format!("`{word}` is no access"))
        })?;
        let evidence = Evidence {
            first: self.first,
            last: self.last,
            count: self.count,
            windows: self.windows.into_iter().collect(),
            runs: self.runs.into_iter().collect(),
            own_pids: self.own_pids.into_iter().collect(),
            phases: self.phases,
            exe: self.exe,
            parent: self.parent,
        };
        let object = match self.object {
            Name::Text(text) => text.into_bytes(),
            Name::Bytes { bytes } => bytes,
        };
        Ok((self.session, Seen { operation, access, object, evidence }))
    }
}

impl Transfer {
    /// What the database holds of a profile.
    pub fn of(store: &Store, profile: &str) -> Result<Self, StoreError> {
        let mut seen = Vec::new();
        for session in [false, true] {
            seen.extend(store.seen(profile, session)?.into_iter().map(|one| (session, one)));
        }
        Ok(Self {
            profile: profile.to_owned(),
            runs: store.runs(profile)?,
            windows: store.windows(profile)?,
            losses: store.losses(profile)?,
            seen,
        })
    }

    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut line = |line: Line| -> io::Result<()> {
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")
        };
        line(Line::Baseline { profile: self.profile.clone(), version: VERSION })?;
        for run in &self.runs {
            line(Line::Run(run.clone()))?;
        }
        for window in &self.windows {
            line(Line::Window(window.clone()))?;
        }
        for loss in &self.losses {
            line(Line::Loss { at: loss.at, reason: loss.reason.clone() })?;
        }
        for (session, seen) in &self.seen {
            line(Line::Seen(Row::of(*session, seen)))?;
        }
        Ok(())
    }

    /// Reads what [`Self::write`] has written.
    pub fn read(input: impl BufRead) -> Result<Self, TransferError> {
        let mut transfer = Self::default();
        let mut headed = false;
        for (index, text) in input.lines().enumerate() {
            let bad = |error: String| TransferError::Line { line: index + 1, error };
            let line: Line = serde_json::from_str(&text?).map_err(|error| bad(error.to_string()))?;
            match line {
                Line::Baseline { version, .. } if version != VERSION => {
                    return Err(TransferError::Version(version));
                }
                Line::Baseline { .. } if headed => return Err(bad("a second beginning".to_owned())),
                Line::Baseline { profile, .. } => {
                    transfer.profile = profile;
                    headed = true;
                }
                Line::Run(_) | Line::Window(_) | Line::Loss { .. } | Line::Seen(_) if !headed => {
                    return Err(TransferError::Head);
                }
                Line::Run(run) => transfer.runs.push(run),
                Line::Window(window) => transfer.windows.push(window),
                Line::Loss { at, reason } => transfer.losses.push(Loss { at, reason }),
                Line::Seen(row) => transfer.seen.push(row.seen().map_err(bad)?),
            }
        }
        if headed { Ok(transfer) } else { Err(TransferError::Head) }
    }

    /// Puts it to what the database holds of its profile.
    pub fn store(&self, store: &mut Store) -> Result<(), StoreError> {
        for run in &self.runs {
            store.begin_run(&self.profile, run)?;
        }
        for window in &self.windows {
            store.add_window(&self.profile, window)?;
        }
        for loss in &self.losses {
            store.mark_incomplete(&self.profile, &loss.reason, loss.at)?;
        }
        let keys: Vec<Key> = self.seen.iter().map(|(session, seen)| self.key(*session, seen)).collect();
        let batch = keys.iter().zip(self.seen.iter().map(|(_, seen)| &seen.evidence));
        if !store.observe(batch, Adding::Account)?.is_empty() {
            let at = crate::clock::now_s();
            store.mark_incomplete(&self.profile, "there are too many observations", at)?;
        }
        Ok(())
    }

    fn key(&self, session: bool, seen: &Seen) -> Key {
        Key {
            profile: self.profile.clone(),
            session,
            operation: seen.operation as u8,
            access: seen.access,
            object: seen.object.clone(),
        }
    }

    /// The baseline by itself.
    pub fn baseline(self) -> Baseline {
        let of_sessions = self.seen.iter().filter(|(session, _)| *session).count() as u64;
        let seen = self.seen.into_iter().filter(|(session, _)| !session).map(|(_, seen)| seen).collect();
        let loss = self.losses.into_iter().next();
        Baseline { name: self.profile, seen, runs: self.runs, windows: self.windows, loss, of_sessions }
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::tests::Dice;
    use super::*;

    fn node(dice: &mut Dice, name: &str) -> Transfer {
        let mut transfer = Transfer { profile: "web".to_owned(), ..Transfer::default() };
        for number in 0..1 + dice.below(3) {
            transfer.runs.push(Run {
                id: format!("run{}", dice.below(4)),
                subject: "web".to_owned(),
                image: [None, Some("a".to_owned()), Some("b".to_owned())]
                    [usize::try_from(dice.below(3)).unwrap()]
                .clone(),
                started: 5,
                ended: (dice.below(2) == 0).then_some(9),
                from_start: dice.below(2) == 0,
                session_at: None,
            });
            transfer.windows.push(Window {
                node: name.to_owned(),
                started_ms: i64::try_from(number).unwrap(),
                length_ms: 1000,
                units: i64::try_from(dice.below(3)).unwrap(),
            });
        }
        for _ in 0..dice.below(30) {
            let number = |dice: &mut Dice| i64::try_from(dice.below(20)).unwrap();
            let evidence = Evidence {
                first: number(dice),
                last: 20 + number(dice),
                count: dice.below(5),
                windows: (0..dice.below(12)).map(|_| number(dice)).collect(),
                runs: [number(dice)].into_iter().collect(),
                ..Evidence::default()
            };
            let object = [&b"/x\xff"[..], b"/a", b"/b", b"4\x06\x7f\0\0\x01\0P"]
                [usize::try_from(dice.below(4)).unwrap()];
            let seen = Seen { operation: Operation::File, access: 1, object: object.to_vec(), evidence };
            transfer.seen.push((dice.below(4) == 0, seen));
        }
        transfer
    }

    fn merged(parts: &[&Transfer]) -> Transfer {
        let mut store = Store::in_memory();
        for part in parts {
            part.store(&mut store).unwrap();
        }
        Transfer::of(&store, "web").unwrap()
    }

    #[test]
    fn merging_takes_any_order_and_any_number_of_times() {
        let mut dice = Dice(17);
        for _ in 0..60 {
            let (a, b, c) = (node(&mut dice, "a"), node(&mut dice, "b"), node(&mut dice, "a"));
            let all = merged(&[&a, &b, &c]);
            assert_eq!(merged(&[&c, &a, &b]), all);
            assert_eq!(merged(&[&b, &c, &a, &b, &a]), all);
            assert_eq!(merged(&[&all, &merged(&[&b, &c])]), all);
            let mut text = Vec::new();
            all.write(&mut text).unwrap();
            assert_eq!(Transfer::read(text.as_slice()).unwrap(), all);
        }
    }

    #[test]
    fn what_is_no_baseline_is_refused() {
        let read = |text: &str| Transfer::read(text.as_bytes()).map_err(|error| error.to_string());
        assert!(read("").is_err());
        assert!(read("nonsense\n").unwrap_err().contains("line 1"));
        assert!(read("{\"loss\":{\"at\":1,\"reason\":\"x\"}}\n").unwrap_err().contains("begin"));
        let head = "{\"baseline\":{\"profile\":\"web\",\"version\":1}}\n";
        assert!(read(&head.replace('1', "9")).unwrap_err().contains("version 9"));
        assert!(read(&format!("{head}{{\"loss\":{{\"at\":1}}}}\n")).unwrap_err().contains("line 2"));
        assert_eq!(read(head).unwrap().profile, "web");
    }
}
