//! What a Lua variable can hold.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::Proto;
use crate::error::RuntimeError;
use crate::library::Builtin;
use crate::limits::Budget;
use crate::machine::{Machine, NativeFn, Program};
use crate::number;
use crate::table::Table;

/// A Lua value. Cheap to clone: everything large is shared.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// No value.
    #[default]
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// The only kind of number.
    Number(f64),
    /// Bytes, mostly UTF-8.
    String(Str),
    /// A table of the machine that made it; it is emptied when the machine goes.
    Table(Table),
    /// Something to call.
    Function(Function),
}

/// Strings up to this length count against the memory limit once and for all; longer ones while they live.
const SHORT_BYTES: usize = 256;

/// An immutable byte string.
#[derive(Clone)]
pub struct Str(Bytes);

#[derive(Clone)]
enum Bytes {
    Static(&'static [u8]),
    Short(Rc<[u8]>),
    Long(Rc<Long>),
}

struct Long {
    bytes: Vec<u8>,
    budget: Rc<Budget>,
}

impl Drop for Long {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes.len());
    }
}

impl Str {
    /// A string of the program itself; costs nothing.
    pub fn fixed(text: &'static str) -> Self {
        Self(Bytes::Static(text.as_bytes()))
    }

    pub(crate) fn short(bytes: &[u8]) -> Self {
        Self(Bytes::Short(Rc::from(bytes)))
    }

    pub(crate) fn copied(bytes: &[u8], budget: &Rc<Budget>) -> Result<Self, RuntimeError> {
        if bytes.len() <= SHORT_BYTES {
            budget.take(bytes.len() + 16)?;
            return Ok(Self::short(bytes));
        }
        Self::owned(bytes.to_vec(), budget)
    }

    pub(crate) fn owned(bytes: Vec<u8>, budget: &Rc<Budget>) -> Result<Self, RuntimeError> {
        if bytes.len() <= SHORT_BYTES {
            budget.take(bytes.len() + 16)?;
            return Ok(Self::short(&bytes));
        }
        budget.take(bytes.len())?;
        Ok(Self(Bytes::Long(Rc::new(Long { bytes, budget: Rc::clone(budget) }))))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Static(bytes) => bytes,
            Bytes::Short(bytes) => bytes,
            Bytes::Long(long) => &long.bytes,
        }
    }

    /// The text; bytes that are no UTF-8 become U+FFFD each, as in Go.
    pub fn to_text(&self) -> String {
        text(self.as_bytes())
    }
}

/// Bytes as text; each byte that is no UTF-8 becomes one U+FFFD.
pub(crate) fn text(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(std::iter::repeat_n('\u{FFFD}', chunk.invalid().len()));
    }
    out
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

/// A local variable that an inner function uses too.
pub(crate) type Cell = Rc<RefCell<Value>>;

/// A Lua function with the variables it captured.
pub(crate) struct Closure {
    /// The closure's number in its machine, which `tostring` shows.
    pub(crate) number: usize,
    pub(crate) proto: Arc<Proto>,
    pub(crate) program: Rc<Program>,
    pub(crate) upvalues: Box<[Cell]>,
}

/// Anything that can be called.
#[derive(Clone)]
pub struct Function(pub(crate) Callable);

#[derive(Clone)]
pub(crate) enum Callable {
    Lua(Rc<Closure>),
    Builtin(&'static Builtin),
    Native(Arc<NativeFn>),
    /// An iterator a library function made.
    Iterator(Rc<IteratorFn>),
}

/// The body of a library's iterator.
pub(crate) type IteratorFn = dyn Fn(&mut Machine<'_>) -> Result<Returns, RuntimeError>;

impl Function {
    /// A number that is the same for the same function only.
    pub(crate) fn address(&self) -> usize {
        match &self.0 {
            Callable::Lua(closure) => Rc::as_ptr(closure).addr(),
            Callable::Builtin(builtin) => std::ptr::from_ref(*builtin).addr(),
            Callable::Native(native) => Arc::as_ptr(native).addr(),
            Callable::Iterator(iterator) => Rc::as_ptr(iterator).addr(),
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No addresses: the same script gives the same text every time.
        match &self.0 {
            Callable::Lua(closure) => write!(f, "function: {:#x}", closure.number),
            Callable::Builtin(builtin) => write!(f, "function: builtin: {}", builtin.name),
            Callable::Native(_) => f.write_str("function: native"),
            Callable::Iterator(_) => f.write_str("function: iterator"),
        }
    }
}

/// The values a call returns.
#[derive(Debug, Clone)]
pub(crate) enum Returns {
    Zero,
    One(Value),
    Many(Vec<Value>),
}

impl Returns {
    /// The first value.
    pub(crate) fn first(self) -> Value {
        match self {
            Self::Zero => Value::Nil,
            Self::One(value) => value,
            Self::Many(values) => values.into_iter().next().unwrap_or_default(),
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Value> {
        match self {
            Self::Zero => Vec::new(),
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

impl From<Value> for Returns {
    fn from(value: Value) -> Self {
        Self::One(value)
    }
}

impl Value {
    /// `false` and `nil` are not.
    pub fn is_truthy(&self) -> bool {
        !matches!(self, Self::Nil | Self::Bool(false))
    }

    /// Whether this is no value.
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The type's name as `type` gives it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Table(_) => "table",
            Self::Function(_) => "function",
        }
    }

    /// The number, when it is one; strings do not count.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The text, when it is a string of valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(string) => std::str::from_utf8(string.as_bytes()).ok(),
            _ => None,
        }
    }

    /// The table, when it is one.
    pub fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(crate) fn fixed(text: &'static str) -> Self {
        Self::String(Str::fixed(text))
    }

    /// The number an operator sees: numbers and strings that spell one.
    pub(crate) fn coerce_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::String(string) => number::parse(string.as_bytes()),
            _ => None,
        }
    }

    /// Equality of `==`: values of different types are never equal, tables and functions are by identity.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Table(a), Self::Table(b)) => a.is(b),
            (Self::Function(a), Self::Function(b)) => a.address() == b.address(),
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => f.write_str(&number::to_text(*number)),
            Self::String(string) => f.write_str(&String::from_utf8_lossy(string.as_bytes())),
            Self::Table(table) => fmt::Debug::fmt(table, f),
            Self::Function(function) => fmt::Debug::fmt(function, f),
        }
    }
}
