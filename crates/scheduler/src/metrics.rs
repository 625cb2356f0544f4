//! The scheduler's metrics, under upstream's names.

use std::sync::LazyLock;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use scheduling::Step;

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
        static $name: LazyLock<$ty> = LazyLock::new(|| {
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
    /// Seconds per extension point.
    EXTENSION_POINT: HistogramVec = register_histogram_vec(
        "karmada_scheduler_framework_extension_point_duration_seconds", "Seconds to run the plugins of a step",
        ["extension_point", "result"],
        prometheus::exponential_buckets(0.000_001, 4.0, 12).expect("the buckets are in order"))
);
vector!(
    /// Bindings that came to the queue, by what brought them.
    INCOMING_BINDINGS: IntCounterVec = register_int_counter_vec(
        "karmada_scheduler_queue_incoming_bindings_total", "Bindings added to the queue", ["event"])
);
vector!(
    /// Bindings that wait, by where.
    PENDING_BINDINGS: IntGaugeVec = register_int_gauge_vec(
        "karmada_scheduler_pending_bindings", "Bindings waiting to be scheduled", ["queue"])
);

/// The counters of what comes, looked up once: a lookup costs more than counting.
pub(crate) static INCOMING: LazyLock<IncomingCounters> = LazyLock::new(|| {
    let counter = |event: Incoming| INCOMING_BINDINGS.with_label_values(&[event.name()]);
    IncomingCounters([
        counter(Incoming::BindingAdd),
        counter(Incoming::BindingUpdate),
        counter(Incoming::ScheduleAttemptFailure),
        counter(Incoming::ClusterChanged),
    ])
});

/// One counter per event, in the order of [`Incoming`].
pub(crate) struct IncomingCounters([IntCounter; 4]);

impl IncomingCounters {
    pub(crate) fn counter(&self, event: Incoming) -> &IntCounter {
        &self.0[event as usize]
    }
}

/// The gauges of what waits.
pub(crate) static PENDING: LazyLock<Pending> = LazyLock::new(|| {
    let gauge = |queue: &str| PENDING_BINDINGS.with_label_values(&[queue]);
    Pending { active: gauge("active"), backoff: gauge("backoff"), unschedulable: gauge("unschedulable") }
});

/// One gauge per place in the queue.
pub(crate) struct Pending {
    pub(crate) active: IntGauge,
    pub(crate) backoff: IntGauge,
    pub(crate) unschedulable: IntGauge,
}

/// The histograms of one step of the decision.
struct StepTimes {
    algorithm: Histogram,
    /// Steps that are extension points for plugins.
    extension_point: Option<Histogram>,
}

static STEPS: LazyLock<[StepTimes; 4]> = LazyLock::new(|| {
    [Step::Filter, Step::Score, Step::Select, Step::AssignReplicas].map(|step| StepTimes {
        algorithm: ALGORITHM.with_label_values(&[step.name()]),
        extension_point: matches!(step, Step::Filter | Step::Score)
            .then(|| EXTENSION_POINT.with_label_values(&[step.name(), "Success"])),
    })
});

/// Notes how long a step of the decision took.
pub(crate) fn step_took(step: Step, seconds: f64) {
    let times = &STEPS[step as usize];
    times.algorithm.observe(seconds);
    if let Some(extension_point) = &times.extension_point {
        extension_point.observe(seconds);
    }
}

/// Counts an attempt.
pub(crate) fn attempted(schedule_type: &str, succeeded: bool, seconds: f64) {
    let result = if succeeded { "scheduled" } else { "error" };
    ATTEMPTS.with_label_values(&[result, schedule_type]).inc();
    END_TO_END.with_label_values(&[result, schedule_type]).observe(seconds);
}
