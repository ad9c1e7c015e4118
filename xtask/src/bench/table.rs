//! The figures of one kernel as a table of Markdown.

use std::fmt::Write;

use super::operations::{self, Operation, Target};
use super::record::Figures;

/// Columns over the base.
const COLUMNS: [(&str, &str); 10] = [
    ("floor", "empty programs"),
    ("apparmor-10", "AppArmor 10"),
    ("apparmor-1000", "AppArmor 1 000"),
    ("apparmor-10000", "AppArmor 10 000"),
    ("outsider", "outsider"),
    ("stockade-10", "stockade 10"),
    ("stockade-1000", "stockade 1 000"),
    ("stockade-10000", "stockade 10 000"),
    (AUDIT, "audit 1 000"),
    (LEARN, "learn 1 000"),
];
/// What learning is compared with, and what it may cost more, in percent.
const AUDIT: &str = "audit-1000";
const LEARN: &str = "learn-1000";
const LEARNING: i64 = 10;

/// The configurations with figures, each column's name with the configuration's.
pub(super) fn columns(figures: &Figures) -> Vec<(&'static str, &'static str)> {
    COLUMNS.into_iter().filter(|(name, _)| figures.over(name, "open").is_some()).collect()
}

/// The base as it is, everything else as what it adds.
pub(super) fn over(family: &str, figures: &Figures) -> String {
    let columns = columns(figures);
    let mut out = format!("### Linux {family} ({})\n\n| operation | base |", figures.package);
    for (_, title) in &columns {
        let _ = write!(out, " {title} |");
    }
    out.push_str(" promise | kept |\n|---|--:|");
    out.push_str(&"--:|".repeat(columns.len()));
    out.push_str("---|---|\n");
    for operation in &operations::ALL {
        let Some(base) = figures.get("base", operation.name) else { continue };
        let _ = write!(out, "| {} | {} ±{} |", operation.title, number(base.value), base.spread);
        for (name, _) in &columns {
            let _ = write!(out, " {} |", cell(figures, name, operation));
        }
        let _ = writeln!(out, " {} | {} |", promise(operation), kept(figures, operation));
    }
    out.push('\n');
    out
}

/// What learning costs over audit; nothing where one of them was not measured.
pub(super) fn learning(figures: &Figures) -> String {
    let value = |name, operation: &str| i64::try_from(figures.get(name, operation)?.value).ok();
    let more = |operation: &'static Operation| {
        let (audit, learn) = (value(AUDIT, operation.name)?, value(LEARN, operation.name)?);
        Some((1000 * (learn - audit) / audit.max(1), operation))
    };
    let all: Vec<(i64, &'static Operation)> = operations::ALL.iter().filter_map(more).collect();
    let Some((worst, dearest)) = all.iter().max_by_key(|(more, _)| more) else { return String::new() };
    let kept = all.iter().filter(|(more, _)| *more <= 10 * LEARNING).count();
    let mut out = format!(
        "Learning is promised to take at most {LEARNING} % more than audit. It keeps that for {kept} of {} operations; at most \
         it takes {} % more (`{}`)",
        all.len(),
        tenths(*worst),
        dearest.title
    );
    // Writing to a string cannot fail, here and below.
    if let Some((more, operation)) = all.iter().find(|(_, operation)| operation.name == SERVER) {
        let _ = write!(out, ", and {} % for a server (`{}`)", tenths(*more), operation.title);
    }
    out.push('.');
    if let (Some(audit), Some(learn)) = (value(AUDIT, FIRST), value(LEARN, FIRST)) {
        let _ = write!(
            out,
            " What is done for the first time in a window is recorded: to open a file takes {} then, and {} under audit.",
            number(learn.unsigned_abs()),
            number(audit.unsigned_abs())
        );
    }
    out + "\n\n"
}

/// The operation that is a whole service.
const SERVER: &str = "server";
/// Files that nobody opened before, before anything is warm.
const FIRST: &str = "distinct-first";

/// `4.0` of 40, `−0.3` of −3.
fn tenths(value: i64) -> String {
    let sign = if value < 0 { "−" } else { "" };
    format!("{sign}{}.{}", value.abs() / 10, value.abs() % 10)
}

/// Every configuration as it is.
pub(super) fn absolute(family: &str, figures: &Figures) -> String {
    let columns: Vec<_> = std::iter::once(("base", "base")).chain(columns(figures)).collect();
    let mut out = format!("### Linux {family}\n\n| operation |");
    for (_, title) in &columns {
        let _ = write!(out, " {title} |");
    }
    let _ = writeln!(out, "\n|---|{}", "--:|".repeat(columns.len()));
    for operation in &operations::ALL {
        let _ = write!(out, "| {} |", operation.title);
        for (name, _) in &columns {
            let _ = match figures.get(name, operation.name) {
                Some(figure) => write!(out, " {} ±{} |", number(figure.value), number(figure.spread)),
                None => write!(out, " – |"),
            };
        }
        out.push('\n');
    }
    out.push('\n');
    out
}

/// `+366 (+6.2 %)`.
fn cell(figures: &Figures, configuration: &str, operation: &Operation) -> String {
    let (Some(over), Some(base)) =
        (figures.over(configuration, operation.name), figures.get("base", operation.name))
    else {
        return "–".to_owned();
    };
    let sign = if over < 0 { "−" } else { "+" };
    let percent = 100.0 * over.unsigned_abs() as f64 / base.value.max(1) as f64;
    format!("{sign}{} ({sign}{percent:.1} %)", number(over.unsigned_abs()))
}

fn promise(operation: &Operation) -> String {
    let own = match operation.target {
        None => None,
        Some(Target::Over(most)) => Some(format!("≤ +{most}")),
        Some(Target::OfAppArmor(percent)) => Some(format!("≤ {percent} % of AppArmor's")),
        Some(Target::PerMille(most)) => Some(format!("≤ +{}.{} %", most / 10, most % 10)),
    };
    let outsider = operation.outsider.map(|most| format!("outsider ≤ +{most}"));
    [own, outsider].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Whether every figure keeps the promise, or by how much the worst exceeds it.
fn kept(figures: &Figures, operation: &Operation) -> String {
    let worst =
        figures.configurations("stockade-").filter_map(|(name, _)| figures.over(name, operation.name)).max();
    let most = operation.target.and_then(|target| limit(figures, operation, target));
    let own = worst.zip(most).map(|(worst, most)| worst - most);
    let outsider =
        figures.over("outsider", operation.name).zip(operation.outsider).map(|(is, most)| is - most);
    match own.max(outsider) {
        Some(excess) if excess > 0 => format!("no, by {}", number(excess.unsigned_abs())),
        Some(_) => "yes".to_owned(),
        None => String::new(),
    }
}

/// What a target allows, over the base.
fn limit(figures: &Figures, operation: &Operation, target: Target) -> Option<i64> {
    match target {
        Target::Over(most) => Some(most),
        Target::OfAppArmor(percent) => {
            let added = figures
                .configurations("apparmor-")
                .filter_map(|(name, _)| figures.over(name, operation.name))
                .min()?;
            Some(added * percent / 100)
        }
        Target::PerMille(most) => {
            Some(i64::try_from(figures.get("base", operation.name)?.value).ok()? * most / 1000)
        }
    }
}

/// A number with a thin space between thousands.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Figure;

    fn figures(all: &[(&str, u64)]) -> Figures {
        let mut figures = Figures::new("kernel");
        for (configuration, value) in all {
            figures.put(&Figure {
                configuration: (*configuration).to_owned(),
                operation: "create".to_owned(),
                value: *value,
                spread: 0,
            });
        }
        figures
    }

    #[test]
    fn a_promise_is_about_the_worst_and_the_middle_pass_of_each() {
        let create = operations::ALL.iter().find(|operation| operation.name == "create").unwrap();
        let all = [("base", 1000), ("apparmor-10", 2000), ("stockade-10", 1500), ("stockade-1000", 1650)];
        assert_eq!(kept(&figures(&all), create), "no, by 50");
        let again = [&all[..], &[("stockade-1000", 1600); 2]].concat();
        assert_eq!(kept(&figures(&again), create), "yes");
        assert_eq!(cell(&figures(&again), "stockade-1000", create), "+600 (+60.0 %)");
        assert_eq!(kept(&figures(&all[..2]), create), "");
    }

    #[test]
    fn learning_is_compared_with_audit() {
        let of = |learn| learning(&figures(&[("base", 1000), ("audit-1000", 2000), ("learn-1000", learn)]));
        let said = "Learning is promised to take at most 10 % more than audit. It keeps that for 1 of 1 operations; at most it \
                    takes 4.9 % more (`create + close`).\n\n";
        assert_eq!(of(2098), said);
        assert!(of(2300).contains("for 0 of 1 operations; at most it takes 15.0 % more"));
        assert!(of(1990).contains("at most it takes −0.5 % more"));
        assert_eq!(learning(&figures(&[("base", 1000), ("audit-1000", 2000)])), "");
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            [7, 999, 1000, 1_234_567].map(number),
            ["7", "999", "1\u{202f}000", "1\u{202f}234\u{202f}567"]
        );
    }
}
