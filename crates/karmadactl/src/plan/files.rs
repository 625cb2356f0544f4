//! The objects of files, folders and standard input.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use machinery::Object;
use serde_json::Value;

/// Endings of the files that are read from a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads the objects of files and folders; `-` is standard input.
///
/// # Errors
/// When a file cannot be read or holds something that is no object; the file and the document are named.
pub(crate) fn read(paths: &[PathBuf], recursive: bool) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            objects.extend(parse(&text, "standard input")?);
            continue;
        }
        for file in files(path, recursive)? {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {name}"))?;
            objects.extend(parse(&text, &name)?);
        }
    }
    Ok(objects)
}

/// The file itself, or those of a folder in the order of their names.
fn files(path: &Path, recursive: bool) -> Result<Vec<PathBuf>> {
    let problem = || format!("cannot read {}", path.display());
    if !std::fs::metadata(path).with_context(problem)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: std::io::Result<Vec<_>> = std::fs::read_dir(path).with_context(problem)?.collect();
    let mut entries: Vec<PathBuf> =
        entries.with_context(problem)?.iter().map(std::fs::DirEntry::path).collect();
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            if recursive {
                found.extend(files(&entry, recursive)?);
            }
        } else if entry.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e)) {
            found.push(entry);
        }
    }
    Ok(found)
}

/// The objects of a text: YAML documents or JSON, also lists of objects.
pub(crate) fn parse(text: &str, name: &str) -> Result<Vec<Object>> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).with_context(|| format!("{name} is neither YAML nor JSON"))?;
    let mut objects = Vec::new();
    for (position, document) in documents.into_iter().enumerate() {
        let place = || format!("{name}, document {}", position + 1);
        match document {
            Value::Null => {}
            Value::Object(_) => add(document, &place, &mut objects)?,
            _ => bail!("{}: not an object", place()),
        }
    }
    Ok(objects)
}

fn add(mut document: Value, place: &dyn Fn() -> String, objects: &mut Vec<Object>) -> Result<()> {
    let is_list = document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
    if is_list && let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) {
        return items.into_iter().try_for_each(|item| add(item, place, objects));
    }
    let object = Object::from_value(document).with_context(place)?;
    for (field, value) in
        [("apiVersion", object.api_version()), ("kind", object.kind()), ("metadata.name", object.name())]
    {
        if value.is_empty() {
            bail!("{}: {field} is missing", place());
        }
    }
    objects.push(object);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_objects_and_empty_documents_are_nothing() {
        let text = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\n\
            apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: b}}\n";
        let names: Vec<String> =
            parse(text, "f").unwrap().iter().map(|o| format!("{}/{}", o.kind(), o.name())).collect();
        assert_eq!(names, ["ConfigMap/a", "Secret/b"]);
        let json = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}"#;
        assert_eq!(parse(json, "f").unwrap()[0].name(), "c");
    }

    #[test]
    fn what_is_no_object_is_an_error_that_names_the_place() {
        for (text, expected) in [
            ("- a\n", "f, document 1: not an object"),
            ("apiVersion: v1\nkind: ConfigMap\n", "f, document 1: metadata.name is missing"),
            ("kind: ConfigMap\nmetadata: {name: a}\n", "f, document 1: apiVersion is missing"),
        ] {
            assert_eq!(format!("{:#}", parse(text, "f").unwrap_err()), expected);
        }
        assert!(format!("{:#}", parse("a: [", "f").unwrap_err()).starts_with("f is neither YAML nor JSON"));
        assert!(
            format!("{:#}", read(&[PathBuf::from("/nonexistent/x")], false).unwrap_err())
                .contains("/nonexistent/x")
        );
    }
}
