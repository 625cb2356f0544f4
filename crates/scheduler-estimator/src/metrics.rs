//! The estimator's metrics, under upstream's names.

use std::panic::AssertUnwindSafe;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use clock::Clock;
use prometheus::{HistogramVec, IntCounterVec, exponential_buckets};
use tonic::Status;

use crate::plugins::{Opinion, Plugin};

macro_rules! vector {
    ($(#[$doc:meta])* $name:ident: $ty:ident = $register:ident($metric:literal, $help:literal, [$($label:literal),*] $(, $buckets:expr)?)) => {
        $(#[$doc])*
        static $name: LazyLock<$ty> = LazyLock::new(|| {
            prometheus::$register!($metric, $help, &[$($label),*] $(, $buckets)?)
                .expect("the metric's name and labels are valid and registered only here")
        });
    };
}

vector!(
    /// Questions by result and type.
    REQUESTS: IntCounterVec = register_int_counter_vec(
        "karmada_scheduler_estimator_estimating_request_total", "Requests for estimates", ["result", "type"])
);
vector!(
    /// Seconds per question and step of it.
    ALGORITHM: HistogramVec = register_histogram_vec(
        "karmada_scheduler_estimator_estimating_algorithm_duration_seconds", "Seconds per step of an estimate",
        ["result", "type", "step"], exponential_buckets(0.001, 2.0, 10).expect("the buckets are in order"))
);
vector!(
    /// Seconds for all plugins.
    EXTENSION_POINT: HistogramVec = register_histogram_vec(
        "karmada_scheduler_estimator_estimating_plugin_extension_point_duration_seconds",
        "Seconds to run all plugins", ["estimating_plugin_extension_point"],
        exponential_buckets(0.0001, 2.0, 12).expect("the buckets are in order"))
);
vector!(
    /// Seconds for one plugin.
    PLUGIN: HistogramVec = register_histogram_vec(
        "karmada_scheduler_estimator_estimating_plugin_execution_duration_seconds", "Seconds to run a plugin",
        ["estimating_plugin", "estimating_plugin_extension_point"],
        exponential_buckets(0.00001, 1.5, 20).expect("the buckets are in order"))
);

/// What plugins are run for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Extension {
    /// Single replicas.
    Replicas,
    /// Sets of components.
    Components,
}

impl Extension {
    fn name(self) -> &'static str {
        match self {
            Self::Replicas => "estimate_replicas",
            Self::Components => "estimate_components",
        }
    }
}

/// Runs a plugin and notes how long it took. A panic costs this one answer.
pub(crate) fn timed(plugin: Plugin, extension: Extension, run: impl FnOnce() -> Opinion) -> Opinion {
    let began = Instant::now();
    let opinion = std::panic::catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
        tracing::error!(plugin = plugin.name(), "plugin panicked");
        Opinion::Failed(format!("{} panicked", plugin.name()))
    });
    PLUGIN.with_label_values(&[plugin.name(), extension.name()]).observe(began.elapsed().as_secs_f64());
    opinion
}

/// Runs all plugins and notes how long they took.
pub(crate) fn extension_point<T>(extension: Extension, run: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let result = run();
    EXTENSION_POINT.with_label_values(&[extension.name()]).observe(began.elapsed().as_secs_f64());
    result
}

/// A question that is being answered.
pub(crate) struct Question<'a> {
    ty: &'static str,
    object: &'a str,
    clock: &'a Clock,
    began: Duration,
}

impl<'a> Question<'a> {
    pub(crate) fn new(ty: &'static str, object: &'a str, clock: &'a Clock) -> Self {
        Self { ty, object, clock, began: clock.elapsed() }
    }

    fn observe(&self, step: &str, succeeded: bool, since: Duration) {
        let seconds = self.clock.elapsed().saturating_sub(since).as_secs_f64();
        ALGORITHM.with_label_values(&[result(succeeded), self.ty, step]).observe(seconds);
    }

    /// Takes a step of the answer.
    pub(crate) fn step<T>(&self, step: &str, take: impl FnOnce() -> Result<T, Status>) -> Result<T, Status> {
        let began = self.clock.elapsed();
        let taken = take();
        self.observe(step, taken.is_ok(), began);
        taken
    }

    /// Notes the answer and hands it on as the protocol counts.
    pub(crate) fn answered(&self, answer: Result<i64, Status>) -> Result<i32, Status> {
        REQUESTS.with_label_values(&[result(answer.is_ok()), self.ty]).inc();
        self.observe("Total", answer.is_ok(), self.began);
        match &answer {
            Ok(count) => tracing::debug!(object = self.object, question = self.ty, count, "answered"),
            Err(status) => {
                tracing::warn!(
                    object = self.object,
                    question = self.ty,
                    error = status.message(),
                    "no answer"
                );
            }
        }
        answer.map(|count| i32::try_from(count.max(0)).unwrap_or(i32::MAX))
    }
}

fn result(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "error" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_panics_has_failed_and_nothing_else_has() {
        let failed = timed(Plugin::NodeResource, Extension::Replicas, || {
            assert!(Opinion::of(1) == Opinion::NoOperation, "a bug");
            Opinion::Fits(1)
        });
        assert_eq!(failed, Opinion::Failed("NodeResourceEstimator panicked".to_owned()));
        assert_eq!(timed(Plugin::NodeResource, Extension::Replicas, || Opinion::Fits(1)), Opinion::Fits(1));
    }
}
