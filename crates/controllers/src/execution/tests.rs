use interpreter::Interpreter;

use super::removal::{OUR_ANNOTATIONS, OUR_LABELS, Removal, freed, removal};
use super::*;

fn manifest(spec: Value) -> Object {
    let mut object = Object::new("apps/v1", "Deployment", "shop", "web");
    object.set_label(labels::MANAGED, "true");
    object.set_label("app", "web");
    object.set_annotation(annotations::WORK_NAME, "web-x");
    object.set_annotation(annotations::WORK_NAMESPACE, "karmada-es-m1");
    let listed =
        "resourcetemplate.karmada.io/managed-annotations,work.karmada.io/name,work.karmada.io/namespace";
    object.set_annotation(annotations::MANAGED_ANNOTATIONS, listed);
    object.set_annotation(annotations::MANAGED_LABELS, "app,karmada.io/managed");
    object.set("/spec", spec);
    object
}

/// The manifest as a member stores it, with what its server and its controllers add.
fn stored(manifest: &Object) -> Object {
    let mut object = manifest.clone();
    object.set("/metadata/uid", "u");
    object.set("/metadata/resourceVersion", "7");
    object.set("/metadata/generation", 1);
    object.set("/metadata/creationTimestamp", "2030-01-01T00:00:00Z");
    object.set_annotation("deployment.kubernetes.io/revision", "1");
    object.set("/status", json!({ "replicas": 1 }));
    object
}

fn work(generation: i64) -> Object {
    let mut work = Object::new("work.karmada.io/v1alpha1", "Work", "karmada-es-m1", "web-x");
    work.set("/metadata/uid", "w");
    work.set("/metadata/generation", generation);
    work
}

fn outcome(desired: &Object, observed: &Object, known: &Known<'_>) -> Action {
    match look(desired, Some(observed), known) {
        Look::Decided(action) => action,
        Look::Retain(merged) => {
            let retained = Interpreter::native().retain(&merged, observed).now().unwrap();
            compare(retained, observed, known)
        }
    }
}

fn is_update(action: &Action) -> bool {
    matches!(action, Action::Update(_))
}

const FRESH: Known<'static> = Known { record: None, work: ("w", 1), applied: false };
const APPLIED: Known<'static> = Known { record: None, work: ("w", 1), applied: true };

#[test]
fn what_is_missing_is_created() {
    let desired = manifest(json!({ "replicas": 1 }));
    assert_eq!(look(&desired, None, &FRESH), Look::Decided(Action::Create));
}

#[test]
fn what_is_equal_is_left_alone_also_by_a_process_that_knows_nothing() {
    let desired = manifest(json!({ "replicas": 1 }));
    assert_eq!(outcome(&desired, &stored(&desired), &FRESH), Action::Nothing);
    let mut with_foreign = stored(&desired);
    with_foreign.set_label("somebody/else", "x");
    with_foreign.set_annotation("somebody/else", "x");
    assert_eq!(outcome(&desired, &with_foreign, &FRESH), Action::Nothing);
}

#[test]
fn what_differs_is_updated_on_the_version_that_was_seen() {
    let observed = stored(&manifest(json!({ "replicas": 1 })));
    let Action::Update(updated) = outcome(&manifest(json!({ "replicas": 2 })), &observed, &APPLIED) else {
        panic!("it must be updated")
    };
    assert_eq!(updated.resource_version(), "7");
    assert_eq!(updated.i64_at("/spec/replicas"), Some(2));
}

#[test]
fn defaults_of_the_member_are_no_difference_once_the_work_has_been_applied() {
    let desired = manifest(json!({ "replicas": 1 }));
    let mut observed = stored(&desired);
    observed.set("/spec/revisionHistoryLimit", 10);
    assert!(
        is_update(&outcome(&desired, &observed, &FRESH)),
        "it may be a field that was taken off the template"
    );
    assert_eq!(outcome(&desired, &observed, &APPLIED), Action::Nothing);
}

#[test]
fn a_field_that_somebody_adds_is_drift_for_the_process_that_wrote_the_object() {
    let desired = manifest(json!({ "replicas": 1 }));
    let mut written = stored(&desired);
    written.set("/spec/revisionHistoryLimit", 10);
    let records = Records::default();
    records.note(&work(1), &written);
    let record = records.get(&desired).unwrap();
    let known = Known { record: Some(&record), ..APPLIED };
    let mut scaled_status = written.clone();
    scaled_status.set("/metadata/resourceVersion", "8");
    scaled_status.set("/status/replicas", 2);
    assert_eq!(outcome(&desired, &scaled_status, &known), Action::Nothing, "only the status changed");
    let mut drifted = scaled_status.clone();
    drifted.set("/spec/paused", true);
    assert!(is_update(&outcome(&desired, &drifted, &known)));
    let next = Known { work: ("w", 2), ..known };
    assert!(is_update(&outcome(&desired, &scaled_status, &next)), "the Work has a new generation");
}

#[test]
fn an_object_of_somebody_else_is_taken_over_only_when_told_to() {
    let mut desired = manifest(json!({ "replicas": 1 }));
    let mut observed = stored(&desired);
    observed.remove_label(labels::MANAGED);
    assert_eq!(outcome(&desired, &observed, &APPLIED), Action::Conflict);
    desired.set_annotation(annotations::CONFLICT_RESOLUTION, "abort");
    assert_eq!(outcome(&desired, &observed, &APPLIED), Action::Conflict);
    desired.set_annotation(annotations::CONFLICT_RESOLUTION, "overwrite");
    assert!(is_update(&outcome(&desired, &observed, &APPLIED)));
}

#[test]
fn keys_taken_off_the_template_go_and_the_members_own_stay() {
    let mut before = manifest(json!({}));
    before.set_label("old", "x");
    before.set_annotation(annotations::MANAGED_LABELS, "app,karmada.io/managed,old");
    let mut observed = stored(&before);
    observed.set_label("member", "y");
    observed.set("/metadata/finalizers", json!(["member/guard"]));
    let Action::Update(updated) = outcome(&manifest(json!({})), &observed, &APPLIED) else {
        panic!("a label must go")
    };
    assert_eq!(updated.label("old"), None);
    assert_eq!(updated.label("member"), Some("y"));
    assert!(updated.has_finalizer("member/guard"));
}

#[test]
fn our_own_events_are_told_from_others() {
    let desired = manifest(json!({}));
    let records = Records::default();
    let written = stored(&desired);
    assert!(!records.is_own(&written) && !records.is_foreign(&written), "nothing is known yet");
    records.note(&work(1), &written);
    assert!(records.is_own(&written) && !records.is_foreign(&written));
    let mut other = written.clone();
    other.set("/metadata/resourceVersion", "9");
    assert!(records.is_foreign(&other) && !records.is_own(&other));
    records.forget("web-x");
    assert!(!records.is_own(&written));
}

#[test]
fn a_work_made_by_hand_gets_the_marks_that_lead_back_to_it() {
    let mut manifest = Object::new("v1", "ConfigMap", "shop", "settings");
    mark(&mut manifest, &work(1));
    assert_eq!(manifest.label(labels::MANAGED), Some("true"));
    assert_eq!(manifest.annotation(annotations::WORK_NAME), Some("web-x"));
    assert_eq!(manifest.annotation(annotations::WORK_NAMESPACE), Some("karmada-es-m1"));
}

/// A manifest of any kind as a Work carries it.
fn of_kind(api_version: &str, kind: &str, fields: Value) -> Object {
    let mut object = manifest(json!({}));
    object.remove("/spec");
    object.set("/apiVersion", api_version);
    object.set("/kind", kind);
    for (field, value) in fields.as_object().unwrap() {
        object.set(&format!("/{field}"), value.clone());
    }
    object
}

/// Kinds, what a manifest says, what the member makes of it, and the place of what must stay the member's.
fn what_members_own() -> Vec<(&'static str, &'static str, Value, Value, &'static str)> {
    vec![
        (
            "v1",
            "Service",
            json!({ "spec": { "ports": [{ "port": 80 }] } }),
            json!({ "spec": {
                "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 80 }], "clusterIP": "10.0.0.7",
                "clusterIPs": ["10.0.0.7"], "type": "ClusterIP", "sessionAffinity": "None",
            } }),
            "/spec/clusterIP",
        ),
        (
            "v1",
            "PersistentVolumeClaim",
            json!({ "spec": { "accessModes": ["ReadWriteOnce"] } }),
            json!({ "spec": { "accessModes": ["ReadWriteOnce"], "volumeName": "pv-7", "volumeMode": "Filesystem" } }),
            "/spec/volumeName",
        ),
        (
            "v1",
            "PersistentVolume",
            json!({ "spec": { "capacity": { "storage": "1Gi" } } }),
            json!({ "spec": { "capacity": { "storage": "1Gi" }, "claimRef": { "name": "c", "uid": "x" } } }),
            "/spec/claimRef",
        ),
        (
            "v1",
            "ServiceAccount",
            json!({}),
            json!({ "secrets": [{ "name": "web-dockercfg" }] }),
            "/secrets/0/name",
        ),
        (
            "v1",
            "Pod",
            json!({ "spec": { "containers": [{ "name": "c", "image": "i" }] } }),
            json!({ "spec": {
                "containers": [{ "name": "c", "image": "i", "volumeMounts": [{ "name": "token" }] }],
                "nodeName": "n1", "volumes": [{ "name": "token" }], "serviceAccountName": "default",
            } }),
            "/spec/nodeName",
        ),
        (
            "batch/v1",
            "Job",
            json!({ "spec": { "template": { "metadata": { "labels": { "app": "web" } } } } }),
            json!({ "spec": {
                "selector": { "matchLabels": { "batch.kubernetes.io/controller-uid": "u" } },
                "template": { "metadata": { "labels": {
                    "app": "web", "batch.kubernetes.io/controller-uid": "u", "controller-uid": "u",
                    "job-name": "web", "batch.kubernetes.io/job-name": "web",
                } } },
            } }),
            "/spec/selector/matchLabels",
        ),
        (
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            json!({ "aggregationRule": { "clusterRoleSelectors": [{}] }, "rules": [{ "verbs": ["get"] }] }),
            json!({
                "aggregationRule": { "clusterRoleSelectors": [{}] },
                "rules": [{ "verbs": ["get"] }, { "verbs": ["list"] }],
            }),
            "/rules/1",
        ),
    ]
}

#[test]
fn what_the_member_owns_of_a_native_kind_is_not_fought_over_and_survives_updates() {
    for (api_version, kind, says, holds, own) in what_members_own() {
        let desired = of_kind(api_version, kind, says);
        let mut observed = stored(&desired);
        for (field, value) in holds.as_object().unwrap() {
            observed.set(&format!("/{field}"), value.clone());
        }
        assert_eq!(outcome(&desired, &observed, &APPLIED), Action::Nothing, "{kind}");
        let mut changed = desired.clone();
        changed.set_label("app", "other");
        let Action::Update(updated) = outcome(&changed, &observed, &APPLIED) else {
            panic!("{kind} must be updated")
        };
        assert_eq!(updated.at(own), observed.at(own), "{kind}");
    }
}

#[test]
fn replicas_that_the_member_scales_stay_when_the_template_says_so() {
    let mut desired = manifest(json!({ "replicas": 1 }));
    let mut scaled = stored(&desired);
    scaled.set("/spec/replicas", 7);
    assert!(is_update(&outcome(&desired, &scaled, &APPLIED)), "the template decides");
    desired.set_label(labels::RETAIN_REPLICAS, "true");
    scaled.set_label(labels::RETAIN_REPLICAS, "true");
    assert_eq!(outcome(&desired, &scaled, &APPLIED), Action::Nothing, "the member's autoscaler decides");
}

#[test]
fn kinds_with_a_status_and_defaults_of_their_own_are_left_alone_once_applied() {
    for (api_version, kind, says, fills_in) in [
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            json!({ "maxReplicas": 3 }),
            json!({ "minReplicas": 1 }),
        ),
        (
            "batch/v1",
            "CronJob",
            json!({ "schedule": "* * * * *" }),
            json!({ "concurrencyPolicy": "Allow", "suspend": false, "successfulJobsHistoryLimit": 3 }),
        ),
        ("networking.k8s.io/v1", "Ingress", json!({ "rules": [] }), json!({ "ingressClassName": "default" })),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            json!({ "podSelector": {} }),
            json!({ "policyTypes": ["Ingress"] }),
        ),
        ("policy/v1", "PodDisruptionBudget", json!({ "minAvailable": 1 }), json!({})),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({ "group": "example.io", "names": { "kind": "X", "plural": "xs" } }),
            json!({ "names": { "kind": "X", "plural": "xs", "listKind": "XList", "singular": "x" }, "conversion": { "strategy": "None" } }),
        ),
        ("v1", "Namespace", json!({}), json!({ "finalizers": ["kubernetes"] })),
        ("apps/v1", "DaemonSet", json!({ "template": {} }), json!({ "revisionHistoryLimit": 10 })),
        ("v1", "ResourceQuota", json!({ "hard": { "cpu": "1" } }), json!({})),
    ] {
        let desired = of_kind(api_version, kind, json!({ "spec": says }));
        let mut observed = stored(&desired);
        for (field, value) in fills_in.as_object().unwrap() {
            observed.set(&format!("/spec/{field}"), value.clone());
        }
        observed.set("/status", json!({ "something": "changes" }));
        assert_eq!(outcome(&desired, &observed, &APPLIED), Action::Nothing, "{kind}");
        let mut changed = desired.clone();
        changed.set("/spec/changed", true);
        assert!(is_update(&outcome(&changed, &observed, &APPLIED)), "{kind}");
    }
}

#[test]
fn a_deleted_work_takes_its_objects_along_unless_the_cluster_leaves_with_them() {
    for (ready, leaves, connected, expected) in [
        ("True", false, true, Removal::Objects),
        ("True", true, true, Removal::Objects),
        ("False", false, true, Removal::Wait),
        ("True", false, false, Removal::Wait),
        ("False", true, true, Removal::Nothing),
        ("Unknown", true, false, Removal::Nothing),
    ] {
        let mut cluster = Object::new("cluster.karmada.io/v1alpha1", "Cluster", "", "m1");
        cluster.set("/status/conditions", json!([{ "type": "Ready", "status": ready }]));
        if leaves {
            cluster.set("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z");
        }
        assert_eq!(removal(&cluster, connected), expected, "{ready} {leaves} {connected}");
    }
}

#[test]
fn an_object_that_is_preserved_loses_our_marks_and_nothing_else() {
    let mut object = stored(&manifest(json!({ "replicas": 1 })));
    for label in OUR_LABELS {
        object.set_label(label, "x");
    }
    for annotation in OUR_ANNOTATIONS {
        object.set_annotation(annotation, "x");
    }
    let freed = freed(&object);
    assert_eq!(freed.labels().collect::<Vec<_>>(), [("app", "web")]);
    assert_eq!(freed.annotations().collect::<Vec<_>>(), [("deployment.kubernetes.io/revision", "1")]);
    assert_eq!(freed.at("/spec"), object.at("/spec"));
}

#[test]
fn dispatching_says_whether_a_work_is_brought_into_its_member() {
    let text =
        |condition: NewCondition| format!("{} {}: {}", condition.status, condition.reason, condition.message);
    assert_eq!(
        text(dispatching(true)),
        "False SuspendDispatching: Work dispatching is in a suspended state."
    );
    assert_eq!(text(dispatching(false)), "True Dispatching: Work is being dispatched to member clusters.");
}
