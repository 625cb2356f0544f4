//! Quality of service: how hard a node tries to keep a pod.

use serde_json::Value;

use crate::fields::Read;
use crate::quantities;

/// The class of a pod by its containers' cpu and memory.
/// <https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/>
pub(crate) fn class(spec: &Value) -> &'static str {
    let containers = || spec.list("initContainers").iter().chain(spec.list("containers"));
    let mut asked = false;
    let mut guaranteed = true;
    for c in containers() {
        for resource in ["cpu", "memory"] {
            let request = c.child(&["resources", "requests", resource]);
            let limit = c.child(&["resources", "limits", resource]);
            let (has_request, has_limit) = (given(request), given(limit));
            asked |= has_request || has_limit;
            let same =
                has_limit && (request.is_null() || quantities::parse(request) == quantities::parse(limit));
            guaranteed &= same;
        }
    }
    match (asked, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn given(amount: &Value) -> bool {
    !amount.is_null() && !quantities::is_zero(amount)
}
