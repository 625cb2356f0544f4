//! Tokens to the resolved tree.

use std::collections::HashMap;
use std::sync::Arc;

use crate::ast::{Block, Expr, Field, GenericFor, NumericFor, Proto, Slot, Stmt};
use crate::error::CompileError;
use crate::lexer::{Keyword, Kind, Lexer, Token};
use crate::limits::HostStack;
use crate::resolve::{FunctionScope, Meaning, lookup};

/// Nesting of blocks, functions, tables and parentheses that a source may have. The parser recurses.
const NESTING: usize = 150;

/// Height of the tree, chains like `a + b + c` included. The evaluator recurses.
const HEIGHT: usize = 500;

pub(crate) type Result<T> = std::result::Result<T, Box<CompileError>>;

/// A compiled source: the main function and the strings it uses.
#[derive(Debug)]
pub(crate) struct Code {
    pub(crate) main: Arc<Proto>,
    pub(crate) constants: Vec<Box<[u8]>>,
}

/// Compiles a source.
pub(crate) fn parse(name: &str, source: &str) -> Result<Code> {
    let mut lexer = Lexer::new(name, source);
    let token = lexer.next()?;
    let mut parser = Parser {
        name,
        lexer,
        token,
        ahead: None,
        functions: Vec::new(),
        constants: Vec::new(),
        numbers: HashMap::new(),
        depth: 0,
        stack: HostStack::from_here(),
        height: 0,
        after_paren: false,
    };
    parser.functions.push(FunctionScope::default());
    parser.scope().vararg = true;
    let body = parser.block()?;
    if parser.token.kind != Kind::End {
        return Err(parser.unexpected());
    }
    let main = Arc::new(parser.close_function(body)?);
    Ok(Code { main, constants: parser.constants })
}

pub(crate) struct Parser<'a> {
    name: &'a str,
    lexer: Lexer<'a>,
    pub(crate) token: Token,
    ahead: Option<Token>,
    pub(crate) functions: Vec<FunctionScope>,
    constants: Vec<Box<[u8]>>,
    numbers: HashMap<Vec<u8>, u32>,
    depth: usize,
    stack: HostStack,
    /// Height of the highest tree of the construct being parsed.
    height: usize,
    /// The last token was `)`.
    pub(crate) after_paren: bool,
}

impl Parser<'_> {
    // Tokens.

    pub(crate) fn advance(&mut self) -> Result<Token> {
        self.after_paren = self.token.kind == Kind::Symbol(")");
        let next = match self.ahead.take() {
            Some(token) => token,
            None => self.lexer.next()?,
        };
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub(crate) fn look_ahead(&mut self) -> Result<&Kind> {
        if self.ahead.is_none() {
            self.ahead = Some(self.lexer.next()?);
        }
        Ok(self.ahead.as_ref().map_or(&Kind::End, |token| &token.kind))
    }

    pub(crate) fn is(&self, symbol: &'static str) -> bool {
        self.token.kind == Kind::Symbol(symbol)
    }

    fn is_word(&self, word: Keyword) -> bool {
        self.token.kind == Kind::Keyword(word)
    }

    pub(crate) fn accept(&mut self, symbol: &'static str) -> Result<bool> {
        let found = self.is(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn accept_word(&mut self, word: Keyword) -> Result<bool> {
        let found = self.is_word(word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn expect(&mut self, symbol: &'static str) -> Result<()> {
        if self.accept(symbol)? { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn expect_word(&mut self, word: Keyword) -> Result<()> {
        if self.accept_word(word)? { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(crate) fn name(&mut self) -> Result<Vec<u8>> {
        match &mut self.token.kind {
            Kind::Name(name) => {
                let name = std::mem::take(name);
                self.advance()?;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn unexpected(&self) -> Box<CompileError> {
        self.error("syntax error")
    }

    pub(crate) fn error(&self, message: &str) -> Box<CompileError> {
        let mut error =
            CompileError::at(self.name, self.token.line, self.token.column, Some(self.token.text()), message);
        if self.token.kind == Kind::End {
            error.line = None;
            error.near = None;
        }
        error
    }

    fn error_at(&self, line: u32, message: &str) -> Box<CompileError> {
        CompileError::at(self.name, line, 0, None, message)
    }

    // Bounds.

    /// Parses a construct one level deeper.
    pub(crate) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING || self.stack.is_used_up() {
            return Err(self.error("too many nested syntax levels"));
        }
        self.depth += 1;
        let outer = std::mem::take(&mut self.height);
        let parsed = parse(self)?;
        self.depth -= 1;
        self.raise()?;
        self.height = self.height.max(outer);
        Ok(parsed)
    }

    /// The tree of the current construct grew by one level.
    pub(crate) fn raise(&mut self) -> Result<()> {
        self.height += 1;
        if self.height > HEIGHT { Err(self.error("expression too complex")) } else { Ok(()) }
    }

    // Scopes.

    pub(crate) fn scope(&mut self) -> &mut FunctionScope {
        if self.functions.is_empty() {
            self.functions.push(FunctionScope::default());
        }
        let last = self.functions.len() - 1;
        &mut self.functions[last]
    }

    pub(crate) fn constant(&mut self, bytes: Vec<u8>) -> u32 {
        if let Some(number) = self.numbers.get(&bytes) {
            return *number;
        }
        let number = u32::try_from(self.constants.len()).unwrap_or(u32::MAX);
        self.constants.push(bytes.clone().into_boxed_slice());
        self.numbers.insert(bytes, number);
        number
    }

    pub(crate) fn variable(&mut self, name: Vec<u8>) -> Expr {
        match lookup(&mut self.functions, &name) {
            Meaning::Local(local) => Expr::Local(local),
            Meaning::Upvalue(number) => Expr::Upvalue(number),
            Meaning::Global => Expr::Global(self.constant(name)),
        }
    }

    pub(crate) fn close_function(&mut self, body: Block) -> Result<Proto> {
        let scope = self.functions.pop().unwrap_or_default();
        if let Some((label, line)) = scope.lost_goto() {
            return Err(self.error_at(line, &format!("no visible label '{label}' for goto")));
        }
        Ok(scope.finish(body))
    }

    // Statements.

    pub(crate) fn block(&mut self) -> Result<Block> {
        self.open_block();
        let statements = self.statements()?;
        Ok(self.close_block(statements))
    }

    fn open_block(&mut self) {
        self.scope().open_block();
    }

    fn close_block(&mut self, statements: Vec<Stmt>) -> Block {
        Block { statements, labels: self.scope().close_block() }
    }

    fn statements(&mut self) -> Result<Vec<Stmt>> {
        let mut statements = Vec::new();
        loop {
            while self.accept(";")? {}
            match &self.token.kind {
                Kind::End
                | Kind::Keyword(Keyword::End | Keyword::Else | Keyword::ElseIf | Keyword::Until) => {
                    return Ok(statements);
                }
                Kind::Keyword(Keyword::Return) => {
                    statements.push(self.return_statement()?);
                    return Ok(statements);
                }
                Kind::Symbol("::") => self.label(statements.len())?,
                _ => statements.push(self.nested(Self::statement)?),
            }
            if let Some(problem) = self.scope().overflow() {
                return Err(self.error(problem));
            }
        }
    }

    fn return_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let ends = matches!(
            self.token.kind,
            Kind::End
                | Kind::Symbol(";")
                | Kind::Keyword(Keyword::End | Keyword::Else | Keyword::ElseIf | Keyword::Until)
        );
        let values = if ends { Vec::new() } else { self.expressions()? };
        self.accept(";")?;
        Ok(Stmt::Return { values })
    }

    fn label(&mut self, position: usize) -> Result<()> {
        self.advance()?;
        let line = self.token.line;
        let name = self.name()?;
        self.expect("::")?;
        if self.scope().label(&name, position) {
            return Ok(());
        }
        let name = String::from_utf8_lossy(&name).into_owned();
        Err(self.error_at(line, &format!("label '{name}' already defined")))
    }

    fn statement(&mut self) -> Result<Stmt> {
        let line = self.token.line;
        let Kind::Keyword(word) = self.token.kind else { return self.expression_statement() };
        match word {
            Keyword::Do => {
                self.advance()?;
                let body = self.block()?;
                self.expect_word(Keyword::End)?;
                Ok(Stmt::Do(body))
            }
            Keyword::While => self.while_statement(),
            Keyword::Repeat => self.repeat_statement(),
            Keyword::If => self.if_statement(),
            Keyword::For => self.for_statement(line),
            Keyword::Function => self.function_statement(line),
            Keyword::Local => self.local_statement(),
            Keyword::Break => {
                if self.scope().loops == 0 {
                    return Err(self.error("no loop to break"));
                }
                self.advance()?;
                Ok(Stmt::Break)
            }
            Keyword::Goto => {
                self.advance()?;
                let name = self.name()?;
                Ok(Stmt::Goto(self.scope().goto(&name, line)))
            }
            _ => Err(self.unexpected()),
        }
    }

    fn loop_body(&mut self) -> Result<Block> {
        self.scope().loops += 1;
        let body = self.block()?;
        self.scope().loops -= 1;
        Ok(body)
    }

    fn while_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        let condition = self.expression()?;
        self.expect_word(Keyword::Do)?;
        let body = self.loop_body()?;
        self.expect_word(Keyword::End)?;
        Ok(Stmt::While { condition, body })
    }

    /// The condition sees the locals of the body.
    fn repeat_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        self.scope().loops += 1;
        self.open_block();
        let statements = self.statements()?;
        self.scope().loops -= 1;
        self.expect_word(Keyword::Until)?;
        let condition = self.expression()?;
        let body = self.close_block(statements);
        Ok(Stmt::Repeat { body, condition })
    }

    fn if_statement(&mut self) -> Result<Stmt> {
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            self.advance()?;
            let condition = self.expression()?;
            self.expect_word(Keyword::Then)?;
            let body = self.block()?;
            arms.push((condition, body));
            if self.is_word(Keyword::ElseIf) {
                continue;
            }
            if self.accept_word(Keyword::Else)? {
                otherwise = Some(self.block()?);
            }
            self.expect_word(Keyword::End)?;
            return Ok(Stmt::If { arms, otherwise });
        }
    }

    fn for_statement(&mut self, line: u32) -> Result<Stmt> {
        self.advance()?;
        let first = self.name()?;
        if self.accept("=")? {
            return self.numeric_for(&first, line);
        }
        let mut names = vec![first];
        while self.accept(",")? {
            names.push(self.name()?);
        }
        self.expect_word(Keyword::In)?;
        let values = self.expressions()?;
        self.expect_word(Keyword::Do)?;
        self.open_block();
        let targets = names.iter().map(|name| self.scope().declare(name)).collect();
        let body = self.loop_body()?;
        self.close_block(Vec::new());
        self.expect_word(Keyword::End)?;
        Ok(Stmt::GenericFor(Box::new(GenericFor { targets, values, body, line })))
    }

    fn numeric_for(&mut self, name: &[u8], line: u32) -> Result<Stmt> {
        let start = self.expression()?;
        self.expect(",")?;
        let limit = self.expression()?;
        let step = if self.accept(",")? { Some(self.expression()?) } else { None };
        self.expect_word(Keyword::Do)?;
        self.open_block();
        let target = self.scope().declare(name);
        let body = self.loop_body()?;
        self.close_block(Vec::new());
        self.expect_word(Keyword::End)?;
        Ok(Stmt::NumericFor(Box::new(NumericFor { target, start, limit, step, body, line })))
    }

    fn function_statement(&mut self, line: u32) -> Result<Stmt> {
        self.advance()?;
        let name = self.name()?;
        let mut target = self.variable(name);
        let mut method = false;
        while self.is(".") || self.is(":") {
            method = self.is(":");
            self.advance()?;
            let name = self.name()?;
            let name = self.constant(name);
            target = Expr::Field(Box::new(Field { object: target, name, line }));
            self.raise()?;
            if method {
                break;
            }
        }
        let proto = self.function_body(method)?;
        Ok(Stmt::Assign { targets: vec![target], values: vec![Expr::Function(proto)] })
    }

    fn local_statement(&mut self) -> Result<Stmt> {
        self.advance()?;
        if self.accept_word(Keyword::Function)? {
            let name = self.name()?;
            let target = self.scope().declare(&name);
            let proto = self.function_body(false)?;
            return Ok(Stmt::LocalFunction { target, proto });
        }
        let mut names = vec![self.name()?];
        while self.accept(",")? {
            names.push(self.name()?);
        }
        let values = if self.accept("=")? { self.expressions()? } else { Vec::new() };
        let targets = names
            .iter()
            .map(|name| {
                let local = self.scope().reserve();
                self.scope().show(name, local);
                Slot::Local(local)
            })
            .collect();
        Ok(Stmt::Local { targets, values })
    }

    fn expression_statement(&mut self) -> Result<Stmt> {
        let first = self.suffixed()?;
        if !self.is("=") && !self.is(",") {
            return match first {
                Expr::Call(_) | Expr::Method(_) => Ok(Stmt::Call(first)),
                _ => Err(self.unexpected()),
            };
        }
        let mut targets = vec![first];
        while self.accept(",")? {
            targets.push(self.suffixed()?);
        }
        for target in &targets {
            let assignable = matches!(
                target,
                Expr::Local(_) | Expr::Upvalue(_) | Expr::Global(_) | Expr::Index(_) | Expr::Field(_)
            );
            if !assignable {
                return Err(self.unexpected());
            }
        }
        self.expect("=")?;
        let values = self.expressions()?;
        Ok(Stmt::Assign { targets, values })
    }
}
