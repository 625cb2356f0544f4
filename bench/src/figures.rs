//! What the system and the servers say about a process: memory, CPU time, metrics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use client::Client;

use crate::report::{Measured, Value};

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Measured {
    let read = || -> Result<Value> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(Value::Memory(kibibytes << 10))
    };
    read().map_err(|e| e.to_string())
}

/// CPU time a process has used so far, in user and kernel mode. Zero where the system does not say.
pub(crate) fn cpu(pid: u32) -> Duration {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Duration::ZERO };
    // The name in parentheses may hold spaces; the fields are counted after it.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|&i| fields.get(i)?.parse::<u64>().ok()).sum();
    // Linux reports hundredths of a second to programs, whatever the kernel counts in.
    Duration::from_millis(ticks * 10)
}

/// The samples of one scrape: name with labels, value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Scrapes a server.
    pub(crate) async fn scrape(client: &Client) -> Result<Self> {
        let (_, text) = client.get_text("/metrics").await?;
        let sample = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Ok(Self(text.lines().filter(|l| !l.starts_with('#')).filter_map(sample).collect()))
    }

    /// The sum of all samples of a metric.
    pub(crate) fn sum(&self, metric: &str) -> f64 {
        self.0.iter().filter(|(name, _)| named(name, metric)).map(|(_, value)| value).sum()
    }

    /// Requests answered since `before`, by verb, resource and code, most frequent first.
    pub(crate) fn requests_since(&self, before: &Self) -> Vec<(String, f64)> {
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        for (name, value) in self.0.iter().filter(|(name, _)| named(name, "apiserver_request_total")) {
            let more = value - before.0.get(name).copied().unwrap_or_default();
            if more > 0.0 {
                let label = |l: &str| labelled(name, l).unwrap_or_default();
                let (resource, sub) = (label("resource"), label("subresource"));
                let sub = if sub.is_empty() { String::new() } else { format!("/{sub}") };
                let key = format!("{} {resource}{sub} {}", label("verb"), label("code"));
                *counts.entry(key).or_default() += more;
            }
        }
        let mut counts: Vec<(String, f64)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.total_cmp(&a.1));
        counts
    }
}

fn named(sample: &str, metric: &str) -> bool {
    sample.strip_prefix(metric).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
}

fn labelled<'a>(sample: &'a str, label: &str) -> Option<&'a str> {
    let from = sample.find(&format!("{label}=\""))? + label.len() + 2;
    sample[from..].split('"').next()
}

/// Quiet for so long is at rest.
const QUIET: Duration = Duration::from_secs(1);

/// Time between two looks at whether a control plane is at rest.
const AT_REST_LOOK: Duration = Duration::from_millis(25);

/// When the last reconcile before a quiet second ended, counted from `since`.
pub(crate) async fn at_rest(control: &Client, since: Instant, limit: Duration) -> Measured {
    let deadline = Instant::now() + limit;
    let (mut last, mut changed) = (-1.0, Instant::now());
    let mut looks = tokio::time::interval(AT_REST_LOOK);
    loop {
        looks.tick().await;
        let now = Instant::now();
        if let Ok(metrics) = Metrics::scrape(control).await {
            let total = metrics.sum("controller_runtime_reconcile_total");
            if total > last || metrics.sum("workqueue_depth") > 0.0 {
                (last, changed) = (total, now);
            } else if now.duration_since(changed) >= QUIET {
                return Ok(Value::Time(changed.saturating_duration_since(since)));
            }
        }
        if now > deadline {
            return Err(format!("not at rest within {} s", limit.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_what_they_were() {
        let scrape = |n: f64| {
            let name = r#"apiserver_request_total{code="200",group="apps",resource="deployments",subresource="status",verb="PATCH"}"#;
            Metrics(BTreeMap::from([(name.to_owned(), n)]))
        };
        let since = scrape(7.0).requests_since(&scrape(4.0));
        assert_eq!(since, [("PATCH deployments/status 200".to_owned(), 3.0)]);
        assert!(scrape(4.0).requests_since(&scrape(4.0)).is_empty());
    }
}
