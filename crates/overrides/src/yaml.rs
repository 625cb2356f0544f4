//! YAML as Go writes it.
//!
//! A document in a field is read, patched and written again, and what is in the member cluster can be compared
//! with it letter by letter. So the spelling is that of the Go library that Kubernetes uses: keys in natural
//! order, lists not indented below their key, single quotes where plain text would be taken for structure,
//! double quotes where it would be taken for a number, a date or a word like `yes`, long lines folded at
//! spaces. See <https://github.com/yaml/go-yaml/blob/v2.4.0/emitterc.go> and `resolve.go` beside it.

use std::fmt::Write;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Number, Value};

/// Columns after which a line is folded at the next space.
const WIDTH: usize = 80;
/// Longest key that stands before its colon without a question mark.
const KEY_LEN_MAX: usize = 128;

/// Writes a document.
pub(crate) fn write(document: &Value) -> String {
    let mut out = Writer { text: String::new() };
    match document {
        Value::Object(map) if !map.is_empty() => out.map(map, 0, false),
        Value::Array(items) if !items.is_empty() => out.list(items, 0, false),
        leaf => {
            out.leaf(leaf, 0);
            out.end_line();
        }
    }
    out.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn column(&self) -> usize {
        self.text.rsplit('\n').next().unwrap_or_default().chars().count()
    }

    fn end_line(&mut self) {
        if !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn start_line(&mut self, indent: usize) {
        self.end_line();
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    /// `inline` when the first key stands on a line that has begun, behind a dash.
    fn map(&mut self, map: &Map<String, Value>, indent: usize, mut inline: bool) {
        for key in in_natural_order(map.keys()) {
            if !std::mem::take(&mut inline) && !self.text.is_empty() {
                self.start_line(indent);
            }
            let Some(value) = map.get(key) else { continue };
            if key.len() <= KEY_LEN_MAX && !key.contains(is_break) {
                self.scalar(key, indent, true);
                self.text.push(':');
                self.value(value, indent);
            } else {
                self.text.push_str("? ");
                self.scalar(key, indent + 2, false);
                self.start_line(indent);
                self.text.push(':');
                self.same_line(value, indent + 2);
            }
        }
        self.end_line();
    }

    fn list(&mut self, items: &[Value], indent: usize, mut inline: bool) {
        for item in items {
            if !std::mem::take(&mut inline) && !self.text.is_empty() {
                self.start_line(indent);
            }
            self.text.push('-');
            self.same_line(item, indent + 2);
        }
        self.end_line();
    }

    /// What begins on the line of its dash, or of the colon of a long key.
    fn same_line(&mut self, value: &Value, indent: usize) {
        self.text.push(' ');
        match value {
            Value::Object(map) if !map.is_empty() => self.map(map, indent, true),
            Value::Array(items) if !items.is_empty() => self.list(items, indent, true),
            leaf => self.leaf(leaf, indent),
        }
    }

    /// What stands behind the colon of a key at `indent`.
    fn value(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(map) if !map.is_empty() => self.map(map, indent + 2, false),
            Value::Array(items) if !items.is_empty() => self.list(items, indent, false),
            leaf => {
                self.text.push(' ');
                self.leaf(leaf, indent + 2);
            }
        }
    }

    fn leaf(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(truth) => self.text.push_str(if *truth { "true" } else { "false" }),
            Value::Number(number) => self.text.push_str(&number_text(number)),
            Value::String(text) => self.scalar(text, indent, false),
            Value::Array(_) => self.text.push_str("[]"),
            Value::Object(_) => self.text.push_str("{}"),
        }
    }

    /// Text in the simplest style that reads back as it was. A key before its colon stays on one line.
    fn scalar(&mut self, text: &str, indent: usize, is_key: bool) {
        let traits = Traits::of(text);
        if text.contains('\n') {
            if traits.block_allowed && !is_key {
                self.literal(text, indent);
            } else {
                self.double_quoted(text, indent, is_key);
            }
        } else if is_other_than_text(text) {
            self.double_quoted(text, indent, is_key);
        } else if traits.plain_allowed {
            self.folded(text, indent, is_key, |_| false);
        } else if traits.single_allowed {
            self.text.push('\'');
            self.folded(text, indent, is_key, |letter| letter == '\'');
            self.text.push('\'');
        } else {
            self.double_quoted(text, indent, is_key);
        }
    }

    /// Text as it is, with some letters doubled, and line ends instead of single spaces behind the width.
    fn folded(&mut self, text: &str, indent: usize, is_key: bool, doubled: impl Fn(char) -> bool) {
        let quoted = self.text.ends_with('\'');
        let mut column = self.column();
        let mut letters = text.char_indices().peekable();
        let mut after_space = false;
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next);
            let inside = !quoted || (at > 0 && next.is_some());
            if letter == ' ' && !is_key && !after_space && column > WIDTH && inside && next != Some(' ') {
                self.start_line(indent);
                column = indent;
            } else {
                self.text.push(letter);
                column += 1;
                if doubled(letter) {
                    self.text.push(letter);
                    column += 1;
                }
            }
            after_space = letter == ' ';
        }
    }

    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.text.push('"');
        let mut column = self.column();
        let mut letters = text.char_indices().peekable();
        let mut after_space = false;
        while let Some((at, letter)) = letters.next() {
            let next = letters.peek().map(|(_, next)| *next);
            if letter == ' ' && !is_key && !after_space && column > WIDTH && at > 0 && next.is_some() {
                self.start_line(indent);
                column = indent;
                if next == Some(' ') {
                    self.text.push('\\');
                    column += 1;
                }
            } else {
                let before = self.text.len();
                self.escaped(letter);
                column += self.text[before..].chars().count();
            }
            after_space = letter == ' ';
        }
        self.text.push('"');
    }

    fn escaped(&mut self, letter: char) {
        let short = match letter {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' | '\\' => letter,
            '\u{85}' => 'N',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ if is_printable(letter) => return self.text.push(letter),
            _ => {
                let code = u32::from(letter);
                let written = match code {
                    0..=0xff => write!(self.text, "\\x{code:02X}"),
                    0x100..=0xffff => write!(self.text, "\\u{code:04X}"),
                    _ => write!(self.text, "\\U{code:08X}"),
                };
                return written.expect("a text takes what is written to it");
            }
        };
        self.text.extend(['\\', short]);
    }

    /// Line by line behind a bar.
    fn literal(&mut self, text: &str, indent: usize) {
        self.text.push('|');
        if text.starts_with([' ', '\n']) {
            self.text.push('2');
        }
        if !text.ends_with('\n') {
            self.text.push('-');
        } else if text == "\n" || text.ends_with("\n\n") {
            self.text.push('+');
        }
        let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
        for line in lines {
            self.text.push('\n');
            if !line.is_empty() {
                self.text.extend(std::iter::repeat_n(' ', indent));
                self.text.push_str(line);
            }
        }
        if text.ends_with('\n') {
            self.text.push('\n');
        }
    }
}

/// The styles that a text may be written in.
struct Traits {
    plain_allowed: bool,
    single_allowed: bool,
    block_allowed: bool,
}

impl Traits {
    fn of(text: &str) -> Self {
        let mut indicators = text.starts_with("---") || text.starts_with("...");
        let (mut special, mut lines) = (false, false);
        let (mut break_then_space, mut space_then_break) = (false, false);
        let mut previous: Option<char> = None;
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let before_blank = letters.peek().is_none_or(|next| matches!(next, ' ' | '\t'));
            indicators |= match (previous, letter) {
                (None, '?' | ':' | '-') | (Some(_), ':') => before_blank,
                (None, _) => "#,[]{}&*!|>'\"%@`".contains(letter),
                (Some(previous), '#') => matches!(previous, ' ' | '\t') || is_break(previous),
                (Some(_), _) => false,
            };
            special |= !is_printable(letter);
            lines |= is_break(letter);
            break_then_space |= letter == ' ' && previous.is_some_and(is_break);
            space_then_break |= is_break(letter) && previous == Some(' ');
            previous = Some(letter);
        }
        let edge = |letter: char| letter == ' ' || is_break(letter);
        let any_style = !space_then_break && !special;
        let single_allowed = any_style && !break_then_space;
        let plain_allowed =
            single_allowed && !lines && !indicators && !text.starts_with(edge) && !text.ends_with(edge);
        Self { plain_allowed, single_allowed, block_allowed: any_style && !text.ends_with(' ') }
    }
}

fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What Go's library takes for printable, which leaves out tabs and what needs more than 16 bits.
fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether Go's library reads plain text as something else: nothing, a truth, a number or a time.
fn is_other_than_text(text: &str) -> bool {
    const WORDS: [&str; 36] = [
        "", "~", "null", "Null", "NULL", "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On",
        "ON", "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", ".nan", ".NaN",
        ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
    ];
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        // Underscores are taken out before a number is read; base 60 and times keep theirs.
        compile(concat!(
            r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?",
            r"|[-+]?0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)|-\.(?:inf|Inf|INF))$"
        ))
    });
    static SIXTIETHS_OR_TIME: LazyLock<Regex> = LazyLock::new(|| {
        compile(concat!(
            r"^(?:[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?",
            r"|[0-9]{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])",
            r"(?: [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?",
            r"|[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2}))?)$"
        ))
    });
    if WORDS.contains(&text) {
        return true;
    }
    if !text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return false;
    }
    let number =
        if text.starts_with('.') { NUMBER.is_match(text) } else { NUMBER.is_match(&text.replace('_', "")) };
    number || SIXTIETHS_OR_TIME.is_match(text)
}

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, tried by every test")
}

/// Whole numbers in digits, others in the shorter of both notations, as Go's `%g` with six digits decides.
fn number_text(number: &Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let Some(float) = number.as_f64() else { return number.to_string() };
    if float.fract() == 0.0
        && float.abs() < 18_446_744_073_709_551_616.0
        && float > -9_223_372_036_854_775_808.0
    {
        return format!("{:.0}", float + 0.0);
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        float.to_string()
    } else {
        format!("{digits}e{}{:02}", sign(exponent), exponent.abs())
    }
}

fn sign(exponent: i32) -> char {
    if exponent < 0 { '-' } else { '+' }
}

/// Keys as people count: `b9` before `b10`, signs before letters.
fn in_natural_order<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    // Not the library's sort: the order has circles (of digits, signs and letters), which a sort may refuse.
    let mut sorted: Vec<&str> = Vec::new();
    for key in keys {
        let place = sorted.iter().rposition(|before| !stands_before(key, before)).map_or(0, |last| last + 1);
        sorted.insert(place, key);
    }
    sorted
}

fn stands_before(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = a.iter().zip(&b).position(|(a, b)| a != b) else { return a.len() < b.len() };
    match (a[at].is_alphabetic(), b[at].is_alphabetic()) {
        (true, true) => return a[at] < b[at],
        (false, false) => {}
        (_, b_is_letter) => return b_is_letter,
    }
    // Zeros in the middle of a number count; those at its beginning do not.
    let digits = a[..at].iter().rev().take_while(|letter| letter.is_ascii_digit());
    let within = (a[at] == '0' || b[at] == '0') && digits.into_iter().any(|digit| *digit != '0');
    let number = |letters: &[char]| {
        let digits = letters[at..].iter().map_while(|letter| letter.to_digit(10));
        digits.fold((u64::from(within), at), |(number, end), digit| {
            (number.saturating_mul(10).saturating_add(u64::from(digit)), end + 1)
        })
    };
    let (of_a, of_b) = (number(&a), number(&b));
    if of_a == of_b { a[at] < b[at] } else { of_a < of_b }
}
