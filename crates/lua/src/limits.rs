//! What a script may use up.

use std::cell::Cell;
use std::rc::Rc;

use crate::error::RuntimeError;

/// Steps of a run: statements, loop rounds, calls, and one for every [`BYTES_PER_STEP`] bytes of string work. About
/// half a second of pure computation; a customization of a Deployment takes some hundred.
pub const INSTRUCTIONS: u64 = 20_000_000;

/// Bytes a run may allocate. Tables and short strings count for the whole run, long strings while they live.
pub const MEMORY_BYTES: usize = 64 << 20;

/// Nested calls; gopher-lua has 256 frames. Builds without optimisation may end earlier, at the bound of the host's stack.
pub const DEPTH: usize = 250;

/// Steps between two questions to [`Limits::expired`].
pub const STEPS_PER_QUESTION: u64 = 4_096;

/// String bytes that cost one step.
pub const BYTES_PER_STEP: usize = 32;

/// Empty places of a table that are passed over for one step.
const PLACES_PER_STEP: usize = 16;

/// Values that the running functions may hold in their variables and arguments together. gopher-lua has room for some
/// five thousand.
pub(crate) const STACK_VALUES: usize = 1 << 16;

/// Bytes a JSON result may have: more than any API object, far less than a table of large shared strings.
pub(crate) const RESULT_BYTES: usize = 32 << 20;

/// Bytes of the host's stack a run may use: half of what a thread of the runtime or of a test has.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Measures how much of the host's stack a recursion has used.
///
/// Counting calls is not enough: how large a frame is depends on the build. The address of a local variable says where
/// the stack is, without touching it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostStack(usize);

impl HostStack {
    /// Measures from the caller's frame on.
    pub(crate) fn from_here() -> Self {
        Self(position())
    }

    pub(crate) fn is_used_up(self) -> bool {
        self.0.abs_diff(position()) > HOST_STACK_BYTES
    }
}

#[inline(never)]
fn position() -> usize {
    let marker = 0u8;
    std::ptr::from_ref(&marker).addr()
}

/// The limits of one machine.
#[derive(Clone, Copy)]
pub struct Limits<'a> {
    /// Steps, see [`INSTRUCTIONS`].
    pub instructions: u64,
    /// Bytes, see [`MEMORY_BYTES`].
    pub memory: usize,
    /// Nested calls, see [`DEPTH`].
    pub depth: usize,
    /// Asked every [`STEPS_PER_QUESTION`] steps; `true` ends the run.
    pub expired: Option<&'a dyn Fn() -> bool>,
}

impl Default for Limits<'_> {
    fn default() -> Self {
        Limits { instructions: INSTRUCTIONS, memory: MEMORY_BYTES, depth: DEPTH, expired: None }
    }
}

impl std::fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits")
            .field("instructions", &self.instructions)
            .field("memory", &self.memory)
            .field("depth", &self.depth)
            .field("expired", &self.expired.is_some())
            .finish()
    }
}

/// The limit that ended a run. `pcall` does not catch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// More steps than allowed.
    #[error("script stopped: more than {0} instructions")]
    Instructions(u64),
    /// More bytes than allowed.
    #[error("script stopped: more than {0} bytes of memory")]
    Memory(usize),
    /// Calls or expressions nested too deeply.
    #[error("script stopped: stack overflow")]
    Depth,
    /// [`Limits::expired`] said so.
    #[error("script stopped: context deadline exceeded")]
    Expired,
}

/// The bytes of a run. Long strings give theirs back when they die.
#[derive(Debug)]
pub(crate) struct Budget {
    used: Cell<usize>,
    /// Steps that tables did on their own and that the machine has not charged yet.
    work: Cell<u64>,
    allowed: usize,
}

impl Budget {
    pub(crate) fn new(allowed: usize) -> Rc<Self> {
        Rc::new(Self { used: Cell::new(0), work: Cell::new(0), allowed })
    }

    /// Takes `bytes`, before they are allocated.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), RuntimeError> {
        let used = self.used.get().saturating_add(bytes);
        if used > self.allowed {
            return Err(RuntimeError::limit(Limit::Memory(self.allowed)));
        }
        self.used.set(used);
        Ok(())
    }

    /// Notes that a table passed over so many places.
    pub(crate) fn passed(&self, places: usize) {
        if places >= PLACES_PER_STEP {
            self.work.set(self.work.get() + (places / PLACES_PER_STEP) as u64);
        }
    }

    /// The noted steps, which the caller charges.
    pub(crate) fn take_work(&self) -> u64 {
        match self.work.get() {
            0 => 0,
            _ => self.work.take(),
        }
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
    }
}
