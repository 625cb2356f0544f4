//! The scheduler's metrics, under upstream's names.

use std::sync::LazyLock;

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};

/// What brings a binding to the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Incoming {
    BindingAdd,
    BindingUpdate,
    ScheduleAttemptFailure,
    ClusterChanged,
}

impl Incoming {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BindingAdd => "BindingAdd",
            Self::BindingUpdate => "BindingUpdate",
            Self::ScheduleAttemptFailure => "ScheduleAttemptFailure",
            Self::ClusterChanged => "ClusterChanged",
        }
    }
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

/// Seconds from a tenth of a millisecond to some three seconds.
fn seconds() -> Vec<f64> {
    prometheus::exponential_buckets(0.0001, 2.0, 15).expect("the buckets are in order")
}

vector!(
    /// Attempts by result and type.
    ATTEMPTS: IntCounterVec = register_int_counter_vec(
        "karmada_scheduler_schedule_attempts_total", "Attempts to schedule a binding", ["result", "schedule_type"])
);
vector!(
    /// Seconds from taking a binding off the queue to its result being written.
    END_TO_END: HistogramVec = register_histogram_vec(
        "karmada_scheduler_e2e_scheduling_duration_seconds", "Seconds to schedule a binding and write the result",
        ["result", "schedule_type"], seconds())
);
vector!(
    /// Seconds per step of the decision.
    ALGORITHM: HistogramVec = register_histogram_vec(
        "karmada_scheduler_scheduling_algorithm_duration_seconds", "Seconds per step of the decision",
        ["schedule_step"], prometheus::exponential_buckets(0.000_001, 4.0, 12).expect("the buckets are in order"))
);
vector!(
    /// Bindings that came to the queue, by what brought them.
    INCOMING: IntCounterVec = register_int_counter_vec(
        "karmada_scheduler_queue_incoming_bindings_total", "Bindings added to the queue", ["event"])
);
vector!(
    /// Bindings that wait, by where.
    PENDING: IntGaugeVec = register_int_gauge_vec(
        "karmada_scheduler_pending_bindings", "Bindings waiting to be scheduled", ["queue"])
);

/// Counts an attempt.
pub(crate) fn attempted(schedule_type: &str, succeeded: bool, seconds: f64) {
    let result = if succeeded { "scheduled" } else { "error" };
    ATTEMPTS.with_label_values(&[result, schedule_type]).inc();
    END_TO_END.with_label_values(&[result, schedule_type]).observe(seconds);
}
