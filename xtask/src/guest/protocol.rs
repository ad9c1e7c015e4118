//! What a guest says on its second serial port: `##stockade …` lines, everything else is chatter.

/// One line from a guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Case(Case),
    Verdict(Verdict),
    Figure(Figure),
    /// The guest gave up, and why.
    Died(String),
    /// Meant for whoever watches.
    Say(String),
    Chatter(String),
}

/// What became of one case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) result: CaseResult,
    pub(crate) detail: String,
}

/// What an operation costs under a configuration, and how much more the next best series of it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    pub(crate) configuration: String,
    pub(crate) operation: String,
    pub(crate) value: u64,
    pub(crate) spread: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaseResult {
    Pass,
    Fail,
    Skip,
}

/// The numbers at the end of a suite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Verdict {
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What is known when a guest has ended.
#[derive(Default)]
pub(crate) struct Outcome {
    cases: Verdict,
    verdicts: Vec<Verdict>,
    /// Why the run counts as a failure whatever its verdict says.
    pub(crate) trouble: Option<String>,
}

impl Line {
    pub(crate) fn parse(text: &str) -> Self {
        let chatter = || Self::Chatter(text.to_owned());
        let Some(rest) = text.strip_prefix("##stockade ") else { return chatter() };
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "case" => case(rest).map_or_else(chatter, Self::Case),
            "verdict" => verdict(rest).map_or_else(chatter, Self::Verdict),
            "figure" => figure(rest).map_or_else(chatter, Self::Figure),
            "died" => Self::Died(rest.to_owned()),
            "say" => Self::Say(rest.to_owned()),
            _ => chatter(),
        }
    }
}

fn case(text: &str) -> Option<Case> {
    let (name, rest) = text.split_once(' ')?;
    let (result, detail) = rest.split_once(' ').unwrap_or((rest, ""));
    let result = match result {
        "pass" => CaseResult::Pass,
        "fail" => CaseResult::Fail,
        "skip" => CaseResult::Skip,
        _ => return None,
    };
    Some(Case { name: name.to_owned(), result, detail: detail.to_owned() })
}

fn figure(text: &str) -> Option<Figure> {
    let [configuration, operation, value, spread] = text.split(' ').collect::<Vec<_>>()[..] else {
        return None;
    };
    Some(Figure {
        configuration: configuration.to_owned(),
        operation: operation.to_owned(),
        value: value.parse().ok()?,
        spread: spread.parse().ok()?,
    })
}

fn verdict(text: &str) -> Option<Verdict> {
    let mut words = text.split(' ');
    let mut number = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    let verdict =
        Verdict { passed: number("passed")?, failed: number("failed")?, skipped: number("skipped")? };
    words.next().is_none().then_some(verdict)
}

impl Outcome {
    pub(crate) fn note(&mut self, line: &Line) {
        match line {
            Line::Case(case) => match case.result {
                CaseResult::Pass => self.cases.passed += 1,
                CaseResult::Fail => self.cases.failed += 1,
                CaseResult::Skip => self.cases.skipped += 1,
            },
            Line::Verdict(verdict) => self.verdicts.push(*verdict),
            Line::Died(why) => self.trouble(format!("the guest gave up: {why}")),
            Line::Figure(_) | Line::Say(_) | Line::Chatter(_) => {}
        }
    }

    pub(crate) fn trouble(&mut self, why: String) {
        self.trouble.get_or_insert(why);
    }

    pub(crate) fn has_verdict(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// The numbers that count: those of the verdict, when there is exactly one and it fits the cases
    /// that were reported; otherwise what was seen, and one failure more.
    pub(crate) fn verdict(&mut self) -> Verdict {
        match self.verdicts[..] {
            [] => self.trouble("it ended without a verdict".to_owned()),
            [verdict] if verdict != self.cases => {
                self.trouble(format!("its verdict does not fit its cases: {verdict:?}, {:?}", self.cases));
            }
            [verdict] if verdict.passed + verdict.failed == 0 => {
                self.trouble("it ran no case".to_owned());
            }
            [_] => {}
            [..] => self.trouble("it printed more than one verdict".to_owned()),
        }
        let mut verdict = self.cases;
        if self.trouble.is_some() {
            verdict.failed += 1;
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str]) -> (Verdict, Option<String>) {
        let mut outcome = Outcome::default();
        for line in lines {
            outcome.note(&Line::parse(line));
        }
        (outcome.verdict(), outcome.trouble)
    }

    #[test]
    fn a_verdict_counts_when_it_fits() {
        let (verdict, trouble) = outcome(&[
            "##stockade case a pass",
            "noise",
            "##stockade case b skip needs a newer kernel",
            "##stockade verdict passed=1 failed=0 skipped=1",
        ]);
        assert_eq!((verdict, trouble), (Verdict { passed: 1, failed: 0, skipped: 1 }, None));
    }

    #[test]
    fn anything_else_is_a_failure() {
        let good = "##stockade verdict passed=1 failed=0 skipped=0";
        let case = "##stockade case a pass";
        for lines in [
            &[case][..],
            &[good][..],
            &[case, good, good][..],
            &[case, "##stockade died of shame", good][..],
            &["##stockade case a skip why", "##stockade verdict passed=0 failed=0 skipped=1"][..],
            &[case, "##stockade verdict passed=1 failed=0"][..],
            &[case, "##stockade case b fail", good][..],
        ] {
            let (verdict, trouble) = outcome(lines);
            assert!(verdict.failed > 0 && trouble.is_some(), "{lines:?}");
        }
    }

    #[test]
    fn a_figure_is_four_words() {
        let figure =
            Figure { configuration: "outsider".into(), operation: "open".into(), value: 7661, spread: 3 };
        assert_eq!(Line::parse("##stockade figure outsider open 7661 3"), Line::Figure(figure));
        let cut = "##stockade figure outsider open 7661";
        assert_eq!(Line::parse(cut), Line::Chatter(cut.into()));
    }

    #[test]
    fn a_detail_may_hold_anything() {
        let line = Line::parse("##stockade case exec.deny fail got EPERM, wanted 0");
        let expected =
            Case { name: "exec.deny".into(), result: CaseResult::Fail, detail: "got EPERM, wanted 0".into() };
        assert_eq!(line, Line::Case(expected));
        assert_eq!(Line::parse("##stockade case only"), Line::Chatter("##stockade case only".into()));
    }
}
