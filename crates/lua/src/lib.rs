//! A small Lua 5.1 machine for customizations: no unsafe code, hard limits, the habits of gopher-lua.
//!
//! A [`Chunk`] is compiled once. For every use a fresh [`Machine`] runs it and calls its functions with values made from
//! JSON; [`Limits`] end every script that would run or grow too long.
//!
//! ```
//! let chunk = lua::Chunk::compile("replicas", "function GetReplicas(obj) return obj.spec.replicas end")?;
//! let mut machine = lua::Machine::new(lua::Limits::default());
//! machine.run(&chunk)?;
//! let object = machine.from_json(&serde_json::json!({"spec": {"replicas": 3}}))?;
//! let results = machine.call("GetReplicas", &[object])?;
//! assert_eq!(results[0].as_number(), Some(3.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where it differs from gopher-lua on purpose: limits are not caught by `pcall`; `string.gsub` and `string.rep` work;
//! `table.sort` is stable; `tostring` numbers tables instead of showing addresses; `print` prints nothing.

mod convert;
mod error;
mod limits;
mod machine;
mod table;
mod value;

mod ast;
mod expressions;
mod lexer;
mod parser;
mod resolve;

mod eval;
mod exec;
mod library;
mod number;

#[cfg(test)]
mod tests;

pub use error::{CompileError, Error, RuntimeError};
pub use limits::{BYTES_PER_STEP, DEPTH, INSTRUCTIONS, Limit, Limits, MEMORY_BYTES, STEPS_PER_QUESTION};
pub use machine::{Chunk, Machine, Module, NativeFn, Surroundings};
pub use table::Table;
pub use value::{Function, Str, Value};
