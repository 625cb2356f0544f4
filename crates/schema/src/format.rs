//! Formats of text that both the built-in kinds and custom resources have.

use jiff::Timestamp;
use machinery::time::{rfc3339, rfc3339_micros};

/// Reads an RFC 3339 time as Go's `metav1.Time` or, when `precise`, `metav1.MicroTime` does: `None` when it is none,
/// `Some(None)` when it is already written as Go would, else how Go would write it.
pub(crate) fn go_time(text: &str, precise: bool) -> Option<Option<String>> {
    if !is_date_time(text) {
        return None;
    }
    let time: Timestamp = text.parse().ok()?;
    let normal = if precise { rfc3339_micros(time) } else { rfc3339(time) };
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

/// Whether text has a format that custom resources may ask for; formats nobody knows are always fine.
///
/// The names are those of <https://github.com/kubernetes/apiextensions-apiserver/blob/v0.36.0/pkg/apiserver/validation/formats.go>.
pub(crate) fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" | "datetime" => is_date_time(text),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "byte" => bad_base64_at(text).is_none(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => is_uuid(text, format),
        "duration" => is_duration(text),
        "hexcolor" => {
            let digits = text.strip_prefix('#').unwrap_or(text);
            matches!(digits.len(), 3 | 6) && is_hex(digits)
        }
        "bsonobjectid" => text.len() == 24 && is_hex(text),
        _ => true,
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    match (address.parse::<std::net::IpAddr>(), length.parse::<u8>()) {
        (Ok(address), Ok(length)) => length <= if address.is_ipv4() { 32 } else { 128 },
        _ => false,
    }
}

fn is_mac(text: &str) -> bool {
    let separator = if text.contains('-') { '-' } else { ':' };
    let octets = text.split(separator).filter(|octet| octet.len() == 2 && is_hex(octet)).count();
    matches!(octets, 6 | 8 | 20) && text.len() == octets * 3 - 1
}

/// An absolute URI or an absolute path, as Go's `url.ParseRequestURI` wants it.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let clean = !text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
    clean && (scheme || text.starts_with('/'))
}

fn is_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !local.contains(char::is_whitespace) && is_hostname(domain)
    })
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 255 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_uuid(text: &str, format: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let version = format.strip_prefix("uuid").and_then(|version| version.chars().next());
    digits.len() == 32 && is_hex(&digits) && version.is_none_or(|version| digits[12..].starts_with(version))
}

/// Numbers with units, as in `1h30m` or `3 days`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.trim().strip_prefix(['-', '+']).unwrap_or(text.trim());
    if rest == "0" {
        return true;
    }
    let mut parts = 0;
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let after = unit.trim_start();
        let next = after.trim_start_matches(|c: char| c.is_alphabetic());
        if unit.len() == rest.len() || after.len() == next.len() {
            return false;
        }
        rest = next.trim_start();
        parts += 1;
    }
    parts > 0
}
