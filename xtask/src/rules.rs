//! The table of rules in `docs/rules.md`: every test it names must exist, so that the table stays true.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};

/// A line of the table: `| section | rule | crate | tests |`.
#[derive(Debug, PartialEq)]
struct Row {
    line: usize,
    crate_name: String,
    tests: Vec<String>,
}

/// Everything that the table says and the crates under `root` do not have.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let file = root.join("docs").join("rules.md");
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut problems = Vec::new();
    for row in rows(&text) {
        if !known.contains_key(&row.crate_name) {
            let folder = root.join("crates").join(&row.crate_name);
            known.insert(row.crate_name.clone(), functions(&folder)?);
        }
        let functions = &known[&row.crate_name];
        if row.tests.is_empty() {
            problems.push(format!("docs/rules.md:{}: no test is named", row.line));
        }
        for test in row.tests.iter().filter(|test| !functions.contains(*test)) {
            problems.push(format!("docs/rules.md:{}: {} has no test {test}", row.line, row.crate_name));
        }
    }
    Ok(problems)
}

fn rows(text: &str) -> Vec<Row> {
    let row = |(line, text): (usize, &str)| {
        let cells: Vec<&str> = text.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [section, _, crate_name, tests] = cells[..] else { return None };
        section.starts_with(|c: char| c.is_ascii_digit()).then(|| Row {
            line,
            crate_name: crate_name.trim_matches('`').to_owned(),
            tests: tests
                .split(',')
                .map(|t| t.trim().trim_matches('`').to_owned())
                .filter(|t| !t.is_empty())
                .collect(),
        })
    };
    (1..).zip(text.lines()).filter_map(row).collect()
}

/// Names of all functions in the Rust files of a folder; none when there is no such folder.
fn functions(folder: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if !folder.exists() {
        return Ok(names);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            names.append(&mut functions(&path)?);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path)?;
            names.extend(text.lines().filter_map(function).map(str::to_owned));
        }
    }
    Ok(names)
}

/// The name in `fn name(`, or in the `name: "folder",` of a test that a macro makes.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("async fn ")).unwrap_or(line);
    let end = rest.find(['(', ':', '<'])?;
    let name = &rest[..end];
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_that_the_table_of_rules_names_exists() {
        let problems = problems(&crate::root()).unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
    }

    #[test]
    fn only_lines_with_a_section_are_rows() {
        let text = "# Rules\n| § | rule | crate | tests |\n|---|---|---|---|\n| 9.4 | taints | `scheduling` | `a`, `b` |\n";
        let expected = Row { line: 4, crate_name: "scheduling".into(), tests: vec!["a".into(), "b".into()] };
        assert_eq!(rows(text), [expected]);
    }

    #[test]
    fn a_test_is_found_by_its_name() {
        assert_eq!(function("    fn a_rule_holds() {"), Some("a_rule_holds"));
        assert_eq!(
            function("    affinity_chooses_clusters: \"affinity\","),
            Some("affinity_chooses_clusters")
        );
        assert_eq!(function("let x = 1;"), None);
    }
}
