//! The table: what, its budget, what was measured, and the ratio of both.

use std::fmt;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;

/// Something measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    /// A time.
    Time(Duration),
    /// Bytes of memory.
    Memory(u64),
    /// So many per second.
    Rate(f64),
    /// A plain number.
    Count(u64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Self::Time(time) => time.as_secs_f64(),
            #[expect(clippy::cast_precision_loss, reason = "a ratio has three digits")]
            Self::Memory(number) | Self::Count(number) => number as f64,
            Self::Rate(rate) => rate,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Time(time) if time < Duration::from_millis(1) => {
                write!(f, "{:.1} µs", time.as_secs_f64() * 1e6)
            }
            Self::Time(time) if time < Duration::from_millis(10) => {
                write!(f, "{:.1} ms", time.as_secs_f64() * 1e3)
            }
            Self::Time(time) if time < Duration::from_secs(1) => write!(f, "{} ms", time.as_millis()),
            Self::Time(time) => write!(f, "{:.2} s", time.as_secs_f64()),
            Self::Memory(_) => write!(f, "{:.1} MiB", self.number() / f64::from(1 << 20)),
            Self::Rate(rate) => write!(f, "{rate:.0}/s"),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Budget {
    /// Not more than this.
    AtMost(Value),
    /// Not less than this.
    AtLeast(Value),
    /// Nothing; measured for what it tells.
    None,
}

impl Budget {
    /// A time in milliseconds, at most.
    pub(crate) const fn millis(millis: u64) -> Self {
        Self::AtMost(Value::Time(Duration::from_millis(millis)))
    }

    /// Memory in mebibytes, at most.
    pub(crate) const fn mebibytes(mebibytes: u64) -> Self {
        Self::AtMost(Value::Memory(mebibytes << 20))
    }

    /// Below 1 is better than promised, for either kind of budget.
    fn ratio(self, measured: Value) -> String {
        match self {
            Self::AtMost(limit) if limit.number() > 0.0 => {
                format!("{:.2}", measured.number() / limit.number())
            }
            Self::AtLeast(limit) if measured.number() > 0.0 => {
                format!("{:.2}", limit.number() / measured.number())
            }
            _ => String::new(),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(value) => write!(f, "≤ {value}"),
            Self::AtLeast(value) => write!(f, "≥ {value}"),
            Self::None => Ok(()),
        }
    }
}

/// What was measured, or why not.
pub(crate) type Measured = Result<Value, String>;

/// Prints rows as they are measured, as a Markdown table.
pub(crate) struct Report(());

impl Report {
    /// Prints the head of the table.
    pub(crate) fn begin() -> Self {
        let report = Self(());
        report.line("what", "budget", "measured", "ratio");
        report.line(&"-".repeat(68), &"-".repeat(10), &"-".repeat(12), &"-".repeat(5));
        report
    }

    fn line(&self, what: &str, budget: &str, measured: &str, ratio: &str) {
        println!("| {what:<68} | {budget:>10} | {measured:>12} | {ratio:>5} |");
        // Measuring takes long; whoever waits at the end of a pipe wants to see each row.
        let _ = std::io::stdout().flush();
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, what: &str, budget: Budget, measured: impl Into<Measured>) {
        match measured.into() {
            Ok(value) => self.line(what, &budget.to_string(), &value.to_string(), &budget.ratio(value)),
            Err(why) => self.line(what, &budget.to_string(), &why, "-"),
        }
    }

    /// Adds a row for something that succeeded.
    pub(crate) fn value(&mut self, what: &str, budget: Budget, value: Value) {
        self.row(what, budget, Ok(value));
    }

    /// Adds a row with the reason why a group could not be measured to its end.
    pub(crate) fn failed(&mut self, group: &str, result: Result<()>) {
        if let Err(error) = result {
            self.line(&format!("{group}: not measured to its end"), "", &format!("{error:#}"), "-");
        }
    }

    /// Prints a line between the rows.
    pub(crate) fn note(&self, text: &str) {
        println!("| {text:<68} | {:>10} | {:>12} | {:>5} |", "", "", "");
    }
}

/// The value below which `percent` of the samples lie.
pub(crate) fn percentile(samples: &mut [Duration], percent: usize) -> Measured {
    samples.sort_unstable();
    let last = samples.len().checked_sub(1).ok_or("no samples")?;
    Ok(Value::Time(samples[(samples.len() * percent / 100).min(last)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_below_one_is_better_than_promised() {
        assert_eq!(Budget::millis(300).ratio(Value::Time(Duration::from_millis(150))), "0.50");
        assert_eq!(Budget::AtLeast(Value::Rate(10.0)).ratio(Value::Rate(40.0)), "0.25");
        assert_eq!(Budget::None.ratio(Value::Count(7)), "");
    }

    #[test]
    fn percentiles_of_few_samples_are_samples() {
        let mut samples: Vec<Duration> = (1..=10).rev().map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut samples, 50), Ok(Value::Time(Duration::from_millis(6))));
        assert_eq!(percentile(&mut samples, 99), Ok(Value::Time(Duration::from_millis(10))));
        assert_eq!(percentile(&mut [], 50), Err("no samples".into()));
    }
}
