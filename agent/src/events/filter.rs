//! Which events are shown.

use super::record::Record;

/// Every condition that is set must hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Id (or at least four characters of its beginning), name or pod of the subject.
    pub subject: Option<String>,
    /// Verdict word.
    pub verdict: Option<String>,
    /// Kind word.
    pub kind: Option<String>,
    /// Profile name.
    pub profile: Option<String>,
}

impl Filter {
    /// Whether `record` is shown.
    pub fn admits(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, have: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| have == Some(wanted))
        };
        is(&self.verdict, Some(&record.verdict))
            && is(&self.kind, Some(&record.kind))
            && is(&self.profile, record.profile.as_deref())
            && self.subject.as_deref().is_none_or(|wanted| subject_is(record, wanted))
    }
}

fn subject_is(record: &Record, wanted: &str) -> bool {
    let subject = &record.subject;
    subject.id == wanted
        || (wanted.len() >= 4 && subject.id.starts_with(wanted))
        || subject.name.as_deref() == Some(wanted)
        || subject.pod.as_deref() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::sample;
    use super::*;

    #[test]
    fn each_condition() {
        let record = sample();
        let some = |s: &str| Some(s.to_owned());
        let none = Filter::default();
        assert!(none.admits(&record));
        for (filter, admitted) in [
            (Filter { verdict: some("denied"), ..none.clone() }, true),
            (Filter { verdict: some("would-deny"), ..none.clone() }, false),
            (Filter { kind: some("exec"), ..none.clone() }, true),
            (Filter { kind: some("file"), ..none.clone() }, false),
            (Filter { profile: some("web"), ..none.clone() }, true),
            (Filter { profile: some("we"), ..none.clone() }, false),
            (Filter { subject: some("nginx-1"), ..none.clone() }, true),
            (Filter { subject: some("0123"), ..none.clone() }, true),
            (Filter { subject: some("012"), ..none.clone() }, false),
            (Filter { subject: some("0123"), kind: some("file"), ..none.clone() }, false),
        ] {
            assert_eq!(filter.admits(&record), admitted, "{filter:?}");
        }
    }
}
