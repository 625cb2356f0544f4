//! Metrics under upstream's names.

use std::sync::LazyLock;

use machinery::Object;
use prometheus::{GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, Opts};
use tokio::time::Instant;

/// Seconds, doubling from a millisecond; upstream's buckets.
fn buckets() -> Vec<f64> {
    prometheus::exponential_buckets(0.001, 2.0, 12).unwrap_or_default()
}

fn histogram(name: &str, help: &str) -> HistogramVec {
    let options = HistogramOpts::new(name, help).buckets(buckets());
    let histogram = HistogramVec::new(options, &["result"]).expect("the name and labels are valid");
    // Registering fails when it is there already; observations then go nowhere, which hurts nobody.
    let _ = prometheus::register(Box::new(histogram.clone()));
    histogram
}

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counter = IntCounterVec::new(Opts::new(name, help), labels).expect("the name and labels are valid");
    let _ = prometheus::register(Box::new(counter.clone()));
    counter
}

fn gauge(name: &str, help: &str) -> GaugeVec {
    let gauge =
        GaugeVec::new(Opts::new(name, help), &["member_cluster"]).expect("the name and labels are valid");
    let _ = prometheus::register(Box::new(gauge.clone()));
    gauge
}

pub(crate) static WORK_SYNC_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("work_sync_workload_duration_seconds", "Seconds to apply a Work in its member")
});
pub(crate) static BINDING_SYNC_SECONDS: LazyLock<HistogramVec> =
    LazyLock::new(|| histogram("binding_sync_work_duration_seconds", "Seconds to write a binding's Works"));
pub(crate) static MATCH_POLICY_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    let help = "Seconds to find the policy of a template";
    let options = HistogramOpts::new("resource_match_policy_duration_seconds", help).buckets(buckets());
    let histogram = Histogram::with_opts(options).expect("the name is valid");
    let _ = prometheus::register(Box::new(histogram.clone()));
    histogram
});
pub(crate) static APPLY_POLICY_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("resource_apply_policy_duration_seconds", "Seconds to apply a policy to a template")
});
pub(crate) static POLICY_ATTEMPTS: LazyLock<IntCounterVec> =
    LazyLock::new(|| counter("policy_apply_attempts_total", "Policies applied to templates", &["result"]));
pub(crate) static PREEMPTIONS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("policy_preemption_total", "Templates taken over from other policies", &["result"])
});
static CREATES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = ["result", "apiversion", "kind", "member_cluster", "recreate"];
    counter("create_resource_to_cluster", "Objects created in members", &labels)
});
static UPDATES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = ["result", "apiversion", "kind", "member_cluster", "operationResult"];
    counter("update_resource_to_cluster", "Objects updated in members", &labels)
});
static DELETES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = ["result", "apiversion", "kind", "member_cluster"];
    counter("delete_resource_from_cluster", "Objects deleted from members", &labels)
});
pub(crate) static READY_STATE: LazyLock<GaugeVec> =
    LazyLock::new(|| gauge("cluster_ready_state", "1 when the cluster is ready, 0 otherwise"));
pub(crate) static NODES: LazyLock<GaugeVec> =
    LazyLock::new(|| gauge("cluster_node_number", "Nodes of the cluster"));
pub(crate) static READY_NODES: LazyLock<GaugeVec> =
    LazyLock::new(|| gauge("cluster_ready_node_number", "Ready nodes of the cluster"));

/// The label of a result.
pub(crate) fn result(ok: bool) -> &'static str {
    if ok { "success" } else { "error" }
}

/// Starts a measurement.
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Ends a measurement.
pub(crate) fn observe(histogram: &HistogramVec, since: Instant, ok: bool) {
    histogram.with_label_values(&[result(ok)]).observe(since.elapsed().as_secs_f64());
}

/// A write to a member, as metrics tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberWrite {
    Create,
    /// Somebody has deleted what was there.
    Recreate,
    Update,
    Delete,
}

/// Counts a write to a member.
pub(crate) fn member_write(write: MemberWrite, cluster: &str, object: &Object, ok: bool) {
    let (api_version, kind) = (object.api_version(), object.kind());
    let create = |recreate| CREATES.with_label_values(&[result(ok), api_version, kind, cluster, recreate]);
    match write {
        MemberWrite::Create => create("false"),
        MemberWrite::Recreate => create("true"),
        MemberWrite::Update => {
            UPDATES.with_label_values(&[result(ok), api_version, kind, cluster, "updated"])
        }
        MemberWrite::Delete => DELETES.with_label_values(&[result(ok), api_version, kind, cluster]),
    }
    .inc();
}
