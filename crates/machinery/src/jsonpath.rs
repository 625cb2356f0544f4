//! JSON paths as printer columns, scale subresources, selectable fields and `kubectl -o jsonpath` use
//! them: `.status.conditions[?(@.type=="Ready")].status`, `.spec.items[*].kind`, `.metadata.annotations.a\.b`.
//!
//! <https://kubernetes.io/docs/reference/kubectl/jsonpath/>

use std::cmp::Ordering;

use serde_json::Value;

/// A parsed path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// A field of a map.
    Field(String),
    /// Every value of a map or item of a list.
    Every,
    /// The values themselves and everything below them.
    Descend,
    /// Several fields of a map: `['a','b']`.
    Fields(Vec<String>),
    /// Several items of a list, negative from the end: `[0]`, `[0,2]`.
    Items(Vec<i64>),
    /// `[start:end:step]`.
    Slice(Option<i64>, Option<i64>, i64),
    /// `[?(left op right)]`.
    Filter(Operand, Comparison, Operand),
    /// `[?(@.a)]`: items where the path leads somewhere.
    Present(Path),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Path {
    /// Reads a path, with or without braces around it and `$` in front.
    ///
    /// # Errors
    /// A sentence that quotes the path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let inner = text.trim();
        let inner = inner.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(inner).trim();
        let mut scanner = Scanner { text: inner, at: 0 };
        scanner.path().map_err(|problem| format!("cannot read JSON path {text:?}: {problem}"))
    }

    /// Every value the path leads to, in document order; none where a field is absent.
    pub fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.steps.iter().fold(vec![root], |values, step| {
            let mut found = Vec::with_capacity(values.len());
            for value in values {
                step.follow(value, &mut found);
            }
            found
        })
    }

    /// The first value the path leads to.
    pub fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }

    /// The field names of a path that has only plain fields (`.spec.replicas`); nothing for other paths.
    pub fn plain_fields(&self) -> Option<Vec<&str>> {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value, found: &mut Vec<&'a Value>) {
        match self {
            Self::Field(name) => found.extend(value.get(name)),
            Self::Fields(names) => found.extend(names.iter().filter_map(|name| value.get(name))),
            Self::Every => found.extend(children(value)),
            Self::Descend => descend(value, found),
            Self::Items(indices) => {
                let Some(list) = value.as_array() else { return };
                found.extend(indices.iter().filter_map(|i| list.get(position(*i, list.len())?)));
            }
            Self::Slice(start, end, step) => {
                let Some(list) = value.as_array() else { return };
                let bound = |i: i64| {
                    let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
                    usize::try_from(if i < 0 { i + len } else { i }).unwrap_or(0).min(list.len())
                };
                let (start, end) = (start.map_or(0, bound), end.map_or(list.len(), bound));
                let step = usize::try_from(*step).unwrap_or(1).max(1);
                found.extend(list.iter().take(end).skip(start).step_by(step));
            }
            Self::Filter(left, comparison, right) => {
                found.extend(children(value).filter(|item| compare(left, *comparison, right, item)));
            }
            Self::Present(path) => found.extend(children(value).filter(|item| !path.find(item).is_empty())),
        }
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    for child in children(value) {
        descend(child, found);
    }
}

fn position(index: i64, len: usize) -> Option<usize> {
    if index < 0 {
        len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
    } else {
        usize::try_from(index).ok()
    }
}

fn compare(left: &Operand, comparison: Comparison, right: &Operand, item: &Value) -> bool {
    let (Some(left), Some(right)) = (left.value(item), right.value(item)) else { return false };
    let ordering = match (left, right) {
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else { return false };
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        }
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (a, b) => {
            return match comparison {
                Comparison::Equal => a == b,
                Comparison::NotEqual => a != b,
                _ => false,
            };
        }
    };
    match comparison {
        Comparison::Equal => ordering.is_eq(),
        Comparison::NotEqual => ordering.is_ne(),
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    }
}

impl Operand {
    fn value<'a>(&'a self, item: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Path(path) => path.first(item),
        }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.eat(token) { Ok(()) } else { Err(format!("expected {token:?} at {:?}", self.rest())) }
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn path(&mut self) -> Result<Path, String> {
        let _ = self.eat("$") || self.eat("@");
        let mut steps = Vec::new();
        if !self.rest().is_empty() && !self.rest().starts_with(['.', '[']) {
            steps.push(Step::Field(self.field()?));
        }
        while !self.rest().is_empty() {
            steps.extend(self.step()?);
        }
        Ok(Path { steps })
    }

    fn step(&mut self) -> Result<Option<Step>, String> {
        if self.eat("..") {
            return Ok(Some(Step::Descend)).inspect(|_| {
                // `..name` goes on with a field as if it were `.name`.
                if !self.rest().is_empty() && !self.rest().starts_with('[') {
                    self.at -= 1;
                }
            });
        }
        if self.eat(".") {
            if self.eat("*") {
                return Ok(Some(Step::Every));
            }
            if self.rest().is_empty() || self.rest().starts_with('[') {
                return Ok(None);
            }
            return Ok(Some(Step::Field(self.field()?)));
        }
        self.expect("[")?;
        self.skip_spaces();
        let step = if self.eat("?(") {
            self.filter()?
        } else if self.eat("*") {
            Step::Every
        } else if self.rest().starts_with(['\'', '"']) {
            self.quoted_fields()?
        } else {
            self.items()?
        };
        self.skip_spaces();
        self.expect("]")?;
        Ok(Some(step))
    }

    /// A field name; a backslash keeps the character after it.
    fn field(&mut self) -> Result<String, String> {
        let mut name = String::new();
        let mut chars = self.rest().char_indices();
        let mut end = self.rest().len();
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, escaped)) => name.push(escaped),
                    None => return Err("nothing follows the backslash".into()),
                },
                '.' | '[' => {
                    end = index;
                    break;
                }
                ']' | '{' | '}' | '(' | ')' => return Err(format!("unexpected {c:?}")),
                c => name.push(c),
            }
        }
        self.at += end;
        if name.is_empty() { Err("a field name is missing".into()) } else { Ok(name) }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let quote = self.rest().chars().next().filter(|c| matches!(c, '\'' | '"'));
        let quote = quote.ok_or_else(|| format!("expected a quote at {:?}", self.rest()))?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((index, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
                c if c == quote => {
                    self.at += index + 1;
                    return Ok(text);
                }
                c => text.push(c),
            }
        }
        Err("a quote is not closed".into())
    }

    fn quoted_fields(&mut self) -> Result<Step, String> {
        let mut names = vec![self.quoted()?];
        self.skip_spaces();
        while self.eat(",") {
            self.skip_spaces();
            names.push(self.quoted()?);
            self.skip_spaces();
        }
        Ok(match names.len() {
            1 => Step::Field(names.remove(0)),
            _ => Step::Fields(names),
        })
    }

    fn items(&mut self) -> Result<Step, String> {
        let end = self.rest().find(']').ok_or("a bracket is not closed")?;
        let inner = &self.rest()[..end];
        self.at += end;
        let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("{text:?} is not an index"));
        let optional = |text: &str| match text.trim() {
            "" => Ok(None),
            text => number(text).map(Some),
        };
        if inner.contains(':') {
            let mut parts = inner.split(':');
            let mut next = || parts.next().map_or(Ok(None), optional);
            let (start, end, step) = (next()?, next()?, next()?);
            return Ok(Step::Slice(start, end, step.unwrap_or(1)));
        }
        inner.split(',').map(number).collect::<Result<_, _>>().map(Step::Items)
    }

    fn filter(&mut self) -> Result<Step, String> {
        let left = self.operand()?;
        self.skip_spaces();
        if self.eat(")") {
            return match left {
                Operand::Path(path) => Ok(Step::Present(path)),
                Operand::Literal(_) => Err("a filter must look at the item".into()),
            };
        }
        let comparison = [
            ("==", Comparison::Equal),
            ("!=", Comparison::NotEqual),
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ]
        .into_iter()
        .find(|(token, _)| self.eat(token));
        let (_, comparison) =
            comparison.ok_or_else(|| format!("expected a comparison at {:?}", self.rest()))?;
        let right = self.operand()?;
        self.skip_spaces();
        self.expect(")")?;
        Ok(Step::Filter(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, String> {
        self.skip_spaces();
        if self.rest().starts_with(['\'', '"']) {
            return self.quoted().map(|text| Operand::Literal(text.into()));
        }
        let end = operand_end(self.rest());
        let text = self.rest()[..end].trim();
        self.at += end;
        if text.starts_with('@') || text.starts_with('.') || text.starts_with('$') {
            return Scanner { text, at: 0 }.path().map(Operand::Path);
        }
        let literal = serde_json::from_str(text).map_err(|_| format!("cannot understand {text:?}"))?;
        Ok(Operand::Literal(literal))
    }
}

/// Where an operand ends: before a comparison or the closing parenthesis, outside of brackets.
fn operand_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (index, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '=' | '!' | '<' | '>' | ')' if depth == 0 => return index,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(path: &str, expected: &Value) {
        let object = json!({
            "metadata": {"annotations": {"a.b": "dotted", "x/y": "slash"}, "name": "n"},
            "spec": {"items": [{"kind": "A", "n": 1}, {"kind": "B", "n": 2}, {"kind": "C"}], "replicas": 3},
            "status": {"conditions": [
                {"type": "Ready", "status": "True"},
                {"type": "Synced", "status": "False"},
            ]},
        });
        let found: Vec<Value> =
            Path::parse(path).unwrap_or_else(|e| panic!("{e}")).find(&object).into_iter().cloned().collect();
        assert_eq!(Value::Array(found), *expected, "{path}");
    }

    #[test]
    fn paths_lead_where_kubectls_do() {
        check(".spec.replicas", &json!([3]));
        check("spec.replicas", &json!([3]));
        check("{.spec.replicas}", &json!([3]));
        check("$.spec['replicas']", &json!([3]));
        check(".metadata['name','none']", &json!(["n"]));
        check(r#".status.conditions[?(@.type=="Ready")].status"#, &json!(["True"]));
        check(".status.conditions[?(@.type != 'Ready')].status", &json!(["False"]));
        check(".spec.items[*].kind", &json!(["A", "B", "C"]));
        check(".spec.items[0].kind", &json!(["A"]));
        check(".spec.items[-1].kind", &json!(["C"]));
        check(".spec.items[0,2].kind", &json!(["A", "C"]));
        check(".spec.items[1:].kind", &json!(["B", "C"]));
        check(".spec.items[0:3:2].kind", &json!(["A", "C"]));
        check(".spec.items[?(@.n>=2)].kind", &json!(["B"]));
        check(".spec.items[?(@.n)].kind", &json!(["A", "B"]));
        check(r".metadata.annotations.a\.b", &json!(["dotted"]));
        check(".metadata.annotations['a.b']", &json!(["dotted"]));
        check(".metadata.annotations.x/y", &json!(["slash"]));
        check("..kind", &json!(["A", "B", "C"]));
        check(".none.at.all[3]", &json!([]));
        check(".spec.replicas.deeper", &json!([]));
    }

    #[test]
    fn text_that_is_no_path_is_refused() {
        for path in [".a[", ".a[x]", ".a[?(@.b==)]", ".a[?(1==1]", ".a['b", ".a]", r".a\"] {
            assert!(Path::parse(path).unwrap_err().contains("cannot read JSON path"), "{path}");
        }
    }

    #[test]
    fn a_plain_path_gives_its_field_names() {
        assert_eq!(Path::parse(".spec.replicas").unwrap().plain_fields().unwrap(), ["spec", "replicas"]);
        assert!(Path::parse(".spec.a[0]").unwrap().plain_fields().is_none());
    }
}
