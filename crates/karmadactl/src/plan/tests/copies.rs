//! What happens to the copies in the clusters: overrides, dependencies, suspension, failures.

use expect_test::expect;
use machinery::Object;
use serde_json::json;

use super::super::print::diff;
use super::super::world::Change;
use super::{carry_out, check, deployment, on, planned, policy, pp, put, settled, with};

pub(super) fn image(name: &str, clusters: &[&str], tag: &str) -> Object {
    let rule = json!({
        "targetCluster": { "clusterNames": clusters },
        "overriders": { "imageOverrider": [{ "component": "Tag", "operator": "replace", "value": tag }] },
    });
    policy("OverridePolicy", name, json!({ "resourceSelectors": [], "overrideRules": [rule] }))
}

#[test]
fn an_override_changes_the_copies_of_its_clusters_only() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1", "m2"]))]);
    let changes = put([image("canary", &["m2"], "2")]);
    check(
        &world,
        &changes,
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   m2        1          update   - -> op/canary

            1 object: 1 copy updated.
        "#]],
    );
    expect![[r#"
        --- m2/apps/v1/Deployment/shop/web (now)
        +++ m2/apps/v1/Deployment/shop/web (planned)
        @@ -10,5 +10,5 @@
           template:
             spec:
               containers:
        -      - image: web:1
        +      - image: web:2
                 name: c
    "#]]
    .assert_eq(&diff(&planned(&world, &changes)));
    let world =
        settled([deployment("web", 1), pp("web", "web", on(&["m1", "m2"])), image("canary", &["m2"], "2")]);
    check(
        &world,
        &[Change::Delete(image("canary", &[], ""))],
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   m2        1          update   op/canary -> -

            1 object: 1 copy updated.
        "#]],
    );
}

#[test]
fn a_policy_waits_for_its_overrides_and_goes_on_with_them() {
    let policy = with(pp("web", "web", on(&["m1"])), "dependentOverrides", json!(["canary"]));
    let world = settled([deployment("web", 1)]);
    check(
        &world,
        &put([policy.clone()]),
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   -        -         -          -        -

            Deployment shop/web: PropagationPolicy shop/web waits for override policies that do not exist: canary
            1 object, and no copy would change.
        "#]],
    );
    let world = settled([deployment("web", 1), policy]);
    check(
        &world,
        &put([image("canary", &["m1"], "2")]),
        expect![[r#"
            OBJECT                POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   - -> pp/web   m1        - -> 1     create   op/canary

            1 object: 1 claimed, 1 copy created.
        "#]],
    );
}

#[test]
fn an_override_that_cannot_be_applied_says_so_and_leaves_the_copy() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    let rule = json!({ "overriders": { "plaintext": [{ "path": "/spec/none/x", "operator": "replace", "value": 1 }] } });
    let broken =
        policy("OverridePolicy", "broken", json!({ "resourceSelectors": [], "overrideRules": [rule] }));
    check(
        &world,
        &put([broken]),
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   m1        1          FAILS    -

            Deployment shop/web in m1: could not apply the override policies: cannot apply spec.overrideRules[0].overriders.plaintext[0] of OverridePolicy shop/broken: the operation at "/spec/none/x" failed: there is no "none"
            1 object: 1 copy impossible.
        "#]],
    );
}

#[test]
fn a_placement_that_fits_nowhere_removes_all_copies_and_says_why() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    check(
        &world,
        &put([pp("web", "web", on(&["m9"]))]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web   m1        1 -> -     delete   -

        Deployment shop/web: placed nowhere: 0/3 clusters are available: 3 cluster(s) did not match the placement cluster affinity constraint.
        1 object: 1 copy deleted.
    "#]],
    );
}

#[test]
fn suspension_shows_as_such() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    let suspended = with(pp("web", "web", on(&["m1"])), "suspension", json!({ "dispatching": true }));
    check(
        &world,
        &put([suspended]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION    OVERRIDES
        Deployment shop/web   pp/web   m1        1          suspend   -

        Deployment shop/web in m1: dispatching is suspended: nothing reaches the cluster for now
        1 object: 1 copy suspended or resumed.
    "#]],
    );
}

#[test]
fn dependencies_follow_what_needs_them() {
    let mut web = deployment("web", 1);
    let volume = json!([{ "name": "v", "configMap": { "name": "settings" } }]);
    web.set("/spec/template/spec/volumes", volume);
    let mut settings = Object::new("v1", "ConfigMap", "shop", "settings");
    settings.set("/metadata/uid", "uid-settings");
    settings.set("/data", json!({ "a": "1" }));
    let propagating = |clusters: &[&str]| with(pp("web", "web", on(clusters)), "propagateDeps", json!(true));
    let world = settled([web.clone(), settings.clone()]);
    check(
        &world,
        &put([propagating(&["m1"])]),
        expect![[r#"
            OBJECT                    POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
            ConfigMap shop/settings   -             m1        -          create   -
            Deployment shop/web       - -> pp/web   m1        - -> 1     create   -

            2 objects: 1 claimed, 2 copies created.
        "#]],
    );
    let world = settled([settings, web, propagating(&["m1"])]);
    check(
        &world,
        &put([propagating(&["m2"])]),
        expect![[r#"
            OBJECT                    POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            ConfigMap shop/settings   -        m1        -          delete   -
                                               m2        -          create   -
            Deployment shop/web       pp/web   m1        1 -> -     delete   -
                                               m2        - -> 1     create   -

            2 objects: 2 copies created, 2 copies deleted.
        "#]],
    );
    check(
        &world,
        &put([pp("web", "web", on(&["m1"]))]),
        expect![[r#"
            OBJECT                    POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            ConfigMap shop/settings   -        m1        -          delete   -

            1 object: 1 copy deleted.
        "#]],
    );
}

#[test]
fn a_released_template_that_changes_keeps_its_copies_as_they_are() {
    let mut world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    carry_out(&mut world, &[Change::Delete(pp("web", "web", json!({})))]);
    check(
        &world,
        &put([deployment("web", 5)]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   -        -         -          -        -

        Deployment shop/web: no policy governs it: its copies stay as they are
        1 object, and no copy would change.
    "#]],
    );
}

#[test]
fn a_dependency_that_changes_is_updated_where_it_is_needed() {
    let mut web = deployment("web", 1);
    web.set("/spec/template/spec/volumes", json!([{ "name": "v", "configMap": { "name": "settings" } }]));
    let mut settings = Object::new("v1", "ConfigMap", "shop", "settings");
    settings.set("/metadata/uid", "uid-settings");
    let policy = with(pp("web", "web", on(&["m1"])), "propagateDeps", json!(true));
    let world = settled([settings.clone(), web, policy]);
    settings.set("/data", json!({ "a": "2" }));
    check(
        &world,
        &put([settings]),
        expect![[r#"
        OBJECT                    POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
        ConfigMap shop/settings   -        m1        -          update   -

        1 object: 1 copy updated.
    "#]],
    );
}

#[test]
fn a_copy_that_has_fallen_behind_catches_up_with_its_next_change() {
    let mut world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    let mut stale = Object::new(
        "work.karmada.io/v1alpha1",
        "Work",
        "karmada-es-m1",
        &api::naming::work("Deployment", "shop", "web"),
    );
    stale.set_label("resourcebinding.karmada.io/permanent-id", "planned-web");
    let mut manifest = deployment("web", 1);
    manifest.metadata_mut().remove("uid");
    manifest.set_label("app", "old");
    stale.set("/spec/workload/manifests", json!([manifest]));
    world.works.insert(stale.key(), stale);
    check(
        &world,
        &put([pp("web", "web", on(&["m1", "m2"]))]),
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   m1        1          update   -
                                           m2        - -> 1     create   -

            1 object: 1 copy created, 1 copy updated.
        "#]],
    );
}

#[test]
fn what_a_deleted_template_needed_goes_with_it() {
    let mut web = deployment("web", 1);
    web.set("/spec/template/spec/volumes", json!([{ "name": "v", "configMap": { "name": "settings" } }]));
    let mut settings = Object::new("v1", "ConfigMap", "shop", "settings");
    settings.set("/metadata/uid", "uid-settings");
    let policy = with(pp("web", "web", on(&["m1"])), "propagateDeps", json!(true));
    let world = settled([settings, web.clone(), policy]);
    check(
        &world,
        &[Change::Delete(web)],
        expect![[r#"
        OBJECT                    POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
        ConfigMap shop/settings   -             m1        -          delete   -
        Deployment shop/web       pp/web -> -   m1        1 -> -     delete   -

        2 objects: 2 copies deleted.
    "#]],
    );
}

#[test]
fn a_kind_that_only_a_webhook_understands_says_which_one_would_have_to_be_asked() {
    let mut configuration =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterWebhookConfiguration", "", "apps");
    let rule = json!({
        "operations": ["InterpretReplica"], "apiGroups": ["apps"], "apiVersions": ["v1"], "kinds": ["Deployment"],
    });
    configuration.set("/webhooks", json!([{
        "name": "apps.interpreter.example", "rules": [rule], "timeoutSeconds": 3,
        "clientConfig": { "url": "https://interpreter.example" }, "interpreterContextVersions": ["v1alpha1"],
    }]));
    let mut world = settled([deployment("web", 1)]);
    world.interpreter = interpreter::Interpreter::with(&[], &[configuration]);
    check(
        &world,
        &put([pp("web", "web", on(&["m1"]))]),
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION    OVERRIDES
        Deployment shop/web   - -> pp/web   -         -          claimed   -

        Deployment shop/web: could not run InterpretReplica for Deployment shop/web: interpreter webhook apps/apps.interpreter.example would have to be asked
        1 object: 1 claimed.
    "#]],
    );
}
