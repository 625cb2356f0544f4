use serde_json::{Value, json};

use super::*;

fn spec(spec: Value) -> ResourceBindingSpec {
    serde_json::from_value(spec).unwrap()
}

fn clusters(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(ToOwned::to_owned).collect()
}

/// Works in these clusters; what becomes of them, and where Works should be.
fn check(binding: Value, works: &str, expected: &str) {
    let decision = decide(&spec(binding), &clusters(works));
    let orphans: Vec<String> = decision.orphans.into_iter().collect();
    let targets = decision.targets.map_or("wait".to_owned(), |targets| {
        targets.iter().map(|(name, n)| format!("{name}={n}")).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(format!("delete [{}], write [{targets}]", orphans.join(" ")), expected);
}

#[test]
fn works_go_where_the_binding_is_scheduled_and_nowhere_else() {
    check(
        json!({ "clusters": [{ "name": "b", "replicas": 1 }, { "name": "a", "replicas": 2 }] }),
        "a c",
        "delete [c], write [b=1 a=2]",
    );
    check(json!({}), "a", "delete [a], write []");
}

#[test]
fn dependencies_go_where_their_owners_go_and_their_own_share_wins() {
    check(
        json!({
            "clusters": [{ "name": "a", "replicas": 2 }],
            "requiredBy": [
                { "name": "x", "clusters": [{ "name": "a", "replicas": 9 }, { "name": "b", "replicas": 1 }] },
                { "name": "y", "clusters": [{ "name": "b", "replicas": 7 }] },
            ],
        }),
        "a b",
        "delete [], write [a=2 b=1]",
    );
}

#[test]
fn a_cluster_that_is_evicted_gently_keeps_its_work() {
    check(
        json!({
            "clusters": [{ "name": "b" }],
            "gracefulEvictionTasks": [{ "fromCluster": "a", "purgeMode": "Gracefully" }, { "fromCluster": "c" }],
        }),
        "a b c",
        "delete [], write [b=0]",
    );
}

#[test]
fn a_cluster_that_is_purged_directly_must_be_empty_before_others_are_filled() {
    let binding = json!({
        "clusters": [{ "name": "b" }],
        "gracefulEvictionTasks": [{ "fromCluster": "a", "purgeMode": "Directly" }],
    });
    check(binding.clone(), "a", "delete [a], write [wait]");
    check(binding, "", "delete [], write [b=0]");
}

fn template(kind: &str, api_version: &str, spec: Value) -> Object {
    let mut template = Object::new(api_version, kind, "shop", "web");
    template.set("/metadata/uid", "u");
    template.set("/metadata/generation", 4);
    template.set("/metadata/resourceVersion", "9");
    template.set("/spec", spec);
    template
}

fn works(template: &Object, binding: Value) -> Vec<Wanted> {
    let key = BindingKey { scope: Scope::Namespaced, key: ObjectKey::new("shop", "web-deployment") };
    let spec = spec(binding);
    let source = Source { key: &key, id: "b", spec: &spec, template, inject_state: true };
    let works =
        source.works(&Interpreter::native(), &targets(&spec), |_, _| Ok(overrides::Applied::default()));
    works.into_iter().map(|(_, work)| work.unwrap()).collect()
}

#[test]
fn a_work_holds_the_clusters_share_and_says_where_it_comes_from() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let works = works(
        &template,
        json!({
            "replicas": 5, "clusters": [{ "name": "a", "replicas": 2 }, { "name": "b", "replicas": 3 }],
            "suspension": { "dispatchingOnClusters": { "clusterNames": ["b"] } },
            "preserveResourcesOnDeletion": true,
        }),
    );
    let [a, b] = works.as_slice() else { panic!("two clusters") };
    assert_eq!((a.namespace.as_str(), a.suspended, b.suspended), ("karmada-es-a", false, true));
    assert_eq!(a.name, naming::work("Deployment", "shop", "web"));
    assert_eq!(
        (a.manifest.i64_at("/spec/replicas"), b.manifest.i64_at("/spec/replicas")),
        (Some(2), Some(3))
    );
    assert!(a.preserve);
    let manifest = &a.manifest;
    assert_eq!(manifest.label("resourcebinding.karmada.io/permanent-id"), Some("b"));
    assert_eq!(manifest.annotation("resourcebinding.karmada.io/name"), Some("web-deployment"));
    assert_eq!(manifest.annotation("resourcetemplate.karmada.io/generation"), Some("4"));
    assert_eq!(manifest.annotation("resourcetemplate.karmada.io/uid"), Some("u"));
    assert_eq!(manifest.uid(), "", "the template's own identity stays behind");
    assert!(a.annotations.contains(&("work.karmada.io/conflict-resolution".into(), "abort".into())));
}

#[test]
fn what_is_no_workload_keeps_its_own_fields() {
    let template = template("Deployment", "apps/v1", json!({ "replicas": 5 }));
    let works = works(&template, json!({ "clusters": [{ "name": "a" }] }));
    assert_eq!(works[0].manifest.i64_at("/spec/replicas"), Some(5));
}

#[test]
fn the_template_has_the_last_word_on_conflicts() {
    for (annotation, binding, expected) in [
        (None, "Overwrite", "overwrite"),
        (Some("abort"), "Overwrite", "abort"),
        (Some("overwrite"), "Abort", "overwrite"),
        (Some("nonsense"), "Overwrite", "overwrite"),
        (None, "Abort", "abort"),
    ] {
        let mut template = template("ConfigMap", "v1", json!({}));
        if let Some(value) = annotation {
            template.set_annotation(annotations::CONFLICT_RESOLUTION, value);
        }
        let works = works(&template, json!({ "clusters": [{ "name": "a" }], "conflictResolution": binding }));
        let entry = (annotations::CONFLICT_RESOLUTION.to_owned(), expected.to_owned());
        assert!(works[0].annotations.contains(&entry), "{annotation:?} {binding}");
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
    assert_eq!(completions(&works(&template, divided)), [Some(3), Some(6)]);
    let duplicated = json!({ "replicas": 3, "clusters": [{ "name": "a", "replicas": 3 }], "placement": {} });
    assert_eq!(completions(&works(&template, duplicated)), [Some(9)]);
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
