//! What the server counts about itself.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Request counters, in a registry of their own so that several servers fit in one process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    watches: IntGauge,
}

/// What a request is counted under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) scope: &'a str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("apiserver_request_total", "Requests by verb, resource and code."),
            &["verb", "group", "version", "resource", "subresource", "scope", "code"],
        )
        .expect("the names are valid");
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "apiserver_request_duration_seconds",
                "Duration of requests other than watches.",
            )
            .buckets(vec![0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0]),
            &["verb", "group", "version", "resource", "subresource", "scope"],
        )
        .expect("the names are valid");
        let watches = IntGauge::new("apiserver_longrunning_requests", "Watches being served.")
            .expect("the name is valid");
        for collector in [
            Box::new(requests.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(durations.clone()),
            Box::new(watches.clone()),
        ] {
            registry.register(collector).expect("each is registered once");
        }
        Self { registry, requests, durations, watches }
    }

    /// Counts one answered request.
    pub(crate) fn observe(&self, labels: Labels<'_>, code: u16, took: Duration) {
        let Labels { verb, group, version, resource, subresource, scope } = labels;
        let code = code.to_string();
        self.requests
            .with_label_values(&[verb, group, version, resource, subresource, scope, code.as_str()])
            .inc();
        if verb != "WATCH" {
            self.durations
                .with_label_values(&[verb, group, version, resource, subresource, scope])
                .observe(took.as_secs_f64());
        }
    }

    /// The gauge of running watches.
    pub(crate) fn watches(&self) -> &IntGauge {
        &self.watches
    }

    /// Everything in Prometheus' text form, the process's own figures included.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut families = self.registry.gather();
        families.extend(prometheus::default_registry().gather());
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut out) {
            tracing::warn!(%error, "could not write the metrics");
        }
        out
    }
}
