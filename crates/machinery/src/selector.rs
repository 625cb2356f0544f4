//! Label and field selectors.

use std::fmt;

use serde_json::Value;

use crate::{Object, names};

/// How a label is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    Equals,
    DoubleEquals,
    NotEquals,
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    /// Sorted, each once.
    values: Vec<String>,
}

/// Conditions on labels, all of which must hold. Without conditions it selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// The selector that selects everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// A selector of one label with one value, unchecked: a value no label can have selects nothing.
    pub fn equals(key: &str, value: &str) -> Self {
        let requirement =
            Requirement { key: key.into(), operator: Operator::Equals, values: vec![value.into()] };
        Self { requirements: vec![requirement] }
    }

    /// Reads the text form: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>5`.
    ///
    /// # Errors
    /// The sentence a Kubernetes API server answers.
    pub fn parse(text: &str) -> Result<Self, String> {
        Parser::new(text).selector()
    }

    /// Reads a `LabelSelector` object (`matchLabels`, `matchExpressions`). An empty object selects everything.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn from_object(selector: &Value) -> Result<Self, String> {
        let Some(selector) = selector.as_object() else {
            return Err("a label selector must be an object".into());
        };
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").filter(|v| !v.is_null()) {
            let labels = labels.as_object().ok_or("matchLabels must be a map of strings")?;
            for (key, value) in labels {
                let value = value.as_str().ok_or("matchLabels must be a map of strings")?;
                requirements.push(Requirement::new(key, Operator::Equals, vec![value.into()])?);
            }
        }
        if let Some(expressions) = selector.get("matchExpressions").filter(|v| !v.is_null()) {
            for expression in expressions.as_array().ok_or("matchExpressions must be a list")? {
                requirements.push(Requirement::from_expression(expression)?);
            }
        }
        Ok(Self::sorted(requirements))
    }

    fn sorted(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self { requirements }
    }

    /// Whether labels, read through `get`, fulfil every condition.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.iter().all(|r| r.matches(get(&r.key)))
    }

    /// Whether an object's labels fulfil every condition.
    pub fn matches_object(&self, object: &Object) -> bool {
        self.matches(|key| object.label(key))
    }

    /// Whether a JSON map of labels fulfils every condition; an absent map has no labels.
    pub fn matches_map(&self, labels: Option<&Value>) -> bool {
        self.matches(|key| labels?.get(key)?.as_str())
    }

    /// Whether there are no conditions.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The label keys that are looked at.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.requirements.iter().map(|r| r.key.as_str())
    }

    /// Value that an object must have under `key` to be selected, when one condition says so.
    pub fn required_value(&self, key: &str) -> Option<&str> {
        self.requirements.iter().find_map(|r| match (&r.operator, r.values.as_slice()) {
            (Operator::Equals | Operator::DoubleEquals | Operator::In, [one]) if r.key == key => {
                Some(one.as_str())
            }
            _ => None,
        })
    }
}

impl Requirement {
    fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Result<Self, String> {
        let json = |text: &str| Value::from(text);
        let mut problems: Vec<String> = names::qualified_name(key)
            .into_iter()
            .map(|problem| format!("key: Invalid value: {}: {problem}", json(key)))
            .collect();
        values.sort();
        values.dedup();
        match operator {
            Operator::In | Operator::NotIn if values.is_empty() => {
                problems.push(
                    "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
                        .into(),
                );
            }
            Operator::GreaterThan | Operator::LessThan
                if values.iter().any(|v| v.parse::<i64>().is_err()) =>
            {
                problems.push(format!(
                    "values[0]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer",
                    json(&values[0])
                ));
            }
            Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
                let values: Vec<String> = values.iter().map(|v| json(v).to_string()).collect();
                problems.push(format!(
                    "values: Invalid value: [{}]: values set must be empty for exists and does not exist",
                    values.join(",")
                ));
            }
            _ => {}
        }
        for (index, value) in values.iter().enumerate() {
            problems.extend(
                names::label_value(value).into_iter().map(|problem| {
                    format!("values[{index}][{key}]: Invalid value: {}: {problem}", json(value))
                }),
            );
        }
        match problems.as_slice() {
            [] => Ok(Self { key: key.into(), operator, values }),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }

    fn from_expression(expression: &Value) -> Result<Self, String> {
        let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
        let operator = match expression.get("operator").and_then(Value::as_str).unwrap_or_default() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(format!("{other:?} is not a valid label selector operator")),
        };
        let values = match expression.get("values") {
            None | Some(Value::Null) => Vec::new(),
            Some(values) => values
                .as_array()
                .and_then(|list| list.iter().map(|v| v.as_str().map(Into::into)).collect())
                .ok_or("values must be a list of strings")?,
        };
        Self::new(key, operator, values)
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.iter().any(|v| v == label);
        let number = || self.values.first().and_then(|v| v.parse::<i64>().ok());
        let compare = |wanted: std::cmp::Ordering| {
            label
                .and_then(|l| l.parse::<i64>().ok())
                .zip(number())
                .is_some_and(|(label, value)| label.cmp(&value) == wanted)
        };
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => label.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => compare(std::cmp::Ordering::Greater),
            Operator::LessThan => compare(std::cmp::Ordering::Less),
        }
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let values = self.values.join(",");
        match self.operator {
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// Recursive descent over the tokens of the text form.
struct Parser<'a> {
    rest: &'a str,
}

const SYMBOLS: [&str; 8] = ["==", "!=", "=", "!", "(", ")", ",", ">"];

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.trim_start() }
    }

    /// The next token, empty at the end, and what follows it.
    fn split(&self) -> (&'a str, &'a str) {
        let text = self.rest.trim_start();
        if let Some(symbol) = SYMBOLS.iter().chain(&["<"]).find(|s| text.starts_with(**s)) {
            return text.split_at(symbol.len());
        }
        let end = text.find(|c: char| c.is_whitespace() || "=!(),><".contains(c)).unwrap_or(text.len());
        text.split_at(end)
    }

    fn peek(&self) -> &'a str {
        self.split().0
    }

    fn next(&mut self) -> &'a str {
        let (token, rest) = self.split();
        self.rest = rest;
        token
    }

    fn selector(mut self) -> Result<LabelSelector, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                "" => break,
                token if is_identifier(token) || token == "!" => {
                    let requirement = self.requirement();
                    requirements.push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
                    match self.next() {
                        "" => break,
                        "," => {
                            let token = self.peek();
                            if !is_identifier(token) && token != "!" {
                                return Err(format!("found '{token}', expected: identifier after ','"));
                            }
                        }
                        token => return Err(format!("found '{token}', expected: ',' or 'end of string'")),
                    }
                }
                token => return Err(format!("found '{token}', expected: !, identifier, or 'end of string'")),
            }
        }
        Ok(LabelSelector::sorted(requirements))
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == "!";
        if absent {
            self.next();
        }
        let key = self.next();
        if !is_identifier(key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if absent {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), "" | ",") {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = match self.next() {
            "in" => Operator::In,
            "notin" => Operator::NotIn,
            "=" => Operator::Equals,
            "==" => Operator::DoubleEquals,
            "!=" => Operator::NotEquals,
            ">" => Operator::GreaterThan,
            "<" => Operator::LessThan,
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.value_list()?,
            _ => vec![self.exact_value()?.to_owned()],
        };
        Requirement::new(key, operator, values)
    }

    fn exact_value(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            "" | "," => Ok(""),
            token if is_identifier(token) => Ok(self.next()),
            token => Err(format!("found '{token}', expected: identifier")),
        }
    }

    fn value_list(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != "(" {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut values = Vec::new();
        if self.peek() == ")" {
            self.next();
            return Ok(values);
        }
        loop {
            values.push(match self.peek() {
                token if is_identifier(token) => self.next().to_owned(),
                "," | ")" => String::new(),
                token => return Err(format!("found '{token}', expected: ',', ')' or identifier")),
            });
            match self.next() {
                "," => {}
                ")" => return Ok(values),
                token => return Err(format!("found '{token}', expected: ',' or ')'")),
            }
        }
    }
}

fn is_identifier(token: &str) -> bool {
    token.bytes().next().is_some_and(|first| !b"=!(),><".contains(&first))
}

/// One condition of a [`FieldSelector`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRequirement {
    /// Label of the field, for example `metadata.name`.
    pub path: String,
    /// Whether the field must equal the value, or must not.
    pub equals: bool,
    /// The value compared with, as text.
    pub value: String,
}

/// Conditions on fields, all of which must hold. Without conditions it selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

impl FieldSelector {
    /// Reads `a=b,c!=d`; a comma, an equals sign or a backslash in a value is escaped by a backslash.
    ///
    /// # Errors
    /// The sentence a Kubernetes API server answers.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut requirements = Vec::new();
        for term in split_unescaped_commas(text).into_iter().filter(|term| !term.is_empty()) {
            let problem = || format!("invalid selector: '{text}'; can't understand '{term}'");
            let (path, operator, value) = split_term(term).ok_or_else(problem)?;
            requirements.push(FieldRequirement {
                path: path.into(),
                equals: operator != "!=",
                value: unescape(value)?,
            });
        }
        Ok(Self { requirements })
    }

    /// The conditions, in the order they were given.
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }

    /// Whether there are no conditions.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether fields, read through `get`, fulfil every condition; an absent field is the empty text.
    pub fn matches<S: AsRef<str>>(&self, get: impl Fn(&str) -> Option<S>) -> bool {
        self.requirements.iter().all(|r| match get(&r.path) {
            Some(value) => (value.as_ref() == r.value) == r.equals,
            None => r.value.is_empty() == r.equals,
        })
    }

    /// The value that a field must have, when one condition says so.
    pub fn exact(&self, path: &str) -> Option<&str> {
        self.requirements.iter().find(|r| r.equals && r.path == path).map(|r| r.value.as_str())
    }

    /// The name an object must have, when one condition says so.
    pub fn exact_name(&self) -> Option<&str> {
        self.exact("metadata.name")
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, r) in self.requirements.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let value = r.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{}{}{value}", r.path, if r.equals { "=" } else { "!=" })?;
        }
        Ok(())
    }
}

fn split_unescaped_commas(text: &str) -> Vec<&str> {
    let (mut terms, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b',' => {
                terms.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, &str, &str)> {
    let mut escaped = false;
    for (index, byte) in term.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'!' | b'=' => {
                let operator = ["!=", "==", "="].into_iter().find(|o| term[index..].starts_with(o));
                if let Some(operator) = operator {
                    return Some((&term[..index], operator, &term[index + operator.len()..]));
                }
            }
            _ => {}
        }
    }
    None
}

fn unescape(value: &str) -> Result<String, String> {
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => text.push(c),
                other => {
                    let escape: String = std::iter::once('\\').chain(other).collect();
                    return Err(format!("invalid field selector: invalid escape sequence: {escape}"));
                }
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped rune: {c}")),
            c => text.push(c),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector = LabelSelector::parse(selector).unwrap();
        selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    #[test]
    fn each_operator_selects_what_it_says() {
        let labels = [("a", "b"), ("n", "7"), ("x.y/z", "")];
        for selector in [
            "",
            "a",
            "a=b",
            "a==b",
            "a!=c",
            "q!=c",
            "!q",
            "a in (x, b)",
            "a notin (x)",
            "q notin (x)",
            "n>5",
            "n<8",
            "x.y/z=",
            "x.y/z",
            "a=b,n>6",
            " a = b , ! q ",
            "x.y/z in (,)",
        ] {
            assert!(selects(selector, &labels), "{selector}");
        }
        for selector in [
            "q",
            "a=c",
            "a!=b",
            "!a",
            "a in (x)",
            "q in (x)",
            "a notin (b,c)",
            "n>7",
            "n<7",
            "a>1",
            "q>1",
            "a=b,q",
        ] {
            assert!(!selects(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn a_bad_selector_is_explained_as_kubernetes_does() {
        for (selector, problem) in [
            ("a b c==", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a,", "found '', expected: identifier after ','"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("=a", "found '=', expected: !, identifier, or 'end of string'"),
            ("a in x", "unable to parse requirement: found 'x' expected: '('"),
            (
                "a in ()",
                "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
            ),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
            ("!", "unable to parse requirement: found '', expected: identifier"),
        ] {
            assert_eq!(LabelSelector::parse(selector).unwrap_err(), problem, "{selector}");
        }
        assert!(LabelSelector::parse("a=b!c").is_err());
        assert!(LabelSelector::parse("/a=b").unwrap_err().contains("prefix part must be non-empty"));
    }

    #[test]
    fn the_text_form_reads_back() {
        for selector in
            ["a=b", "a==b", "a!=b", "a in (x,y)", "a notin (x)", "!a", "a", "a>5", "a<5", "a=b,c", ""]
        {
            assert_eq!(LabelSelector::parse(selector).unwrap().to_string(), selector);
        }
        assert_eq!(LabelSelector::parse("z,a in (y,x,x)").unwrap().to_string(), "a in (x,y),z");
    }

    #[test]
    fn the_object_form_selects_by_labels_and_expressions() {
        let selector = LabelSelector::from_object(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "legacy", "operator": "DoesNotExist"},
            ],
        }))
        .unwrap();
        assert_eq!(selector.to_string(), "app=web,!legacy,tier in (back,front)");
        assert_eq!(selector.required_value("app"), Some("web"));
        let mut object = Object::new("v1", "Pod", "d", "p");
        object.set_label("app", "web");
        object.set_label("tier", "back");
        assert!(selector.matches_object(&object));
        object.set_label("legacy", "");
        assert!(!selector.matches_object(&object));
        assert!(LabelSelector::from_object(&json!({})).unwrap().is_everything());
        assert!(LabelSelector::from_object(&json!([])).is_err());
        for bad in [
            json!({"matchExpressions": [{"key": "a", "operator": "Near"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "In"}]}),
            json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}),
            json!({"matchLabels": {"a": 1}}),
            json!({"matchLabels": {"a": "no spaces"}}),
        ] {
            assert!(LabelSelector::from_object(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn field_selectors_compare_text_and_know_escapes() {
        let selector = FieldSelector::parse(r"metadata.name=a\,b\=c\\,status.phase!=Failed,x==y,").unwrap();
        assert_eq!(selector.exact_name(), Some(r"a,b=c\"));
        assert_eq!(selector.requirements().len(), 3);
        assert!(selector.matches(|path| match path {
            "metadata.name" => Some(r"a,b=c\"),
            "x" => Some("y"),
            _ => None,
        }));
        assert!(!selector.matches(|_| Some("Failed")));
        assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector);
        assert!(FieldSelector::parse("").unwrap().is_everything());
        assert_eq!(
            FieldSelector::parse("xxx").unwrap_err(),
            "invalid selector: 'xxx'; can't understand 'xxx'"
        );
        assert!(FieldSelector::parse("a=b=c").is_err());
        assert!(FieldSelector::parse(r"a=\x").is_err());
    }
}
