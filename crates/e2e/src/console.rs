//! README files as stories: the commands in a file's `console` blocks are run, and must print what the
//! file says they print.
//!
//! The file shows real output. Some of it differs from run to run, so that a found line is as expected
//! when both are equal but for the amount of blanks between words, ages (`5s`, `2m10s`), times of day, and
//! whatever stands where the file has `…`. A line that is nothing but `…` stands for any number of
//! lines.

use std::path::Path;
use std::process::Command;

use testkit::{Outcome, eventually, finish, tools};

use crate::{SOON, Up};

/// A command and what it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where the file has it, from 1.
    pub line: usize,
    /// What is typed.
    pub command: String,
    /// What is printed, without trailing empty lines.
    pub printed: Vec<String>,
}

/// The commands of a file's `console` blocks, in order.
pub fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    let mut is_continued = false;
    for (number, text) in (1..).zip(markdown.lines()) {
        if text.trim_start().starts_with("```") {
            inside = !inside && text.trim() == "```console";
            is_continued = false;
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line: number, command: command.to_owned(), printed: Vec::new() });
        } else if let (true, Some(step)) = (is_continued, steps.last_mut()) {
            step.command.push('\n');
            step.command.push_str(text);
        } else if let Some(step) = steps.last_mut() {
            step.printed.push(text.to_owned());
            continue;
        }
        is_continued = text.ends_with('\\');
    }
    for step in &mut steps {
        let kept = step.printed.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        step.printed.truncate(kept);
    }
    steps
}

/// Whether what was printed is what a file says.
pub fn is_as_said(said: &[String], printed: &[&str]) -> bool {
    match said.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line.trim() == "…" => {
            (0..=printed.len()).any(|skipped| is_as_said(rest, &printed[skipped..]))
        }
        Some((line, rest)) => printed
            .split_first()
            .is_some_and(|(found, others)| is_line_as_said(line, found) && is_as_said(rest, others)),
    }
}

fn is_line_as_said(said: &str, found: &str) -> bool {
    let said: Vec<&str> = said.split_whitespace().collect();
    let found: Vec<&str> = found.split_whitespace().collect();
    said.len() == found.len() && said.iter().zip(&found).all(|(said, found)| is_word_as_said(said, found))
}

fn is_word_as_said(said: &str, found: &str) -> bool {
    if said == found || (is_age(said) && is_age(found)) {
        return true;
    }
    let Some((start, end)) = said.split_once('…') else { return false };
    found.strip_prefix(start).is_some_and(|rest| {
        if end.contains('…') {
            (0..=rest.len())
                .filter(|&at| rest.is_char_boundary(at))
                .any(|at| is_word_as_said(end, &rest[at..]))
        } else {
            rest.ends_with(end)
        }
    })
}

/// `5s`, `2m10s`, or a time like `2026-01-02T03:04:05Z`.
fn is_age(word: &str) -> bool {
    let word = word.trim_matches(['(', ')', ',', '.']);
    if let (Some((date, time)), true) = (word.split_once('T'), word.ends_with('Z')) {
        let is_made_of =
            |text: &str, more: &str| text.chars().all(|c| c.is_ascii_digit() || more.contains(c));
        return date.len() == 10 && is_made_of(date, "-") && is_made_of(time, ":.Z");
    }
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.ends_with(['s', 'm', 'h', 'd'])
        && word.chars().all(|c| c.is_ascii_digit() || matches!(c, 's' | 'm' | 'h' | 'd'))
}

/// Whether a command only looks, so that it may be repeated until it shows what is expected.
fn only_looks(command: &str) -> bool {
    const LOOKS: [&str; 7] = [" get ", " why ", " plan ", " describe ", " top ", " diff ", " exec "];
    LOOKS.iter().any(|look| command.contains(look))
}

/// Runs the commands of a file in the repository against a running `karmada up`.
///
/// `~/.karmada`, `KUBECONFIG`, `kubectl`, `karmada` and `karmadactl` are those of a user who has started it.
///
/// # Panics
/// When a command does not print what the file says.
#[track_caller]
pub fn follow(up: &Up, file: &str) {
    let path = tools::workspace().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {file}: {e}"));
    let steps = steps(&text);
    assert!(!steps.is_empty(), "{file} has no `console` block with a command");
    let home = up.folder().join("reader");
    prepare_home(&home, up);
    for step in steps {
        let place = format!("{file}:{}: {}", step.line, step.command);
        if only_looks(&step.command) {
            eventually(SOON, &place, || check(&step, &run(&home, up, &step.command)));
        } else {
            let outcome = run(&home, up, &step.command);
            if let Err(reason) = check(&step, &outcome) {
                panic!("{place}\n{reason:#}");
            }
        }
    }
}

fn check(step: &Step, outcome: &Outcome) -> anyhow::Result<()> {
    let both = format!("{}{}", outcome.stdout, outcome.stderr);
    let printed: Vec<&str> = both.trim_end().lines().collect();
    anyhow::ensure!(
        is_as_said(&step.printed, &printed),
        "it printed (exit code {}):\n{both}\nand should print:\n{}",
        outcome.code,
        step.printed.join("\n")
    );
    Ok(())
}

/// A home folder in which a user has run `karmada up` and has its programs at hand.
fn prepare_home(home: &Path, up: &Up) {
    let programs = home.join("bin");
    std::fs::create_dir_all(&programs).expect("the folder is ours");
    let link = |target: &Path, name: &Path| {
        if std::fs::symlink_metadata(name).is_err() {
            std::os::unix::fs::symlink(target, name).expect("the folder is ours");
        }
    };
    link(&up.data(), &home.join(".karmada"));
    link(&tools::tool("kubectl-current"), &programs.join("kubectl"));
    for name in ["karmada", "karmadactl"] {
        link(&tools::program(name), &programs.join(name));
    }
}

fn run(home: &Path, up: &Up, line: &str) -> Outcome {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command
        .args(["-c", line])
        .current_dir(tools::workspace())
        .env("HOME", home)
        .env("PATH", format!("{}:{path}", home.join("bin").display()))
        .env("KUBECONFIG", up.kubeconfig());
    finish(line, command, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn agrees(said: &str, printed: &str) -> bool {
        is_as_said(&lines(said), &printed.lines().collect::<Vec<_>>())
    }

    #[test]
    fn commands_and_what_they_print_are_found_in_console_blocks_only() {
        let text = "# Title\n```yaml\n$ no: command\n```\n```console\n$ one\na\nb\n\n$ two \\\n    more\n$ three\nc\n\n```\n";
        let found = steps(text);
        let brief: Vec<(usize, &str, usize)> =
            found.iter().map(|s| (s.line, s.command.as_str(), s.printed.len())).collect();
        assert_eq!(brief, [(6, "one", 2), (10, "two \\\n    more", 0), (12, "three", 1)]);
    }

    #[test]
    fn blanks_ages_and_dots_may_differ_and_nothing_else() {
        assert!(agrees("NAME   AGE\nweb-…-x  5s", "NAME AGE\nweb-6f-x   2m10s"));
        assert!(agrees("at 2026-01-02T03:04:05Z", "at 2027-11-23T10:39:16.5Z"));
        assert!(!agrees("at 2026-01-02T03:04:05Z", "at noon"));
        assert!(agrees("a\n…\nz", "a\nb\nc\nz"));
        assert!(agrees("…", ""));
        assert!(agrees("web-…-…", "web-1-2"));
        assert!(!agrees("a 1", "a 2"));
        assert!(!agrees("a", "a\nb"));
        assert!(!agrees("a\nb", "a"));
        assert!(!agrees("web-…-x", "web-6f-y"));
        assert!(!agrees("5s", "5"));
    }

    #[test]
    fn what_changes_something_is_not_repeated() {
        assert!(only_looks("kubectl get clusters"));
        assert!(!only_looks("kubectl apply -f x"));
        assert!(!only_looks("kubectl delete -f x"));
    }
}
