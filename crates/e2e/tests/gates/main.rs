//! What is done only behind a feature gate, with all gates of the alpha stage open.

mod components;
mod preemption;
mod workload_affinity;

use e2e::Together;

/// Takes part in a scene with open gates.
#[track_caller]
fn together() -> Together {
    e2e::start_with(&["--feature-gates", "AllAlpha=true"]);
    e2e::together()
}
