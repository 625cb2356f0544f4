//! Regular expressions as custom resources write them: RE2's syntax.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// A regular expression in RE2's syntax. It may match anywhere in the text.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern, or takes it from those compiled before.
    ///
    /// # Errors
    /// A text for people when it is not a regular expression or compiles to more than ten mebibytes.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = compiled.get(text) {
            return Ok(Self { text: text.into(), regex: regex.clone() });
        }
        let regex = RegexBuilder::new(&translated(text)).size_limit(PATTERN_SIZE_MAX).build();
        let regex = regex.map_err(|error| error.to_string())?;
        if compiled.len() >= COMPILED_LEN_MAX {
            compiled.clear();
        }
        compiled.insert(text.into(), regex.clone());
        Ok(Self { text: text.into(), regex })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches somewhere in `text`.
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Memory of one compiled pattern, in bytes; the ones in real definitions stay far below.
const PATTERN_SIZE_MAX: usize = 10 << 20;

/// Patterns kept compiled. Definitions repeat a handful of them (every quantity has the same), so that
/// this is only reached by someone who tries.
const COMPILED_LEN_MAX: usize = 512;

/// Compiled patterns by their text; under a lock because definitions arrive on any thread, seldom.
static COMPILED: LazyLock<Mutex<BTreeMap<String, Regex>>> = LazyLock::new(Mutex::default);

/// RE2's syntax in that of the regex crate, which differs in three ways: `\d`, `\w`, `\s` and `\b` mean
/// Unicode there, classes may be nested and combined (so that `[`, `&&`, `--` and `~~` are special inside), and there is no
/// `\Q…\E`.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    // Characters since the class began; nothing outside of a class.
    let mut in_class: Option<usize> = None;
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some('Q') if in_class.is_none() => quote(&mut chars, &mut out),
                Some(escaped) => escape(escaped, in_class.is_some(), &mut out),
                None => out.push('\\'),
            }
            in_class = in_class.map(|count| count + 1);
            continue;
        }
        match (c, in_class) {
            ('[', None) => {
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                in_class = Some(0);
                continue;
            }
            ('[', Some(_)) if chars.peek() == Some(&':') => {
                out.push('[');
                for inner in chars.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            (']', Some(0)) | ('[' | '&' | '~', Some(_)) => out.extend(['\\', c]),
            (']', Some(_)) => {
                out.push(']');
                in_class = None;
                continue;
            }
            ('-', Some(0)) => out.push_str("\\-"),
            ('-', Some(_)) if chars.next_if_eq(&'-').is_some() => out.push_str("-\\-"),
            _ => out.push(c),
        }
        in_class = in_class.map(|count| count + 1);
    }
    out
}

/// An escape that means something else to the regex crate, or the same.
fn escape(escaped: char, in_class: bool, out: &mut String) {
    let (class, negated) = match escaped {
        'd' | 'D' => ("0-9", escaped == 'D'),
        'w' | 'W' => ("0-9A-Za-z_", escaped == 'W'),
        's' | 'S' => ("\\t\\n\\f\\r ", escaped == 'S'),
        'b' | 'B' if !in_class => {
            return out.push_str(if escaped == 'b' { "(?-u:\\b)" } else { "(?-u:\\B)" });
        }
        other => return out.extend(['\\', other]),
    };
    match (in_class, negated) {
        (true, false) => out.push_str(class),
        (_, true) => out.extend(["[^", class, "]"]),
        (false, false) => out.extend(["[", class, "]"]),
    }
}

fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    let mut quoted = String::new();
    for c in chars.by_ref() {
        quoted.push(c);
        if let Some(text) = quoted.strip_suffix("\\E") {
            out.push_str(&regex::escape(text));
            return;
        }
    }
    out.push_str(&regex::escape(&quoted));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_to_re2() {
        for (pattern, matching, other) in [
            (r"^\d+$", "12", "١٢"),
            (r"^\w+$", "a_1", "é"),
            (r"^\S\s\S$", "a b", "a\u{a0}b"),
            (r"^[\w.-]+$", "a.b-c", "a b"),
            (r"^[^\s]+$", "ab", "a b"),
            (r"^[[a]+$", "[a[", "b"),
            (r"^[]a]+$", "]a", "b"),
            (r"^[^]a]+$", "b", "]"),
            (r"^[a&&b]+$", "a&b", "c"),
            (r"^[+--]+$", "+,-", "."),
            (r"^[--/]+$", "-./", ","),
            (r"^[a-]+$", "a-", "b"),
            (r"^[[:alpha:]_]+$", "a_", "1"),
            (r"^\[\]\/$", "[]/", "x"),
            (r"^\Qa.b\E+$", "a.bb", "axb"),
            (r"^(?i)abc$", "ABC", "abd"),
            (r"^[\D]$", "x", "1"),
            (r"b+", "abc", "ac"),
            (r"^\p{Lu}\x41\n$", "ÄA\n", "äA\n"),
        ] {
            let compiled = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert!(compiled.matches(matching), "{pattern} matches {matching}");
            assert!(!compiled.matches(other), "{pattern} does not match {other}");
        }
    }

    #[test]
    fn what_re2_does_not_know_is_refused() {
        for pattern in ["(", r"(?=x)", r"\1", "[b-a]", r"\"] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }
}
