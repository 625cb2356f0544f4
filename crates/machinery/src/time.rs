//! Points and spans of time as Kubernetes and Go write them.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

/// A time in whole seconds, for example `2026-01-02T03:04:05Z`: `metav1.Time`.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time in microseconds, for example `2026-01-02T03:04:05.000006Z`: `metav1.MicroTime`.
pub fn rfc3339_micros(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads an RFC 3339 time with any offset and any fraction of a second; nothing for other text.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let dated = text.len() >= 20 && text.as_bytes()[10] == b'T' && !text.ends_with(']');
    dated.then(|| text.parse().ok()).flatten()
}

/// An age as kubectl prints it: the two largest units while the larger one is small.
///
/// Same thresholds as `k8s.io/apimachinery/pkg/util/duration.HumanDuration`.
pub fn human_duration(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    const YEAR: i64 = 365 * DAY;
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{big_unit}"),
        small => format!("{big}{big_unit}{small}{small_unit}"),
    };
    match seconds {
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        s if s < 2 * MINUTE => format!("{s}s"),
        s if s < 10 * MINUTE => two(s / MINUTE, "m", s % MINUTE, "s"),
        s if s < 3 * HOUR => format!("{}m", s / MINUTE),
        s if s < 8 * HOUR => two(s / HOUR, "h", s % HOUR / MINUTE, "m"),
        s if s < 2 * DAY => format!("{}h", s / HOUR),
        s if s < 8 * DAY => two(s / DAY, "d", s % DAY / HOUR, "h"),
        s if s < 2 * YEAR => format!("{}d", s / DAY),
        s if s < 8 * YEAR => two(s / YEAR, "y", s % YEAR / DAY, "d"),
        s => format!("{}y", s / YEAR),
    }
}

/// Units of Go duration text and their nanoseconds.
const UNITS: [(&str, i128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads a Go duration: `1h0m0s`, `1.5h`, `300ms`, `-2m`, `0`.
///
/// # Errors
/// A sentence that quotes the text, when it has another form or is out of range (about 292 years).
pub fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let problem = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(problem());
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if unit.is_empty() && !number.is_empty() {
            return Err(format!("time: missing unit in duration {text:?}"));
        }
        let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
        };
        total = decimal_times(number, *scale).and_then(|n| total.checked_add(n)).ok_or_else(problem)?;
        rest = tail;
    }
    let nanos = i64::try_from(if negative { -total } else { total }).map_err(|_| problem())?;
    Ok(SignedDuration::from_nanos(nanos))
}

/// A decimal number times a scale, cut to a whole number.
fn decimal_times(number: &str, scale: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction = &fraction[..fraction.len().min(18)];
    let digits: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_mul(scale)?.checked_add(digits * scale / divisor)
}

/// Writes a duration as Go does: `1h0m0s`, `1.5s`, `300ms`, `0s`.
pub fn format_duration(duration: SignedDuration) -> String {
    let nanos = duration.as_nanos();
    let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
    let fraction = |value: u128, unit: u128, digits: usize, name: &str| {
        let rest = format!("{:0digits$}", value % unit);
        match rest.trim_end_matches('0') {
            "" => format!("{}{name}", value / unit),
            rest => format!("{}.{rest}{name}", value / unit),
        }
    };
    let text = match nanos {
        0 => "0s".to_owned(),
        n if n < 1_000 => format!("{n}ns"),
        n if n < 1_000_000 => fraction(n, 1_000, 3, "µs"),
        n if n < 1_000_000_000 => fraction(n, 1_000_000, 6, "ms"),
        n => {
            let minutes = n / 60_000_000_000;
            let mut text = String::new();
            if minutes >= 60 {
                let _ = write!(text, "{}h", minutes / 60);
            }
            if minutes > 0 {
                let _ = write!(text, "{}m", minutes % 60);
            }
            text + &fraction(n % 60_000_000_000, 1_000_000_000, 9, "s")
        }
    };
    format!("{sign}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_like_kubectls() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (5, "5s"),
            (119, "119s"),
            (120, "2m"),
            (185, "3m5s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (12 * 3600, "12h"),
            (47 * 3600, "47h"),
            (76 * 3600, "3d4h"),
            (8 * 86400, "8d"),
            (400 * 86400, "400d"),
            (3 * 365 * 86400 + 86400, "3y1d"),
            (9 * 365 * 86400 + 86400, "9y"),
        ] {
            assert_eq!(human_duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn go_durations_survive_the_round_trip() {
        for text in ["1h0m0s", "1m0s", "1.5s", "300ms", "0s", "-2m0s", "1µs", "5ns", "1h0m0.25s", "1.5ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(parse_duration("1.5h").unwrap(), SignedDuration::from_mins(90));
        assert_eq!(parse_duration("0").unwrap(), SignedDuration::ZERO);
    }

    #[test]
    fn text_that_is_no_go_duration_is_refused() {
        for (text, problem) in [
            ("", "time: invalid duration \"\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            (".s", "time: invalid duration \".s\""),
            ("1..5s", "time: invalid duration \"1..5s\""),
            ("99999999999h", "time: invalid duration \"99999999999h\""),
        ] {
            assert_eq!(parse_duration(text).unwrap_err(), problem);
        }
    }

    #[test]
    fn times_are_cut_to_seconds_or_micros() {
        let time = parse_rfc3339("2026-01-02T05:04:05.123456789+02:00").unwrap();
        assert_eq!(rfc3339(time), "2026-01-02T03:04:05Z");
        assert_eq!(rfc3339_micros(time), "2026-01-02T03:04:05.123456Z");
        assert!(parse_rfc3339("2026-01-02").is_none());
        assert!(parse_rfc3339("2026-01-02 03:04:05Z").is_none());
    }
}
