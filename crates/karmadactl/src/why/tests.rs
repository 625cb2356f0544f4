//! Stories: what is known about an object, and the text that people read.

use api::cluster::Cluster;
use api::policy::Policy;
use api::work::{Binding, Work};
use expect_test::{Expect, expect};
use machinery::Object;
use serde_json::{Value, json};

use super::explain::explain;
use super::facts::{Facts, skipped};
use super::print::text;

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn template() -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "namespace": "shop", "name": "web", "uid": "u", "labels": { "app": "web" } },
        "spec": { "replicas": 3 },
    }))
}

/// Puts the marks of a claim on an object.
fn claim(object: &mut Object, policy: &Policy) {
    assert!(propagation::claim::claim(object, policy));
}

fn policy(name: &str, spec: Value) -> Policy {
    let id = format!("id-of-{name}");
    let metadata = json!({
        "namespace": "shop", "name": name, "labels": { "propagationpolicy.karmada.io/permanent-id": id },
    });
    Policy::from_object(&object(json!({
        "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy", "metadata": metadata, "spec": spec,
    })))
    .unwrap()
}

fn by_name() -> Value {
    json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web" }])
}

fn divided() -> Value {
    json!({ "replicaScheduling": {
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
        "weightPreference": { "staticWeightList": [
            { "targetCluster": { "clusterNames": ["member1"] }, "weight": 2 },
            { "targetCluster": { "clusterNames": ["member2"] }, "weight": 1 },
        ] },
    } })
}

fn cluster(name: &str, spec: Value) -> Cluster {
    Cluster::from_object_value(json!({
        "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster",
        "metadata": { "name": name }, "spec": spec,
        "status": {
            "apiEnablements": [
                { "groupVersion": "apps/v1", "resources": [{ "kind": "Deployment", "name": "deployments" }] },
            ],
            "resourceSummary": { "allocatable": { "cpu": "8", "pods": "100" } },
        },
    }))
}

trait FromValue {
    fn from_object_value(value: Value) -> Self;
}

impl<T: api::Resource> FromValue for T {
    fn from_object_value(value: Value) -> Self {
        T::from_object(&object(value)).unwrap()
    }
}

fn binding(placement: &Value, clusters: Value) -> Binding {
    Binding::from_object(&object(json!({
        "apiVersion": "work.karmada.io/v1alpha2", "kind": "ResourceBinding",
        "metadata": {
            "namespace": "shop", "name": "web-deployment", "generation": 2,
            "labels": { "resourcebinding.karmada.io/permanent-id": "b" },
            "annotations": { "policy.karmada.io/applied-placement": placement.to_string() },
        },
        "spec": {
            "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u" },
            "replicas": 3, "placement": placement, "clusters": clusters,
        },
        "status": {
            "schedulerObservedGeneration": 2, "lastScheduledTime": "2026-01-02T03:04:05Z",
            "conditions": [{
                "type": "Scheduled", "status": "True", "reason": "Success", "message": "done",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }],
        },
    })))
    .unwrap()
}

fn work(cluster: &str, applied: &str, message: &str) -> Work {
    Work::from_object_value(json!({
        "apiVersion": "work.karmada.io/v1alpha1", "kind": "Work",
        "metadata": { "namespace": format!("karmada-es-{cluster}"), "name": "web-x" },
        "spec": {},
        "status": {
            "conditions": [{
                "type": "Applied", "status": applied, "reason": "R", "message": message,
                "lastTransitionTime": "2026-01-02T03:04:06Z",
            }],
            "manifestStatuses": [{ "identifier": {}, "health": "Healthy" }],
        },
    }))
}

/// A Deployment that is where it should be.
fn placed() -> Facts {
    let policy = policy("web", json!({ "resourceSelectors": by_name(), "placement": divided() }));
    let mut template = template();
    claim(&mut template, &policy);
    let clusters = json!([{ "name": "member1", "replicas": 2 }, { "name": "member2", "replicas": 1 }]);
    Facts {
        template,
        exists: true,
        policies: vec![policy],
        binding: Some(binding(&divided(), clusters)),
        clusters: ["member1", "member2"].map(|name| cluster(name, json!({}))).into(),
        works: vec![work("member1", "True", "done"), work("member2", "True", "done")],
        ..Facts::default()
    }
}

fn check(facts: &Facts, expected: Expect) {
    expected.assert_eq(&text(&explain(facts)));
}

fn answer(facts: &Facts, expected: Expect) {
    expected.assert_eq(&explain(facts).answer);
}

#[test]
fn a_steady_object_says_who_placed_it_and_how() {
    check(
        &placed(),
        expect![[r#"
            Deployment shop/web runs on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights.

            POLICY
              PropagationPolicy shop/web: it has claimed the object, which it selects by name
              POLICY                       PRIORITY   SELECTS BY   VERDICT
              PropagationPolicy shop/web   0          name         has claimed it

            BINDING   ResourceBinding shop/web-deployment
              recorded: member1 (2) and member2 (1), decided 2026-01-02T03:04:05Z
              CONDITION   STATUS   REASON    SINCE                  MESSAGE
              Scheduled   True     Success   2026-01-02T03:04:05Z   done

            DECISION NOW   as recorded
              the recorded decision stands: nothing that counts has changed
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    2          102    100     has 2, StaticWeight weight 2
              member2   chosen    1          101    100     has 1, StaticWeight weight 1
              result: member1 (2) and member2 (1)

            FRESH DECISION, WITHOUT THE RECORDED CLUSTERS   as recorded

            CLUSTERS
              CLUSTER   REPLICAS   APPLIED   HEALTH    OVERRIDES   REMARKS
              member1   2          yes       Healthy   -
              member2   1          yes       Healthy   -
        "#]],
    );
}

#[test]
fn a_binding_that_fits_nowhere_says_what_would_change_that() {
    let mut facts = placed();
    facts.binding = Some(binding(&divided(), json!([])));
    facts.works.clear();
    facts.clusters = vec![
        cluster("member1", json!({ "taints": [{ "key": "maintenance", "effect": "NoSchedule" }] })),
        cluster("member2", json!({ "taints": [{ "key": "maintenance", "effect": "NoSchedule" }] })),
    ];
    check(
        &facts,
        expect![[r#"
            Deployment shop/web is placed nowhere: 0/2 clusters are available: 2 cluster(s) had untolerated taint {maintenance:NoSchedule}. To change that: for member1 and member2: tolerate maintenance:NoSchedule.

            POLICY
              PropagationPolicy shop/web: it has claimed the object, which it selects by name
              POLICY                       PRIORITY   SELECTS BY   VERDICT
              PropagationPolicy shop/web   0          name         has claimed it

            BINDING   ResourceBinding shop/web-deployment
              recorded: no cluster, decided 2026-01-02T03:04:05Z
              CONDITION   STATUS   REASON    SINCE                  MESSAGE
              Scheduled   True     Success   2026-01-02T03:04:05Z   done

            DECISION NOW   as recorded
              the scheduler would decide again: the recorded replicas do not add up to the object's
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   refused                             had untolerated taint {maintenance:NoSchedule} (TaintToleration)
              member2   refused                             had untolerated taint {maintenance:NoSchedule} (TaintToleration)
              result: 0/2 clusters are available: 2 cluster(s) had untolerated taint {maintenance:NoSchedule}.
              to change that: for member1 and member2: tolerate maintenance:NoSchedule
        "#]],
    );
}

#[test]
fn an_object_that_no_policy_selects_names_the_nearest_one() {
    let mut facts = Facts { template: template(), exists: true, ..Facts::default() };
    answer(&facts, expect!["Deployment shop/web is not propagated: no policy matches: there is none."]);
    let selectors = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": { "matchLabels": { "app": "api" } },
    }]);
    let others = json!([{ "apiVersion": "v1", "kind": "ConfigMap" }]);
    facts.policies = vec![
        policy("near", json!({ "resourceSelectors": selectors })),
        policy("far", json!({ "resourceSelectors": others })),
    ];
    check(
        &facts,
        expect![[r#"
        Deployment shop/web is not propagated: no policy matches; the nearest one is PropagationPolicy shop/near, which fails on: label app is "web", wanted is app=api.

        POLICY
          no policy matches; the nearest one is PropagationPolicy shop/near, which fails on: label app is "web", wanted is app=api
          POLICY                        PRIORITY   SELECTS BY   VERDICT
          PropagationPolicy shop/near   0          -            no match: label app is "web", wanted is app=api
          1 more select other kinds
    "#]],
    );
}

#[test]
fn a_policy_that_waits_for_its_overrides_says_for_which() {
    let spec = json!({ "resourceSelectors": by_name(), "dependentOverrides": ["images"] });
    let policies = vec![policy("web", spec)];
    let mut facts = Facts { template: template(), exists: true, policies, ..Facts::default() };
    answer(
        &facts,
        expect![
            "Deployment shop/web is not propagated yet: PropagationPolicy shop/web waits for override policies that do not exist: images."
        ],
    );
    facts.overrides.entry(api::Scope::Namespaced).or_default().insert(("shop".into(), "images".into()));
    answer(
        &facts,
        expect![
            "Deployment shop/web is not propagated yet: PropagationPolicy shop/web selects it, and the binding is still to come; events of the object say what holds it back."
        ],
    );
}

#[test]
fn what_is_never_propagated_says_so() {
    let of = |api_version: &str, kind: &str, namespace: &str| {
        let template = Object::new(api_version, kind, namespace, "x");
        let facts = Facts { skipped: skipped(&template), template, exists: true, ..Facts::default() };
        explain(&facts).answer
    };
    expect!["ConfigMap karmada-system/x is not propagated: namespace karmada-system is Karmada's own."]
        .assert_eq(&of("v1", "ConfigMap", "karmada-system"));
    expect!["ConfigMap kube-system/x is not propagated: namespace kube-system is a system namespace (--skipped-propagating-namespaces)."].assert_eq(&of("v1", "ConfigMap", "kube-system"));
    expect!["Cluster x is not propagated: objects of group cluster.karmada.io are never propagated."]
        .assert_eq(&of("cluster.karmada.io/v1alpha1", "Cluster", ""));
    expect!["Event shop/x is not propagated: objects of kind Event are never propagated."]
        .assert_eq(&of("v1", "Event", "shop"));
    assert_eq!(skipped(&template()), None);
}

#[test]
fn what_something_else_has_claimed_says_by_what() {
    let mut facts = placed();
    facts.binding = None;
    facts.template.set_label("resourcetemplate.karmada.io/claimed-by", "MultiClusterService");
    answer(
        &facts,
        expect![
            "Deployment shop/web is not propagated: a MultiClusterService has claimed it, and policies leave it alone."
        ],
    );
}

#[test]
fn a_decision_that_would_differ_now_is_marked() {
    let mut facts = placed();
    facts.clusters.remove(1);
    facts.binding.as_mut().unwrap().spec.replicas = 4;
    check(
        &facts,
        expect![[r#"
            Deployment shop/web runs on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 4 replicas by static weights. The scheduler would decide again, as the recorded replicas do not add up to the object's: it would choose member1 (4).

            POLICY
              PropagationPolicy shop/web: it has claimed the object, which it selects by name
              POLICY                       PRIORITY   SELECTS BY   VERDICT
              PropagationPolicy shop/web   0          name         has claimed it

            BINDING   ResourceBinding shop/web-deployment
              recorded: member1 (2) and member2 (1), decided 2026-01-02T03:04:05Z
              CONDITION   STATUS   REASON    SINCE                  MESSAGE
              Scheduled   True     Success   2026-01-02T03:04:05Z   done

            DECISION NOW   NOT as recorded
              the scheduler would decide again: the recorded replicas do not add up to the object's
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    4          102    100     has 2, StaticWeight weight 2
              result: member1 (4)

            FRESH DECISION, WITHOUT THE RECORDED CLUSTERS   NOT as recorded
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    4          100    0       StaticWeight weight 2
              result: member1 (4)

            CLUSTERS
              CLUSTER   REPLICAS   APPLIED   HEALTH    OVERRIDES   REMARKS
              member1   2          yes       Healthy   -
              member2   1          yes       Healthy   -           the cluster does not exist
        "#]],
    );
}

#[test]
fn a_fresh_decision_that_would_differ_is_told_though_the_recorded_one_stands() {
    let mut facts = placed();
    facts.clusters[1].spec.taints =
        serde_json::from_value(json!([{ "key": "full", "effect": "NoSchedule" }])).unwrap();
    check(
        &facts,
        expect![[r#"
            Deployment shop/web runs on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights. A fresh decision would choose member1 (3).

            POLICY
              PropagationPolicy shop/web: it has claimed the object, which it selects by name
              POLICY                       PRIORITY   SELECTS BY   VERDICT
              PropagationPolicy shop/web   0          name         has claimed it

            BINDING   ResourceBinding shop/web-deployment
              recorded: member1 (2) and member2 (1), decided 2026-01-02T03:04:05Z
              CONDITION   STATUS   REASON    SINCE                  MESSAGE
              Scheduled   True     Success   2026-01-02T03:04:05Z   done

            DECISION NOW   as recorded
              the recorded decision stands: nothing that counts has changed
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    2          102    100     has 2, StaticWeight weight 2
              member2   chosen    1          101    100     has 1, StaticWeight weight 1
              result: member1 (2) and member2 (1)

            FRESH DECISION, WITHOUT THE RECORDED CLUSTERS   NOT as recorded
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    3          100    0       StaticWeight weight 2
              member2   refused                             had untolerated taint {full:NoSchedule} (TaintToleration)
              result: member1 (3)

            CLUSTERS
              CLUSTER   REPLICAS   APPLIED   HEALTH    OVERRIDES   REMARKS
              member1   2          yes       Healthy   -
              member2   1          yes       Healthy   -
        "#]],
    );
}

#[test]
fn a_failing_decision_says_whether_what_is_recorded_stays() {
    let mut facts = placed();
    facts.clusters =
        vec![cluster("member7", json!({ "taints": [{ "key": "full", "effect": "NoSchedule" }] }))];
    answer(
        &facts,
        expect![
            "Deployment shop/web runs on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights. The recorded decision stands until something changes; made now, it would take it away everywhere: 0/1 clusters are available: 1 cluster(s) had untolerated taint {full:NoSchedule}."
        ],
    );
    let mut placement = divided();
    placement["spreadConstraints"] = json!([{ "spreadByField": "region", "minGroups": 2, "maxGroups": 2 }]);
    placement["replicaScheduling"] = json!({
        "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated",
    });
    let mut facts = placed();
    facts.clusters = ["member1", "member2"].map(|name| cluster(name, json!({ "region": "eu" }))).into();
    facts.binding = Some(binding(&placement, json!([{ "name": "member1", "replicas": 2 }])));
    facts.works.pop();
    answer(
        &facts,
        expect![
            "Deployment shop/web runs on member1 (2): PropagationPolicy shop/web divides its 3 replicas over as few clusters as hold them. The scheduler would decide again, as the recorded replicas do not add up to the object's: it would leave it where it is, for want of a better place: failed to select clusters: the number of feasible region is less than spreadConstraint.MinGroups."
        ],
    );
}

#[test]
fn a_copy_that_is_not_applied_says_why() {
    let mut facts = placed();
    facts.works[1] = work("member2", "False", "Failed to apply all manifests (0/1): forbidden");
    answer(
        &facts,
        expect![
            "Deployment shop/web is placed on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights. It is not applied on member2: Failed to apply all manifests (0/1): forbidden."
        ],
    );
    facts.works.pop();
    answer(
        &facts,
        expect![
            "Deployment shop/web is placed on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights. It is not applied on member2: there is no Work yet."
        ],
    );
}

#[test]
fn a_cluster_that_is_not_ready_is_remarked() {
    let mut facts = placed();
    facts.clusters[0].status.conditions = serde_json::from_value(json!([{
        "type": "Ready", "status": "Unknown", "reason": "ClusterStatusUnknown", "message": "",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }]))
    .unwrap();
    facts.clusters.remove(1);
    let remarks = explain(&facts).clusters.into_iter().filter_map(|copy| copy.not_ready);
    expect![[r#"
        the cluster is not ready (ClusterStatusUnknown)
        the cluster does not exist"#]]
    .assert_eq(&remarks.collect::<Vec<_>>().join("\n"));
}

#[test]
fn suspension_eviction_overrides_and_preservation_show_per_cluster() {
    let mut facts = placed();
    facts.works[0].spec.suspend_dispatching = Some(true);
    facts.works[0].spec.preserve_resources_on_deletion = Some(true);
    facts.works[1].metadata.annotations.insert(
        "policy.karmada.io/applied-overrides".into(),
        json!([{ "policyName": "images", "overriders": {} }, { "policyName": "images", "overriders": {} }])
            .to_string(),
    );
    let spec = &mut facts.binding.as_mut().unwrap().spec;
    spec.graceful_eviction_tasks = serde_json::from_value(json!([{
        "fromCluster": "member3", "reason": "TaintUntolerated", "producer": "TaintManager",
        "creationTimestamp": "2026-01-02T03:05:00Z",
    }]))
    .unwrap();
    spec.suspension = serde_json::from_value(json!({
        "scheduling": true, "dispatchingOnClusters": { "clusterNames": ["member1"] },
    }))
    .unwrap();
    facts.works.push(work("member3", "True", "done"));
    check(
        &facts,
        expect![[r#"
            Deployment shop/web runs on member1 (2) and member2 (1): PropagationPolicy shop/web divides its 3 replicas by static weights.

            POLICY
              PropagationPolicy shop/web: it has claimed the object, which it selects by name
              POLICY                       PRIORITY   SELECTS BY   VERDICT
              PropagationPolicy shop/web   0          name         has claimed it

            BINDING   ResourceBinding shop/web-deployment
              recorded: member1 (2) and member2 (1), decided 2026-01-02T03:04:05Z
              note: scheduling is suspended (spec.suspension.scheduling)
              note: dispatching is suspended to member1
              CONDITION   STATUS   REASON    SINCE                  MESSAGE
              Scheduled   True     Success   2026-01-02T03:04:05Z   done

            DECISION NOW   as recorded
              the recorded decision stands: nothing that counts has changed
              CLUSTER   VERDICT   REPLICAS   ROOM   SCORE   WHY
              member1   chosen    2          102    100     has 2, StaticWeight weight 2
              member2   chosen    1          101    100     has 1, StaticWeight weight 1
              result: member1 (2) and member2 (1)

            FRESH DECISION, WITHOUT THE RECORDED CLUSTERS   as recorded

            CLUSTERS
              CLUSTER   REPLICAS   APPLIED   HEALTH    OVERRIDES               REMARKS
              member1   2          yes       Healthy   -                       dispatching suspended; kept on deletion
              member2   1          yes       Healthy   OverridePolicy images
              member3   -          yes       Healthy   -                       the cluster does not exist; being evicted by TaintManager since 2026-01-02T03:05:00Z: TaintUntolerated
        "#]],
    );
}

#[test]
fn a_dependency_names_what_needs_it() {
    let mut settings = Object::new("v1", "ConfigMap", "shop", "settings");
    settings.set("/metadata/uid", "s");
    let mut attached = binding(&json!({}), json!([]));
    attached.metadata.name = "settings-configmap".into();
    attached.spec.placement = None;
    attached.spec.replicas = 0;
    attached.status = Default::default();
    attached.spec.required_by = serde_json::from_value(json!([{
        "namespace": "shop", "name": "web-deployment", "clusters": [{ "name": "member1", "replicas": 2 }],
    }]))
    .unwrap();
    let facts = Facts {
        template: settings,
        exists: true,
        neighbours: vec![placed().binding.unwrap()],
        binding: Some(attached),
        works: vec![work("member1", "True", "done")],
        ..Facts::default()
    };
    check(
        &facts,
        expect![[r#"
            ConfigMap shop/settings is in member1: Deployment shop/web needs it.

            POLICY
              no policy matches: there is none

            BINDING   ResourceBinding shop/settings-configmap
              recorded: no cluster

            CLUSTERS
              CLUSTER   REPLICAS   APPLIED   HEALTH    OVERRIDES   REMARKS
              member1   -          yes       Healthy   -           the cluster does not exist

            REQUIRED BY
              OBJECT                BINDING                               CLUSTERS
              Deployment shop/web   ResourceBinding shop/web-deployment   member1 (2)
        "#]],
    );
}

#[test]
fn a_released_object_says_that_it_goes_on_running() {
    let mut facts = placed();
    facts.policies.clear();
    answer(
        &facts,
        expect![
            "Deployment shop/web runs on member1 (2) and member2 (1): no policy governs it any more, and what runs goes on running (PropagationPolicy shop/web has claimed it, but the policy does not exist any more; the claim will be taken off)."
        ],
    );
}

#[test]
fn a_lazy_policy_that_has_changed_says_what_it_waits_for() {
    let mut facts = placed();
    facts.policies[0].spec.activation_preference = Some(api::policy::ActivationPreference::Lazy);
    facts.policies[0].spec.placement = api::policy::Placement::default();
    let notes = explain(&facts).policy.notes;
    expect!["PropagationPolicy shop/web has changed since, and it is Lazy: the change waits for the next change of the object"].assert_eq(&notes.join("\n"));
}

#[test]
fn groups_are_judged_by_the_other_bindings() {
    let mut facts = placed();
    let groups = Some(api::work::WorkloadAffinityGroups {
        anti_affinity_group: "tier=db".into(),
        ..Default::default()
    });
    let mut other = facts.binding.clone().unwrap();
    other.metadata.name = "rival-deployment".into();
    other.spec.workload_affinity_groups.clone_from(&groups);
    other.spec.clusters.retain(|c| c.name == "member1");
    facts.neighbours.push(other);
    let binding = facts.binding.as_mut().unwrap();
    binding.spec.workload_affinity_groups = groups;
    binding.spec.clusters.clear();
    let explanation = explain(&facts);
    let decision = explanation.decision.unwrap();
    let refused = &decision.now.steps.attempts[0].refused;
    assert_eq!(refused.iter().map(|refused| refused.cluster.as_str()).collect::<Vec<_>>(), ["member1"]);
}

#[test]
fn the_data_has_a_stable_shape() {
    let value = serde_json::to_value(explain(&placed())).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    expect!["answer binding clusters decision object policy requiredBy"].assert_eq(&keys(&value));
    expect!["considered notes others policy reason state"].assert_eq(&keys(&value["policy"]));
    expect!["binding clusters conditions lastScheduledTime notes replicas scheduler"]
        .assert_eq(&keys(&value["binding"]));
    expect!["asRecorded clusters fresh keepsRecorded steps"].assert_eq(&keys(&value["decision"]));
    expect!["applied cluster health overrides preserved replicas suspended wanted work"]
        .assert_eq(&keys(&value["clusters"][0]));
}
