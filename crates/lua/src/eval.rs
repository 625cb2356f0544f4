//! Expressions.

use crate::ast::{Binary, Call, Concat, Expr, Field, Index, Item, Method, Op, TableItems};
use crate::error::RuntimeError;
use crate::exec::{Frame, read};
use crate::machine::Machine;
use crate::number;
use crate::value::{Returns, Str, Value};

type Result<T> = std::result::Result<T, RuntimeError>;

impl Machine<'_> {
    /// An error at a line of the running function.
    pub(crate) fn fail(&mut self, line: u32, message: String) -> RuntimeError {
        self.at_line(line);
        self.positioned(RuntimeError::new(message))
    }

    /// Gives an operation's error its line.
    fn at<T>(&mut self, line: u32, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            self.at_line(line);
            self.positioned(error)
        })
    }

    /// The expression's first value.
    pub(crate) fn eval(&mut self, frame: &Frame<'_>, expr: &Expr) -> Result<Value> {
        Ok(match expr {
            Expr::Nil => Value::Nil,
            Expr::True => Value::Bool(true),
            Expr::False => Value::Bool(false),
            Expr::Number(number) => Value::Number(*number),
            Expr::String(number) => Value::String(constant(frame, *number).clone()),
            Expr::Local(slot) => self.stack[frame.base + *slot as usize].clone(),
            Expr::Cell(cell) => read(&self.cells[frame.cells + *cell as usize]),
            Expr::Upvalue(number) => read(&frame.closure.upvalues[*number as usize]),
            Expr::Global(name) => self.globals.get_bytes(constant(frame, *name).as_bytes()),
            Expr::Vararg => frame.varargs.first().cloned().unwrap_or_default(),
            Expr::Field(field) => return self.field(frame, field),
            Expr::Index(index) => return self.index(frame, index),
            Expr::Call(_) | Expr::Method(_) => self.eval_multiple(frame, expr)?.first(),
            Expr::Binary(binary) => return self.binary(frame, binary),
            Expr::And(pair) => return self.and(frame, &pair.0, &pair.1),
            Expr::Or(pair) => return self.or(frame, &pair.0, &pair.1),
            Expr::Not(inner) => Value::Bool(!self.is_true(frame, inner)?),
            Expr::Concat(concat) => return self.concat(frame, concat),
            Expr::Table(table) => return self.table(frame, table),
            Expr::Function(proto) => return self.closure(frame, proto),
            Expr::Negate(operand) => return self.negate(frame, &operand.0, operand.1),
            Expr::Length(operand) => return self.length(frame, &operand.0, operand.1),
            Expr::Single(inner) => return self.eval(frame, inner),
        })
    }

    pub(crate) fn is_true(&mut self, frame: &Frame<'_>, condition: &Expr) -> Result<bool> {
        Ok(match condition {
            Expr::Local(slot) => self.stack[frame.base + *slot as usize].is_truthy(),
            other => self.eval(frame, other)?.is_truthy(),
        })
    }

    /// All values of a call or of `...`.
    pub(crate) fn eval_multiple(&mut self, frame: &Frame<'_>, expr: &Expr) -> Result<Returns> {
        match expr {
            Expr::Call(call) => {
                let base = self.stack.len();
                let callee = self.push_call(frame, call)?;
                self.call_stacked(&callee, base)
            }
            Expr::Method(method) => {
                let base = self.stack.len();
                let callee = self.push_method(frame, method)?;
                self.call_stacked(&callee, base)
            }
            Expr::Vararg => Ok(Returns::Many(frame.varargs.to_vec())),
            other => Ok(Returns::One(self.eval(frame, other)?)),
        }
    }

    /// Puts the values of a list on the stack; the last expression gives all of its values.
    pub(crate) fn push_values(&mut self, frame: &Frame<'_>, values: &[Expr]) -> Result<()> {
        let Some((last, first)) = values.split_last() else { return Ok(()) };
        for value in first {
            let value = self.eval(frame, value)?;
            self.stack.push(value);
        }
        if !last.is_multiple() {
            let value = self.eval(frame, last)?;
            self.stack.push(value);
            return Ok(());
        }
        match self.eval_multiple(frame, last)? {
            Returns::Zero => {}
            Returns::One(value) => self.stack.push(value),
            Returns::Many(values) => {
                self.charge(values.len() as u64)?;
                self.has_room(values.len())?;
                self.stack.extend(values);
            }
        }
        Ok(())
    }

    /// Evaluates a call's function and puts its arguments on the stack.
    pub(crate) fn push_call(&mut self, frame: &Frame<'_>, call: &Call) -> Result<Value> {
        let callee = self.eval(frame, &call.callee)?;
        self.push_values(frame, &call.arguments)?;
        self.at_line(call.line);
        Ok(callee)
    }

    pub(crate) fn push_method(&mut self, frame: &Frame<'_>, method: &Method) -> Result<Value> {
        let object = self.eval(frame, &method.object)?;
        let name = constant(frame, method.name);
        let callee = self.get_field(&object, name, method.line)?;
        self.stack.push(object);
        self.push_values(frame, &method.arguments)?;
        self.at_line(method.line);
        Ok(callee)
    }

    // Tables.

    fn field(&mut self, frame: &Frame<'_>, field: &Field) -> Result<Value> {
        let name = constant(frame, field.name);
        if let Expr::Local(slot) = &field.object
            && let Value::Table(table) = &self.stack[frame.base + *slot as usize]
        {
            return Ok(table.get_bytes(name.as_bytes()));
        }
        let object = self.eval(frame, &field.object)?;
        self.get_field(&object, name, field.line)
    }

    fn get_field(&mut self, object: &Value, name: &Str, line: u32) -> Result<Value> {
        match object {
            Value::Table(table) => Ok(table.get_bytes(name.as_bytes())),
            Value::String(_) => Ok(self.strings.get_bytes(name.as_bytes())),
            other => Err(self.no_table(other, &name.to_text(), line)),
        }
    }

    fn index(&mut self, frame: &Frame<'_>, index: &Index) -> Result<Value> {
        let object = self.eval(frame, &index.object)?;
        let key = self.eval(frame, &index.key)?;
        match &object {
            Value::Table(table) => Ok(table.get(&key)),
            Value::String(_) => Ok(self.strings.get(&key)),
            other => Err(self.no_table(other, &key.to_string(), index.line)),
        }
    }

    fn no_table(&mut self, object: &Value, key: &str, line: u32) -> RuntimeError {
        // A long key would make a long message.
        let key: String = key.chars().take(200).collect();
        let kind = object.type_name();
        self.fail(line, format!("attempt to index a non-table object({kind}) with key '{key}'"))
    }

    pub(crate) fn set_index(&mut self, object: &Value, key: Value, value: Value, line: u32) -> Result<()> {
        let Value::Table(table) = object else { return Err(self.no_table(object, &key.to_string(), line)) };
        let done = table.set(key, value);
        self.at(line, done)
    }

    pub(crate) fn set_field(
        &mut self,
        frame: &Frame<'_>,
        object: &Value,
        field: &Field,
        value: Value,
    ) -> Result<()> {
        let name = constant(frame, field.name);
        let Value::Table(table) = object else {
            return Err(self.no_table(object, &name.to_text(), field.line));
        };
        table.set_field(name.clone(), value)
    }

    /// Positional values are set after all others, so they win over equal keys.
    fn table(&mut self, frame: &Frame<'_>, constructor: &TableItems) -> Result<Value> {
        let positional = constructor.items.iter().filter(|item| matches!(item, Item::Positional(_))).count();
        let table = self.table_with_capacity(positional, constructor.items.len() - positional)?;
        let base = self.stack.len();
        for (at, item) in constructor.items.iter().enumerate() {
            match item {
                Item::Named(name, value) => {
                    let value = self.eval(frame, value)?;
                    table.set_field(constant(frame, *name).clone(), value)?;
                }
                Item::Keyed(key, value) => {
                    let key = self.eval(frame, key)?;
                    let value = self.eval(frame, value)?;
                    let done = table.set(key, value);
                    self.at(constructor.line, done)?;
                }
                Item::Positional(value) if at + 1 == constructor.items.len() => {
                    self.push_values(frame, std::slice::from_ref(value))?;
                }
                Item::Positional(value) => {
                    let value = self.eval(frame, value)?;
                    self.stack.push(value);
                }
            }
        }
        for (at, value) in self.stack.drain(base..).enumerate() {
            table.set(Value::Number(count(at + 1)), value)?;
        }
        Ok(Value::Table(table))
    }

    // Operators.

    fn and(&mut self, frame: &Frame<'_>, left: &Expr, right: &Expr) -> Result<Value> {
        let left = self.eval(frame, left)?;
        if left.is_truthy() { self.eval(frame, right) } else { Ok(left) }
    }

    fn or(&mut self, frame: &Frame<'_>, left: &Expr, right: &Expr) -> Result<Value> {
        let left = self.eval(frame, left)?;
        if left.is_truthy() { Ok(left) } else { self.eval(frame, right) }
    }

    fn binary(&mut self, frame: &Frame<'_>, binary: &Binary) -> Result<Value> {
        let left = self.eval(frame, &binary.left)?;
        let right = self.eval(frame, &binary.right)?;
        self.operate(binary, &left, &right)
    }

    fn operate(&mut self, binary: &Binary, left: &Value, right: &Value) -> Result<Value> {
        Ok(match binary.op {
            Op::Equal => Value::Bool(self.equal(left, right)?),
            Op::NotEqual => Value::Bool(!self.equal(left, right)?),
            Op::Less => Value::Bool(self.compare(left, right, binary.line)?.is_lt()),
            Op::LessEqual => Value::Bool(self.compare(left, right, binary.line)?.is_le()),
            Op::Greater => Value::Bool(self.compare(right, left, binary.line)?.is_lt()),
            Op::GreaterEqual => Value::Bool(self.compare(right, left, binary.line)?.is_le()),
            op => match (left, right) {
                (Value::Number(left), Value::Number(right)) => Value::Number(arithmetic(op, *left, *right)),
                _ => self.coerced(op, left, right, binary.line)?,
            },
        })
    }

    fn equal(&mut self, left: &Value, right: &Value) -> Result<bool> {
        if let (Value::String(left), Value::String(_)) = (left, right) {
            self.charge_bytes(left.as_bytes().len())?;
        }
        Ok(left.equals(right))
    }

    fn coerced(&mut self, op: Op, left: &Value, right: &Value, line: u32) -> Result<Value> {
        match (left.coerce_number(), right.coerce_number()) {
            (Some(left), Some(right)) => Ok(Value::Number(arithmetic(op, left, right))),
            _ => {
                let name = match op {
                    Op::Add => "add",
                    Op::Subtract => "sub",
                    Op::Multiply => "mul",
                    Op::Divide => "div",
                    Op::Modulo => "mod",
                    _ => "pow",
                };
                Err(self.no_operation(name, left, right, line))
            }
        }
    }

    fn no_operation(&mut self, name: &str, left: &Value, right: &Value, line: u32) -> RuntimeError {
        let (left, right) = (left.type_name(), right.type_name());
        self.fail(line, format!("cannot perform {name} operation between {left} and {right}"))
    }

    fn compare(&mut self, left: &Value, right: &Value, line: u32) -> Result<Comparison> {
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => Ok(Comparison(left.partial_cmp(right))),
            (Value::String(left), Value::String(right)) => {
                self.charge_bytes(left.as_bytes().len())?;
                Ok(Comparison(Some(left.as_bytes().cmp(right.as_bytes()))))
            }
            _ => {
                let (left, right) = (left.type_name(), right.type_name());
                Err(self.fail(line, format!("attempt to compare {left} with {right}")))
            }
        }
    }

    /// `left < right` with the rules and errors of the operator.
    pub(crate) fn less(&mut self, left: &Value, right: &Value) -> Result<bool> {
        match (left, right) {
            (Value::Number(left), Value::Number(right)) => Ok(left < right),
            (Value::String(left), Value::String(right)) => {
                self.charge_bytes(left.as_bytes().len())?;
                Ok(left.as_bytes() < right.as_bytes())
            }
            _ => {
                let (left, right) = (left.type_name(), right.type_name());
                Err(RuntimeError::new(format!("attempt to compare {left} with {right}")))
            }
        }
    }

    fn concat(&mut self, frame: &Frame<'_>, concat: &Concat) -> Result<Value> {
        let base = self.stack.len();
        for part in &concat.parts {
            let value = self.eval(frame, part)?;
            self.stack.push(value);
        }
        let mut parts = self.stack.split_off(base);
        // The last two that do not fit are named, as the chain joins from the right.
        for at in (1..parts.len()).rev() {
            let (left, right) = (&parts[at - 1], &parts[at]);
            if !joins(left) || !joins(right) {
                let (left, right) = (left.clone(), right.clone());
                return Err(self.no_operation("concat", &left, &right, concat.line));
            }
        }
        let mut bytes = 0;
        for part in &mut parts {
            if let Value::Number(number) = part {
                *part = self.string(number::to_text(*number).as_bytes())?;
            }
            if let Value::String(string) = part {
                bytes += string.as_bytes().len();
            }
        }
        self.charge_string(bytes)?;
        let mut joined = Vec::with_capacity(bytes);
        for part in &parts {
            if let Value::String(string) = part {
                joined.extend_from_slice(string.as_bytes());
            }
        }
        self.owned_string(joined)
    }

    fn negate(&mut self, frame: &Frame<'_>, operand: &Expr, line: u32) -> Result<Value> {
        match self.eval(frame, operand)?.coerce_number() {
            Some(number) => Ok(Value::Number(-number)),
            None => Err(self.fail(line, "__unm undefined".to_owned())),
        }
    }

    fn length(&mut self, frame: &Frame<'_>, operand: &Expr, line: u32) -> Result<Value> {
        let length = match self.eval(frame, operand)? {
            Value::String(string) => string.as_bytes().len(),
            Value::Table(table) => table.len(),
            _ => return Err(self.fail(line, "__len undefined".to_owned())),
        };
        Ok(Value::Number(count(length)))
    }
}

/// A length as a Lua number.
pub(crate) fn count(length: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lengths are below the memory limit")]
    let number = length as f64;
    number
}

fn constant<'f>(frame: &Frame<'f>, number: u32) -> &'f Str {
    &frame.closure.program.constants[number as usize]
}

fn joins(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_))
}

/// An order that not-a-number has no part in.
struct Comparison(Option<std::cmp::Ordering>);

impl Comparison {
    fn is_lt(&self) -> bool {
        self.0.is_some_and(std::cmp::Ordering::is_lt)
    }

    fn is_le(&self) -> bool {
        self.0.is_some_and(std::cmp::Ordering::is_le)
    }
}

fn arithmetic(op: Op, left: f64, right: f64) -> f64 {
    match op {
        Op::Add => left + right,
        Op::Subtract => left - right,
        Op::Multiply => left * right,
        Op::Divide => left / right,
        Op::Modulo => modulo(left, right),
        _ => left.powf(right),
    }
}

/// The remainder with the divisor's sign.
pub(crate) fn modulo(left: f64, right: f64) -> f64 {
    let rest = left % right;
    if (right > 0.0 && rest < 0.0) || (right < 0.0 && rest > 0.0) { rest + right } else { rest }
}
