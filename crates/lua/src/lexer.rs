//! Source bytes to tokens.

use crate::error::CompileError;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Name(Vec<u8>),
    String(Vec<u8>),
    Number(f64),
    Keyword(Keyword),
    /// Operators and punctuation, by their text.
    Symbol(&'static str),
    End,
}

/// The reserved words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keyword {
    And,
    Break,
    Do,
    Else,
    ElseIf,
    End,
    False,
    For,
    Function,
    Goto,
    If,
    In,
    Local,
    Nil,
    Not,
    Or,
    Repeat,
    Return,
    Then,
    True,
    Until,
    While,
}

const KEYWORDS: [(&str, Keyword); 22] = [
    ("and", Keyword::And),
    ("break", Keyword::Break),
    ("do", Keyword::Do),
    ("else", Keyword::Else),
    ("elseif", Keyword::ElseIf),
    ("end", Keyword::End),
    ("false", Keyword::False),
    ("for", Keyword::For),
    ("function", Keyword::Function),
    ("goto", Keyword::Goto),
    ("if", Keyword::If),
    ("in", Keyword::In),
    ("local", Keyword::Local),
    ("nil", Keyword::Nil),
    ("not", Keyword::Not),
    ("or", Keyword::Or),
    ("repeat", Keyword::Repeat),
    ("return", Keyword::Return),
    ("then", Keyword::Then),
    ("true", Keyword::True),
    ("until", Keyword::Until),
    ("while", Keyword::While),
];

/// Operators and punctuation, the longest first.
const SYMBOLS: [&str; 29] = [
    "...", "..", "==", "~=", "<=", ">=", "::", "+", "-", "*", "/", "%", "^", "#", "(", ")", "{", "}", "[",
    "]", ";", ":", ",", ".", "=", "<", ">", "!", "&",
];

/// A token and where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// The token is the first one on its line.
    pub(crate) after_newline: bool,
}

impl Token {
    /// The token as an error message shows it.
    pub(crate) fn text(&self) -> String {
        match &self.kind {
            Kind::Name(text) | Kind::String(text) => String::from_utf8_lossy(text).into_owned(),
            Kind::Number(number) => number.to_string(),
            Kind::Keyword(word) => KEYWORDS
                .iter()
                .find(|(_, k)| k == word)
                .map(|(text, _)| (*text).to_owned())
                .unwrap_or_default(),
            Kind::Symbol(text) => (*text).to_owned(),
            Kind::End => String::new(),
        }
    }
}

/// Cuts a source into tokens.
pub(crate) struct Lexer<'a> {
    name: &'a str,
    source: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(name: &'a str, source: &'a str) -> Self {
        Lexer { name, source: source.as_bytes(), at: 0, line: 1, line_start: 0 }
    }

    /// The next token; `Kind::End` for ever after the last.
    pub(crate) fn next(&mut self) -> Result<Token, Box<CompileError>> {
        let before = self.line;
        self.skip_blanks()?;
        let (line, column) = (self.line, self.column());
        let after_newline = self.line > before;
        let kind = self.kind()?;
        Ok(Token { kind, line, column, after_newline })
    }

    fn kind(&mut self) -> Result<Kind, Box<CompileError>> {
        let Some(byte) = self.peek(0) else { return Ok(Kind::End) };
        if byte == b'_' || byte.is_ascii_alphabetic() || byte >= 0x80 {
            return self.word();
        }
        if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_some_and(|b| b.is_ascii_digit())) {
            return self.number();
        }
        if byte == b'"' || byte == b'\'' {
            return self.quoted(byte);
        }
        if byte == b'[' && matches!(self.peek(1), Some(b'[' | b'=')) {
            return Ok(Kind::String(self.long_bracket("invalid multiline string")?));
        }
        let rest = &self.source[self.at..];
        match SYMBOLS.iter().find(|symbol| rest.starts_with(symbol.as_bytes())) {
            Some(symbol) if !matches!(*symbol, "!" | "&") => {
                self.at += symbol.len();
                Ok(Kind::Symbol(symbol))
            }
            _ => Err(self.error("Invalid token", &[byte])),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.source.get(self.at + ahead).copied()
    }

    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn error(&self, message: &str, near: &[u8]) -> Box<CompileError> {
        let near = String::from_utf8_lossy(&near[..near.len().min(64)]).into_owned();
        CompileError::at(self.name, self.line, self.column(), Some(near), message)
    }

    /// Passes one line end, of whichever of the four spellings.
    fn newline(&mut self) {
        let first = self.peek(0);
        self.at += 1;
        if let (Some(first), Some(second)) = (first, self.peek(0))
            && first != second
            && matches!(second, b'\n' | b'\r')
        {
            self.at += 1;
        }
        self.line = self.line.saturating_add(1);
        self.line_start = self.at;
    }

    fn skip_blanks(&mut self) -> Result<(), Box<CompileError>> {
        loop {
            match self.peek(0) {
                Some(b'\n' | b'\r') => self.newline(),
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'-') if self.peek(1) == Some(b'-') => {
                    self.at += 2;
                    self.comment()?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Box<CompileError>> {
        if self.peek(0) == Some(b'[') && matches!(self.peek(1), Some(b'[' | b'=')) {
            // `--[=x` without a second bracket is an ordinary comment, as in Lua.
            let level = self.source[self.at + 1..].iter().take_while(|b| **b == b'=').count();
            if self.peek(level + 1) == Some(b'[') {
                self.long_bracket("invalid multiline comment")?;
                return Ok(());
            }
        }
        while self.peek(0).is_some_and(|b| b != b'\n' && b != b'\r') {
            self.at += 1;
        }
        Ok(())
    }

    fn word(&mut self) -> Result<Kind, Box<CompileError>> {
        let rest = &self.source[self.at..];
        let len = rest.iter().take_while(|b| **b == b'_' || b.is_ascii_alphanumeric() || **b >= 0x80).count();
        let word = &rest[..len];
        if !word.is_ascii() && !std::str::from_utf8(word).is_ok_and(|w| w.chars().all(is_name_char)) {
            return Err(self.error("Invalid token", word));
        }
        self.at += len;
        match KEYWORDS.iter().find(|(text, _)| text.as_bytes() == word) {
            Some((_, keyword)) => Ok(Kind::Keyword(*keyword)),
            None => Ok(Kind::Name(word.to_vec())),
        }
    }

    fn number(&mut self) -> Result<Kind, Box<CompileError>> {
        let start = self.at;
        if self.peek(0) == Some(b'0') && matches!(self.peek(1), Some(b'x' | b'X')) {
            self.at += 2;
            let digits = self.at;
            let mut value = 0f64;
            while let Some(digit) = self.peek(0).and_then(|b| char::from(b).to_digit(16)) {
                value = value * 16.0 + f64::from(digit);
                self.at += 1;
            }
            if self.at == digits {
                return Err(self.error("illegal hexadecimal number", &self.source[start..self.at]));
            }
            return Ok(Kind::Number(value));
        }
        self.digits();
        if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(0), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits();
        }
        let text = &self.source[start..self.at];
        std::str::from_utf8(text)
            .ok()
            .and_then(|t| t.parse().ok())
            .map(Kind::Number)
            .ok_or_else(|| self.error("malformed number", text))
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: u8) -> Result<Kind, Box<CompileError>> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(Kind::String(text));
                }
                None | Some(b'\n' | b'\r') => return Err(self.error("unterminated string", &text)),
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Box<CompileError>> {
        let Some(byte) = self.peek(0) else { return Err(self.error("unterminated string", text)) };
        if byte.is_ascii_digit() {
            let mut value = 0u32;
            for _ in 0..3 {
                let Some(digit) = self.peek(0).filter(u8::is_ascii_digit) else { break };
                value = value * 10 + u32::from(digit - b'0');
                self.at += 1;
            }
            // A code above 255 keeps its low byte.
            text.push(value.to_le_bytes()[0]);
            return Ok(());
        }
        if byte == b'\n' || byte == b'\r' {
            text.push(b'\n');
            self.newline();
            return Ok(());
        }
        text.push(match byte {
            b'a' => 7,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
        self.at += 1;
        Ok(())
    }

    /// `[==[ ... ]==]`; the cursor stands at the first bracket.
    fn long_bracket(&mut self, problem: &str) -> Result<Vec<u8>, Box<CompileError>> {
        self.at += 1;
        let level = self.source[self.at..].iter().take_while(|b| **b == b'=').count();
        self.at += level;
        if self.peek(0) != Some(b'[') {
            return Err(self.error(problem, b"["));
        }
        self.at += 1;
        if matches!(self.peek(0), Some(b'\n' | b'\r')) {
            self.newline();
        }
        let mut text = Vec::new();
        loop {
            match self.peek(0) {
                None => return Err(self.error("unterminated multiline string", &text)),
                Some(b']') if self.closes(level) => {
                    self.at += level + 2;
                    return Ok(text);
                }
                Some(b'\n' | b'\r') => {
                    text.push(b'\n');
                    self.newline();
                }
                Some(byte) => {
                    text.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn closes(&self, level: usize) -> bool {
        let rest = &self.source[self.at + 1..];
        rest.iter().take_while(|b| **b == b'=').take(level).count() == level && rest.get(level) == Some(&b']')
    }
}

/// gopher-lua takes Han characters in names, besides ASCII.
fn is_name_char(c: char) -> bool {
    c == '_'
        || c.is_ascii_alphanumeric()
        || matches!(u32::from(c), 0x2E80..=0x2FD5 | 0x3005..=0x303B | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAD9 | 0x20000..=0x323AF)
}
