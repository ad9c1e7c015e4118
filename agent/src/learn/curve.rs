//! How what is known has grown with what was looked at.

use std::fmt::Write as _;

use super::evidence::Window;

/// A point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Milliseconds looked at, all runs together.
    pub exposure_ms: i64,
    /// Things known by then.
    pub known: u64,
}

/// The curve: one point at the end of each window. `firsts`: when each thing was first seen, as the start of a
/// window in milliseconds since the epoch.
pub fn curve(windows: &[Window], firsts: &[i64]) -> Vec<Point> {
    let mut firsts = firsts.to_vec();
    firsts.sort_unstable();
    let mut exposure_ms = 0_i64;
    windows
        .iter()
        .map(|window| {
            exposure_ms = exposure_ms.saturating_add(window.length_ms.saturating_mul(window.units));
            let by = window.started_ms.saturating_add(window.length_ms);
            Point { exposure_ms, known: firsts.partition_point(|first| *first < by) as u64 }
        })
        .collect()
}

/// What was looked at after `first`, in milliseconds.
pub fn exposure_after(windows: &[Window], first: i64) -> i64 {
    let after = windows.iter().filter(|window| window.started_ms > first);
    after.fold(0, |sum, window| sum.saturating_add(window.length_ms.saturating_mul(window.units)))
}

/// What was known at `parts` equal steps of exposure.
fn steps(points: &[Point], parts: i64) -> Vec<u64> {
    let Some(last) = points.last() else { return Vec::new() };
    (1..=parts)
        .map(|part| {
            let until = last.exposure_ms.saturating_mul(part) / parts;
            let index = points.partition_point(|point| point.exposure_ms <= until);
            index.checked_sub(1).and_then(|index| points.get(index)).map_or(0, |point| point.known)
        })
        .collect()
}

/// The curve as a line of text.
pub fn sparkline(points: &[Point], width: i64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let steps = steps(points, width);
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    let bar = |known: u64| {
        let height = usize::try_from(known.saturating_mul(7).div_ceil(most)).unwrap_or(7);
        BARS.get(height).copied().unwrap_or('█')
    };
    steps.into_iter().map(bar).collect()
}

/// The curve as a picture.
pub fn svg(points: &[Point], title: &str) -> String {
    const WIDTH: i64 = 640;
    const HEIGHT: i64 = 240;
    let steps = steps(points, 160);
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    let mut path = format!("M40 {HEIGHT}");
    for (at, known) in (1_i64..).zip(&steps) {
        let x = 40 + at * (WIDTH - 60) / 160;
        let up = i64::try_from(known.saturating_mul(200) / most).unwrap_or(200);
        let _ = write!(path, " L{x} {}", HEIGHT - up);
    }
    let seconds = points.last().map_or(0, |point| point.exposure_ms / 1000);
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 280\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>{title}</title>\n<path d=\"{path}\" fill=\"none\" stroke=\"#1565c0\" \
         stroke-width=\"2\"/>\n<path d=\"M40 30 L40 {HEIGHT} L{} {HEIGHT}\" fill=\"none\" stroke=\"#666\"/>\n\
         <text x=\"40\" y=\"20\">{title}: {most} things known</text>\n<text x=\"{}\" y=\"262\" \
         text-anchor=\"end\">{seconds} s looked at</text>\n</svg>\n",
        WIDTH - 20,
        WIDTH - 20,
    )
}

/// Text that stands in markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(count: i64) -> Vec<Window> {
        (0..count)
            .map(|n| Window { node: "n".to_owned(), started_ms: n * 1000, length_ms: 1000, units: 2 })
            .collect()
    }

    #[test]
    fn grows_with_exposure() {
        let points = curve(&windows(10), &[3000, 0, 0, 8000]);
        assert_eq!(points[0], Point { exposure_ms: 2000, known: 2 });
        assert_eq!(points[9], Point { exposure_ms: 20_000, known: 4 });
        assert_eq!(exposure_after(&windows(10), 8000), 2000);
        assert_eq!(sparkline(&points, 5), "▅▇▇▇█");
        assert_eq!(sparkline(&[], 5), "");
    }

    #[test]
    fn the_picture_is_well_formed() {
        let svg = svg(&curve(&windows(10), &[0, 5000]), "a <b>");
        assert!(
            svg.starts_with("<svg") && svg.contains("a &lt;b&gt;: 2 things") && svg.contains("20 s"),
            "{svg}"
        );
    }
}
