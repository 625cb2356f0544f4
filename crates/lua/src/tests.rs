//! Scripts and their answers. `run` gives a script's results joined by commas, or its error.

mod conversion;
mod language;
mod libraries;
mod limits;
mod robustness;

use crate::{Chunk, Limits, Machine, Surroundings};

/// The results of a script as `tostring` shows them, or its error.
fn run(source: &str) -> String {
    run_with(source, Limits::default())
}

fn run_with(source: &str, limits: Limits<'_>) -> String {
    let chunk = match Chunk::compile("test", source) {
        Ok(chunk) => chunk,
        Err(error) => return format!("compile: {error}"),
    };
    let surroundings = Surroundings { now: 1_700_000_000, seed: 7 };
    match Machine::with_surroundings(limits, surroundings).run(&chunk) {
        Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Err(error) => format!("error: {error}"),
    }
}

/// Checks `script => answer` pairs.
fn check(table: &[(&str, &str)]) {
    for (source, answer) in table {
        assert_eq!(run(source), *answer, "of {source}");
    }
}
