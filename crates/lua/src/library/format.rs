//! `string.format`, with the verbs of Go, which gopher-lua hands it to.

use super::{Args, Result};
use crate::machine::Machine;
use crate::number;
use crate::value::{Returns, Value};

/// Widths and precisions above this are cut: Go refuses them, and nobody needs them.
const WIDTH: usize = 10_000;

/// One `%` item.
#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    space: bool,
    zero: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

pub(super) fn format(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("format", values);
    let template = args.string(1)?;
    machine.charge_string(template.as_bytes().len())?;
    let mut out = Vec::with_capacity(template.as_bytes().len() + 16);
    let mut rest = template.as_bytes();
    let mut used = 1;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        out.extend_from_slice(&rest[..at]);
        let (spec, tail) = spec(&rest[at + 1..]);
        rest = tail;
        let Some((verb, tail)) = rest.split_first() else {
            out.extend_from_slice(b"%!(NOVERB)");
            break;
        };
        rest = tail;
        if *verb == b'%' {
            out.push(b'%');
            continue;
        }
        used += 1;
        let wide = spec.width + spec.precision.unwrap_or(0);
        machine.charge_bytes(wide)?;
        machine.fits(out.len() + wide)?;
        match values.get(used - 1) {
            None => out.extend_from_slice(format!("%!{}(MISSING)", char::from(*verb)).as_bytes()),
            Some(Value::String(string)) => {
                machine.charge_bytes(string.as_bytes().len())?;
                machine.fits(out.len() + string.as_bytes().len())?;
                string_verb(&spec, *verb, string.as_bytes(), &mut out);
            }
            Some(Value::Number(number)) => number_verb(&spec, *verb, *number, &mut out),
            Some(other) => other_verb(&spec, *verb, other, &mut out),
        }
    }
    out.extend_from_slice(rest);
    machine.owned_string(out).map(Returns::One)
}

fn spec(mut bytes: &[u8]) -> (Spec, &[u8]) {
    let mut spec = Spec::default();
    while let Some((byte, rest)) = bytes.split_first() {
        match byte {
            b'-' => spec.minus = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'0' => spec.zero = true,
            b'#' => spec.sharp = true,
            _ => break,
        }
        bytes = rest;
    }
    let (width, rest) = digits(bytes);
    spec.width = width.unwrap_or(0);
    bytes = rest;
    if let Some(rest) = bytes.strip_prefix(b".") {
        let (precision, rest) = digits(rest);
        spec.precision = Some(precision.unwrap_or(0));
        bytes = rest;
    }
    (spec, bytes)
}

fn digits(bytes: &[u8]) -> (Option<usize>, &[u8]) {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value =
        bytes[..len].iter().fold(0usize, |value, digit| (value * 10 + usize::from(digit - b'0')).min(WIDTH));
    ((len > 0).then_some(value), &bytes[len..])
}

/// Appends `text` in the item's width; zeros go between the sign and the digits.
fn pad(spec: &Spec, text: &[u8], zeros: bool, out: &mut Vec<u8>) {
    let len = text.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    let missing = spec.width.saturating_sub(len);
    if spec.minus {
        out.extend_from_slice(text);
        out.extend(std::iter::repeat_n(b' ', missing));
    } else if zeros && spec.zero {
        let sign = usize::from(matches!(text.first(), Some(b'+' | b'-' | b' ')));
        out.extend_from_slice(&text[..sign]);
        out.extend(std::iter::repeat_n(b'0', missing));
        out.extend_from_slice(&text[sign..]);
    } else {
        out.extend(std::iter::repeat_n(b' ', missing));
        out.extend_from_slice(text);
    }
}

fn string_verb(spec: &Spec, verb: u8, bytes: &[u8], out: &mut Vec<u8>) {
    match verb {
        b's' | b'v' => pad(spec, cut(spec, bytes), true, out),
        b'q' => pad(spec, quote(cut(spec, bytes)).as_bytes(), true, out),
        b'x' | b'X' => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let hex = if verb == b'X' { hex.to_uppercase() } else { hex };
            pad(spec, hex.as_bytes(), true, out);
        }
        // A string that spells a number passes through as it is, any other counts as 0.
        b'd' | b'i' if number::parse(bytes).is_some() => pad(spec, bytes, true, out),
        b'd' | b'i' => pad(spec, b"0", true, out),
        _ => match number::parse(bytes) {
            Some(number) => number_verb(spec, verb, number, out),
            None => {
                let text = crate::value::text(bytes);
                out.extend_from_slice(format!("%!{}(string={text})", char::from(verb)).as_bytes());
            }
        },
    }
}

/// The first characters, as many as the precision says.
fn cut<'b>(spec: &Spec, bytes: &'b [u8]) -> &'b [u8] {
    let Some(precision) = spec.precision else { return bytes };
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte & 0xC0 != 0x80);
    match starts.map(|(at, _)| at).nth(precision) {
        Some(end) => &bytes[..end],
        None => bytes,
    }
}

/// A string in Go's quotes.
fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{7}' => out.push_str("\\a"),
                '\u{8}' => out.push_str("\\b"),
                '\u{b}' => out.push_str("\\v"),
                '\u{c}' => out.push_str("\\f"),
                c if u32::from(c) < 0x20 || c == '\u{7f}' => {
                    out.push_str(&format!("\\x{:02x}", u32::from(c)))
                }
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}

fn number_verb(spec: &Spec, verb: u8, number: f64, out: &mut Vec<u8>) {
    let text = match verb {
        b's' => return pad(spec, cut(spec, number::to_text(number).as_bytes()), true, out),
        b'q' => return pad(spec, quote(number::to_text(number).as_bytes()).as_bytes(), true, out),
        b'd' | b'i' => integer(spec, number::truncate(number), 10),
        b'o' => integer(spec, number::truncate(number), 8),
        b'b' => integer(spec, number::truncate(number), 2),
        b'x' => integer(spec, number::truncate(number), 16),
        b'X' => integer(spec, number::truncate(number), 16).to_uppercase(),
        b'c' => {
            let code = u32::try_from(number::truncate(number)).ok().and_then(char::from_u32);
            return pad(spec, code.unwrap_or('\u{FFFD}').to_string().as_bytes(), true, out);
        }
        b'e' => signed(spec, number, exponential(number, spec.precision.unwrap_or(6))),
        b'E' => signed(spec, number, exponential(number, spec.precision.unwrap_or(6))).to_uppercase(),
        b'f' | b'F' => signed(spec, number, fixed(number, spec.precision.unwrap_or(6))),
        b'g' => signed(spec, number, shortest(number, spec.precision)),
        b'G' => signed(spec, number, shortest(number, spec.precision)).to_uppercase(),
        b'v' => number::to_text(number),
        other => format!("%!{}(lua.LNumber={})", char::from(other), number::to_text(number)),
    };
    pad(spec, text.as_bytes(), spec.precision.is_none() || !matches!(verb, b'd' | b'i'), out);
}

fn signed(spec: &Spec, number: f64, text: String) -> String {
    if text.starts_with(['+', '-']) || number.is_nan() {
        text
    } else if spec.plus {
        format!("+{text}")
    } else if spec.space {
        format!(" {text}")
    } else {
        text
    }
}

/// An integer in a base, with at least as many digits as the precision says.
fn integer(spec: &Spec, value: i64, base: u64) -> String {
    let mut digits = Vec::new();
    let mut rest = value.unsigned_abs();
    while rest > 0 || digits.is_empty() {
        let digit = u32::try_from(rest % base).unwrap_or(0);
        digits.push(char::from_digit(digit, 16).unwrap_or('0'));
        rest /= base;
    }
    while digits.len() < spec.precision.unwrap_or(0) {
        digits.push('0');
    }
    if spec.sharp {
        match base {
            16 => digits.extend(['x', '0']),
            8 => digits.push('0'),
            _ => {}
        }
    }
    let sign = match (value < 0, spec.plus, spec.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    sign.chars().chain(digits.into_iter().rev()).collect()
}

fn special(number: f64) -> Option<String> {
    (!number.is_finite()).then(|| number::general(number))
}

fn fixed(number: f64, precision: usize) -> String {
    special(number).unwrap_or_else(|| format!("{number:.precision$}"))
}

fn exponential(number: f64, precision: usize) -> String {
    special(number).unwrap_or_else(|| {
        let text = format!("{number:.precision$e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        format!("{digits}{}", number::go_exponent(exponent.parse().unwrap_or(0)))
    })
}

/// `%g`: without a precision as many digits as needed, else that many significant ones, without trailing zeros.
fn shortest(number: f64, precision: Option<usize>) -> String {
    let Some(precision) = precision else { return number::general(number) };
    if let Some(special) = special(number) {
        return special;
    }
    let precision = precision.max(1);
    let text = format!("{number:.*e}", precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let limit = i32::try_from(precision).unwrap_or(i32::MAX);
    if exponent < -4 || exponent >= limit {
        return format!("{}{}", trimmed(digits), number::go_exponent(exponent));
    }
    let decimals = usize::try_from(limit - 1 - exponent).unwrap_or(0);
    trimmed(&format!("{number:.decimals$}")).to_owned()
}

fn trimmed(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

fn other_verb(spec: &Spec, verb: u8, value: &Value, out: &mut Vec<u8>) {
    let text = value.to_string();
    match verb {
        b's' | b'v' => pad(spec, cut(spec, text.as_bytes()), true, out),
        b't' if matches!(value, Value::Bool(_)) => pad(spec, text.as_bytes(), true, out),
        _ => {
            out.extend_from_slice(format!("%!{}({}={text})", char::from(verb), value.type_name()).as_bytes())
        }
    }
}
