//! Time: what the kernel counts from boot, what people read, and the one helper that waits by polling.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds between the Unix epoch and boot, as of now. Suspended time counts on both clocks.
pub fn boot_offset_ns() -> i128 {
    nanos(clock_gettime(ClockId::Realtime)) - nanos(clock_gettime(ClockId::Boottime))
}

fn nanos(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Nanoseconds since the Unix epoch.
pub fn now_ns() -> i128 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// Nanoseconds since the Unix epoch by the clock that the kernel dates files with, which goes by the tick: what is
/// there is not dated later. After the clock was set back, the time before that, as far as it was at most a day and this
/// process has asked; so it asks now and then.
pub fn file_ns() -> u64 {
    static LATEST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(nanos(clock_gettime(ClockId::RealtimeCoarse))).unwrap_or(0);
    let latest = LATEST.fetch_max(now, Ordering::Relaxed).max(now);
    latest.min(now.saturating_add(DAY_NS))
}

const DAY_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// Seconds since the Unix epoch in nanoseconds.
pub fn seconds_in_ns(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000)
}

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    i64::try_from(now_ns() / 1_000_000).unwrap_or(i64::MAX)
}

/// Seconds since the Unix epoch.
pub fn now_s() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// RFC 3339 in UTC, with nanoseconds. Years 1970 to 9999.
pub fn rfc3339(unix_ns: i128) -> String {
    let unix_ns = unix_ns.max(0);
    let (seconds, ns) = (unix_ns / 1_000_000_000, unix_ns % 1_000_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ns:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Day of the proleptic Gregorian calendar. Counts in years that begin in March, so that the leap day
/// is the last of its year, and in cycles of 400 years, which all have the same length.
fn civil(days_since_epoch: i128) -> (i128, i128, i128) {
    const CYCLE: i128 = 146_097;
    // 0000-03-01 lies this many days before 1970-01-01.
    let days = days_since_epoch + 719_468;
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i128::from(month <= 2), month, day_of_month)
}

/// Reads `30s`, `2m`, `1h`, `250ms`, or a bare number of seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is not a duration; write it like 30s, 2m or 250ms"))?;
    let millis = match unit {
        "ms" => Some(1),
        "" | "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    }
    .ok_or_else(|| format!("`{unit}` is not a unit of time; use ms, s, m or h"))?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| format!("`{text}` is too long"))
}

/// Asks until there is an answer or `deadline` has passed, waiting `every` in between. The last try
/// happens at the deadline, so that an answer that is there is never missed.
pub fn poll<T>(deadline: Option<Instant>, every: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        let now = Instant::now();
        let pause = match deadline {
            Some(deadline) if now >= deadline => return None,
            Some(deadline) => every.min(deadline.duration_since(now)),
            None => every,
        };
        #[expect(clippy::disallowed_methods, reason = "this is the one helper that polls")]
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000000Z"),
            (1_704_067_199, "2023-12-31T23:59:59.000000000Z"),
            (1_709_210_096, "2024-02-29T12:34:56.000000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000_000_000), text);
        }
        assert_eq!(rfc3339(1), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "s", "-1s", "1 s", "1d", "99999999999999999999s", "9999999999999999h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn polling_asks_at_the_deadline() {
        let mut asked = 0;
        let answer = poll(Some(Instant::now()), Duration::from_secs(9), || {
            asked += 1;
            None::<()>
        });
        assert_eq!((answer, asked), (None, 1));
        assert_eq!(poll(None, Duration::ZERO, || Some(1)), Some(1));
    }
}
