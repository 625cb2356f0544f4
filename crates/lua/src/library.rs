//! The functions a script finds.

mod base;
mod format;
mod math;
mod os;
mod pattern;
mod string;
mod table;

use std::rc::Rc;

use crate::error::RuntimeError;
use crate::limits::Budget;
use crate::machine::Machine;
use crate::number;
use crate::table::Table;
use crate::value::{Callable, Function, Returns, Str, Value};

pub(crate) use base::{IPAIRS_STEP, NEXT};

type Result<T> = std::result::Result<T, RuntimeError>;

/// A library function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut Machine<'_>, &[Value]) -> Result<Returns>,
}

impl Builtin {
    pub(crate) fn value(&'static self) -> Value {
        Value::Function(Function(Callable::Builtin(self)))
    }
}

/// The tables of a fresh machine.
pub(crate) struct Libraries {
    pub(crate) globals: Table,
    pub(crate) strings: Table,
    pub(crate) loaded: Table,
    pub(crate) tables: Vec<Table>,
}

/// Makes them. They do not count: a limit too small for them would leave nothing to say.
pub(crate) fn open(budget: &Rc<Budget>) -> Libraries {
    let mut tables = Vec::with_capacity(32);
    let mut new = |filler: fn(&Table)| {
        let table = Table::uncounted(budget, tables.len());
        table.fill_later(filler);
        tables.push(table.clone());
        table
    };
    let globals = new(|table| functions(table, base::FUNCTIONS));
    let strings = new(|table| {
        functions(table, string::FUNCTIONS);
        put(table, "__index", Value::Table(table.clone()));
    });
    let package = new(|table| functions(table, base::PACKAGE));
    let (preload, loaded) = (new(|_| {}), new(|_| {}));
    let table = new(|table| functions(table, table::FUNCTIONS));
    let math = new(|table| {
        functions(table, math::FUNCTIONS);
        put(table, "pi", Value::Number(std::f64::consts::PI));
        put(table, "huge", Value::Number(f64::MAX));
    });
    let os = new(|table| functions(table, os::FUNCTIONS));
    put(&package, "preload", Value::Table(preload));
    put(&package, "loaded", Value::Table(loaded.clone()));
    put(&globals, "_G", Value::Table(globals.clone()));
    put(&globals, "_VERSION", Value::fixed("GopherLua 0.1"));
    for (name, library) in
        [("package", &package), ("table", &table), ("string", &strings), ("math", &math), ("os", &os)]
    {
        put(&globals, name, Value::Table(library.clone()));
        put(&loaded, name, Value::Table(library.clone()));
    }
    put(&loaded, "_G", Value::Table(globals.clone()));
    Libraries { globals, strings, loaded, tables }
}

fn functions(table: &Table, functions: &'static [Builtin]) {
    table.reserve(functions.len() + 8);
    for builtin in functions {
        put(table, builtin.name, builtin.value());
    }
}

fn put(table: &Table, name: &'static str, value: Value) {
    table.insert_uncounted(Str::fixed(name), value);
}

/// The arguments of a library function, with the checks all of them share. Positions count from 1.
pub(crate) struct Args<'a> {
    function: &'static str,
    values: &'a [Value],
}

impl<'a> Args<'a> {
    pub(crate) fn new(function: &'static str, values: &'a [Value]) -> Self {
        Args { function, values }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The argument, nil when absent.
    pub(crate) fn get(&self, at: usize) -> &'a Value {
        self.values.get(at - 1).unwrap_or(&Value::Nil)
    }

    pub(crate) fn bad(&self, at: usize, problem: &str) -> RuntimeError {
        RuntimeError::new(format!("bad argument #{at} to {} ({problem})", self.function))
    }

    fn wrong(&self, at: usize, expected: &str) -> RuntimeError {
        self.bad(at, &format!("{expected} expected, got {}", self.get(at).type_name()))
    }

    pub(crate) fn any(&self, at: usize) -> Result<&'a Value> {
        self.values.get(at - 1).ok_or_else(|| self.bad(at, "value expected"))
    }

    pub(crate) fn table(&self, at: usize) -> Result<&'a Table> {
        self.get(at).as_table().ok_or_else(|| self.wrong(at, "table"))
    }

    pub(crate) fn function(&self, at: usize) -> Result<&'a Value> {
        match self.get(at) {
            function @ Value::Function(_) => Ok(function),
            _ => Err(self.wrong(at, "function")),
        }
    }

    /// A number, or a string that spells one.
    pub(crate) fn number(&self, at: usize) -> Result<f64> {
        self.get(at).coerce_number().ok_or_else(|| self.wrong(at, "number"))
    }

    pub(crate) fn integer(&self, at: usize) -> Result<i64> {
        self.number(at).map(number::truncate)
    }

    pub(crate) fn integer_or(&self, at: usize, default: i64) -> Result<i64> {
        if self.get(at).is_nil() { Ok(default) } else { self.integer(at) }
    }

    /// A string, or a number as text.
    pub(crate) fn string(&self, at: usize) -> Result<Str> {
        match self.get(at) {
            Value::String(string) => Ok(string.clone()),
            Value::Number(number) => Ok(Str::short(number::to_text(*number).as_bytes())),
            _ => Err(self.wrong(at, "string")),
        }
    }
}
