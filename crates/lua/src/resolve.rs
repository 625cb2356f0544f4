//! Names to slots, cells, upvalues and globals, while parsing; then cells for the locals that inner functions use.

use std::sync::Arc;

use crate::ast::{Block, Capture, Expr, Item, Proto, Slot, Stmt};

/// Locals that are visible at a time, upvalues, and labels of one function. gopher-lua's registers end at about as many
/// locals.
const NAMES: usize = 250;

/// A function under construction.
#[derive(Default)]
pub(crate) struct FunctionScope {
    /// Visible locals, the innermost last: name and number.
    active: Vec<(Vec<u8>, u32)>,
    /// By local number: whether an inner function uses it.
    captured: Vec<bool>,
    upvalues: Vec<(Vec<u8>, Capture)>,
    pub(crate) params: usize,
    pub(crate) vararg: bool,
    pub(crate) loops: usize,
    label_names: Vec<Vec<u8>>,
    blocks: Vec<BlockScope>,
}

#[derive(Default)]
struct BlockScope {
    first_local: usize,
    labels: Vec<(u32, usize)>,
    gotos: Vec<(u32, u32)>,
}

/// A name's meaning.
pub(crate) enum Meaning {
    Local(u32),
    Upvalue(u32),
    Global,
}

/// Finds the meaning of a name in the innermost of `functions`.
pub(crate) fn lookup(functions: &mut [FunctionScope], name: &[u8]) -> Meaning {
    let Some((scope, outer)) = functions.split_last_mut() else { return Meaning::Global };
    if let Some((_, local)) = scope.active.iter().rev().find(|(n, _)| n == name) {
        return Meaning::Local(*local);
    }
    match upvalue(scope, outer, name) {
        Some(number) => Meaning::Upvalue(number),
        None => Meaning::Global,
    }
}

/// Walks outwards without recursion: the functions between the user and the owner pass the variable on.
fn upvalue(scope: &mut FunctionScope, outer: &mut [FunctionScope], name: &[u8]) -> Option<u32> {
    if let Some(known) = scope.upvalue_number(name) {
        return Some(known);
    }
    let (owner, mut capture) = outer.iter().enumerate().rev().find_map(|(at, function)| {
        let local =
            function.active.iter().rev().find(|(n, _)| n == name).map(|(_, local)| Capture::Cell(*local));
        local.or_else(|| function.upvalue_number(name).map(Capture::Upvalue)).map(|capture| (at, capture))
    })?;
    if let Capture::Cell(local) = capture {
        outer[owner].captured[local as usize] = true;
    }
    for function in &mut outer[owner + 1..] {
        capture = Capture::Upvalue(function.add_upvalue(name, capture));
    }
    Some(scope.add_upvalue(name, capture))
}

fn number(len: usize) -> u32 {
    // Sources are far shorter than 2^32 names.
    u32::try_from(len).unwrap_or(u32::MAX)
}

impl FunctionScope {
    fn upvalue_number(&self, name: &[u8]) -> Option<u32> {
        self.upvalues.iter().position(|(n, _)| n == name).map(number)
    }

    fn add_upvalue(&mut self, name: &[u8], capture: Capture) -> u32 {
        self.upvalues.push((name.to_vec(), capture));
        number(self.upvalues.len() - 1)
    }

    /// Makes a new local visible.
    pub(crate) fn declare(&mut self, name: &[u8]) -> Slot {
        let local = self.reserve();
        self.show(name, local);
        Slot::Local(local)
    }

    /// A new local's number, not yet visible.
    pub(crate) fn reserve(&mut self) -> u32 {
        self.captured.push(false);
        number(self.captured.len() - 1)
    }

    pub(crate) fn show(&mut self, name: &[u8], local: u32) {
        // A shadowed upvalue of the same name stays reachable through its number only.
        self.active.push((name.to_vec(), local));
    }

    pub(crate) fn open_block(&mut self) {
        self.blocks.push(BlockScope { first_local: self.active.len(), ..BlockScope::default() });
    }

    /// Ends a block; gotos that found no label here look on outside.
    pub(crate) fn close_block(&mut self) -> Vec<(u32, usize)> {
        let Some(block) = self.blocks.pop() else { return Vec::new() };
        self.active.truncate(block.first_local);
        let open = block.gotos.into_iter().filter(|(name, _)| !block.labels.iter().any(|(l, _)| l == name));
        if let Some(outer) = self.blocks.last_mut() {
            outer.gotos.extend(open);
        } else {
            self.blocks.push(BlockScope { gotos: open.collect(), ..BlockScope::default() });
        }
        block.labels
    }

    /// The first goto without a label, after the function's last block: name and line.
    pub(crate) fn lost_goto(&self) -> Option<(String, u32)> {
        let (name, line) = self.blocks.first()?.gotos.first()?;
        Some((String::from_utf8_lossy(&self.label_names[*name as usize]).into_owned(), *line))
    }

    fn label_number(&mut self, name: &[u8]) -> u32 {
        match self.label_names.iter().position(|n| n == name) {
            Some(at) => number(at),
            None => {
                self.label_names.push(name.to_vec());
                number(self.label_names.len() - 1)
            }
        }
    }

    /// Declares a label before the statement at `position`; `false` when the block has it already.
    pub(crate) fn label(&mut self, name: &[u8], position: usize) -> bool {
        let name = self.label_number(name);
        let Some(block) = self.blocks.last_mut() else { return false };
        let fresh = !block.labels.iter().any(|(l, _)| *l == name);
        block.labels.push((name, position));
        fresh
    }

    pub(crate) fn goto(&mut self, name: &[u8], line: u32) -> u32 {
        let name = self.label_number(name);
        if let Some(block) = self.blocks.last_mut() {
            block.gotos.push((name, line));
        }
        name
    }

    /// What the function has too many of.
    pub(crate) fn overflow(&self) -> Option<&'static str> {
        if self.active.len() > NAMES {
            Some("too many local variables")
        } else if self.upvalues.len() > NAMES {
            Some("too many upvalues")
        } else if self.label_names.len() > NAMES {
            Some("too many labels")
        } else {
            None
        }
    }

    /// The finished function.
    pub(crate) fn finish(self, body: Block) -> Proto {
        let mut cells = 0;
        let cell_of: Vec<Option<u32>> = self
            .captured
            .iter()
            .map(|captured| {
                captured.then(|| {
                    cells += 1;
                    cells - 1
                })
            })
            .collect();
        let mut body = body;
        if cells > 0 {
            Cells(&cell_of).block(&mut body);
        }
        Proto {
            params: self.params,
            param_cells: (0..self.params)
                .filter_map(|at| cell_of[at].map(|cell| (number(at), cell)))
                .collect(),
            vararg: self.vararg,
            slots: self.captured.len(),
            cells: cells as usize,
            upvalues: self.upvalues.into_iter().map(|(_, capture)| capture).collect(),
            body,
        }
    }
}

/// Rewrites a function's uses of captured locals. Does not enter inner functions, only their capture lists.
struct Cells<'a>(&'a [Option<u32>]);

impl Cells<'_> {
    fn block(&self, block: &mut Block) {
        for statement in &mut block.statements {
            self.statement(statement);
        }
    }

    fn slot(&self, slot: &mut Slot) {
        if let Slot::Local(local) = *slot
            && let Some(cell) = self.0[local as usize]
        {
            *slot = Slot::Cell(cell);
        }
    }

    fn proto(&self, proto: &mut Arc<Proto>) {
        // Nobody shares a function before its chunk is finished.
        let Some(proto) = Arc::get_mut(proto) else { return };
        for capture in &mut proto.upvalues {
            if let Capture::Cell(local) = capture
                && let Some(cell) = self.0[*local as usize]
            {
                *local = cell;
            }
        }
    }

    fn exprs(&self, exprs: &mut [Expr]) {
        for expr in exprs {
            self.expr(expr);
        }
    }

    fn statement(&self, statement: &mut Stmt) {
        match statement {
            Stmt::Local { targets, values } => {
                self.exprs(values);
                targets.iter_mut().for_each(|slot| self.slot(slot));
            }
            Stmt::LocalFunction { target, proto } => {
                self.slot(target);
                self.proto(proto);
            }
            Stmt::Assign { targets, values } => {
                self.exprs(targets);
                self.exprs(values);
            }
            Stmt::Call(expr) => self.expr(expr),
            Stmt::Do(block) => self.block(block),
            Stmt::While { condition, body } | Stmt::Repeat { body, condition } => {
                self.expr(condition);
                self.block(body);
            }
            Stmt::If { arms, otherwise } => {
                for (condition, body) in arms {
                    self.expr(condition);
                    self.block(body);
                }
                otherwise.iter_mut().for_each(|body| self.block(body));
            }
            Stmt::NumericFor(numeric) => {
                self.slot(&mut numeric.target);
                self.expr(&mut numeric.start);
                self.expr(&mut numeric.limit);
                numeric.step.iter_mut().for_each(|step| self.expr(step));
                self.block(&mut numeric.body);
            }
            Stmt::GenericFor(generic) => {
                generic.targets.iter_mut().for_each(|slot| self.slot(slot));
                self.exprs(&mut generic.values);
                self.block(&mut generic.body);
            }
            Stmt::Return { values } => self.exprs(values),
            Stmt::Break | Stmt::Goto(_) => {}
        }
    }

    fn expr(&self, expr: &mut Expr) {
        match expr {
            Expr::Local(local) => {
                if let Some(cell) = self.0[*local as usize] {
                    *expr = Expr::Cell(cell);
                }
            }
            Expr::Function(proto) => self.proto(proto),
            Expr::Index(index) => {
                self.expr(&mut index.object);
                self.expr(&mut index.key);
            }
            Expr::Field(field) => self.expr(&mut field.object),
            Expr::Call(call) => {
                self.expr(&mut call.callee);
                self.exprs(&mut call.arguments);
            }
            Expr::Method(method) => {
                self.expr(&mut method.object);
                self.exprs(&mut method.arguments);
            }
            Expr::And(pair) | Expr::Or(pair) => {
                self.expr(&mut pair.0);
                self.expr(&mut pair.1);
            }
            Expr::Binary(binary) => {
                self.expr(&mut binary.left);
                self.expr(&mut binary.right);
            }
            Expr::Concat(concat) => self.exprs(&mut concat.parts),
            Expr::Not(inner) | Expr::Single(inner) => self.expr(inner),
            Expr::Negate(inner) | Expr::Length(inner) => self.expr(&mut inner.0),
            Expr::Table(table) => self.items(&mut table.items),
            Expr::Nil
            | Expr::True
            | Expr::False
            | Expr::Number(_)
            | Expr::String(_)
            | Expr::Vararg
            | Expr::Cell(_)
            | Expr::Upvalue(_)
            | Expr::Global(_) => {}
        }
    }

    fn items(&self, items: &mut [Item]) {
        for item in items {
            match item {
                Item::Positional(value) | Item::Named(_, value) => self.expr(value),
                Item::Keyed(key, value) => {
                    self.expr(key);
                    self.expr(value);
                }
            }
        }
    }
}
