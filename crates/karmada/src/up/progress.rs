//! What `up` prints while things come up: a line per step, with the time since the start.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clock::Clock;

/// Prints steps and remembers their times.
pub(crate) struct Progress {
    clock: Clock,
    start: Duration,
    terminal: bool,
    steps: Vec<(String, Duration)>,
}

impl Progress {
    pub(crate) fn new(clock: Clock) -> Self {
        let start = clock.elapsed();
        Self { clock, start, terminal: std::io::stdout().is_terminal(), steps: Vec::new() }
    }

    /// Says what is being done now; on a terminal the line is replaced when it is done.
    pub(crate) fn doing(&self, what: &str) {
        if self.terminal {
            self.print(format_args!(" … {what}\r"));
        }
    }

    /// Says that a step is done.
    pub(crate) fn done(&mut self, what: &str) {
        let after = self.clock.elapsed().saturating_sub(self.start);
        let (mark, clear) = if self.terminal { ("\x1b[32m✓\x1b[0m", "\x1b[K") } else { ("✓", "") };
        self.print(format_args!(" {mark} {what} ({}){clear}\n", seconds(after)));
        self.steps.push((what.to_owned(), after));
    }

    /// Prints text as it is.
    pub(crate) fn say(&self, text: &str) {
        self.print(format_args!("{text}\n"));
    }

    fn print(&self, text: std::fmt::Arguments<'_>) {
        let mut out = std::io::stdout();
        // A closed pipe is no reason to stop a control plane.
        let _ = out.write_fmt(text).and_then(|()| out.flush());
    }
}

/// A time as people read it.
pub(crate) fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}
