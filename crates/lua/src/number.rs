//! Numbers from text and to text, with the spellings of Go that gopher-lua has.

/// The number as gopher-lua prints it: integers in full, others with as many digits as needed and an exponent from
/// 1e+06 on, as Go's `%v` does.
pub(crate) fn to_text(number: f64) -> String {
    if let Some(integer) = as_integer(number) {
        return integer.to_string();
    }
    general(number)
}

/// The integer a number is exactly, within 64 bits.
pub(crate) fn as_integer(number: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) && number.trunc() == number {
        #[expect(clippy::cast_possible_truncation, reason = "whole and inside the range of i64")]
        return Some(number as i64);
    }
    None
}

/// A number cut to an integer; out of range values stop at the ends, not-a-number is 0.
pub(crate) fn truncate(number: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "saturation is the meaning")]
    let integer = number as i64;
    integer
}

/// Go's shortest `%g` form.
pub(crate) fn general(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    format!("{digits}{}", go_exponent(exponent))
}

/// An exponent as C and Go write it: sign and at least two digits.
pub(crate) fn go_exponent(exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("e{sign}{:02}", exponent.unsigned_abs())
}

/// The number that bytes spell: blanks around, `0x`, `0b`, `0o` and leading-zero octal as in Go, else a float.
pub(crate) fn parse(bytes: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\t', '\n']);
    prefixed(text).or_else(|| float(text))
}

fn prefixed(text: &str) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let value = match lower.as_deref() {
        Some("0x") => integer(&digits[2..], 16)?,
        Some("0b") => integer(&digits[2..], 2)?,
        Some("0o") => integer(&digits[2..], 8)?,
        Some(_) if digits.starts_with('0') => integer(&digits[1..], 8)?,
        _ => integer(digits, 10)?,
    };
    Some(if negative { -value } else { value })
}

/// Digits of a base, without sign, that fit 64 bits.
fn integer(digits: &str, base: u32) -> Option<f64> {
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "Lua has floating point numbers only")]
    i64::from_str_radix(digits, base).ok().map(|value| value as f64)
}

/// Digits of a base from 2 to 36, with a sign.
pub(crate) fn integer_in_base(text: &str, base: u32) -> Option<f64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let value = integer(digits, base)?;
    Some(if negative { -value } else { value })
}

/// A decimal float, `inf`, `infinity` or `nan` in any case, as Go reads them; nothing when it is out of range.
pub(crate) fn float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let spelled_infinite = text.bytes().any(|b| matches!(b, b'i' | b'I'));
    if value.is_infinite() && !spelled_infinite { None } else { Some(value) }
}
