//! What goes wrong: when compiling, inside a script, and for the caller.

use std::fmt;

use crate::limits::Limit;
use crate::value::Value;

/// Why a source is no Lua. Says the line, the column and the token, as gopher-lua does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The chunk's name.
    pub name: String,
    /// Line of the problem, from 1; `None` at the end of the source.
    pub line: Option<u32>,
    /// Byte column, from 1.
    pub column: u32,
    /// The token where the parser stopped.
    pub near: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl CompileError {
    pub(crate) fn at(name: &str, line: u32, column: u32, near: Option<String>, message: &str) -> Box<Self> {
        Box::new(Self { name: name.to_owned(), line: Some(line), column, near, message: message.to_owned() })
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None => write!(f, "{} at EOF:   {}", self.name, self.message),
            Some(line) => write!(
                f,
                "{} line:{}(column:{}) near '{}':   {}",
                self.name,
                line,
                self.column,
                self.near.as_deref().unwrap_or(""),
                self.message
            ),
        }
    }
}

impl std::error::Error for CompileError {}

/// An error on its way through a script: a raised value, which `pcall` catches, or a limit, which it does not.
#[derive(Debug, Clone)]
pub struct RuntimeError(pub(crate) Box<Thrown>);

#[derive(Debug, Clone)]
pub(crate) enum Thrown {
    /// A message that still needs the position of the calling Lua code in front.
    Message(String),
    /// A raised value as it will be caught.
    Value(Value),
    Limit(Limit),
}

impl RuntimeError {
    /// An error of a native function. The position of the calling script line is put in front.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Box::new(Thrown::Message(message.into())))
    }

    pub(crate) fn value(value: Value) -> Self {
        Self(Box::new(Thrown::Value(value)))
    }

    pub(crate) fn limit(limit: Limit) -> Self {
        Self(Box::new(Thrown::Limit(limit)))
    }

    /// The limit that was reached, when the error is one.
    pub fn as_limit(&self) -> Option<Limit> {
        match *self.0 {
            Thrown::Limit(limit) => Some(limit),
            Thrown::Message(_) | Thrown::Value(_) => None,
        }
    }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Thrown::Message(message) => f.write_str(message),
            Thrown::Value(value) => fmt::Display::fmt(value, f),
            Thrown::Limit(limit) => fmt::Display::fmt(limit, f),
        }
    }
}

impl std::error::Error for RuntimeError {}

/// Why running a chunk or calling a function did not give an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The script defines no such global.
    #[error("not found function {name}")]
    NoFunction {
        /// The function that was asked for.
        name: String,
    },
    /// The global is there, but of another type.
    #[error("{name} is not a function: {kind}")]
    NotAFunction {
        /// The function that was asked for.
        name: String,
        /// The type the global has.
        kind: &'static str,
    },
    /// The script raised an error; the message starts with its position where Lua gives one.
    #[error("{message}")]
    Raised {
        /// The raised value as text.
        message: String,
    },
    /// The script was stopped.
    #[error("{0}")]
    Limit(#[from] Limit),
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        match *error.0 {
            Thrown::Limit(limit) => Self::Limit(limit),
            Thrown::Message(message) => Self::Raised { message },
            Thrown::Value(value) => Self::Raised { message: value.to_string() },
        }
    }
}
