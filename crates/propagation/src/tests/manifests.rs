//! §2 step 5: the Works of a binding and what is in them.

use api::Scope;
use api::names::{annotations, finalizers, labels};
use api::naming;
use api::work::ResourceBindingSpec;
use interpreter::Interpreter;
use machinery::ObjectKey;

use super::*;
use crate::{BindingKey, Source, Wanted, placement, prepare};

fn template(kind: &str, api_version: &str, spec: Value) -> Object {
    let mut template = Object::new(api_version, kind, "shop", "web");
    template.set("/metadata/uid", "u");
    template.set("/metadata/generation", 4);
    template.set("/metadata/resourceVersion", "9");
    template.set("/spec", spec);
    template
}

fn works_with(
    template: &Object,
    binding: Value,
    overriding: impl Fn(&mut Object, &str) -> Result<overrides::Applied, overrides::Error>,
) -> Vec<Wanted> {
    let key = BindingKey { scope: Scope::Namespaced, key: ObjectKey::new("shop", "web-deployment") };
    let spec: ResourceBindingSpec = serde_json::from_value(binding).unwrap();
    let source = Source { key: &key, id: "b", spec: &spec, template, inject_state: true };
    let works = source.works_now(&Interpreter::native(), &placement::targets(&spec), overriding);
    works.into_iter().map(|(_, work)| work.unwrap()).collect()
}

fn works(template: &Object, binding: Value) -> Vec<Wanted> {
    works_with(template, binding, |_, _| Ok(overrides::Applied::default()))
}

#[test]
fn a_work_holds_the_clusters_share_and_says_where_it_comes_from() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let works = works(
        &template,
        json!({
            "replicas": 5, "clusters": [{ "name": "a", "replicas": 2 }, { "name": "b", "replicas": 3 }],
            "preserveResourcesOnDeletion": true,
        }),
    );
    let [a, b] = works.as_slice() else { panic!("two clusters") };
    assert_eq!(a.key().to_string(), format!("karmada-es-a/{}", naming::work("Deployment", "shop", "web")));
    assert_eq!(a.finalizer, finalizers::EXECUTION);
    let replicas = |work: &Wanted| work.manifest.i64_at("/spec/replicas");
    assert_eq!((replicas(a), replicas(b)), (Some(2), Some(3)));
    assert!(a.preserve);
    let manifest = &a.manifest;
    assert_eq!(manifest.label("resourcebinding.karmada.io/permanent-id"), Some("b"));
    assert_eq!(manifest.annotation("resourcebinding.karmada.io/name"), Some("web-deployment"));
    assert_eq!(manifest.annotation("resourcebinding.karmada.io/namespace"), Some("shop"));
    assert_eq!(manifest.annotation("resourcetemplate.karmada.io/generation"), Some("4"));
    assert_eq!(manifest.annotation("resourcetemplate.karmada.io/uid"), Some("u"));
    assert_eq!(manifest.annotation("work.karmada.io/namespace"), Some("karmada-es-a"));
    assert_eq!(manifest.label("karmada.io/managed"), Some("true"));
    assert_eq!((manifest.uid(), manifest.resource_version()), ("", ""), "its own identity stays behind");
    for (key, value) in [
        ("resourcebinding.karmada.io/namespace", "shop"),
        ("resourcebinding.karmada.io/name", "web-deployment"),
        ("work.karmada.io/conflict-resolution", "abort"),
    ] {
        assert!(a.annotations.contains(&(key.into(), value.into())), "{key}");
    }
    assert_eq!(a.labels, [("resourcebinding.karmada.io/permanent-id".to_owned(), "b".to_owned())]);
}

#[test]
fn the_scheduling_result_is_authoritative_also_where_every_cluster_gets_all_replicas() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let duplicated = json!({ "replicas": 5, "placement": {}, "clusters": [{ "name": "a", "replicas": 3 }] });
    assert_eq!(works(&template, duplicated)[0].manifest.i64_at("/spec/replicas"), Some(3));
}

#[test]
fn what_is_no_workload_keeps_its_own_fields() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let works = works(&template, json!({ "clusters": [{ "name": "a" }] }));
    assert_eq!(works[0].manifest.i64_at("/spec/replicas"), Some(5));
}

#[test]
fn dispatching_is_suspended_everywhere_or_in_the_clusters_that_are_named() {
    let template = template("ConfigMap", "v1", json!({}));
    for (suspension, expected) in [
        (json!({}), [false, false]),
        (json!({ "dispatching": true }), [true, true]),
        (json!({ "dispatching": false }), [false, false]),
        (json!({ "dispatchingOnClusters": { "clusterNames": ["b"] } }), [false, true]),
        (json!({ "scheduling": true }), [false, false]),
    ] {
        let binding = json!({ "clusters": [{ "name": "a" }, { "name": "b" }], "suspension": suspension });
        let suspended: Vec<bool> = works(&template, binding).iter().map(|work| work.suspended).collect();
        assert_eq!(suspended, expected, "{suspension}");
    }
}

#[test]
fn the_template_has_the_last_word_on_conflicts_and_a_senseless_word_is_none() {
    for (annotation, binding, expected) in [
        (None, "Overwrite", "overwrite"),
        (Some("abort"), "Overwrite", "abort"),
        (Some("overwrite"), "Abort", "overwrite"),
        (Some("nonsense"), "Overwrite", "overwrite"),
        (Some("nonsense"), "Abort", "abort"),
        (None, "Abort", "abort"),
    ] {
        let mut template = template("ConfigMap", "v1", json!({}));
        if let Some(value) = annotation {
            template.set_annotation(annotations::CONFLICT_RESOLUTION, value);
        }
        let works = works(&template, json!({ "clusters": [{ "name": "a" }], "conflictResolution": binding }));
        let entry = (annotations::CONFLICT_RESOLUTION.to_owned(), expected.to_owned());
        assert!(works[0].annotations.contains(&entry), "{annotation:?} {binding}");
        let work = created(works[0].compare(None, || "id".into()));
        let pointer = "/spec/workload/manifests/0/metadata/annotations/work.karmada.io~1conflict-resolution";
        assert_eq!(work.str_at(pointer), Some(expected), "the manifest says it too");
    }
}

#[test]
fn a_divided_jobs_completions_are_divided_with_its_parallelism() {
    let template = template("Job", "batch/v1", json!({ "parallelism": 3, "completions": 9 }));
    let divided = json!({
        "replicas": 3, "clusters": [{ "name": "a", "replicas": 1 }, { "name": "b", "replicas": 2 }],
        "placement": { "replicaScheduling": { "replicaSchedulingType": "Divided" } },
    });
    let completions = |works: &[Wanted]| -> Vec<Option<i64>> {
        works.iter().map(|work| work.manifest.i64_at("/spec/completions")).collect()
    };
    assert_eq!(completions(&works(&template, divided.clone())), [Some(3), Some(6)]);
    let duplicated = json!({ "replicas": 3, "clusters": [{ "name": "a", "replicas": 3 }], "placement": {} });
    assert_eq!(completions(&works(&template, duplicated)), [Some(9)]);
    let mut endless = template.clone();
    endless.remove("/spec/completions");
    assert_eq!(completions(&works(&endless, divided)), [None, None], "nothing to divide");
}

#[test]
fn completions_add_up_whatever_the_shares_are() {
    for seed in 0_i64..200 {
        let total = seed * 7 % 41;
        let template = template("Job", "batch/v1", json!({ "parallelism": 3, "completions": total }));
        let clusters: Vec<Value> = (0..1 + seed % 5)
            .map(|i| json!({ "name": format!("m{i}"), "replicas": 1 + (seed * 13 + i * 5) % 9 }))
            .collect();
        let binding = json!({
            "replicas": 3, "clusters": clusters,
            "placement": { "replicaScheduling": { "replicaSchedulingType": "Divided" } },
        });
        let works = works(&template, binding);
        let sum: i64 = works.iter().filter_map(|work| work.manifest.i64_at("/spec/completions")).sum();
        assert_eq!(sum, total, "seed {seed}");
    }
}

#[test]
fn overrides_have_the_last_word_and_are_on_record() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let binding = json!({ "replicas": 5, "clusters": [{ "name": "a", "replicas": 2 }] });
    let works = works_with(&template, binding.clone(), |manifest, cluster| {
        assert_eq!((cluster, manifest.i64_at("/spec/replicas")), ("a", Some(2)));
        manifest.set("/spec/replicas", 1);
        let applied = overrides::AppliedOverride { policy_name: "o".into(), overriders: Default::default() };
        Ok(overrides::Applied { namespaced: vec![applied], ..Default::default() })
    });
    assert_eq!(works[0].manifest.i64_at("/spec/replicas"), Some(1));
    let record = works[0].annotations.iter().find(|(k, _)| k == annotations::APPLIED_OVERRIDES).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&record.1).unwrap()[0]["policyName"], "o");
    let work = created(works[0].compare(None, || "id".into()));
    let later = super::manifests::works(&template, binding);
    let later = updated(later[0].compare(Some(&work), String::new));
    assert_eq!(
        later.annotation(annotations::APPLIED_OVERRIDES),
        None,
        "what applies no more is not on record"
    );
}

#[test]
fn preserved_state_goes_to_the_one_cluster_that_takes_over() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 1 }));
    let binding = |before: Value, purge: &str| {
        json!({
            "replicas": 1, "clusters": [{ "name": "b", "replicas": 1 }],
            "gracefulEvictionTasks": [{
                "fromCluster": "a", "purgeMode": purge, "preservedLabelState": { "state": "x" },
                "clustersBeforeFailover": before,
            }],
        })
    };
    let state = |binding: Value| works(&template, binding)[0].manifest.label("state").map(ToOwned::to_owned);
    assert_eq!(state(binding(json!(["a"]), "Directly")).as_deref(), Some("x"));
    assert_eq!(state(binding(json!(["a", "b"]), "Directly")), None, "b had a copy before");
    assert_eq!(state(binding(json!(["a"]), "Gracefully")), None);
}

fn wanted() -> Wanted {
    let mut manifest = Object::new("v1", "ConfigMap", "shop", "settings");
    manifest.set_label("app", "web");
    manifest.set("/data", json!({ "a": "1" }));
    prepare(&mut manifest, "template-uid", "karmada-es-m1", "settings-x");
    Wanted {
        labels: vec![(labels::RESOURCE_BINDING_ID.into(), "b".into())],
        annotations: vec![(annotations::CONFLICT_RESOLUTION.into(), "abort".into())],
        ..Wanted::new("karmada-es-m1".into(), "settings-x".into(), manifest)
    }
}

#[test]
fn a_new_work_names_what_is_ours_in_its_manifest() {
    let work = created(wanted().compare(None, || "id".into()));
    assert!(work.has_finalizer(finalizers::EXECUTION));
    assert_eq!(work.label(labels::WORK_ID), Some("id"));
    let manifest = Object::from_value(work.at("/spec/workload/manifests/0").unwrap().clone()).unwrap();
    assert_eq!(
        manifest.annotation(annotations::MANAGED_LABELS),
        Some("app,karmada.io/managed,work.karmada.io/permanent-id")
    );
    assert_eq!(
        manifest.annotation(annotations::MANAGED_ANNOTATIONS),
        Some(
            "resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,\
             resourcetemplate.karmada.io/uid,work.karmada.io/conflict-resolution,work.karmada.io/name,\
             work.karmada.io/namespace"
        ),
    );
    assert_eq!(manifest.label(labels::WORK_ID), Some("id"));
}

#[test]
fn a_work_that_is_as_wanted_is_not_written() {
    let mut existing = created(wanted().compare(None, || "id".into()));
    existing.set("/spec/suspendDispatching", false);
    existing.set_label("somebody/else", "x");
    assert_eq!(wanted().compare(Some(&existing), || unreachable!("it has an id")), Write::None);
}

#[test]
fn a_work_that_differs_keeps_its_id_and_what_others_added() {
    let mut existing = created(wanted().compare(None, || "id".into()));
    existing.set_label("somebody/else", "x");
    let suspended = Wanted { suspended: true, ..wanted() };
    let updated = updated(suspended.compare(Some(&existing), || unreachable!("it has an id")));
    assert_eq!(updated.label("somebody/else"), Some("x"));
    assert_eq!(updated.label(labels::WORK_ID), Some("id"));
    assert_eq!(updated.at("/spec/suspendDispatching"), Some(&json!(true)));
}
