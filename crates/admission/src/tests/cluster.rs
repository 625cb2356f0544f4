//! Cluster.

use machinery::Object;
use serde_json::{Value, json};

use super::{check, mutated, mutated_with, object};
use crate::Operation::{Create, Update};
use crate::{Options, default_resource_models};

fn cluster(more: Value) -> Object {
    let mut cluster =
        object("cluster.karmada.io/v1alpha1", "Cluster", json!({ "spec": { "syncMode": "Push" } }));
    for (key, value) in more.as_object().unwrap() {
        cluster.set(&format!("/spec/{key}"), value.clone());
    }
    cluster
}

#[test]
fn a_new_cluster_gets_nine_grades_and_no_status() {
    let mut new = cluster(json!({}));
    new.set("/status", json!({ "kubernetesVersion": "v1" }));
    let changed = mutated(Create, &new);
    assert_eq!(changed.at("/status"), None);
    let models = changed.at("/spec/resourceModels").unwrap().as_array().unwrap();
    assert_eq!(models.len(), 9);
    assert_eq!(
        models[0],
        json!({ "grade": 0, "ranges": [
        { "name": "cpu", "min": "0", "max": "1" }, { "name": "memory", "min": "0", "max": "4Gi" } ] })
    );
    assert_eq!(
        models[8],
        json!({ "grade": 8, "ranges": [
        { "name": "cpu", "min": "128", "max": "9223372036854775807" },
        { "name": "memory", "min": "1Ti", "max": "9223372036854775807" } ] })
    );
    check(&changed, "");
    let stored = mutated(Update, &cluster(json!({})));
    assert_eq!(stored.at("/spec/resourceModels"), None, "only a new one gets them");
    let options = Options { customized_cluster_resource_modeling: false, ..Options::default() };
    assert_eq!(mutated_with(&options, Create, &cluster(json!({}))).at("/spec/resourceModels"), None);
    assert_eq!(default_resource_models().len(), 9);
}

#[test]
fn models_of_users_are_sorted_and_opened() {
    let models = json!([
        { "grade": 2, "ranges": [{ "name": "cpu", "min": "2", "max": "4" }] },
        { "grade": 1, "ranges": [{ "name": "cpu", "min": "1", "max": "2" }] },
    ]);
    let changed = mutated(Create, &cluster(json!({ "resourceModels": models })));
    assert_eq!(
        changed.at("/spec/resourceModels").unwrap(),
        &json!([
            { "grade": 1, "ranges": [{ "name": "cpu", "min": "0", "max": "2" }] },
            { "grade": 2, "ranges": [{ "name": "cpu", "min": "2", "max": "9223372036854775807" }] },
        ])
    );
    check(&changed, "");
}

#[test]
fn evicting_taints_get_their_time_and_zones_become_a_list() {
    let changed = mutated(
        Update,
        &cluster(json!({
            "zone": "a",
            "taints": [
                { "key": "a", "effect": "NoExecute" },
                { "key": "b", "effect": "NoSchedule" },
                { "key": "c", "effect": "NoExecute", "timeAdded": "2020-01-01T00:00:00Z" },
            ],
        })),
    );
    assert_eq!(changed.str_at("/spec/taints/0/timeAdded"), Some("2024-05-06T07:08:09Z"));
    assert_eq!(changed.str_at("/spec/taints/1/timeAdded"), None);
    assert_eq!(changed.str_at("/spec/taints/2/timeAdded"), Some("2020-01-01T00:00:00Z"));
    assert_eq!(changed.at("/spec/zones"), Some(&json!(["a"])));
    check(&changed, "");
}

#[test]
fn names_are_labels_of_at_most_48_characters() {
    let named = |name: &str| {
        let mut cluster = cluster(json!({}));
        cluster.set("/metadata/name", name);
        cluster
    };
    check(&named("member-1"), "");
    check(&named(&"a".repeat(48)), "");
    check(&named(&"a".repeat(49)), "must be no more than 48 characters");
    check(&named("Member"), "metadata.name: Invalid value");
    check(&named("a.b"), "metadata.name: Invalid value");
}

#[test]
fn the_sync_mode_is_push_or_pull() {
    check(&cluster(json!({ "syncMode": "Pull" })), "");
    check(&cluster(json!({ "syncMode": "Drop" })), "spec.syncMode: Unsupported value: \"Drop\"");
    check(&cluster(json!({ "syncMode": null })), "spec.syncMode: Required value");
}

#[test]
fn addresses_are_urls_of_the_right_kind() {
    let endpoint = |text: &str| cluster(json!({ "apiEndpoint": text }));
    for good in ["", "https://10.0.0.1:6443", "https://a.b/c", "http://[::1]:80"] {
        check(&endpoint(good), "");
    }
    for bad in
        ["10.0.0.1", "https://", "https://user@host", "https://host?x", "https://host#x", "https://a b"]
    {
        check(&endpoint(bad), "spec.apiEndpoint: Invalid value");
    }
    let proxy = |text: &str| cluster(json!({ "proxyURL": text }));
    for good in ["", "http://p:80", "https://p", "socks5://p:1080"] {
        check(&proxy(good), "");
    }
    for bad in ["ftp://p", "p:80", "http://"] {
        check(&proxy(bad), "spec.proxyURL: Invalid value");
    }
}

#[test]
fn secrets_are_named_in_full() {
    for field in ["secretRef", "impersonatorSecretRef"] {
        check(&cluster(json!({ field: { "namespace": "a", "name": "b" } })), "");
        check(
            &cluster(json!({ field: { "name": "b" } })),
            &format!("spec.{field}.namespace: Required value"),
        );
        check(
            &cluster(json!({ field: { "namespace": "a" } })),
            &format!("spec.{field}.name: Required value"),
        );
    }
}

#[test]
fn places_are_label_values_and_zones_are_given_once() {
    check(&cluster(json!({ "provider": "p", "region": "r", "zones": ["a", "b"] })), "");
    for field in ["provider", "region", "zone"] {
        check(&cluster(json!({ field: "not one word" })), &format!("spec.{field}: Invalid value"));
    }
    check(&cluster(json!({ "zones": ["a", "b c"] })), "spec.zones[1]: Invalid value");
    check(&cluster(json!({ "zone": "a", "zones": ["b"] })), "zone and zones cannot be used together");
    check(&cluster(json!({ "zone": "a" })), "");
}

#[test]
fn taints_are_valid_and_there_once() {
    let taints = |value: Value| cluster(json!({ "taints": value }));
    check(
        &taints(json!([{ "key": "a", "effect": "NoSchedule" }, { "key": "a", "effect": "NoExecute" }])),
        "",
    );
    check(
        &taints(
            json!([{ "key": "a", "effect": "NoSchedule" }, { "key": "a", "value": "b", "effect": "NoSchedule" }]),
        ),
        "spec.taints[1]: Duplicate value",
    );
    check(&taints(json!([{ "key": "a b", "effect": "NoSchedule" }])), "spec.taints[0].key");
    check(&taints(json!([{ "key": "a", "value": "b c", "effect": "NoSchedule" }])), "spec.taints[0].value");
    check(
        &taints(json!([{ "key": "a", "effect": "Sometimes" }])),
        "spec.taints[0].effect: Unsupported value",
    );
}

#[test]
fn ids_have_a_limit() {
    check(&cluster(json!({ "id": "a".repeat(128_000) })), "");
    check(&cluster(json!({ "id": "a".repeat(128_001) })), "spec.id: Too long");
}

#[test]
fn models_leave_no_gap() {
    const MAX: &str = "9223372036854775807";
    // One grade per item: `min-max` of cpu.
    let models = |grades: &[(u64, &str, &str)]| {
        let models: Vec<Value> = grades
            .iter()
            .map(|(grade, min, max)| json!({ "grade": grade, "ranges": [{ "name": "cpu", "min": min, "max": max }] }))
            .collect();
        cluster(json!({ "resourceModels": models }))
    };
    check(&models(&[(0, "0", "1"), (1, "1", MAX)]), "");
    check(&models(&[(0, "0", "4Gi"), (1, "4096Mi", MAX)]), "");
    check(&models(&[(0, "0", "1"), (0, "1", MAX)]), "resourceModels[1].grade: Duplicate value");
    check(&models(&[(0, "0", "0"), (1, "0", MAX)]), "must be greater than min");
    check(&models(&[(0, "1", "2"), (1, "2", MAX)]), "must be 0 in the first grade");
    check(&models(&[(0, "0", "1"), (1, "2", MAX)]), "must be the max of the grade before");
    check(&models(&[(0, "0", "1"), (1, "1", "2")]), "the last grade has no upper bound");
    check(&models(&[(0, "0", "x"), (1, "1", MAX)]), "resourceModels[0].ranges[0].max: Invalid value");
    let uneven = json!([
        { "grade": 0, "ranges": [{ "name": "cpu", "min": "0", "max": "1" }] },
        { "grade": 1, "ranges": [{ "name": "memory", "min": "1", "max": MAX }] },
    ]);
    check(&cluster(json!({ "resourceModels": uneven })), "every grade must have a range of every resource");
    let twice = json!([{ "grade": 0, "ranges": [
        { "name": "cpu", "min": "0", "max": MAX }, { "name": "cpu", "min": "0", "max": MAX } ] }]);
    check(&cluster(json!({ "resourceModels": twice })), "ranges[1].name: Duplicate value");
}
