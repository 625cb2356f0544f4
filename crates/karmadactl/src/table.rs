//! Tables as kubectl prints them: columns aligned by spaces, three between them.

use serde_json::Value;

/// Rows of text under headings.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn render(&self, headings: bool) -> String {
        let all = headings.then_some(&self.headings).into_iter().chain(&self.rows);
        let mut widths: Vec<usize> = Vec::new();
        for row in all.clone() {
            for (i, cell) in row.iter().enumerate() {
                if widths.len() <= i {
                    widths.push(0);
                }
                widths[i] = widths[i].max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in all {
            let last = row.len().saturating_sub(1);
            for (i, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if i < last {
                    let gap = widths[i] - cell.chars().count() + 3;
                    text.extend(std::iter::repeat_n(' ', gap));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// A cell of a server-side table as text.
pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let table = Table {
            headings: vec!["NAME".into(), "AGE".into()],
            rows: vec![vec!["a".into(), "5s".into()], vec!["member-one".into(), String::new()]],
        };
        assert_eq!(table.render(true), "NAME         AGE\na            5s\nmember-one   \n");
        assert_eq!(table.render(false).lines().count(), 2);
    }
}
