use interpreter::Interpreter;

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
