//! Where the scheduler puts things, and when it looks again.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

mod affinities;
mod division;
mod groups;

use e2e::Up;
use e2e::stage::{CLUSTERS, Stage};
use serde_json::{Value, json};

/// Sets a label of a cluster, or takes it away with `null`.
#[track_caller]
fn label(stage: &Stage, cluster: &str, key: &str, value: Value) {
    let labels = json!({ "metadata": { "labels": { key: value } } });
    stage.control_plane.patch(CLUSTERS, "", cluster, labels).unwrap();
}

/// Changes a field of the first clusters' specs and puts it back at the end.
struct Specs<'a> {
    up: &'a Up,
    before: Vec<(String, Value)>,
}

impl<'a> Specs<'a> {
    #[track_caller]
    fn set<const N: usize>(up: &'a Up, field: &str, values: [Value; N]) -> Self {
        let control_plane = up.control_plane();
        let mut before = Vec::new();
        for (cluster, value) in e2e::stage::EVERYWHERE.iter().zip(values) {
            let found = control_plane.get(CLUSTERS, "", cluster).unwrap();
            let old = found.at("/spec").map_or(Value::Null, |spec| spec[field].clone());
            before.push(((*cluster).to_owned(), json!({ "spec": { field: old } })));
            control_plane.patch(CLUSTERS, "", cluster, json!({ "spec": { field: value } })).unwrap();
        }
        Self { up, before }
    }
}

impl Drop for Specs<'_> {
    fn drop(&mut self) {
        for (cluster, spec) in self.before.drain(..) {
            let _ = self.up.control_plane().patch(CLUSTERS, "", &cluster, spec);
        }
    }
}
