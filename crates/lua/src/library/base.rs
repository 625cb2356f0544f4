//! The global functions.

use super::{Args, Builtin, Result};
use crate::error::{RuntimeError, Thrown};
use crate::machine::Machine;
use crate::number;
use crate::value::{Returns, Str, Value};

/// What every stub of a forbidden function says, with the function's name.
macro_rules! forbidden {
    ($name:literal) => {
        Builtin {
            name: $name,
            run: |_, _| {
                Err(RuntimeError::new(concat!(
                    "call function ",
                    $name,
                    " is not supported in karmada customized resourceinterpreter."
                )))
            },
        }
    };
}

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin { name: "assert", run: assert },
    Builtin { name: "error", run: error },
    Builtin { name: "ipairs", run: ipairs },
    Builtin { name: "next", run: next },
    Builtin { name: "pairs", run: pairs },
    Builtin { name: "pcall", run: pcall },
    Builtin { name: "print", run: |_, _| Ok(Returns::Zero) },
    Builtin { name: "require", run: require },
    Builtin { name: "select", run: select },
    Builtin { name: "tonumber", run: tonumber },
    Builtin { name: "tostring", run: tostring },
    Builtin { name: "type", run: type_name },
    Builtin { name: "unpack", run: unpack },
    Builtin { name: "xpcall", run: xpcall },
    forbidden!("collectgarbage"),
    forbidden!("dofile"),
    forbidden!("getfenv"),
    forbidden!("getmetatable"),
    forbidden!("load"),
    forbidden!("loadfile"),
    forbidden!("loadstring"),
    forbidden!("rawequal"),
    forbidden!("rawget"),
    forbidden!("rawset"),
    forbidden!("setfenv"),
    forbidden!("setmetatable"),
    forbidden!("module"),
    forbidden!("newproxy"),
];

pub(super) const PACKAGE: &[Builtin] =
    &[Builtin { name: "loadlib", run: |_, _| Err(RuntimeError::new("loadlib is not supported")) }];

/// The iterator of `pairs`; the evaluator knows it.
pub(crate) static NEXT: Builtin = Builtin { name: "next", run: next };

/// The iterator of `ipairs`; the evaluator knows it.
pub(crate) static IPAIRS_STEP: Builtin = Builtin { name: "ipairs", run: ipairs_step };

fn assert(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("assert", values);
    if args.get(1).is_truthy() {
        return Ok(Returns::Many(values.to_vec()));
    }
    match args.get(2) {
        Value::Nil => Err(RuntimeError::new("assertion failed!")),
        Value::String(message) => Err(raise(machine, message, 1)),
        _ => Err(RuntimeError::new(args.string(2)?.to_text())),
    }
}

/// A raised string with its position; levels 1 and 2 both mean the function that calls `error`, as in gopher-lua.
fn raise(machine: &Machine<'_>, message: &Str, level: i64) -> RuntimeError {
    let position =
        usize::try_from(level - 1).ok().and_then(|level| machine.position(level.saturating_sub(1)));
    let mut bytes = Vec::new();
    if let Some(position) = position {
        bytes.extend_from_slice(position.as_bytes());
        bytes.push(b' ');
    }
    bytes.extend_from_slice(message.as_bytes());
    match machine.owned_string(bytes) {
        Ok(value) => RuntimeError::value(value),
        Err(limit) => limit,
    }
}

fn error(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("error", values);
    let level = args.integer_or(2, 1)?;
    Err(match args.any(1)? {
        Value::String(message) => raise(machine, message, level),
        other => RuntimeError::value(other.clone()),
    })
}

fn pairs(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let table = Args::new("pairs", values).table(1)?;
    Ok(Returns::Many(vec![NEXT.value(), Value::Table(table.clone()), Value::Nil]))
}

fn ipairs(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let table = Args::new("ipairs", values).table(1)?;
    Ok(Returns::Many(vec![IPAIRS_STEP.value(), Value::Table(table.clone()), Value::Number(0.0)]))
}

fn next(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("next", values);
    machine.charge(1)?;
    Ok(match args.table(1)?.next(args.get(2)) {
        Some((key, value)) => Returns::Many(vec![key, value]),
        None => Returns::One(Value::Nil),
    })
}

fn ipairs_step(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("ipairs", values);
    let table = args.table(1)?;
    let position = args.integer(2)?.saturating_add(1);
    let value = table.get_position(position);
    if value.is_nil() {
        return Ok(Returns::Zero);
    }
    #[expect(clippy::cast_precision_loss, reason = "the table has a value there, so it is below 2^26")]
    let position = position as f64;
    Ok(Returns::Many(vec![Value::Number(position), value]))
}

/// What a caught error is as a value; limits are not caught.
fn caught(error: RuntimeError) -> Result<Value> {
    match *error.0 {
        Thrown::Value(value) => Ok(value),
        Thrown::Message(message) => Ok(Value::String(Str::short(message.as_bytes()))),
        Thrown::Limit(limit) => Err(RuntimeError::limit(limit)),
    }
}

fn succeeded(returns: Returns) -> Returns {
    let mut values = vec![Value::Bool(true)];
    values.extend(returns.into_vec());
    Returns::Many(values)
}

fn pcall(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let function = Args::new("pcall", values).function(1)?;
    match machine.call_value(function, &values[1..]) {
        Ok(returns) => Ok(succeeded(returns)),
        Err(error) => Ok(Returns::Many(vec![Value::Bool(false), caught(error)?])),
    }
}

fn xpcall(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("xpcall", values);
    let (function, handler) = (args.function(1)?, args.function(2)?);
    match machine.call_value(function, &[]) {
        Ok(returns) => Ok(succeeded(returns)),
        Err(error) => {
            let value = caught(error)?;
            let handled = match machine.call_value(handler, &[value]) {
                Ok(returns) => returns.first(),
                Err(error) => caught(error)?,
            };
            Ok(Returns::Many(vec![Value::Bool(false), handled]))
        }
    }
}

fn require(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let name = Args::new("require", values).string(1)?;
    machine.require(name.as_bytes()).map(Returns::One)
}

fn select(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("select", values);
    machine.charge(values.len() as u64)?;
    match args.get(1) {
        Value::Number(number) => {
            let position = number::truncate(*number);
            let count = values.len() - 1;
            let skip = match usize::try_from(position) {
                Ok(0) => return Err(args.bad(1, "index out of range")),
                Ok(position) => position - 1,
                Err(_) => {
                    let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
                    count.checked_sub(back).ok_or_else(|| args.bad(1, "index out of range"))?
                }
            };
            Ok(Returns::Many(values[1..].get(skip..).unwrap_or(&[]).to_vec()))
        }
        Value::String(text) if text.as_bytes() == b"#" => {
            Ok(Returns::One(Value::Number(crate::eval::count(values.len() - 1))))
        }
        Value::String(text) => Err(args.bad(1, &format!("invalid string '{}'", text.to_text()))),
        other => Err(args.bad(1, &format!("number or string expected, got {}", other.type_name()))),
    }
}

/// With a point in it a string is read as a float, else as an integer of the base: `"1e3"` is no number.
fn tonumber(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("tonumber", values);
    let base = args.integer_or(2, 10)?;
    let string = match args.any(1)? {
        Value::Number(number) => return Ok(Returns::One(Value::Number(*number))),
        Value::String(string) => string,
        _ => return Ok(Returns::One(Value::Nil)),
    };
    machine.charge_bytes(string.as_bytes().len())?;
    let text = std::str::from_utf8(string.as_bytes()).unwrap_or("").trim_matches([' ', '\n', '\t']);
    let number = if text.contains('.') {
        number::float(text)
    } else if args.get(2).is_nil() && text.get(..2).is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x")) {
        number::integer_in_base(&text[2..], 16)
    } else {
        u32::try_from(base)
            .ok()
            .filter(|b| (2..=36).contains(b))
            .and_then(|b| number::integer_in_base(text, b))
    };
    Ok(Returns::One(number.map_or(Value::Nil, Value::Number)))
}

fn tostring(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let value = Args::new("tostring", values).any(1)?;
    Ok(Returns::One(match value {
        Value::String(_) => value.clone(),
        Value::Bool(true) => Value::fixed("true"),
        Value::Bool(false) => Value::fixed("false"),
        Value::Nil => Value::fixed("nil"),
        other => machine.string(other.to_string().as_bytes())?,
    }))
}

fn type_name(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    Ok(Returns::One(Value::fixed(Args::new("type", values).any(1)?.type_name())))
}

fn unpack(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("unpack", values);
    let table = args.table(1)?;
    let start = args.integer_or(2, 1)?;
    let end = args.integer_or(3, i64::try_from(table.len()).unwrap_or(i64::MAX))?;
    if end < start {
        return Ok(Returns::Zero);
    }
    let count = u64::try_from(end.saturating_sub(start)).unwrap_or(u64::MAX).saturating_add(1);
    machine.has_room(usize::try_from(count).unwrap_or(usize::MAX))?;
    machine.charge(count)?;
    Ok(Returns::Many((start..=end).map(|position| table.get_position(position)).collect()))
}
