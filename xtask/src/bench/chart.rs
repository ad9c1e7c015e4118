//! The figures as bars: what each configuration adds to an operation.

use std::fmt::Write;

use super::operations;
use super::record::{Figures, Record};
use super::table::{columns, number};

/// Operations whose figures fit one scale.
const SHOWN: [&str; 10] = [
    "open",
    "open-nested",
    "distinct",
    "distinct-nested",
    "create",
    "unlink",
    "rename",
    "connect",
    "send",
    "server",
];
/// One bar for each of these, in this order.
const BARS: [&str; 4] = ["floor", "outsider", "stockade-1000", "apparmor-1000"];

const WIDTH: i64 = 860;
/// Where bars begin and how long the longest is.
const LEFT: i64 = 290;
const LONGEST: i64 = 500;
const BAR: i64 = 9;
const GAP: i64 = 10;
const HEADING: i64 = 44;

/// Both grounds are served: an image in a page follows the reader's scheme.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.value { font-size: 9px }
.floor { fill: #8c959f } .outsider { fill: #54aeff } .stockade-1000 { fill: #1a7f37 } .apparmor-1000 { fill: #bc4c00 }
line { stroke: #8c959f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.floor { fill: #7d8590 } .outsider { fill: #388bfd } .stockade-1000 { fill: #3fb950 } .apparmor-1000 { fill: #f0883e }
}";

/// The whole drawing, one panel for each kernel.
pub(super) fn draw(record: &Record) -> String {
    let mut body = String::new();
    let mut y = legend(&mut body, record);
    for (family, figures) in &record.kernels {
        y = panel(&mut body, y, family, figures);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" height=\"{y}\" \
         role=\"img\">\n<title>Instructions that each configuration adds to an operation</title>\n<style>\n{STYLE}\n\
         </style>\n{body}</svg>\n"
    )
}

fn legend(out: &mut String, record: &Record) -> i64 {
    let mut x = 10;
    let titles = record.kernels.values().next().map(columns).unwrap_or_default();
    for (name, title) in BARS.iter().filter_map(|bar| titles.iter().find(|(name, _)| name == bar)) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(out, "<rect class=\"{name}\" x=\"{x}\" y=\"10\" width=\"12\" height=\"12\"/>");
        let _ = writeln!(out, "<text x=\"{}\" y=\"20\">{title}</text>", x + 18);
        x += 150;
    }
    30
}

fn panel(out: &mut String, top: i64, family: &str, figures: &Figures) -> i64 {
    let over = |bar: &str, operation: &str| figures.over(bar, operation).map(|over| over.max(0));
    let most = SHOWN.iter().flat_map(|shown| BARS.iter().filter_map(|bar| over(bar, shown))).max();
    let most = most.unwrap_or(1).max(1);
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"10\" y=\"{}\">Linux {family}: instructions over no confinement</text>",
        top + 24
    );
    let mut y = top + HEADING;
    for operation in operations::ALL.iter().filter(|operation| SHOWN.contains(&operation.name)) {
        let bars: Vec<_> = BARS.iter().filter_map(|bar| Some((bar, over(bar, operation.name)?))).collect();
        let height = BAR * i64::try_from(bars.len()).unwrap_or(1);
        let title = operation.title;
        let middle = y + height / 2 + 4;
        let _ = writeln!(out, "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{title}</text>", LEFT - 8);
        let _ = writeln!(out, "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{LEFT}\" y2=\"{}\"/>", y + height);
        for (bar, value) in bars {
            let length = (LONGEST * value / most).max(1);
            let _ = writeln!(
                out,
                "<rect class=\"{bar}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"{}\"/>",
                BAR - 1
            );
            let _ = writeln!(
                out,
                "<text class=\"value\" x=\"{}\" y=\"{}\">{}</text>",
                LEFT + length + 4,
                y + BAR - 1,
                number(value.unsigned_abs())
            );
            y += BAR;
        }
        y += GAP;
    }
    y
}
