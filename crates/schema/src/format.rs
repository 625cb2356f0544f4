//! Formats of text that both the built-in kinds and custom resources have.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whether a text is a quantity, for example `100m` or `1.5Gi`.
pub(crate) fn is_quantity(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    digits > 0 && number.len() - digits <= 1 && is_quantity_suffix(suffix)
}

fn is_quantity_suffix(suffix: &str) -> bool {
    const SUFFIXES: [&str; 16] =
        ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    if SUFFIXES.contains(&suffix) {
        return true;
    }
    let Some(exponent) = suffix.strip_prefix(['e', 'E']) else {
        return false;
    };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads an RFC 3339 time as Go's `metav1.Time` or, when `precise`, `metav1.MicroTime` does: `None` when it is none,
/// `Some(None)` when it is already written as Go would, else how Go would write it.
pub(crate) fn go_time(text: &str, precise: bool) -> Option<Option<String>> {
    if !is_date_time(text) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    let layout = if precise { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    let normal = time.to_zoned(TimeZone::UTC).strftime(layout).to_string();
    Some((normal != text).then_some(normal))
}

/// Whether a text has the shape of an RFC 3339 time with valid fields.
pub(crate) fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shaped = bytes.len() >= 20
        && bytes.iter().take(19).enumerate().all(|(index, byte)| match index {
            4 | 7 => *byte == b'-',
            10 => matches!(byte, b'T' | b't'),
            13 | 16 => *byte == b':',
            _ => byte.is_ascii_digit(),
        });
    shaped && is_offset(text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit())) && {
        let time: Result<Timestamp, _> = text.parse();
        time.is_ok()
    }
}

fn is_offset(text: &str) -> bool {
    match text.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', a, b, b':', c, d] => [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Where a text stops being padded base64; nothing when it is all of it. Line breaks are skipped.
pub(crate) fn bad_base64_at(text: &str) -> Option<usize> {
    let kept = || text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let padding = kept().filter(|(_, byte)| *byte == b'=').count();
    let count = kept().count();
    for (position, (index, byte)) in kept().enumerate() {
        let alphabet = byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let padded = byte == b'=' && padding <= 2 && position + padding >= count && count % 4 == 0;
        if !alphabet && !padded {
            return Some(index);
        }
    }
    (count % 4 != 0).then_some(text.len())
}
