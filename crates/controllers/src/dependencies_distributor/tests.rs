//! §16: what goes where its owner goes.

use api::work::TargetCluster;
use propagation::Write;
use serde_json::{Value, json};

use super::decide::*;
use super::*;

fn settings() -> Object {
    let mut settings = Object::new("v1", "ConfigMap", "shop", "settings");
    settings.set("/metadata/uid", "c");
    settings.set("/metadata/resourceVersion", "3");
    settings.set_label("app", "web");
    settings
}

fn clusters(names: &str) -> Vec<TargetCluster> {
    let one = |name: &str| TargetCluster { name: name.into(), replicas: 0, ..TargetCluster::default() };
    names.split_whitespace().map(one).collect()
}

/// Attaches the ConfigMap to a binding of this name and places, where all needing bindings wish the same.
fn attached(
    existing: Option<&Object>,
    name: &str,
    places: &str,
    wishes: &[(&str, &str, bool)],
) -> Attachment {
    let (key, clusters) = (ObjectKey::new("shop", name), clusters(places));
    let independent = Independent { key: &key, id: &format!("id-of-{name}"), clusters: &clusters };
    attach(existing, &settings(), &independent, |key| wish(wishes, key), || "own-id".into()).unwrap()
}

fn wish(wishes: &[(&str, &str, bool)], key: &ObjectKey) -> Option<Wish> {
    let (_, resolution, preserves) = wishes.iter().find(|(name, _, _)| *name == key.name)?;
    let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", &key.name);
    binding
        .set("/spec", json!({ "conflictResolution": resolution, "preserveResourcesOnDeletion": preserves }));
    Some(Wish::of(&binding))
}

fn detached(binding: &Object, name: &str, wishes: &[(&str, &str, bool)]) -> Attachment {
    let key = ObjectKey::new("shop", name);
    let independent = Independent { key: &key, id: &format!("id-of-{name}"), clusters: &[] };
    detach(binding, &independent, |key| wish(wishes, key))
}

fn written(attachment: Attachment) -> Object {
    match attachment.write {
        Write::Create(binding) | Write::Update(binding) => *binding,
        Write::None => panic!("it must be written"),
    }
}

fn label(name: &str) -> String {
    api::naming::depended_by_label("shop", name)
}

const ABORT: &[(&str, &str, bool)] = &[("web", "Abort", false), ("api", "Abort", false)];

#[test]
fn a_dependency_gets_a_binding_that_says_who_needs_it_where() {
    let binding = written(attached(None, "web", "m1 m2", ABORT));
    assert_eq!(binding.key().to_string(), "shop/settings-configmap");
    assert_eq!(binding.label(&label("web")), Some("id-of-web"));
    assert_eq!(binding.label("resourcebinding.karmada.io/permanent-id"), Some("own-id"));
    assert_eq!(binding.controller_owner().unwrap().uid, "c");
    assert!(binding.has_finalizer(api::names::finalizers::BINDING));
    assert_eq!(
        binding.at("/spec").unwrap(),
        &json!({
            "resource": {
                "apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "settings", "uid": "c",
                "resourceVersion": "3",
            },
            "requiredBy": [{
                "namespace": "shop", "name": "web",
                "clusters": [{ "name": "m1" }, { "name": "m2" }],
            }],
            "conflictResolution": "Abort", "preserveResourcesOnDeletion": false,
        }),
    );
    assert_eq!(
        attached(Some(&binding), "web", "m1 m2", ABORT).write,
        Write::None,
        "the second look writes nothing"
    );
}

#[test]
fn a_second_binding_that_needs_it_is_appended_and_a_known_ones_places_are_replaced_in_place() {
    let one = written(attached(None, "web", "m1", ABORT));
    let two = written(attached(Some(&one), "api", "m2", ABORT));
    let moved = written(attached(Some(&two), "web", "m3", ABORT));
    let required: Vec<String> = moved
        .at("/spec/requiredBy")
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|s| format!("{}={}", s["name"].as_str().unwrap(), s["clusters"][0]["name"].as_str().unwrap()))
        .collect();
    assert_eq!(required, ["web=m3", "api=m2"]);
    assert_eq!(moved.label(&label("web")), Some("id-of-web"));
    assert_eq!(moved.label(&label("api")), Some("id-of-api"));
}

#[test]
fn what_its_own_policy_decides_is_left_to_it() {
    let mut own = written(attached(None, "web", "m1", ABORT));
    own.set("/spec/placement", json!({ "clusterAffinity": { "clusterNames": ["m9"] } }));
    own.set("/spec/clusters", json!([{ "name": "m9" }]));
    own.set("/spec/conflictResolution", "Abort");
    let wishes = &[("web", "Overwrite", true), ("api", "Abort", false)];
    let attachment = attached(Some(&own), "api", "m2", wishes);
    assert_eq!(attachment.conflicts, Vec::<&str>::new());
    let after = written(attachment);
    for pointer in
        ["/spec/placement", "/spec/clusters", "/spec/conflictResolution", "/spec/preserveResourcesOnDeletion"]
    {
        assert_eq!(after.at(pointer), own.at(pointer), "{pointer}");
    }
    let mut alone = detached(&after, "api", wishes);
    alone = detached(&written(alone), "web", wishes);
    let alone = written(alone);
    assert_eq!(alone.str_at("/spec/conflictResolution"), Some("Abort"), "it stays its policy's");
}

#[test]
fn any_overwrite_and_any_preserve_win_and_a_disagreement_is_named() {
    for (web, api, resolution, preserves, conflicts) in [
        (("Abort", false), ("Abort", false), "Abort", false, vec![]),
        (("Overwrite", false), ("Overwrite", false), "Overwrite", false, vec![]),
        (
            ("Overwrite", false),
            ("Abort", false),
            "Overwrite",
            false,
            vec!["ConflictResolution conflicted (Overwrite vs Abort)"],
        ),
        (
            ("", true),
            ("Abort", false),
            "Abort",
            true,
            vec!["PreserveResourcesOnDeletion conflicted (true vs false)"],
        ),
        (
            ("Abort", true),
            ("Overwrite", false),
            "Overwrite",
            true,
            vec![
                "ConflictResolution conflicted (Overwrite vs Abort)",
                "PreserveResourcesOnDeletion conflicted (true vs false)",
            ],
        ),
    ] {
        let wishes = &[("web", web.0, web.1), ("api", api.0, api.1)];
        let one = written(attached(None, "web", "m1", wishes));
        let attachment = attached(Some(&one), "api", "m2", wishes);
        assert_eq!(attachment.conflicts, conflicts, "{web:?} {api:?}");
        let binding = written(attachment);
        assert_eq!(binding.str_at("/spec/conflictResolution"), Some(resolution));
        assert_eq!(binding.at("/spec/preserveResourcesOnDeletion"), Some(&json!(preserves)));
    }
}

#[test]
fn one_that_needs_it_no_more_is_taken_off_and_the_rest_decides_anew() {
    let wishes = &[("web", "Overwrite", true), ("api", "Abort", false)];
    let both = written(attached(Some(&written(attached(None, "web", "m1", wishes))), "api", "m2", wishes));
    let rest = written(detached(&both, "web", wishes));
    assert_eq!(rest.label(&label("web")), None);
    assert_eq!(rest.at("/spec/requiredBy").unwrap().as_array().unwrap().len(), 1);
    assert_eq!(rest.str_at("/spec/conflictResolution"), Some("Abort"));
    assert_eq!(rest.at("/spec/preserveResourcesOnDeletion"), Some(&json!(false)));
    assert_eq!(detached(&rest, "web", wishes).write, Write::None, "once is enough");
}

#[test]
fn when_nothing_needs_it_any_more_nothing_is_decided_for_it() {
    let one = written(attached(None, "web", "m1", &[("web", "Overwrite", true)]));
    let none = written(detached(&one, "web", &[]));
    for field in ["requiredBy", "conflictResolution", "preserveResourcesOnDeletion"] {
        assert_eq!(none.at(&format!("/spec/{field}")), None, "{field}");
    }
    assert!(none.has_finalizer(api::names::finalizers::BINDING), "its Works are still to be deleted");
}

#[test]
fn a_namesakes_binding_is_an_error_until_it_is_collected() {
    let mut other = settings();
    other.set("/metadata/uid", "another");
    let mut existing = written(attached(None, "web", "m1", ABORT));
    existing.set_owner_references(&[other.controller_reference()]);
    let key = ObjectKey::new("shop", "web");
    let independent = Independent { key: &key, id: "i", clusters: &[] };
    assert!(attach(Some(&existing), &settings(), &independent, |_| None, String::new).is_err());
}

fn dependency(value: Value) -> DependentObjectReference {
    serde_json::from_value(value).unwrap()
}

#[test]
fn dependencies_are_recorded_sorted_and_in_the_words_of_the_interpreter_api() {
    let named = dependency(json!({ "apiVersion": "v1", "kind": "Secret", "namespace": "shop", "name": "s" }));
    let selected = dependency(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "namespace": "shop",
        "labelSelector": { "matchLabels": { "kubernetes.io/service-name": "derived-web" } },
    }));
    let sorted = sorted(vec![named.clone(), selected, named]);
    let text = serde_json::to_string(&sorted).unwrap();
    assert_eq!(
        text,
        r#"[{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","namespace":"shop","labelSelector":{"matchLabels":{"kubernetes.io/service-name":"derived-web"}}},{"apiVersion":"v1","kind":"Secret","namespace":"shop","name":"s"}]"#
    );
    let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "web");
    binding.set_annotation("resourcebinding.karmada.io/dependencies", &text);
    assert_eq!(recorded(&binding), sorted);
    assert_eq!(needs(&binding), ["discovery.k8s.io/v1 EndpointSlice shop/", "v1 Secret shop/s"]);
}

#[test]
fn an_object_is_needed_by_name_or_else_by_its_labels() {
    let by = |value: Value| {
        let mut all = json!({ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop" });
        all.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        selects_object(&[dependency(all)], &settings())
    };
    for (what, expected) in [
        (json!({ "name": "settings" }), true),
        (json!({ "name": "other" }), false),
        (json!({ "labelSelector": { "matchLabels": { "app": "web" } } }), true),
        (json!({ "labelSelector": { "matchLabels": { "app": "api" } } }), false),
        (json!({ "name": "other", "labelSelector": { "matchLabels": { "app": "web" } } }), false),
        (json!({ "namespace": "elsewhere", "name": "settings" }), false),
        (json!({ "kind": "Secret", "name": "settings" }), false),
        (json!({}), false),
    ] {
        assert_eq!(by(what.clone()), expected, "{what}");
    }
}

#[test]
fn bindings_count_that_need_something_or_are_to_be_let_go() {
    let binding = |spec: Value, finalizer: bool| {
        let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "web");
        binding.set("/metadata/generation", 1);
        binding.set("/spec", spec);
        if finalizer {
            binding.add_finalizer(DEPENDENCIES_DISTRIBUTOR);
        }
        Arc::new(binding)
    };
    let scheduled = json!({ "propagateDeps": true, "clusters": [{ "name": "m1" }] });
    let added = |binding: Arc<Object>| concerns(&Change::Added { object: binding, initial: false });
    assert!(added(binding(scheduled.clone(), false)));
    assert!(!added(binding(json!({ "propagateDeps": true }), false)), "it is not scheduled yet");
    assert!(!added(binding(json!({ "clusters": [{ "name": "m1" }] }), false)));
    assert!(added(binding(json!({}), true)), "it was switched off while nobody looked");
    let changed = |old: Value, new: Value, generation: i64| {
        let mut after = (*binding(new, false)).clone();
        after.set("/metadata/generation", generation);
        concerns(&Change::Modified { old: binding(old, false), new: Arc::new(after) })
    };
    assert!(changed(json!({ "propagateDeps": true }), scheduled.clone(), 2));
    assert!(changed(scheduled.clone(), json!({}), 2), "switched off");
    assert!(!changed(scheduled.clone(), scheduled, 1), "only its status changed");
    assert!(!changed(json!({}), json!({ "clusters": [] }), 2));
}

#[test]
fn an_attached_binding_that_somebody_deletes_wakes_those_that_need_it() {
    let one = written(attached(None, "web", "m1", ABORT));
    let both = Arc::new(written(attached(Some(&one), "api", "m2", ABORT)));
    let deleted = Change::Deleted { object: Arc::clone(&both) };
    let woken: Vec<String> = concerned(&deleted, Gate::Open).iter().map(ToString::to_string).collect();
    assert_eq!(woken, ["shop/web", "shop/api"]);
    assert_eq!(concerned(&deleted, Gate::Shut), []);
}

#[test]
fn behind_a_shut_gate_nothing_is_attached_and_what_is_deleted_can_still_go() {
    let mut binding = Object::new("work.karmada.io/v1alpha2", "ResourceBinding", "shop", "web");
    binding.set("/spec", json!({ "propagateDeps": true, "clusters": [{ "name": "m1" }] }));
    binding.add_finalizer(DEPENDENCIES_DISTRIBUTOR);
    let added = |binding: &Object| {
        let object = Arc::new(binding.clone());
        concerned(&Change::Added { object, initial: true }, Gate::Shut).len()
    };
    assert_eq!(added(&binding), 0);
    binding.set("/metadata/deletionTimestamp", "2030-01-01T00:00:00Z");
    assert_eq!(added(&binding), 1);
}

#[test]
fn an_object_of_another_namespace_does_not_own_its_binding_and_the_second_look_writes_nothing() {
    let key = ObjectKey::new("elsewhere", "web");
    let independent = Independent { key: &key, id: "i", clusters: &[] };
    let attached = |existing: Option<&Object>| {
        attach(existing, &settings(), &independent, |_| None, || "own-id".into()).unwrap()
    };
    let binding = written(attached(None));
    assert_eq!(binding.key().to_string(), "elsewhere/settings-configmap");
    assert_eq!(binding.str_at("/spec/resource/namespace"), Some("shop"));
    assert_eq!(binding.controller_owner(), None, "garbage collection would take it away");
    assert_eq!(attached(Some(&binding)).write, Write::None);
}
