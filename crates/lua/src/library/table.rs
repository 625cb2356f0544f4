//! `table`.

use super::{Args, Builtin, Result};
use crate::error::RuntimeError;
use crate::eval::count;
use crate::limits::BYTES_PER_STEP;
use crate::machine::Machine;
use crate::number;
use crate::value::{Returns, Value};

pub(super) const FUNCTIONS: &[Builtin] = &[
    Builtin { name: "concat", run: concat },
    Builtin { name: "getn", run: getn },
    Builtin { name: "insert", run: insert },
    Builtin { name: "maxn", run: maxn },
    Builtin { name: "remove", run: remove },
    Builtin { name: "sort", run: sort },
];

fn getn(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    Ok(Returns::One(Value::Number(count(Args::new("getn", values).table(1)?.len()))))
}

fn maxn(_: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    Ok(Returns::One(Value::Number(count(Args::new("maxn", values).table(1)?.len()))))
}

fn insert(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("insert", values);
    let table = args.table(1)?;
    match args.len() {
        1 => return Err(RuntimeError::new("wrong number of arguments")),
        2 => table.push(args.get(2).clone())?,
        _ => {
            let position = args.integer(2)?;
            machine.charge_bytes(table.array_len() * size_of::<Value>())?;
            table.insert(position, args.any(3)?.clone())?;
        }
    }
    Ok(Returns::Zero)
}

fn remove(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("remove", values);
    let table = args.table(1)?;
    if args.len() == 1 {
        return Ok(Returns::One(table.remove(-1)));
    }
    let position = args.integer(2)?;
    machine.charge_bytes(table.array_len() * size_of::<Value>())?;
    Ok(Returns::One(table.remove(position)))
}

fn concat(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("concat", values);
    let table = args.table(1)?;
    let separator = if args.get(2).is_nil() { crate::value::Str::fixed("") } else { args.string(2)? };
    let len = i64::try_from(table.len()).unwrap_or(i64::MAX);
    let start = args.integer_or(3, 1)?;
    let end = args.integer_or(4, len)?.min(len);
    if args.len() == 3 && !(1..=len).contains(&start) {
        return Ok(Returns::One(Value::fixed("")));
    }
    let mut joined = Vec::new();
    for position in start.min(len).max(1)..=end {
        let before = joined.len();
        match table.get_position(position) {
            Value::String(string) => joined.extend_from_slice(string.as_bytes()),
            Value::Number(number) => joined.extend_from_slice(number::to_text(number).as_bytes()),
            other => {
                let kind = other.type_name();
                return Err(RuntimeError::new(format!(
                    "cannot perform concat operation between string and {kind}"
                )));
            }
        }
        if position != end {
            joined.extend_from_slice(separator.as_bytes());
        }
        machine.charge_bytes(BYTES_PER_STEP + joined.len() - before)?;
        machine.fits(joined.len())?;
    }
    machine.owned_string(joined).map(Returns::One)
}

/// Sorts in place. The comparison may raise an error and may be no order at all.
fn sort(machine: &mut Machine<'_>, values: &[Value]) -> Result<Returns> {
    let args = Args::new("sort", values);
    let table = args.table(1)?;
    let order = if args.len() > 1 { Some(args.function(2)?) } else { None };
    let mut array = table.take_array();
    let sorted = merge_sort(machine, &mut array, order);
    table.put_array(array);
    sorted?;
    Ok(Returns::Zero)
}

fn precedes(machine: &mut Machine<'_>, left: &Value, right: &Value, order: Option<&Value>) -> Result<bool> {
    machine.charge(1)?;
    match order {
        None => machine.less(left, right),
        Some(order) => Ok(machine.call_value(order, &[left.clone(), right.clone()])?.first().is_truthy()),
    }
}

/// Bottom-up, stable, and content with any answers of the comparison.
fn merge_sort(machine: &mut Machine<'_>, array: &mut Vec<Value>, order: Option<&Value>) -> Result<()> {
    let len = array.len();
    machine.budget.take(len * size_of::<Value>())?;
    let mut width = 1;
    while width < len {
        let mut merged = Vec::with_capacity(len);
        for start in (0..len).step_by(width * 2) {
            let middle = (start + width).min(len);
            let end = (start + width * 2).min(len);
            let (mut left, mut right) = (start, middle);
            while left < middle && right < end {
                let right_first = precedes(machine, &array[right], &array[left], order)?;
                let taken = if right_first { &mut right } else { &mut left };
                merged.push(array[*taken].clone());
                *taken += 1;
            }
            merged.extend_from_slice(&array[left..middle]);
            merged.extend_from_slice(&array[right..end]);
        }
        *array = merged;
        width *= 2;
    }
    machine.budget.give_back(len * size_of::<Value>());
    Ok(())
}
