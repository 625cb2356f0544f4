//! Asking the accurate estimators before a decision, so that the decision itself only looks up.

use std::collections::BTreeMap;

use api::work::{Binding, ObjectReference};
use estimator::pb;
use estimator::{Answers, Estimators};

use scheduling::{Wanted, What};

/// What the estimators of the wanted clusters answer; clusters without an answer are left out. `assumed` says
/// what is on its way to a cluster.
pub(crate) async fn ask(
    estimators: &Estimators,
    binding: &Binding,
    wanted: &Wanted,
    assumed: impl Fn(&str) -> Vec<pb::AssumedWorkload>,
) -> BTreeMap<String, i64> {
    let object = identity(&binding.spec.resource);
    // A cluster without a connection costs nothing.
    let names = wanted.clusters.iter().map(|member| member.name().as_ref());
    let names = names.filter(|name| estimators.is_connected(name));
    let answers: Answers = match wanted.what {
        What::Replicas => {
            let requests = replicas(binding, names, assumed);
            estimators.max_available_replicas(&object, requests).await
        }
        What::Sets => {
            let requests = sets(binding, names, assumed);
            estimators.max_available_component_sets(&object, requests).await
        }
    };
    answers.into_iter().filter_map(|(cluster, answer)| Some((cluster, i64::from(answer?)))).collect()
}

/// How upstream names the workload to an estimator.
fn identity(template: &ObjectReference) -> String {
    format!("kind={}, name={}/{}", template.kind, template.namespace, template.name)
}

fn replicas<'a>(
    binding: &Binding,
    clusters: impl Iterator<Item = &'a str>,
    assumed: impl Fn(&str) -> Vec<pb::AssumedWorkload>,
) -> Vec<pb::MaxAvailableReplicasRequest> {
    let needs = binding.spec.replica_requirements.as_ref().map(pb::ReplicaRequirements::from);
    let needs = needs.unwrap_or_default();
    let request = |cluster: &str| pb::MaxAvailableReplicasRequest {
        cluster: cluster.to_owned(),
        replica_requirements: Some(needs.clone()),
        assumed_workloads: assumed(cluster),
    };
    clusters.map(request).collect()
}

fn sets<'a>(
    binding: &Binding,
    clusters: impl Iterator<Item = &'a str>,
    assumed: impl Fn(&str) -> Vec<pb::AssumedWorkload>,
) -> Vec<pb::MaxAvailableComponentSetsRequest> {
    let components: Vec<pb::Component> = binding.spec.components.iter().map(Into::into).collect();
    let request = |cluster: &str| pb::MaxAvailableComponentSetsRequest {
        cluster: cluster.to_owned(),
        components: components.clone(),
        namespace: binding.spec.resource.namespace.clone(),
        assumed_workloads: assumed(cluster),
    };
    clusters.map(request).collect()
}

#[cfg(test)]
mod tests {
    use machinery::Object;
    use serde_json::json;

    use super::*;

    fn binding() -> Binding {
        let mut object = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "web-deployment");
        object.set(
            "/spec",
            json!({
                "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web" },
                "replicaRequirements": { "namespace": "shop", "resourceRequest": { "cpu": "1" } },
                "components": [{ "name": "a", "replicas": 2 }],
            }),
        );
        Binding::from_object(&object).unwrap()
    }

    fn under_way(cluster: &str) -> Vec<pb::AssumedWorkload> {
        let workload = pb::AssumedWorkload { namespace: cluster.to_owned(), components: Vec::new() };
        if cluster == "m2" { vec![workload] } else { Vec::new() }
    }

    #[test]
    fn the_workload_is_named_as_upstream_names_it() {
        assert_eq!(identity(&binding().spec.resource), "kind=Deployment, name=shop/web");
    }

    #[test]
    fn every_cluster_is_asked_with_what_is_under_way_to_it() {
        let requests = replicas(&binding(), ["m1", "m2"].into_iter(), under_way);
        let asked: Vec<_> =
            requests.iter().map(|r| (r.cluster.as_str(), r.assumed_workloads.len())).collect();
        assert_eq!(asked, [("m1", 0), ("m2", 1)]);
        let needs = requests[0].replica_requirements.as_ref().unwrap();
        assert_eq!(needs.namespace, "shop");
        assert!(needs.resource_request_bytes.contains_key("cpu"));
    }

    #[test]
    fn requirements_are_sent_even_when_there_are_none() {
        let mut binding = binding();
        binding.spec.replica_requirements = None;
        let requests = replicas(&binding, ["m1"].into_iter(), under_way);
        assert_eq!(requests[0].replica_requirements, Some(pb::ReplicaRequirements::default()));
    }

    #[test]
    fn sets_are_asked_for_in_the_workload_s_namespace() {
        let requests = sets(&binding(), ["m2"].into_iter(), under_way);
        assert_eq!(requests[0].namespace, "shop");
        assert_eq!((requests[0].components.len(), requests[0].components[0].replicas), (1, 2));
        assert_eq!(requests[0].assumed_workloads.len(), 1);
    }
}
