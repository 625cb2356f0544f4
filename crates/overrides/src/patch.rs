//! Patches: of the object itself, and of documents inside its text fields.

use api::policy::{FieldOverrider, OverriderOperator, PatchOperation, PlaintextOverrider};
use machinery::Object;
use serde_json::Value;

use crate::Problem;
use crate::tree::{Shape, Text, Tree};
use crate::yaml;

/// Applies one operation of a rule to the object.
pub(crate) fn plaintext(object: &mut Object, overrider: &PlaintextOverrider) -> Result<(), Problem> {
    let PlaintextOverrider { path, operator, value } = overrider;
    if path.is_empty() && !value.as_ref().is_some_and(Value::is_object) {
        return Err(failed(path, "it would leave no object"));
    }
    apply(object.value_mut(), path, *operator, value.as_ref()).map_err(|reason| failed(path, &reason))
}

/// Patches the document inside a text field. YAML comes back as Go writes it, with sorted keys; JSON comes back in one
/// line, with its keys in their order, letters of HTML escaped, and everything else that was not changed as it was.
pub(crate) fn edit_field(object: &mut Object, overrider: &FieldOverrider) -> Result<(), Problem> {
    let path = &overrider.field_path;
    let missing = |reason| Problem::Missing { wanted: "text", path: path.clone(), reason };
    let field = find(object.value_mut(), path).map_err(missing)?;
    let Value::String(text) = field else { return Err(missing("what is there is no text".into())) };
    *text = if !overrider.yaml.is_empty() {
        edit_yaml(text, path, &overrider.yaml)?
    } else if !overrider.json.is_empty() {
        edit_json(text, path, &overrider.json)?
    } else {
        // Karmada does the same; admission refuses such a policy.
        String::new()
    };
    Ok(())
}

fn edit_json(text: &str, path: &str, operations: &[PatchOperation]) -> Result<String, Problem> {
    let mut document = Text::parse(text).map_err(|e| unreadable(path, "JSON", e.to_string()))?;
    apply_all(&mut document, operations)?;
    Ok(escape_html(document.to_string()))
}

/// Escapes what Go's JSON escapes so that a document may stand in a page. In JSON these letters stand in texts
/// only.
fn escape_html(json: String) -> String {
    const LETTERS: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    if !json.contains(LETTERS) {
        return json;
    }
    json.chars().fold(String::with_capacity(json.len() + 16), |mut escaped, letter| {
        match letter {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
        escaped
    })
}

fn edit_yaml(text: &str, path: &str, operations: &[PatchOperation]) -> Result<String, Problem> {
    // Go's YAML reads 0644 as an octal number, and file modes are written like that; of a key that stands twice
    // it takes the last. Errors must not show the text: it may be a Secret's.
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let mut document: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| unreadable(path, "YAML", e.to_string()))?;
    apply_all(&mut document, operations)?;
    Ok(yaml::write(&document))
}

fn apply_all<T: Tree>(document: &mut T, operations: &[PatchOperation]) -> Result<(), Problem> {
    for PatchOperation { sub_path, operator, value } in operations {
        apply(document, sub_path, *operator, value.as_ref()).map_err(|reason| failed(sub_path, &reason))?;
    }
    Ok(())
}

fn failed(path: &str, reason: &str) -> Problem {
    Problem::Patch { path: path.into(), reason: reason.into() }
}

fn unreadable(path: &str, format: &'static str, reason: String) -> Problem {
    Problem::Document { path: path.into(), format, reason }
}

/// What stands at a JSON pointer.
///
/// # Errors
/// Where the way ends.
pub(crate) fn find<'a, T: Tree>(document: &'a mut T, path: &str) -> Result<&'a mut T, String> {
    walk(document, &segments(path)?)
}

/// Makes one change, as RFC 6902 says. As in Go's implementation, which Karmada uses, a negative index counts
/// from the end of a list: <https://pkg.go.dev/github.com/evanphx/json-patch/v5>.
fn apply<T: Tree>(
    document: &mut T,
    path: &str,
    operator: OverriderOperator,
    value: Option<&Value>,
) -> Result<(), String> {
    let segments = segments(path)?;
    let value = || T::of(value.cloned().unwrap_or_default());
    let Some((last, parents)) = segments.split_last() else {
        if operator == OverriderOperator::Remove {
            return Err("the whole document cannot be removed".into());
        }
        *document = value();
        return Ok(());
    };
    let parent = walk(document, parents)?;
    let missing = || format!("there is no {last:?}");
    match parent.shape() {
        Shape::Map => match operator {
            OverriderOperator::Add => parent.set_member(last, value()),
            OverriderOperator::Replace => *parent.member(last).ok_or_else(missing)? = value(),
            OverriderOperator::Remove if parent.remove_member(last) => {}
            OverriderOperator::Remove => return Err(missing()),
        },
        Shape::List => {
            let items = parent.items().expect("the shape was looked at just above");
            match operator {
                OverriderOperator::Add if last == "-" => items.push(value()),
                OverriderOperator::Add => items.insert(index(last, items.len() + 1)?, value()),
                OverriderOperator::Replace => {
                    let index = index(last, items.len())?;
                    items[index] = value();
                }
                OverriderOperator::Remove => drop(items.remove(index(last, items.len())?)),
            }
        }
        Shape::Leaf => return Err(format!("what should hold {last:?} is neither a map nor a list")),
    }
    Ok(())
}

fn segments(path: &str) -> Result<Vec<String>, String> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let path = path.strip_prefix('/').ok_or("it is not a JSON pointer, which starts with a slash")?;
    Ok(path.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect())
}

fn walk<'a, T: Tree>(mut node: &'a mut T, segments: &[String]) -> Result<&'a mut T, String> {
    for segment in segments {
        node = match node.shape() {
            Shape::Map => node.member(segment).ok_or_else(|| format!("there is no {segment:?}"))?,
            Shape::List => {
                let items = node.items().expect("the shape was looked at just above");
                let index = index(segment, items.len())?;
                &mut items[index]
            }
            Shape::Leaf => return Err(format!("what should hold {segment:?} is neither a map nor a list")),
        };
    }
    Ok(node)
}

/// A place in a list of `len` places.
fn index(text: &str, len: usize) -> Result<usize, String> {
    let number: i64 = text.parse().map_err(|_| format!("{text:?} is not a place in a list"))?;
    let from_start = if number < 0 { number + i64::try_from(len).unwrap_or(i64::MAX) } else { number };
    usize::try_from(from_start)
        .ok()
        .filter(|index| *index < len)
        .ok_or_else(|| format!("place {text} is not in the list"))
}
