//! Tables: an array part and a hash part that remembers insertion order.
//!
//! Positive integer keys live in the array, which is filled with nils up to a new key, all others in the hash. A removed
//! hash key keeps its place in the order and takes it again when it comes back. This is how gopher-lua's tables
//! behave, and scripts see it through `pairs` and `#`.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::error::RuntimeError;
use crate::limits::Budget;
use crate::number;
use crate::value::{Str, Value};

/// Keys from here on are hash keys: the bound of gopher-lua's arrays.
const ARRAY_KEYS: f64 = 67_108_864.0;

/// Up to this many hash keys are found by looking at each.
const SCANNED_KEYS: usize = 8;

/// What a table itself counts in the memory limit, and each of its values.
const TABLE_BYTES: usize = 128;
const ARRAY_BYTES: usize = size_of::<Value>();
const ENTRY_BYTES: usize = 2 * size_of::<Value>() + 8;

/// A table, shared by everything that holds it.
#[derive(Clone)]
pub struct Table(Rc<Shared>);

struct Shared {
    data: RefCell<Data>,
    /// Fills the table when it is first looked at: a script uses few of the libraries.
    filler: Cell<Option<fn(&Table)>>,
    budget: Rc<Budget>,
    /// The table's number in its machine, which `tostring` shows.
    number: usize,
    /// The last conversion to JSON that came by.
    visit: Cell<u64>,
}

#[derive(Default)]
struct Data {
    array: Vec<Value>,
    /// Keys in the order of their first insertion; a removed one has a nil value.
    entries: Vec<(Value, Value)>,
    /// Positions in `entries` plus one by hash, open addressing; empty while the table is small.
    index: Vec<u32>,
    /// Entries with a value.
    live: usize,
}

/// What a key is.
enum Place<'a> {
    Array(usize),
    Hash(&'a Value),
}

fn place(key: &Value) -> Place<'_> {
    match key {
        Value::Number(number) if *number > 0.0 && *number < ARRAY_KEYS => match number::as_integer(*number) {
            Some(integer) => Place::Array(usize::try_from(integer - 1).unwrap_or(0)),
            None => Place::Hash(key),
        },
        _ => Place::Hash(key),
    }
}

impl Table {
    pub(crate) fn with_capacity(
        budget: &Rc<Budget>,
        number: usize,
        array: usize,
        hash: usize,
    ) -> Result<Self, RuntimeError> {
        budget.take(TABLE_BYTES)?;
        let mut data = Data { array: Vec::with_capacity(array), ..Data::default() };
        data.entries.reserve_exact(hash);
        Ok(Self::holding(data, budget, number))
    }

    /// A table of the libraries, which does not count itself; what a script puts into it does.
    pub(crate) fn uncounted(budget: &Rc<Budget>, number: usize) -> Self {
        Self::holding(Data::default(), budget, number)
    }

    fn holding(data: Data, budget: &Rc<Budget>, number: usize) -> Self {
        Self(Rc::new(Shared {
            data: RefCell::new(data),
            filler: Cell::new(None),
            budget: Rc::clone(budget),
            number,
            visit: Cell::new(0),
        }))
    }

    /// Makes the table get its content when it is first looked at.
    pub(crate) fn fill_later(&self, filler: fn(&Self)) {
        self.0.filler.set(Some(filler));
    }

    #[inline]
    fn data(&self) -> Ref<'_, Data> {
        self.fill();
        self.0.data.borrow()
    }

    #[inline]
    fn data_mut(&self) -> RefMut<'_, Data> {
        self.fill();
        self.0.data.borrow_mut()
    }

    #[inline]
    fn fill(&self) {
        if let Some(filler) = self.0.filler.take() {
            filler(self);
        }
    }

    /// Whether both are the same table.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// The table's number in its machine.
    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    pub(crate) fn address(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }

    /// Marks the table as seen by the visit; says whether it was already.
    pub(crate) fn visited(&self, visit: u64) -> bool {
        self.0.visit.replace(visit) == visit
    }

    /// The value of a key, or nil.
    pub fn get(&self, key: &Value) -> Value {
        let data = self.data();
        match place(key) {
            Place::Array(index) => data.array.get(index).cloned().unwrap_or_default(),
            Place::Hash(key) => data.find(key).map(|at| data.entries[at].1.clone()).unwrap_or_default(),
        }
    }

    /// The value of a string key, or nil.
    pub fn get_str(&self, key: &str) -> Value {
        self.get_bytes(key.as_bytes())
    }

    pub(crate) fn get_bytes(&self, key: &[u8]) -> Value {
        let data = self.data();
        data.find_bytes(key).map(|at| data.entries[at].1.clone()).unwrap_or_default()
    }

    /// The value at a position, or nil; positions count from 1.
    pub fn get_index(&self, position: usize) -> Value {
        self.get_position(i64::try_from(position).unwrap_or(0))
    }

    pub(crate) fn get_position(&self, position: i64) -> Value {
        let data = self.data();
        usize::try_from(position - 1).ok().and_then(|at| data.array.get(at)).cloned().unwrap_or_default()
    }

    /// Sets a key; nil removes it. Fails on the keys nil and not-a-number, and at the memory limit.
    pub fn set(&self, key: Value, value: Value) -> Result<(), RuntimeError> {
        match place(&key) {
            Place::Array(index) => self.set_array(index, value),
            Place::Hash(Value::Nil) => Err(RuntimeError::new("table index is nil")),
            Place::Hash(Value::Number(number)) if number.is_nan() => {
                Err(RuntimeError::new("table index is NaN"))
            }
            Place::Hash(_) => self.set_hash(key, value),
        }
    }

    pub(crate) fn set_field(&self, key: Str, value: Value) -> Result<(), RuntimeError> {
        self.set_hash(Value::String(key), value)
    }

    fn set_array(&self, index: usize, value: Value) -> Result<(), RuntimeError> {
        let mut data = self.data_mut();
        if let Some(slot) = data.array.get_mut(index) {
            *slot = value;
            return Ok(());
        }
        self.0.budget.take((index + 1 - data.array.len()) * ARRAY_BYTES)?;
        if index > data.array.len() {
            data.array.resize(index, Value::Nil);
        }
        data.array.push(value);
        Ok(())
    }

    fn set_hash(&self, key: Value, value: Value) -> Result<(), RuntimeError> {
        let mut data = self.data_mut();
        let data = &mut *data;
        if let Some(at) = data.find(&key) {
            let slot = &mut data.entries[at].1;
            data.live = data.live + usize::from(!value.is_nil()) - usize::from(!slot.is_nil());
            *slot = value;
            return Ok(());
        }
        if value.is_nil() {
            return Ok(());
        }
        self.0.budget.take(ENTRY_BYTES)?;
        data.insert(key, value);
        Ok(())
    }

    /// Makes room for so many string keys.
    pub(crate) fn reserve(&self, keys: usize) {
        let mut data = self.data_mut();
        data.entries.reserve_exact(keys);
        if keys > SCANNED_KEYS {
            data.rebuild((keys * 2).next_power_of_two());
        }
    }

    /// Adds a string key that the caller knows to be new.
    pub(crate) fn insert_new(&self, key: Str, value: Value) -> Result<(), RuntimeError> {
        self.0.budget.take(ENTRY_BYTES)?;
        self.insert_uncounted(key, value);
        Ok(())
    }

    /// Adds a string key that the caller knows to be new, outside of the memory limit.
    pub(crate) fn insert_uncounted(&self, key: Str, value: Value) {
        if !value.is_nil() {
            self.data_mut().insert(Value::String(key), value);
        }
    }

    /// The border that `#` gives: the position of the last value of the array that is not nil.
    pub fn len(&self) -> usize {
        let data = self.data();
        let len = data.array.iter().rposition(|value| !value.is_nil()).map_or(0, |at| at + 1);
        self.0.budget.passed(data.array.len() - len);
        len
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        let data = self.data();
        data.live == 0 && data.array.iter().all(Value::is_nil)
    }

    /// Puts a value behind the last one of the array; nil is ignored.
    pub fn push(&self, value: Value) -> Result<(), RuntimeError> {
        if value.is_nil() {
            return Ok(());
        }
        self.set_array(self.len(), value)
    }

    /// Puts a value at the end of the array part of a table that has no trailing nils.
    pub(crate) fn append(&self, value: Value) -> Result<(), RuntimeError> {
        self.set_array(self.array_len(), value)
    }

    pub(crate) fn insert(&self, position: i64, value: Value) -> Result<(), RuntimeError> {
        let len = self.data().array.len();
        match usize::try_from(position) {
            Ok(at) if at >= 1 && at <= len => {
                self.0.budget.take(ARRAY_BYTES)?;
                self.data_mut().array.insert(at - 1, value);
                Ok(())
            }
            _ => {
                #[expect(clippy::cast_precision_loss, reason = "Lua has floating point numbers only")]
                let key = position as f64;
                self.set(Value::Number(key), value)
            }
        }
    }

    pub(crate) fn remove(&self, position: i64) -> Value {
        let mut data = self.data_mut();
        let len = i64::try_from(data.array.len()).unwrap_or(i64::MAX);
        let index = position.saturating_sub(1);
        if len == 0 || index >= len {
            return Value::Nil;
        }
        match usize::try_from(index) {
            Ok(at) => data.array.remove(at),
            Err(_) => data.array.pop().unwrap_or_default(),
        }
    }

    /// Length of the array part, trailing nils included.
    pub(crate) fn array_len(&self) -> usize {
        self.data().array.len()
    }

    /// Takes the array part out, for sorting.
    pub(crate) fn take_array(&self) -> Vec<Value> {
        std::mem::take(&mut self.data_mut().array)
    }

    pub(crate) fn put_array(&self, array: Vec<Value>) {
        self.data_mut().array = array;
    }

    /// Forgets everything, so that tables that hold each other are freed.
    pub(crate) fn clear(&self) {
        self.0.filler.set(None);
        let data = std::mem::take(&mut *self.0.data.borrow_mut());
        drop(data);
    }

    /// The key and value after `key` in order, `None` at the end. Nil starts; an unknown key goes on behind the first
    /// hash key, as gopher-lua does.
    pub fn next(&self, key: &Value) -> Option<(Value, Value)> {
        let data = self.data();
        let from = match key {
            Value::Nil => 0,
            Value::Number(number) if *number > 0.0 && *number < ARRAY_KEYS => {
                match number::as_integer(*number) {
                    Some(integer) => usize::try_from(integer).unwrap_or(0),
                    None => return self.after(&data, key),
                }
            }
            _ => return self.after(&data, key),
        };
        self.walk(&data, Step::Array(from)).map(|(key, value, _)| (key, value))
    }

    /// Like `next`, with a cursor instead of a key.
    pub(crate) fn next_from(&self, step: Step) -> Option<(Value, Value, Step)> {
        self.walk(&self.data(), step)
    }

    fn walk(&self, data: &Data, step: Step) -> Option<(Value, Value, Step)> {
        let found = data.from(step);
        let end = match &found {
            Some((_, _, end)) => data.place(*end),
            None => data.array.len() + data.entries.len(),
        };
        self.0.budget.passed(end.saturating_sub(data.place(step)));
        found
    }

    fn after(&self, data: &Data, key: &Value) -> Option<(Value, Value)> {
        let at = data.find(key).unwrap_or(0) + 1;
        self.walk(data, Step::Hash(at)).map(|(key, value, _)| (key, value))
    }
}

/// A place in a table's order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Array(usize),
    Hash(usize),
}

impl Data {
    fn from(&self, step: Step) -> Option<(Value, Value, Step)> {
        let start = match step {
            Step::Array(start) => {
                for (at, value) in self.array.iter().enumerate().skip(start) {
                    if !value.is_nil() {
                        #[expect(clippy::cast_precision_loss, reason = "array positions are below 2^26")]
                        let key = (at + 1) as f64;
                        return Some((Value::Number(key), value.clone(), Step::Array(at + 1)));
                    }
                }
                0
            }
            Step::Hash(start) => start,
        };
        for (at, (key, value)) in self.entries.iter().enumerate().skip(start) {
            if !value.is_nil() {
                return Some((key.clone(), value.clone(), Step::Hash(at + 1)));
            }
        }
        None
    }

    /// How many places lie before a step.
    fn place(&self, step: Step) -> usize {
        match step {
            Step::Array(at) => at,
            Step::Hash(at) => self.array.len() + at,
        }
    }

    fn find(&self, key: &Value) -> Option<usize> {
        if let Value::String(string) = key {
            return self.find_bytes(string.as_bytes());
        }
        if self.index.is_empty() {
            return self.entries.iter().position(|(k, _)| k.equals(key));
        }
        self.probe(hash(key), |k| k.equals(key))
    }

    fn find_bytes(&self, key: &[u8]) -> Option<usize> {
        let same = |k: &Value| matches!(k, Value::String(string) if string.as_bytes() == key);
        if self.index.is_empty() {
            return self.entries.iter().position(|(k, _)| same(k));
        }
        self.probe(hash_bytes(key), same)
    }

    fn probe(&self, hash: u64, same: impl Fn(&Value) -> bool) -> Option<usize> {
        let mask = self.index.len() - 1;
        let mut slot = to_slot(hash, mask);
        loop {
            match self.index[slot] {
                0 => return None,
                at if same(&self.entries[at as usize - 1].0) => return Some(at as usize - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    fn insert(&mut self, key: Value, value: Value) {
        self.entries.push((key, value));
        self.live += 1;
        let count = self.entries.len();
        if count <= SCANNED_KEYS && self.index.is_empty() {
            return;
        }
        if count * 2 > self.index.len() {
            self.rebuild((count * 4).next_power_of_two());
        } else {
            self.enter(count - 1);
        }
    }

    fn rebuild(&mut self, size: usize) {
        self.index.clear();
        self.index.resize(size, 0);
        for at in 0..self.entries.len() {
            self.enter(at);
        }
    }

    fn enter(&mut self, at: usize) {
        let mask = self.index.len() - 1;
        let mut slot = to_slot(hash(&self.entries[at].0), mask);
        while self.index[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        // The memory limit keeps tables far below 2^32 entries.
        self.index[slot] = u32::try_from(at + 1).unwrap_or(u32::MAX);
    }
}

fn to_slot(hash: u64, mask: usize) -> usize {
    // The high bits of a multiplicative hash are the good ones.
    usize::try_from(hash >> 32).unwrap_or(0) & mask
}

const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.try_into().map_or(0, u64::from_le_bytes);
        hash = (hash ^ word).wrapping_mul(MIX).rotate_left(29);
    }
    let mut word = 0;
    for byte in chunks.remainder() {
        word = (word << 8) | u64::from(*byte);
    }
    (hash ^ word).wrapping_mul(MIX)
}

fn hash(key: &Value) -> u64 {
    let word = match key {
        Value::String(string) => return hash_bytes(string.as_bytes()),
        Value::Nil => 0,
        Value::Bool(value) => 1 + u64::from(*value),
        // The two zeros are one key.
        Value::Number(number) => (number + 0.0).to_bits(),
        Value::Table(table) => table.address() as u64,
        Value::Function(function) => function.address() as u64,
    };
    let mixed = word.wrapping_mul(MIX);
    (mixed ^ (mixed >> 29)).wrapping_mul(MIX)
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "table: {:#x}", self.number())
    }
}
