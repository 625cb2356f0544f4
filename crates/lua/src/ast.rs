//! The resolved tree that the evaluator walks.
//!
//! Names are gone: a local is a slot of its function's frame, or, when an inner function uses it, a cell; strings are
//! numbers of the chunk's constants.

use std::sync::Arc;

/// A function's code, shared by all its closures.
#[derive(Debug, Default)]
pub(crate) struct Proto {
    /// Number of parameters; they are the first slots.
    pub(crate) params: usize,
    /// Parameters that inner functions use: (slot, cell).
    pub(crate) param_cells: Vec<(u32, u32)>,
    pub(crate) vararg: bool,
    pub(crate) slots: usize,
    pub(crate) cells: usize,
    pub(crate) upvalues: Vec<Capture>,
    pub(crate) body: Block,
}

/// Where a new closure finds an upvalue in the function that makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Capture {
    /// A local of the making function, by its number until its function is finished, then by its cell.
    Cell(u32),
    Upvalue(u32),
}

#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) statements: Vec<Stmt>,
    /// Labels of this very block: (name's number, position).
    pub(crate) labels: Vec<(u32, usize)>,
}

/// A declared local.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    Local(u32),
    Cell(u32),
}

#[derive(Debug)]
pub(crate) enum Stmt {
    Local { targets: Vec<Slot>, values: Vec<Expr> },
    LocalFunction { target: Slot, proto: Arc<Proto> },
    Assign { targets: Vec<Expr>, values: Vec<Expr> },
    Call(Expr),
    Do(Block),
    While { condition: Expr, body: Block },
    Repeat { body: Block, condition: Expr },
    If { arms: Vec<(Expr, Block)>, otherwise: Option<Block> },
    NumericFor(Box<NumericFor>),
    GenericFor(Box<GenericFor>),
    Return { values: Vec<Expr> },
    Break,
    Goto(u32),
}

#[derive(Debug)]
pub(crate) struct NumericFor {
    pub(crate) target: Slot,
    pub(crate) start: Expr,
    pub(crate) limit: Expr,
    pub(crate) step: Option<Expr>,
    pub(crate) body: Block,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct GenericFor {
    pub(crate) targets: Vec<Slot>,
    pub(crate) values: Vec<Expr>,
    pub(crate) body: Block,
    pub(crate) line: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

#[derive(Debug)]
pub(crate) enum Expr {
    Nil,
    True,
    False,
    Number(f64),
    String(u32),
    Vararg,
    Local(u32),
    Cell(u32),
    Upvalue(u32),
    Global(u32),
    Index(Box<Index>),
    Field(Box<Field>),
    Call(Box<Call>),
    Method(Box<Method>),
    Function(Arc<Proto>),
    And(Box<(Self, Self)>),
    Or(Box<(Self, Self)>),
    Binary(Box<Binary>),
    Concat(Box<Concat>),
    Not(Box<Self>),
    Negate(Box<(Self, u32)>),
    Length(Box<(Self, u32)>),
    Table(Box<TableItems>),
    /// An expression in parentheses that could have several values: one remains.
    Single(Box<Self>),
}

#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) object: Expr,
    pub(crate) key: Expr,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) object: Expr,
    pub(crate) name: u32,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) callee: Expr,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) object: Expr,
    pub(crate) name: u32,
    pub(crate) arguments: Vec<Expr>,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct Binary {
    pub(crate) op: Op,
    pub(crate) left: Expr,
    pub(crate) right: Expr,
    pub(crate) line: u32,
}

/// `a .. b .. c`, flat.
#[derive(Debug)]
pub(crate) struct Concat {
    pub(crate) parts: Vec<Expr>,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) struct TableItems {
    pub(crate) items: Vec<Item>,
    pub(crate) line: u32,
}

#[derive(Debug)]
pub(crate) enum Item {
    Positional(Expr),
    Named(u32, Expr),
    Keyed(Expr, Expr),
}

impl Expr {
    /// Whether the expression can have none or several values.
    pub(crate) fn is_multiple(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Method(_) | Self::Vararg)
    }
}
