//! `string`.

use std::cell::Cell;
use std::rc::Rc;

use super::format::format;
use super::pattern::{self, Capture, Match};
use super::{Args, Builtin, Result};
use crate::error::RuntimeError;
use crate::eval::count;
use crate::machine::Machine;
use crate::number;
use crate::value::{Callable, Function, Returns, Str, Value};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin { name: "byte", run: byte },
    Builtin { name: "char", run: char },
    Builtin { name: "dump", run: |_, _| Err(RuntimeError::new("string.dump is not supported")) },
    Builtin { name: "find", run: find },
    Builtin { name: "format", run: format },
    Builtin { name: "gfind", run: gmatch },
    Builtin { name: "gmatch", run: gmatch },
    Builtin { name: "gsub", run: gsub },
    Builtin { name: "len", run: len },
    Builtin { name: "lower", run: lower },
    Builtin { name: "match", run: match_ },
    Builtin { name: "rep", run: rep },
    Builtin { name: "reverse", run: reverse },
    Builtin { name: "sub", run: sub },
    Builtin { name: "upper", run: upper },
];

/// The byte index that a first position means: from 1, from the end when negative; 0 is the start.
fn start_index(len: usize, position: i64) -> usize {
    match usize::try_from(position) {
        Ok(position) => position.saturating_sub(1),
        Err(_) => back(len, position),
    }
}

/// The byte index behind a last position.
fn end_index(len: usize, position: i64) -> usize {
    match usize::try_from(position) {
        Ok(position) => position.min(len),
        Err(_) if position == -1 => len,
        Err(_) => back(len, position.saturating_add(1)),
    }
}

fn back(len: usize, position: i64) -> usize {
    len.saturating_sub(usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX))
}

/// One byte for a given position; without one all bytes, as in gopher-lua.
fn byte(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("byte", values);
    let string = args.string(1)?;
    let bytes = string.as_bytes();
    let start = args.integer_or(2, 1)?;
    if args.len() == 2 {
        let at = if start == 0 { None } else { Some(start_index(bytes.len(), start)) };
        let beyond = start < 0 && start.unsigned_abs() > bytes.len() as u64;
        let found = at.filter(|_| !beyond).and_then(|at| bytes.get(at));
        return Ok(found.map_or(Returns::Zero, |byte| Returns::One(Value::Number(f64::from(*byte)))));
    }
    let end = end_index(bytes.len(), args.integer_or(3, -1)?);
    let start = start_index(bytes.len(), start);
    let part = bytes.get(start..end).unwrap_or(&[]);
    machine.charge(part.len() as u64)?;
    machine.has_room(part.len())?;
    Ok(Returns::Many(part.iter().map(|byte| Value::Number(f64::from(*byte))).collect()))
}

fn char(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("char", values);
    let mut bytes = Vec::with_capacity(values.len());
    for at in 1..=args.len() {
        // Codes above 255 keep their low byte.
        bytes.push(args.integer(at)?.to_le_bytes()[0]);
    }
    machine.owned_string(bytes).map(Returns::One)
}

fn len(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    Ok(Returns::One(Value::Number(count(Args::new("len", values).string(1)?.as_bytes().len()))))
}

fn lower(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    recased(machine, &Args::new("lower", values), <[u8]>::to_ascii_lowercase, |c| {
        let mut lower = c.to_lowercase();
        lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
    })
}

fn upper(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    recased(machine, &Args::new("upper", values), <[u8]>::to_ascii_uppercase, |c| {
        let mut upper = c.to_uppercase();
        upper.next().filter(|_| upper.next().is_none()).unwrap_or(c)
    })
}

/// Changes case letter by letter, beyond ASCII too when the string is UTF-8.
fn recased(
    machine: &mut Machine<'_>,
    args: &Args<'_>,
    ascii: fn(&[u8]) -> Vec<u8>,
    letter: fn(char) -> char,
) -> Result<Returns> {
    let string = args.string(1)?;
    let bytes = string.as_bytes();
    machine.charge_string(bytes.len())?;
    let changed = match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_ascii() => text.chars().map(letter).collect::<String>().into_bytes(),
        _ => ascii(bytes),
    };
    machine.owned_string(changed).map(Returns::One)
}

fn rep(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("rep", values);
    let string = args.string(1)?;
    let times = usize::try_from(args.integer(2)?).unwrap_or(0);
    machine.charge_string(string.as_bytes().len().saturating_mul(times))?;
    // An empty string costs nothing however often it is repeated.
    let times = if string.as_bytes().is_empty() { 0 } else { times };
    machine.owned_string(string.as_bytes().repeat(times)).map(Returns::One)
}

fn reverse(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let string = Args::new("reverse", values).string(1)?;
    machine.charge_string(string.as_bytes().len())?;
    machine.owned_string(string.as_bytes().iter().rev().copied().collect()).map(Returns::One)
}

fn sub(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("sub", values);
    let string = args.string(1)?;
    let bytes = string.as_bytes();
    let start = start_index(bytes.len(), args.integer(2)?);
    let end = end_index(bytes.len(), args.integer_or(3, -1)?);
    let part = bytes.get(start..end).unwrap_or(&[]);
    machine.charge_bytes(part.len())?;
    machine.string(part).map(Returns::One)
}

fn slice(machine: &Machine<'_>, subject: &[u8], start: usize, end: usize) -> Result<Value> {
    machine.string(&subject[start..end])
}

fn captured(machine: &Machine<'_>, subject: &[u8], capture: Capture) -> Result<Value> {
    match capture {
        Capture::Text(start, end) => slice(machine, subject, start, end),
        Capture::Open(position) | Capture::Position(position) => Ok(Value::Number(count(position + 1))),
    }
}

/// The captures of a match, or all of it when the pattern has none.
fn captures(machine: &Machine<'_>, subject: &[u8], found: &Match) -> Result<Vec<Value>> {
    if found.captures.is_empty() {
        return Ok(vec![slice(machine, subject, found.start, found.end)?]);
    }
    found.captures.iter().map(|capture| captured(machine, subject, *capture)).collect()
}

fn find(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("find", values);
    let (subject, pattern) = (args.string(1)?, args.string(2)?);
    let (subject, pattern) = (subject.as_bytes(), pattern.as_bytes());
    if pattern.is_empty() {
        return Ok(Returns::Many(vec![Value::Number(1.0), Value::Number(0.0)]));
    }
    let from = start_index(subject.len(), args.integer_or(3, 1)?);
    if args.get(4).is_truthy() || pattern::is_plain(pattern) {
        let at = plain(machine, subject, pattern, from)?;
        return Ok(at.map_or(Returns::One(Value::Nil), |at| {
            Returns::Many(vec![Value::Number(count(at + 1)), Value::Number(count(at + pattern.len()))])
        }));
    }
    let Some(found) = pattern::find(machine, subject, pattern, from)? else {
        return Ok(Returns::One(Value::Nil));
    };
    let mut results = vec![Value::Number(count(found.start + 1)), Value::Number(count(found.end))];
    for capture in &found.captures {
        results.push(captured(machine, subject, *capture)?);
    }
    Ok(Returns::Many(results))
}

/// Where a text that is not empty occurs first.
fn plain(machine: &mut Machine<'_>, subject: &[u8], text: &[u8], from: usize) -> Result<Option<usize>> {
    let Some(rest) = subject.get(from..) else { return Ok(None) };
    for (at, window) in rest.windows(text.len()).enumerate() {
        if at % 1024 == 1023 {
            machine.charge(64 + 32 * (text.len() / 64) as u64)?;
        }
        if window == text {
            return Ok(Some(from + at));
        }
    }
    Ok(None)
}

fn match_(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("match", values);
    let (subject, pattern) = (args.string(1)?, args.string(2)?);
    let subject = subject.as_bytes();
    let from = start_index(subject.len(), args.integer_or(3, 1)?);
    match pattern::find(machine, subject, pattern.as_bytes(), from)? {
        Some(found) => captures(machine, subject, &found).map(Returns::Many),
        None => Ok(Returns::One(Value::Nil)),
    }
}

/// Where to look on after a match: an empty one is not found twice.
fn after(found: &Match) -> usize {
    found.end.max(found.start + 1)
}

fn gmatch(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("gmatch", values);
    let (subject, pattern) = (args.string(1)?, args.string(2)?);
    let next = Cell::new(Some(0));
    let iterator = move |machine: &mut Machine<'_>| {
        let Some(from) = next.take() else { return Ok(Returns::Zero) };
        let Some(found) = pattern::find(machine, subject.as_bytes(), pattern.as_bytes(), from)? else {
            return Ok(Returns::Zero);
        };
        // An anchored pattern matches once.
        next.set(Some(after(&found)).filter(|_| !pattern.as_bytes().starts_with(b"^")));
        captures(machine, subject.as_bytes(), &found).map(Returns::Many)
    };
    Ok(Returns::One(Value::Function(Function(Callable::Iterator(Rc::new(iterator))))))
}

fn gsub(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("gsub", values);
    let (subject_value, pattern) = (args.string(1)?, args.string(2)?);
    let subject = subject_value.as_bytes();
    let replacement = args.get(3);
    if !matches!(replacement, Value::String(_) | Value::Number(_) | Value::Table(_) | Value::Function(_)) {
        let kind = replacement.type_name();
        return Err(args.bad(3, &format!("string or table or function expected, got {kind}")));
    }
    let limit = args.integer_or(4, -1)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut out = Vec::new();
    let (mut copied, mut from, mut replaced) = (0, 0, 0);
    while replaced < limit {
        let Some(found) = pattern::find(machine, subject, pattern.as_bytes(), from)? else { break };
        replaced += 1;
        let before = out.len();
        out.extend_from_slice(&subject[copied..found.start]);
        replace(machine, subject, &found, replacement, &mut out)?;
        machine.charge_bytes(out.len() - before)?;
        machine.fits(out.len())?;
        copied = found.end;
        from = after(&found);
        if pattern.as_bytes().starts_with(b"^") {
            break;
        }
    }
    let count = Value::Number(count(replaced));
    if replaced == 0 {
        return Ok(Returns::Many(vec![Value::String(subject_value), count]));
    }
    out.extend_from_slice(&subject[copied..]);
    Ok(Returns::Many(vec![machine.owned_string(out)?, count]))
}

/// Appends what takes the place of a match.
fn replace(
    machine: &mut Machine<'_>,
    subject: &[u8],
    found: &Match,
    replacement: &Value,
    out: &mut Vec<u8>,
) -> Result<()> {
    let value = match replacement {
        Value::Table(table) => {
            let key = captures(machine, subject, found)?.into_iter().next().unwrap_or_default();
            table.get(&key)
        }
        Value::Function(_) => {
            let arguments = captures(machine, subject, found)?;
            machine.call_value(replacement, &arguments)?.first()
        }
        Value::String(template) => return expand(machine, subject, found, template, out),
        other => other.clone(),
    };
    match value {
        Value::Nil | Value::Bool(false) => out.extend_from_slice(&subject[found.start..found.end]),
        Value::String(string) => {
            machine.fits(out.len() + string.as_bytes().len())?;
            out.extend_from_slice(string.as_bytes());
        }
        Value::Number(number) => out.extend_from_slice(number::to_text(number).as_bytes()),
        other => {
            let kind = other.type_name();
            return Err(RuntimeError::new(format!("invalid replacement value (a {kind})")));
        }
    }
    Ok(())
}

/// A replacement text with `%0` to `%9`.
fn expand(
    machine: &mut Machine<'_>,
    subject: &[u8],
    found: &Match,
    template: &Str,
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut bytes = template.as_bytes().iter();
    machine.fits(out.len() + template.as_bytes().len())?;
    while let Some(byte) = bytes.next() {
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        match bytes.next() {
            Some(digit) if digit.is_ascii_digit() => {
                let number = usize::from(digit - b'0');
                let whole = number == 0 || (number == 1 && found.captures.is_empty());
                let capture = if whole {
                    Capture::Text(found.start, found.end)
                } else {
                    let known = found.captures.get(number - 1);
                    *known.ok_or_else(|| RuntimeError::new("invalid capture index"))?
                };
                match capture {
                    Capture::Text(start, end) => {
                        machine.fits(out.len() + end - start)?;
                        out.extend_from_slice(&subject[start..end]);
                    }
                    Capture::Open(at) | Capture::Position(at) => {
                        out.extend_from_slice((at + 1).to_string().as_bytes());
                    }
                }
            }
            Some(other) => out.push(*other),
            None => out.push(b'%'),
        }
    }
    Ok(())
}
