//! Of which subjects something runs, in whatever cgroup.

use std::collections::HashSet;

use super::enforcer::Enforcer;
use crate::identity::process;
use crate::kernel::KernelError;

/// A process that is made while the first look goes on, by one that ends before it is looked at, is there in the second.
const LOOKS: usize = 2;

/// The subjects of which something runs.
pub(super) fn running(kernel: &impl Enforcer) -> Result<HashSet<u64>, KernelError> {
    let all = || process::all().map_err(KernelError::file("cannot list", "/proc"));
    found(all, |pid| kernel.subject_of(pid), process::runs)
}

fn found(
    mut all: impl FnMut() -> Result<Vec<u32>, KernelError>,
    subject_of: impl Fn(u32) -> Result<Option<u64>, KernelError>,
    runs: impl Fn(u32) -> bool,
) -> Result<HashSet<u64>, KernelError> {
    let mut found = HashSet::new();
    for _ in 0..LOOKS {
        for pid in all()? {
            match subject_of(pid) {
                Ok(Some(subject)) => {
                    if !found.contains(&subject) && runs(pid) {
                        found.insert(subject);
                    }
                }
                Ok(None) => {}
                Err(error) if runs(pid) => return Err(error),
                Err(_) => {}
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    const SUBJECT: u64 = 7;

    fn unreadable() -> KernelError {
        KernelError::file("cannot read", "/proc/10")(io::ErrorKind::PermissionDenied.into())
    }

    #[test]
    fn made_while_looked_for() {
        let mut listings = [vec![1, 10], vec![1, 11]].into_iter();
        let all = || Ok(listings.next().unwrap());
        let subject_of = |pid| Ok((pid != 1).then_some(SUBJECT));
        assert_eq!(found(all, subject_of, |pid| pid != 10).unwrap(), HashSet::from([SUBJECT]));
    }

    #[test]
    fn ended_and_not_confined() {
        let subject_of = |pid| match pid {
            1 => Ok(None),
            10 => Ok(Some(SUBJECT)),
            _ => Err(unreadable()),
        };
        assert_eq!(found(|| Ok(vec![1, 10, 12]), subject_of, |pid| pid == 1).unwrap(), HashSet::new());
    }

    #[test]
    fn what_runs_and_cannot_be_told_is_an_error() {
        assert!(found(|| Ok(vec![10]), |_| Err(unreadable()), |_| true).is_err());
        assert!(found(|| Err(unreadable()), |_| Ok(None), |_| true).is_err());
    }
}
