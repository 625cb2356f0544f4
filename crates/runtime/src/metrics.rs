//! Prometheus metrics of the whole process, in the text format that upstream's dashboards read.

use std::sync::LazyLock;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, TextEncoder};

/// Everything registered so far, as `/metrics` shows it.
pub fn text() -> String {
    TextEncoder::new().encode_to_string(&prometheus::gather()).unwrap_or_default()
}

macro_rules! vector {
    ($(#[$doc:meta])* $name:ident: $ty:ident = $register:ident($metric:literal, $help:literal, [$($label:literal),*] $(, $buckets:expr)?)) => {
        $(#[$doc])*
        pub(crate) static $name: LazyLock<$ty> = LazyLock::new(|| {
            prometheus::$register!($metric, $help, &[$($label),*] $(, $buckets)?)
                .expect("the metric's name and labels are valid and registered only here")
        });
    };
}

vector!(
    /// Reconciles per controller and result, under controller-runtime's name.
    RECONCILES: IntCounterVec = register_int_counter_vec(
        "controller_runtime_reconcile_total", "Reconciles per controller and result", ["controller", "result"])
);
vector!(
    /// Failed reconciles per controller.
    RECONCILE_ERRORS: IntCounterVec = register_int_counter_vec(
        "controller_runtime_reconcile_errors_total", "Failed reconciles per controller", ["controller"])
);
vector!(
    /// Seconds per reconcile.
    RECONCILE_SECONDS: HistogramVec = register_histogram_vec(
        "controller_runtime_reconcile_time_seconds", "Seconds per reconcile", ["controller"],
        prometheus::exponential_buckets(0.0005, 2.0, 16).expect("the buckets are in order"))
);
vector!(
    /// Keys waiting per queue.
    QUEUE_DEPTH: IntGaugeVec = register_int_gauge_vec("workqueue_depth", "Keys waiting in a queue", ["name"])
);
vector!(
    /// Keys added per queue.
    QUEUE_ADDS: IntCounterVec = register_int_counter_vec("workqueue_adds_total", "Keys added to a queue", ["name"])
);
vector!(
    /// Keys put back after a failure.
    QUEUE_RETRIES: IntCounterVec = register_int_counter_vec(
        "workqueue_retries_total", "Keys put back after a failure", ["name"])
);
