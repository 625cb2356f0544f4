//! Statements and Lua function calls.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::{Block, Capture, Expr, GenericFor, NumericFor, Proto, Slot, Stmt};
use crate::error::RuntimeError;
use crate::library;
use crate::machine::Machine;
use crate::table::{Step, Table};
use crate::value::{Callable, Closure, Function, Returns, Value};

type Result<T> = std::result::Result<T, RuntimeError>;

/// A running Lua function.
pub(crate) struct Frame<'f> {
    /// Where its locals start on the stack.
    pub(crate) base: usize,
    /// Where its cells start.
    pub(crate) cells: usize,
    pub(crate) closure: &'f Rc<Closure>,
    pub(crate) varargs: &'f [Value],
}

/// How a statement ends.
enum Flow {
    Next,
    Break,
    Goto(u32),
    Return(Returns),
    /// A call in tail position, with its arguments on the stack from here on.
    Tail(Rc<Closure>, usize),
}

impl Machine<'_> {
    /// Runs a Lua function on the arguments that lie on the stack from `base` on.
    pub(crate) fn call_closure(&mut self, mut closure: Rc<Closure>, base: usize) -> Result<Returns> {
        let cells = self.cells.len();
        loop {
            let flow = self.run_body(&closure, base, cells);
            self.pop_frame();
            self.cells.truncate(cells);
            match flow {
                Ok(Flow::Tail(next, arguments)) => {
                    self.stack.drain(base..arguments);
                    closure = next;
                    self.charge(1)?;
                }
                ended => {
                    self.stack.truncate(base);
                    return ended.map(|flow| match flow {
                        Flow::Return(returns) => returns,
                        _ => Returns::Zero,
                    });
                }
            }
        }
    }

    fn run_body(&mut self, closure: &Rc<Closure>, base: usize, cells: usize) -> Result<Flow> {
        let proto = &closure.proto;
        self.push_frame(&closure.program);
        self.has_room(proto.slots)?;
        let mut varargs = Vec::new();
        if self.stack.len() > base + proto.params {
            if proto.vararg {
                varargs = self.stack.split_off(base + proto.params);
            } else {
                self.stack.truncate(base + proto.params);
            }
        }
        self.stack.resize(base + proto.slots, Value::Nil);
        if proto.cells > 0 {
            let unset = self.no_cell();
            self.cells.resize(cells + proto.cells, unset);
            for (slot, cell) in &proto.param_cells {
                let value = std::mem::take(&mut self.stack[base + *slot as usize]);
                self.cells[cells + *cell as usize] = self.new_cell(value)?;
            }
        }
        let frame = Frame { base, cells, closure, varargs: &varargs };
        if varargs.is_empty() {
            return self.block(&frame, &proto.body);
        }
        let bytes = size_of_val(varargs.as_slice());
        self.budget.take(bytes)?;
        let flow = self.block(&frame, &proto.body);
        self.budget.give_back(bytes);
        flow
    }

    fn block(&mut self, frame: &Frame<'_>, block: &Block) -> Result<Flow> {
        let mut at = 0;
        while let Some(statement) = block.statements.get(at) {
            at += 1;
            match self.statement(frame, statement)? {
                Flow::Next => {}
                Flow::Goto(label) => match block.labels.iter().find(|(name, _)| *name == label) {
                    Some((_, position)) => at = *position,
                    None => return Ok(Flow::Goto(label)),
                },
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, frame: &Frame<'_>, statement: &Stmt) -> Result<Flow> {
        self.charge(1)?;
        match statement {
            Stmt::Local { targets, values } => self.local(frame, targets, values)?,
            Stmt::LocalFunction { target, proto } => self.local_function(frame, *target, proto)?,
            Stmt::Assign { targets, values } => self.assign(frame, targets, values)?,
            Stmt::Call(call) => {
                self.eval_multiple(frame, call)?;
            }
            Stmt::Do(body) => return self.block(frame, body),
            Stmt::While { condition, body } => return self.while_loop(frame, condition, body),
            Stmt::Repeat { body, condition } => return self.repeat_loop(frame, body, condition),
            Stmt::If { arms, otherwise } => return self.branch(frame, arms, otherwise.as_ref()),
            Stmt::NumericFor(numeric) => return self.numeric_for(frame, numeric),
            Stmt::GenericFor(generic) => return self.generic_for(frame, generic),
            Stmt::Return { values } => return self.return_values(frame, values),
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Goto(label) => return Ok(Flow::Goto(*label)),
        }
        Ok(Flow::Next)
    }

    /// Gives a declared local its first value; a cell is a new one each time.
    fn declare(&mut self, frame: &Frame<'_>, slot: Slot, value: Value) -> Result<()> {
        match slot {
            Slot::Local(slot) => self.stack[frame.base + slot as usize] = value,
            Slot::Cell(cell) => self.cells[frame.cells + cell as usize] = self.new_cell(value)?,
        }
        Ok(())
    }

    fn local(&mut self, frame: &Frame<'_>, targets: &[Slot], values: &[Expr]) -> Result<()> {
        if let ([target], [value]) = (targets, values) {
            let value = self.eval(frame, value)?;
            return self.declare(frame, *target, value);
        }
        let base = self.stack.len();
        self.push_values(frame, values)?;
        for (at, target) in targets.iter().enumerate() {
            let value = self.stack.get_mut(base + at).map(std::mem::take).unwrap_or_default();
            self.declare(frame, *target, value)?;
        }
        self.stack.truncate(base);
        Ok(())
    }

    fn local_function(&mut self, frame: &Frame<'_>, target: Slot, proto: &Arc<Proto>) -> Result<()> {
        self.declare(frame, target, Value::Nil)?;
        let function = self.closure(frame, proto)?;
        match target {
            Slot::Local(slot) => self.stack[frame.base + slot as usize] = function,
            Slot::Cell(cell) => {
                self.cells[frame.cells + cell as usize].replace(function);
            }
        }
        Ok(())
    }

    /// A new closure over the variables of the running function.
    pub(crate) fn closure(&mut self, frame: &Frame<'_>, proto: &Arc<Proto>) -> Result<Value> {
        self.budget.take(48 + 16 * proto.upvalues.len())?;
        let upvalues = proto
            .upvalues
            .iter()
            .map(|capture| match capture {
                Capture::Cell(cell) => Rc::clone(&self.cells[frame.cells + *cell as usize]),
                Capture::Upvalue(number) => Rc::clone(&frame.closure.upvalues[*number as usize]),
            })
            .collect();
        let program = Rc::clone(&frame.closure.program);
        let closure = Closure { number: self.next_closure(), proto: Arc::clone(proto), program, upvalues };
        Ok(Value::Function(Function(Callable::Lua(Rc::new(closure)))))
    }

    fn assign(&mut self, frame: &Frame<'_>, targets: &[Expr], values: &[Expr]) -> Result<()> {
        if let ([target], [value]) = (targets, values) {
            return self.assign_one(frame, target, value);
        }
        // Tables and keys first, then the values, then the assignments from the last to the first.
        let places = self.stack.len();
        for target in targets {
            let (object, key) = match target {
                Expr::Index(index) => {
                    let object = self.eval(frame, &index.object)?;
                    (object, self.eval(frame, &index.key)?)
                }
                Expr::Field(field) => (self.eval(frame, &field.object)?, Value::Nil),
                _ => (Value::Nil, Value::Nil),
            };
            self.stack.push(object);
            self.stack.push(key);
        }
        let base = self.stack.len();
        self.push_values(frame, values)?;
        for (at, target) in targets.iter().enumerate().rev() {
            let value = self.stack.get_mut(base + at).map(std::mem::take).unwrap_or_default();
            let object = std::mem::take(&mut self.stack[places + 2 * at]);
            let key = std::mem::take(&mut self.stack[places + 2 * at + 1]);
            match target {
                Expr::Index(index) => self.set_index(&object, key, value, index.line)?,
                Expr::Field(field) => self.set_field(frame, &object, field, value)?,
                _ => self.set_variable(frame, target, value)?,
            }
        }
        self.stack.truncate(places);
        Ok(())
    }

    fn assign_one(&mut self, frame: &Frame<'_>, target: &Expr, value: &Expr) -> Result<()> {
        match target {
            Expr::Index(index) => {
                let object = self.eval(frame, &index.object)?;
                let key = self.eval(frame, &index.key)?;
                let value = self.eval(frame, value)?;
                self.set_index(&object, key, value, index.line)
            }
            Expr::Field(field) => {
                let object = self.eval(frame, &field.object)?;
                let value = self.eval(frame, value)?;
                self.set_field(frame, &object, field, value)
            }
            _ => {
                let value = self.eval(frame, value)?;
                self.set_variable(frame, target, value)
            }
        }
    }

    fn set_variable(&mut self, frame: &Frame<'_>, target: &Expr, value: Value) -> Result<()> {
        match target {
            Expr::Local(slot) => self.stack[frame.base + *slot as usize] = value,
            Expr::Cell(cell) => {
                self.cells[frame.cells + *cell as usize].replace(value);
            }
            Expr::Upvalue(number) => {
                frame.closure.upvalues[*number as usize].replace(value);
            }
            Expr::Global(name) => {
                let name = frame.closure.program.constants[*name as usize].clone();
                self.globals.set_field(name, value)?;
            }
            // The parser lets nothing else be assigned.
            _ => {}
        }
        Ok(())
    }

    fn branch(
        &mut self,
        frame: &Frame<'_>,
        arms: &[(Expr, Block)],
        otherwise: Option<&Block>,
    ) -> Result<Flow> {
        for (condition, body) in arms {
            if self.is_true(frame, condition)? {
                return self.block(frame, body);
            }
        }
        match otherwise {
            Some(body) => self.block(frame, body),
            None => Ok(Flow::Next),
        }
    }

    fn while_loop(&mut self, frame: &Frame<'_>, condition: &Expr, body: &Block) -> Result<Flow> {
        while self.is_true(frame, condition)? {
            self.charge(1)?;
            match self.block(frame, body)? {
                Flow::Next => {}
                Flow::Break => break,
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn repeat_loop(&mut self, frame: &Frame<'_>, body: &Block, condition: &Expr) -> Result<Flow> {
        loop {
            self.charge(1)?;
            match self.block(frame, body)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
            if self.is_true(frame, condition)? {
                return Ok(Flow::Next);
            }
        }
    }

    fn loop_number(&mut self, frame: &Frame<'_>, value: &Expr, what: &str, line: u32) -> Result<f64> {
        match self.eval(frame, value)? {
            Value::Number(number) => Ok(number),
            _ => Err(self.fail(line, format!("for statement {what} must be a number"))),
        }
    }

    fn numeric_for(&mut self, frame: &Frame<'_>, numeric: &NumericFor) -> Result<Flow> {
        let line = numeric.line;
        let start = self.loop_number(frame, &numeric.start, "init", line)?;
        let limit = self.loop_number(frame, &numeric.limit, "limit", line)?;
        let step = match &numeric.step {
            Some(step) => self.loop_number(frame, step, "step", line)?,
            None => 1.0,
        };
        // Subtracting first and adding per round is what the original does; it shows in the last digit.
        let mut number = start - step;
        loop {
            number += step;
            let goes_on = (step > 0.0 && number <= limit) || (step <= 0.0 && number >= limit);
            if !goes_on {
                return Ok(Flow::Next);
            }
            self.charge(1)?;
            self.declare(frame, numeric.target, Value::Number(number))?;
            match self.block(frame, &numeric.body)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
        }
    }

    fn generic_for(&mut self, frame: &Frame<'_>, generic: &GenericFor) -> Result<Flow> {
        let base = self.stack.len();
        self.push_values(frame, &generic.values)?;
        let mut values = self.stack.drain(base..);
        let (function, state, control) = (
            values.next().unwrap_or_default(),
            values.next().unwrap_or_default(),
            values.next().unwrap_or_default(),
        );
        drop(values);
        if let (Value::Function(Function(Callable::Builtin(builtin))), Value::Table(table)) =
            (&function, &state)
        {
            if std::ptr::eq(*builtin, &library::NEXT) && control.is_nil() {
                return self.for_pairs(frame, generic, table);
            }
            if std::ptr::eq(*builtin, &library::IPAIRS_STEP) && control.equals(&Value::Number(0.0)) {
                return self.for_ipairs(frame, generic, table);
            }
        }
        self.for_calls(frame, generic, &function, &state, control)
    }

    fn round(&mut self, frame: &Frame<'_>, generic: &GenericFor, key: Value, value: Value) -> Result<Flow> {
        self.charge(1)?;
        let mut values = [key, value].into_iter();
        for target in &generic.targets {
            self.declare(frame, *target, values.next().unwrap_or_default())?;
        }
        self.block(frame, &generic.body)
    }

    fn for_pairs(&mut self, frame: &Frame<'_>, generic: &GenericFor, table: &Table) -> Result<Flow> {
        let mut step = Step::Array(0);
        while let Some((key, value, next)) = table.next_from(step) {
            step = next;
            match self.round(frame, generic, key, value)? {
                Flow::Next => {}
                Flow::Break => break,
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn for_ipairs(&mut self, frame: &Frame<'_>, generic: &GenericFor, table: &Table) -> Result<Flow> {
        let mut position = 1.0;
        let mut at = 1;
        loop {
            let value = table.get_position(at);
            if value.is_nil() {
                return Ok(Flow::Next);
            }
            match self.round(frame, generic, Value::Number(position), value)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
            position += 1.0;
            at += 1;
        }
    }

    fn for_calls(
        &mut self,
        frame: &Frame<'_>,
        generic: &GenericFor,
        function: &Value,
        state: &Value,
        mut control: Value,
    ) -> Result<Flow> {
        loop {
            self.charge(1)?;
            self.at_line(generic.line);
            let base = self.stack.len();
            self.stack.push(state.clone());
            self.stack.push(control);
            let mut values = self.call_stacked(function, base)?.into_vec().into_iter();
            control = values.next().unwrap_or_default();
            if control.is_nil() {
                return Ok(Flow::Next);
            }
            for (at, target) in generic.targets.iter().enumerate() {
                let value = if at == 0 { control.clone() } else { values.next().unwrap_or_default() };
                self.declare(frame, *target, value)?;
            }
            match self.block(frame, &generic.body)? {
                Flow::Next => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
        }
    }

    fn return_values(&mut self, frame: &Frame<'_>, values: &[Expr]) -> Result<Flow> {
        Ok(Flow::Return(match values {
            [] => Returns::Zero,
            [Expr::Call(call)] => {
                let base = self.stack.len();
                let callee = self.push_call(frame, call)?;
                return self.tail(&callee, base);
            }
            [Expr::Method(method)] => {
                let base = self.stack.len();
                let callee = self.push_method(frame, method)?;
                return self.tail(&callee, base);
            }
            [Expr::Vararg] => Returns::Many(frame.varargs.to_vec()),
            [value] => Returns::One(self.eval(frame, value)?),
            values => {
                let base = self.stack.len();
                self.push_values(frame, values)?;
                Returns::Many(self.stack.split_off(base))
            }
        }))
    }

    /// A Lua function takes the place of the running one; others are called here, so that their errors have a position.
    fn tail(&mut self, callee: &Value, base: usize) -> Result<Flow> {
        if let Value::Function(Function(Callable::Lua(closure))) = callee {
            return Ok(Flow::Tail(Rc::clone(closure), base));
        }
        self.call_stacked(callee, base).map(Flow::Return)
    }
}

/// The value in a cell.
pub(crate) fn read(cell: &RefCell<Value>) -> Value {
    cell.borrow().clone()
}
