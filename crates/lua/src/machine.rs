//! A fresh environment in which chunks run.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::{CompileError, Error, RuntimeError, Thrown};
use crate::library;
use crate::limits::{BYTES_PER_STEP, Budget, HostStack, Limit, Limits, STACK_VALUES, STEPS_PER_QUESTION};
use crate::parser::{self, Code};
use crate::table::Table;
use crate::value::{Callable, Cell, Closure, Function, Returns, Str, Value};

/// A compiled source. Cheap to clone, shared between threads, run in any number of machines.
#[derive(Debug, Clone)]
pub struct Chunk(Arc<Source>);

#[derive(Debug)]
struct Source {
    name: String,
    code: Code,
}

impl Chunk {
    /// Compiles `source`; `name` stands in front of the positions in its errors.
    pub fn compile(name: &str, source: &str) -> Result<Self, CompileError> {
        let code = parser::parse(name, source).map_err(|error| *error)?;
        Ok(Self(Arc::new(Source { name: name.to_owned(), code })))
    }

    /// The name given at compilation.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

/// A chunk in a machine, with its strings as values.
pub(crate) struct Program {
    chunk: Chunk,
    pub(crate) constants: Vec<Str>,
}

/// The body of a native function: gets the call's arguments, answers its results.
pub type NativeFn = dyn Fn(&mut Machine<'_>, &[Value]) -> Result<Vec<Value>, RuntimeError> + Send + Sync;

/// What `require` gives for one name: a table of native functions, or the value of a chunk. Cheap to clone and shared
/// between threads.
#[derive(Clone, Default)]
pub struct Module(Content);

#[derive(Clone)]
enum Content {
    Functions(Vec<(&'static str, Arc<NativeFn>)>),
    Chunk(Chunk),
}

impl Default for Content {
    fn default() -> Self {
        Self::Functions(Vec::new())
    }
}

impl Module {
    /// A module without functions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a native function.
    #[must_use]
    pub fn function(
        mut self,
        name: &'static str,
        run: impl Fn(&mut Machine<'_>, &[Value]) -> Result<Vec<Value>, RuntimeError> + Send + Sync + 'static,
    ) -> Self {
        if let Content::Functions(functions) = &mut self.0 {
            functions.push((name, Arc::new(run)));
        }
        self
    }
}

impl From<Chunk> for Module {
    /// The chunk runs when it is first required, in the environment of the script that requires it.
    fn from(chunk: Chunk) -> Self {
        Self(Content::Chunk(chunk))
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Content::Functions(functions) => {
                f.debug_list().entries(functions.iter().map(|(name, _)| name)).finish()
            }
            Content::Chunk(chunk) => chunk.fmt(f),
        }
    }
}

/// What a script can ask the machine for besides its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// What `os.time()` says: seconds since 1970 in UTC.
    pub now: i64,
    /// Start of the sequence of `math.random`.
    pub seed: u64,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self { now: 0, seed: 1 }
    }
}

/// A fresh environment: global variables, libraries and limits. Made for one use and dropped; scripts of two machines
/// cannot see each other.
pub struct Machine<'a> {
    limits: Limits<'a>,
    pub(crate) budget: Rc<Budget>,
    steps: u64,
    next_question: u64,
    depth: usize,
    host_stack: Option<HostStack>,
    pub(crate) stack: Vec<Value>,
    pub(crate) cells: Vec<Cell>,
    no_cell: Cell,
    /// The Lua functions that are running, with the line each is at.
    frames: Vec<Active>,
    spare: Vec<Vec<Value>>,
    pub(crate) globals: Table,
    pub(crate) strings: Table,
    pub(crate) loaded: Table,
    modules: Vec<(String, Module)>,
    /// Everything that can take part in a cycle; emptied at the end.
    tables: Vec<Table>,
    all_cells: Vec<Cell>,
    closures: usize,
    pub(crate) surroundings: Surroundings,
}

struct Active {
    program: Rc<Program>,
    line: u32,
}

impl<'a> Machine<'a> {
    /// A machine at the beginning of 1970 with a fixed random sequence.
    pub fn new(limits: Limits<'a>) -> Self {
        Self::with_surroundings(limits, Surroundings::default())
    }

    /// A machine with a time and a random seed.
    pub fn with_surroundings(limits: Limits<'a>, surroundings: Surroundings) -> Self {
        let budget = Budget::new(limits.memory);
        let libraries = library::open(&budget);
        Machine {
            next_question: limits.instructions.min(STEPS_PER_QUESTION),
            limits,
            budget,
            steps: 0,
            depth: 0,
            host_stack: None,
            stack: Vec::with_capacity(64),
            cells: Vec::new(),
            no_cell: Rc::new(RefCell::new(Value::Nil)),
            frames: Vec::new(),
            spare: Vec::new(),
            globals: libraries.globals,
            strings: libraries.strings,
            loaded: libraries.loaded,
            modules: Vec::new(),
            tables: libraries.tables,
            all_cells: Vec::new(),
            closures: 0,
            surroundings,
        }
    }

    /// Makes `require(name)` give a module.
    pub fn preload(&mut self, name: &str, module: Module) {
        self.modules.retain(|(known, _)| known != name);
        self.modules.push((name.to_owned(), module));
    }

    /// Runs a chunk; its functions stay defined. The answer is what the chunk returns.
    pub fn run(&mut self, chunk: &Chunk) -> Result<Vec<Value>, Error> {
        Ok(self.run_chunk(chunk)?.into_vec())
    }

    /// Whether the global `name` is a function.
    pub fn has_function(&self, name: &str) -> bool {
        matches!(self.globals.get_str(name), Value::Function(_))
    }

    /// The value of a global variable, or nil.
    pub fn global(&self, name: &str) -> Value {
        self.globals.get_str(name)
    }

    /// Calls the global function `name`.
    pub fn call(&mut self, name: &str, arguments: &[Value]) -> Result<Vec<Value>, Error> {
        match self.globals.get_str(name) {
            function @ Value::Function(_) => Ok(self.call_value(&function, arguments)?.into_vec()),
            Value::Nil => Err(Error::NoFunction { name: name.to_owned() }),
            other => Err(Error::NotAFunction { name: name.to_owned(), kind: other.type_name() }),
        }
    }

    /// A new, empty table.
    pub fn new_table(&mut self) -> Result<Table, RuntimeError> {
        self.table_with_capacity(0, 0)
    }

    pub(crate) fn table_with_capacity(&mut self, array: usize, hash: usize) -> Result<Table, RuntimeError> {
        let table = Table::with_capacity(&self.budget, self.tables.len(), array, hash)?;
        self.tables.push(table.clone());
        Ok(table)
    }

    /// A new string.
    pub fn string(&self, bytes: &[u8]) -> Result<Value, RuntimeError> {
        Ok(Value::String(Str::copied(bytes, &self.budget)?))
    }

    pub(crate) fn owned_string(&self, bytes: Vec<u8>) -> Result<Value, RuntimeError> {
        Ok(Value::String(Str::owned(bytes, &self.budget)?))
    }

    pub(crate) fn new_cell(&mut self, value: Value) -> Result<Cell, RuntimeError> {
        self.budget.take(64)?;
        let cell = Rc::new(RefCell::new(value));
        self.all_cells.push(Rc::clone(&cell));
        Ok(cell)
    }

    pub(crate) fn next_closure(&mut self) -> usize {
        self.closures += 1;
        self.closures
    }

    pub(crate) fn no_cell(&self) -> Cell {
        Rc::clone(&self.no_cell)
    }

    /// Steps used so far, see [`Limits::instructions`].
    pub fn steps(&self) -> u64 {
        self.steps
    }

    // Limits.

    /// Uses up steps.
    pub(crate) fn charge(&mut self, steps: u64) -> Result<(), RuntimeError> {
        self.steps = self.steps.saturating_add(steps).saturating_add(self.budget.take_work());
        if self.steps < self.next_question { Ok(()) } else { self.question() }
    }

    /// Uses up the steps of working on some bytes.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result<(), RuntimeError> {
        self.charge((bytes / BYTES_PER_STEP) as u64)
    }

    /// Whether a string of so many bytes may be made.
    pub(crate) fn fits(&self, bytes: usize) -> Result<(), RuntimeError> {
        self.budget.take(bytes)?;
        self.budget.give_back(bytes);
        Ok(())
    }

    /// Uses up the steps of making a string of so many bytes, if it may be made.
    pub(crate) fn charge_string(&mut self, bytes: usize) -> Result<(), RuntimeError> {
        self.fits(bytes)?;
        self.charge_bytes(bytes)
    }

    #[cold]
    fn question(&mut self) -> Result<(), RuntimeError> {
        if self.steps > self.limits.instructions {
            return Err(RuntimeError::limit(Limit::Instructions(self.limits.instructions)));
        }
        if self.limits.expired.is_some_and(|expired| expired()) {
            return Err(RuntimeError::limit(Limit::Expired));
        }
        self.next_question =
            (self.steps + STEPS_PER_QUESTION).min(self.limits.instructions.saturating_add(1));
        Ok(())
    }

    /// One call deeper; every success is followed by one `leave`.
    fn enter(&mut self) -> Result<(), RuntimeError> {
        self.charge(1)?;
        let stack = *self.host_stack.get_or_insert_with(HostStack::from_here);
        if self.depth >= self.limits.depth || stack.is_used_up() {
            return Err(RuntimeError::limit(Limit::Depth));
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
        if self.depth == 0 {
            // The next call from outside may come from elsewhere on the host's stack.
            self.host_stack = None;
        }
    }

    /// Whether so many more values may lie on the stack.
    pub(crate) fn has_room(&self, values: usize) -> Result<(), RuntimeError> {
        if self.stack.len().saturating_add(values) > STACK_VALUES {
            return Err(RuntimeError::limit(Limit::Depth));
        }
        Ok(())
    }

    // Calls.

    pub(crate) fn run_chunk(&mut self, chunk: &Chunk) -> Result<Returns, RuntimeError> {
        let constants = chunk.0.code.constants.iter().map(|bytes| Str::short(bytes)).collect();
        let program = Rc::new(Program { chunk: chunk.clone(), constants });
        let proto = Arc::clone(&chunk.0.code.main);
        let number = self.next_closure();
        let closure = Rc::new(Closure { number, proto, program, upvalues: Box::default() });
        self.call_value(&Value::Function(Function(Callable::Lua(closure))), &[])
    }

    /// Calls a value with arguments.
    pub(crate) fn call_value(
        &mut self,
        callee: &Value,
        arguments: &[Value],
    ) -> Result<Returns, RuntimeError> {
        let base = self.stack.len();
        self.stack.extend_from_slice(arguments);
        let result = self.call_stacked(callee, base);
        self.stack.truncate(base);
        result
    }

    /// Calls a function value of a script, for native functions.
    pub fn call_function(
        &mut self,
        function: &Function,
        arguments: &[Value],
    ) -> Result<Vec<Value>, RuntimeError> {
        Ok(self.call_value(&Value::Function(function.clone()), arguments)?.into_vec())
    }

    /// Calls a value with the arguments that lie on the stack from `base` on.
    pub(crate) fn call_stacked(&mut self, callee: &Value, base: usize) -> Result<Returns, RuntimeError> {
        let Value::Function(function) = callee else {
            return Err(self.positioned(RuntimeError::new("attempt to call a non-function object")));
        };
        self.enter()?;
        let result = match &function.0 {
            Callable::Lua(closure) => self.call_closure(Rc::clone(closure), base),
            other => self.call_library(other, base),
        };
        self.leave();
        result
    }

    fn call_library(&mut self, callable: &Callable, base: usize) -> Result<Returns, RuntimeError> {
        let mut arguments = self.spare.pop().unwrap_or_default();
        arguments.extend(self.stack.drain(base..));
        let result = match callable {
            Callable::Builtin(builtin) => (builtin.run)(self, &arguments),
            Callable::Native(native) => native(self, &arguments).map(Returns::Many),
            Callable::Iterator(iterator) => iterator(self),
            Callable::Lua(_) => Ok(Returns::Zero),
        };
        arguments.clear();
        self.spare.push(arguments);
        self.stack.truncate(base);
        result.map_err(|error| self.positioned(error))
    }

    // Positions.

    pub(crate) fn push_frame(&mut self, program: &Rc<Program>) {
        self.frames.push(Active { program: Rc::clone(program), line: 0 });
    }

    pub(crate) fn pop_frame(&mut self) {
        self.frames.pop();
    }

    /// Notes the line of the running function, for errors.
    pub(crate) fn at_line(&mut self, line: u32) {
        if let Some(frame) = self.frames.last_mut() {
            frame.line = line;
        }
    }

    /// `name:line:` of the running Lua function, `level` calls out from 0.
    pub(crate) fn position(&self, level: usize) -> Option<String> {
        let at = self.frames.len().checked_sub(level + 1)?;
        let frame = self.frames.get(at)?;
        Some(format!("{}:{}:", frame.program.chunk.name(), frame.line))
    }

    /// Puts the position in front of a bare message.
    pub(crate) fn positioned(&self, error: RuntimeError) -> RuntimeError {
        let Thrown::Message(message) = *error.0 else { return error };
        let text = match self.position(0) {
            Some(position) => format!("{position} {message}"),
            None => message,
        };
        self.owned_string(text.into_bytes()).map_or_else(|limit| limit, RuntimeError::value)
    }

    // Modules.

    /// The value of a preloaded module, made when first asked for.
    pub(crate) fn require(&mut self, name: &[u8]) -> Result<Value, RuntimeError> {
        let known = self.loaded.get_bytes(name);
        if known.is_truthy() {
            return Ok(known);
        }
        let shown = String::from_utf8_lossy(name).into_owned();
        let Some((_, module)) = self.modules.iter().find(|(n, _)| n.as_bytes() == name) else {
            let preload =
                self.globals.get_bytes(b"package").as_table().map(|package| package.get_bytes(b"preload"));
            let loader = preload.and_then(|preload| preload.as_table().map(|table| table.get_bytes(name)));
            if let Some(loader @ Value::Function(_)) = loader {
                let argument = self.string(name)?;
                let value = self.call_value(&loader, &[argument])?.first();
                return self.keep_module(name, value);
            }
            let reason = format!("module {shown} not found:\n\tno field package.preload['{shown}'], ");
            return Err(RuntimeError::new(reason));
        };
        let value = match module.clone().0 {
            Content::Functions(functions) => {
                let table = self.table_with_capacity(0, functions.len())?;
                for (name, run) in functions {
                    table.set_field(Str::fixed(name), Value::Function(Function(Callable::Native(run))))?;
                }
                Value::Table(table)
            }
            Content::Chunk(chunk) => self.run_chunk(&chunk)?.first(),
        };
        self.keep_module(name, value)
    }

    fn keep_module(&mut self, name: &[u8], value: Value) -> Result<Value, RuntimeError> {
        let value = if value.is_nil() { Value::Bool(true) } else { value };
        let name = Str::copied(name, &self.budget)?;
        self.loaded.set_field(name, value.clone())?;
        Ok(value)
    }
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        // Every table and cell is still held here, so nothing is freed recursively.
        for table in &self.tables {
            table.clear();
        }
        for cell in &self.all_cells {
            cell.replace(Value::Nil);
        }
    }
}

impl std::fmt::Debug for Machine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("limits", &self.limits)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
