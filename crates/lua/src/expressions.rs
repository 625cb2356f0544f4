//! The parser's expressions.

use std::sync::Arc;

use crate::ast::{Binary, Call, Concat, Expr, Field, Index, Item, Method, Op, Proto, TableItems};
use crate::lexer::{Keyword, Kind};
use crate::parser::{Parser, Result};
use crate::resolve::FunctionScope;

/// Left and right binding power of an operator; right associative ones bind weaker on their right.
fn binding(kind: &Kind) -> Option<(u8, u8)> {
    Some(match kind {
        Kind::Keyword(Keyword::Or) => (1, 1),
        Kind::Keyword(Keyword::And) => (2, 2),
        Kind::Symbol("<" | ">" | "<=" | ">=" | "~=" | "==") => (3, 3),
        Kind::Symbol("..") => (5, 4),
        Kind::Symbol("+" | "-") => (6, 6),
        Kind::Symbol("*" | "/" | "%") => (7, 7),
        Kind::Symbol("^") => (10, 9),
        _ => return None,
    })
}

/// Binding power of `not`, `#` and unary `-`.
const UNARY: u8 = 8;

impl Parser<'_> {
    pub(crate) fn expressions(&mut self) -> Result<Vec<Expr>> {
        let mut list = vec![self.expression()?];
        while self.accept(",")? {
            list.push(self.expression()?);
        }
        Ok(list)
    }

    pub(crate) fn expression(&mut self) -> Result<Expr> {
        self.operation(0)
    }

    /// Operators that bind tighter than `least`.
    fn operation(&mut self, least: u8) -> Result<Expr> {
        self.nested(|parser| {
            let mut left = parser.unary()?;
            while let Some((power, right_power)) = binding(&parser.token.kind) {
                if power <= least {
                    break;
                }
                left = parser.binary(left, right_power)?;
            }
            Ok(left)
        })
    }

    fn unary(&mut self) -> Result<Expr> {
        let line = self.token.line;
        match self.token.kind {
            Kind::Keyword(Keyword::Not) => {
                self.advance()?;
                Ok(Expr::Not(Box::new(self.operation(UNARY)?)))
            }
            Kind::Symbol("-") => {
                self.advance()?;
                Ok(match self.operation(UNARY)? {
                    Expr::Number(number) => Expr::Number(-number),
                    operand => Expr::Negate(Box::new((operand, line))),
                })
            }
            Kind::Symbol("#") => {
                self.advance()?;
                Ok(Expr::Length(Box::new((self.operation(UNARY)?, line))))
            }
            _ => self.simple(),
        }
    }

    fn binary(&mut self, left: Expr, right_power: u8) -> Result<Expr> {
        let operator = self.advance()?;
        if operator.kind == Kind::Symbol("..") {
            return self.concat(left, operator.line);
        }
        let right = self.operation(right_power)?;
        self.raise()?;
        let op = match operator.kind {
            Kind::Keyword(Keyword::Or) => return Ok(Expr::Or(Box::new((left, right)))),
            Kind::Keyword(_) => return Ok(Expr::And(Box::new((left, right)))),
            Kind::Symbol("+") => Op::Add,
            Kind::Symbol("-") => Op::Subtract,
            Kind::Symbol("*") => Op::Multiply,
            Kind::Symbol("/") => Op::Divide,
            Kind::Symbol("%") => Op::Modulo,
            Kind::Symbol("^") => Op::Power,
            Kind::Symbol("==") => Op::Equal,
            Kind::Symbol("~=") => Op::NotEqual,
            Kind::Symbol("<") => Op::Less,
            Kind::Symbol("<=") => Op::LessEqual,
            Kind::Symbol(">") => Op::Greater,
            _ => Op::GreaterEqual,
        };
        Ok(Expr::Binary(Box::new(Binary { op, left, right, line: operator.line })))
    }

    /// `..` is right associative; the whole chain becomes one node.
    fn concat(&mut self, left: Expr, line: u32) -> Result<Expr> {
        let mut parts = vec![left, self.operation(5)?];
        while self.accept("..")? {
            parts.push(self.operation(5)?);
        }
        self.raise()?;
        Ok(Expr::Concat(Box::new(Concat { parts, line })))
    }

    fn simple(&mut self) -> Result<Expr> {
        let expr = match &mut self.token.kind {
            Kind::Number(number) => Expr::Number(*number),
            Kind::Keyword(Keyword::Nil) => Expr::Nil,
            Kind::Keyword(Keyword::True) => Expr::True,
            Kind::Keyword(Keyword::False) => Expr::False,
            Kind::String(text) => {
                let text = std::mem::take(text);
                Expr::String(self.constant(text))
            }
            Kind::Symbol("...") => {
                if !self.scope().vararg {
                    return Err(self.error("cannot use '...' outside a vararg function"));
                }
                Expr::Vararg
            }
            Kind::Keyword(Keyword::Function) => {
                self.advance()?;
                return Ok(Expr::Function(self.function_body(false)?));
            }
            Kind::Symbol("{") => return self.table(),
            _ => return self.suffixed(),
        };
        self.advance()?;
        Ok(expr)
    }

    fn primary(&mut self) -> Result<Expr> {
        if matches!(self.token.kind, Kind::Name(_)) {
            let name = self.name()?;
            return Ok(self.variable(name));
        }
        self.expect("(")?;
        let inner = self.expression()?;
        self.expect(")")?;
        Ok(match inner {
            // Not assignable, and cut to one value.
            Expr::Nil | Expr::True | Expr::False | Expr::Number(_) | Expr::String(_) => inner,
            inner => Expr::Single(Box::new(inner)),
        })
    }

    /// A name or parenthesis with its fields, indexes and calls.
    pub(crate) fn suffixed(&mut self) -> Result<Expr> {
        let mut expr = self.primary()?;
        loop {
            let line = self.token.line;
            expr = match &self.token.kind {
                Kind::Symbol(".") => {
                    self.advance()?;
                    let name = self.name()?;
                    let name = self.constant(name);
                    Expr::Field(Box::new(Field { object: expr, name, line }))
                }
                Kind::Symbol("[") => {
                    self.advance()?;
                    let key = self.expression()?;
                    self.expect("]")?;
                    match key {
                        Expr::String(name) => Expr::Field(Box::new(Field { object: expr, name, line })),
                        key => Expr::Index(Box::new(Index { object: expr, key, line })),
                    }
                }
                Kind::Symbol(":") => {
                    self.advance()?;
                    let name = self.name()?;
                    let name = self.constant(name);
                    let arguments = self.arguments()?;
                    Expr::Method(Box::new(Method { object: expr, name, arguments, line }))
                }
                Kind::Symbol("(" | "{") | Kind::String(_) => {
                    if self.is("(") && self.after_paren && self.token.after_newline {
                        return Err(self.error("ambiguous syntax (function call x new line)"));
                    }
                    let arguments = self.arguments()?;
                    Expr::Call(Box::new(Call { callee: expr, arguments, line }))
                }
                _ => return Ok(expr),
            };
            self.raise()?;
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expr>> {
        match &mut self.token.kind {
            Kind::String(text) => {
                let text = std::mem::take(text);
                self.advance()?;
                Ok(vec![Expr::String(self.constant(text))])
            }
            Kind::Symbol("{") => Ok(vec![self.table()?]),
            _ => {
                self.expect("(")?;
                if self.accept(")")? {
                    return Ok(Vec::new());
                }
                let arguments = self.expressions()?;
                self.expect(")")?;
                Ok(arguments)
            }
        }
    }

    fn table(&mut self) -> Result<Expr> {
        let line = self.token.line;
        self.nested(|parser| {
            parser.expect("{")?;
            let mut items = Vec::new();
            while !parser.is("}") {
                items.push(parser.item()?);
                if !parser.accept(",")? && !parser.accept(";")? {
                    break;
                }
            }
            parser.expect("}")?;
            Ok(Expr::Table(Box::new(TableItems { items, line })))
        })
    }

    fn item(&mut self) -> Result<Item> {
        if self.accept("[")? {
            let key = self.expression()?;
            self.expect("]")?;
            self.expect("=")?;
            let value = self.expression()?;
            return Ok(match key {
                Expr::String(name) => Item::Named(name, value),
                key => Item::Keyed(key, value),
            });
        }
        if matches!(self.token.kind, Kind::Name(_)) && *self.look_ahead()? == Kind::Symbol("=") {
            let name = self.name()?;
            let name = self.constant(name);
            self.expect("=")?;
            return Ok(Item::Named(name, self.expression()?));
        }
        Ok(Item::Positional(self.expression()?))
    }

    /// Parameters and body, from the opening parenthesis to `end`.
    pub(crate) fn function_body(&mut self, method: bool) -> Result<Arc<Proto>> {
        self.nested(|parser| {
            parser.functions.push(FunctionScope::default());
            if method {
                parser.scope().declare(b"self");
                parser.scope().params = 1;
            }
            parser.parameters()?;
            let body = parser.block()?;
            parser.expect_word(Keyword::End)?;
            Ok(Arc::new(parser.close_function(body)?))
        })
    }

    fn parameters(&mut self) -> Result<()> {
        self.expect("(")?;
        while !self.is(")") {
            if self.accept("...")? {
                self.scope().vararg = true;
                break;
            }
            let name = self.name()?;
            self.scope().declare(&name);
            self.scope().params += 1;
            if !self.accept(",")? {
                break;
            }
            if self.is(")") {
                return Err(self.unexpected());
            }
        }
        self.expect(")")
    }
}
