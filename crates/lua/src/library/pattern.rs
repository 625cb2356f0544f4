//! Lua patterns: a backtracking matcher that pays for its steps.

use super::Result;
use crate::error::RuntimeError;
use crate::machine::Machine;

/// Captures a pattern can have, as in C Lua.
const CAPTURES: usize = 32;

/// Nested choices; a pattern has at most one per item.
const NESTING: usize = 200;

/// Steps of the matcher between two charges, and how many of them cost one of the machine's.
const CHARGED_TOGETHER: u64 = 1024;
const STEPS_PER_CHARGE: u64 = 4;

/// What a capture holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    Open(usize),
    Text(usize, usize),
    /// `()`: the position, from 0.
    Position(usize),
}

/// A match of a pattern in a subject: byte range and captures.
#[derive(Debug, Clone)]
pub(crate) struct Match {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) captures: Vec<Capture>,
}

/// The first match at or after `from`. An anchored pattern is tried there only.
pub(crate) fn find(
    machine: &mut Machine<'_>,
    subject: &[u8],
    pattern: &[u8],
    from: usize,
) -> Result<Option<Match>> {
    let (anchored, pattern) = match pattern.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    for start in from..=subject.len() {
        let mut matcher = Matcher { machine, subject, pattern, captures: Vec::new(), depth: 0, steps: 0 };
        let end = matcher.run(start, 0)?;
        matcher.settle()?;
        if let Some(end) = end {
            let captures = std::mem::take(&mut matcher.captures);
            if captures.iter().any(|capture| matches!(capture, Capture::Open(_))) {
                return Err(RuntimeError::new("unfinished capture"));
            }
            return Ok(Some(Match { start, end, captures }));
        }
        if anchored {
            break;
        }
    }
    Ok(None)
}

/// Whether the pattern is plain text.
pub(crate) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

struct Matcher<'s, 'm, 'l> {
    machine: &'m mut Machine<'l>,
    subject: &'s [u8],
    pattern: &'s [u8],
    captures: Vec<Capture>,
    depth: usize,
    steps: u64,
}

impl Matcher<'_, '_, '_> {
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps >= CHARGED_TOGETHER { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<()> {
        let steps = std::mem::take(&mut self.steps);
        self.machine.charge(steps / STEPS_PER_CHARGE + 1)
    }

    /// Matches the pattern from `at` on against the subject from `here` on; gives the end.
    fn run(&mut self, here: usize, at: usize) -> Result<Option<usize>> {
        if self.depth >= NESTING {
            return Err(RuntimeError::new("pattern too complex"));
        }
        self.depth += 1;
        let result = self.items(here, at);
        self.depth -= 1;
        result
    }

    fn items(&mut self, mut here: usize, mut at: usize) -> Result<Option<usize>> {
        loop {
            self.step()?;
            match (self.pattern.get(at), self.pattern.get(at + 1)) {
                (None, _) => return Ok(Some(here)),
                (Some(b'('), Some(b')')) => {
                    return self.with_capture(Capture::Position(here), here, at + 2);
                }
                (Some(b'('), _) => return self.with_capture(Capture::Open(here), here, at + 1),
                (Some(b')'), _) => return self.close_capture(here, at + 1),
                (Some(b'$'), None) => return Ok((here == self.subject.len()).then_some(here)),
                (Some(b'%'), Some(b'b')) => match self.balanced(here, at + 2)? {
                    Some(end) => (here, at) = (end, at + 4),
                    None => return Ok(None),
                },
                (Some(b'%'), Some(b'f')) if self.pattern.get(at + 2) == Some(&b'[') => {
                    let set_end = self.class_end(at + 2)?;
                    if !self.frontier(here, at + 2, set_end) {
                        return Ok(None);
                    }
                    at = set_end;
                }
                (Some(b'%'), Some(digit)) if digit.is_ascii_digit() => match self.repeated(here, *digit)? {
                    Some(end) => (here, at) = (end, at + 2),
                    None => return Ok(None),
                },
                _ => {
                    let class_end = self.class_end(at)?;
                    let once = self.single(here, at, class_end);
                    match self.pattern.get(class_end) {
                        Some(b'?') => {
                            if once && let Some(end) = self.run(here + 1, class_end + 1)? {
                                return Ok(Some(end));
                            }
                            at = class_end + 1;
                        }
                        Some(b'*') => return self.longest(here, at, class_end, 0),
                        Some(b'+') if once => return self.longest(here, at, class_end, 1),
                        Some(b'+') => return Ok(None),
                        Some(b'-') => return self.shortest(here, at, class_end),
                        _ if once => (here, at) = (here + 1, class_end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    /// Where the single-character class at `at` ends.
    fn class_end(&self, at: usize) -> Result<usize> {
        match self.pattern.get(at) {
            Some(b'%') if at + 1 >= self.pattern.len() => {
                Err(RuntimeError::new("malformed pattern (ends with '%')"))
            }
            Some(b'%') => Ok(at + 2),
            Some(b'[') => self.set_end(at + 1),
            _ => Ok(at + 1),
        }
    }

    fn set_end(&self, mut at: usize) -> Result<usize> {
        let missing = || RuntimeError::new("malformed pattern (missing ']')");
        if self.pattern.get(at) == Some(&b'^') {
            at += 1;
        }
        let first = at;
        loop {
            match self.pattern.get(at).ok_or_else(missing)? {
                b']' if at > first => return Ok(at + 1),
                b'%' => at += 2,
                _ => at += 1,
            }
        }
    }

    fn single(&self, here: usize, at: usize, class_end: usize) -> bool {
        let Some(byte) = self.subject.get(here).copied() else { return false };
        match self.pattern[at] {
            b'.' => true,
            b'%' => in_class(byte, self.pattern[at + 1]),
            b'[' => in_set(byte, &self.pattern[at + 1..class_end - 1]),
            literal => literal == byte,
        }
    }

    fn longest(&mut self, here: usize, at: usize, class_end: usize, least: usize) -> Result<Option<usize>> {
        let mut count = 0;
        while self.single(here + count, at, class_end) {
            self.step()?;
            count += 1;
        }
        loop {
            if let Some(end) = self.run(here + count, class_end + 1)? {
                return Ok(Some(end));
            }
            if count <= least {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn shortest(&mut self, mut here: usize, at: usize, class_end: usize) -> Result<Option<usize>> {
        loop {
            if let Some(end) = self.run(here, class_end + 1)? {
                return Ok(Some(end));
            }
            if !self.single(here, at, class_end) {
                return Ok(None);
            }
            here += 1;
        }
    }

    fn with_capture(&mut self, capture: Capture, here: usize, at: usize) -> Result<Option<usize>> {
        if self.captures.len() >= CAPTURES {
            return Err(RuntimeError::new("too many captures"));
        }
        let known = self.captures.len();
        self.captures.push(capture);
        let end = self.run(here, at)?;
        if end.is_none() {
            self.captures.truncate(known);
        }
        Ok(end)
    }

    fn close_capture(&mut self, here: usize, at: usize) -> Result<Option<usize>> {
        let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
        let Some(number) = open else { return Err(RuntimeError::new("invalid pattern capture")) };
        let before = self.captures[number];
        if let Capture::Open(start) = before {
            self.captures[number] = Capture::Text(start, here);
        }
        let end = self.run(here, at)?;
        if end.is_none() {
            self.captures[number] = before;
        }
        Ok(end)
    }

    /// `%bxy`: from an x to its y.
    fn balanced(&mut self, here: usize, at: usize) -> Result<Option<usize>> {
        let (Some(open), Some(close)) = (self.pattern.get(at).copied(), self.pattern.get(at + 1).copied())
        else {
            return Err(RuntimeError::new("unbalanced pattern"));
        };
        if self.subject.get(here) != Some(&open) {
            return Ok(None);
        }
        let mut depth = 1usize;
        for at in here + 1..self.subject.len() {
            self.step()?;
            let byte = self.subject[at];
            if byte == close {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == open {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`: between a character outside the set and one inside; both ends count as zero bytes.
    fn frontier(&self, here: usize, at: usize, set_end: usize) -> bool {
        let set = &self.pattern[at + 1..set_end - 1];
        let before = if here == 0 { 0 } else { self.subject[here - 1] };
        let after = self.subject.get(here).copied().unwrap_or(0);
        !in_set(before, set) && in_set(after, set)
    }

    /// `%1`: the text of an earlier capture again.
    fn repeated(&mut self, here: usize, digit: u8) -> Result<Option<usize>> {
        let number = usize::from(digit - b'0');
        let capture = number.checked_sub(1).and_then(|at| self.captures.get(at));
        let Some(Capture::Text(start, end)) = capture.copied() else {
            return Err(RuntimeError::new("invalid capture index"));
        };
        self.machine.charge_bytes(end - start)?;
        let text = &self.subject[start..end];
        Ok(self.subject[here..].starts_with(text).then_some(here + text.len()))
    }
}

/// Whether a byte is in the set between the brackets.
fn in_set(byte: u8, set: &[u8]) -> bool {
    let (negated, set) = match set.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, set),
    };
    let mut at = 0;
    while let Some(first) = set.get(at) {
        match (first, set.get(at + 1), set.get(at + 2)) {
            (b'%', Some(class), _) => {
                if in_class(byte, *class) {
                    return !negated;
                }
                at += 2;
            }
            (low, Some(b'-'), Some(high)) => {
                if (*low..=*high).contains(&byte) {
                    return !negated;
                }
                at += 3;
            }
            (literal, ..) => {
                if *literal == byte {
                    return !negated;
                }
                at += 1;
            }
        }
    }
    negated
}

/// Whether a byte is in the class of a letter; an upper case letter is the complement.
fn in_class(byte: u8, class: u8) -> bool {
    let inside = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 11,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    inside != class.is_ascii_uppercase()
}
