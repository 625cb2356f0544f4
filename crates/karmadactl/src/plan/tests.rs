//! Stories: what there is, what the files say, and the table that people read.

use api::cluster::Cluster;
use api::gates::FeatureGates;
use api::{Resource as _, Scope};
use expect_test::{Expect, expect};
use machinery::Object;
use propagation::{BindingKey, Gates};
use serde_json::{Value, json};

use super::outcome::Plan;
use super::planner::plan;
use super::print::table;
use super::world::{Change, World};
use super::{Output, PlanArgs};

mod copies;

use copies::image;

fn object(value: Value) -> Object {
    Object::from_value(value).unwrap()
}

fn deployment(name: &str, replicas: i64) -> Object {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": { "app": name } },
        "spec": { "replicas": replicas, "template": { "spec": { "containers": [{ "name": "c", "image": "web:1" }] } } },
    }))
}

fn policy(kind: &str, name: &str, spec: Value) -> Object {
    let mut policy = Object::new("policy.karmada.io/v1alpha1", kind, "", name);
    if !kind.starts_with("Cluster") {
        policy.set("/metadata/namespace", "shop");
    }
    policy.set_label(&format!("{}.karmada.io/permanent-id", kind.to_lowercase()), &format!("id-{name}"));
    policy.set("/spec", spec);
    policy
}

/// A policy that places one Deployment.
fn pp(name: &str, target: &str, placement: Value) -> Object {
    let selectors =
        json!([{ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": target }]);
    policy("PropagationPolicy", name, json!({ "resourceSelectors": selectors, "placement": placement }))
}

fn with(mut policy: Object, field: &str, value: Value) -> Object {
    policy.set(&format!("/spec/{field}"), value);
    policy
}

fn on(clusters: &[&str]) -> Value {
    json!({ "clusterAffinity": { "clusterNames": clusters } })
}

fn weights(weights: &[(&str, i64)]) -> Value {
    let list: Vec<Value> = weights
        .iter()
        .map(|(cluster, weight)| json!({ "targetCluster": { "clusterNames": [cluster] }, "weight": weight }))
        .collect();
    let names: Vec<&str> = weights.iter().map(|(cluster, _)| *cluster).collect();
    json!({
        "clusterAffinity": { "clusterNames": names },
        "replicaScheduling": {
            "replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted",
            "weightPreference": { "staticWeightList": list },
        },
    })
}

/// A world with three clusters.
fn empty() -> World {
    let mut world = World::default();
    for name in ["m1", "m2", "m3"] {
        let enabled = json!([
            { "groupVersion": "apps/v1", "resources": [{ "kind": "Deployment", "name": "deployments" }] },
            { "groupVersion": "v1", "resources": [{ "kind": "ConfigMap", "name": "configmaps" }] },
        ]);
        let cluster = object(json!({
            "apiVersion": "cluster.karmada.io/v1alpha1", "kind": "Cluster", "metadata": { "name": name },
            "spec": {}, "status": { "apiEnablements": enabled },
        }));
        world.clusters.insert(name.into(), Cluster::from_object(&cluster).unwrap());
    }
    world
}

/// Makes the plan come true: the world as the controllers would leave it.
fn carry_out(world: &mut World, changes: &[Change]) {
    let courses = super::planner::courses(world, changes).unwrap();
    world.state = world.state.with(changes).unwrap();
    for (key, course) in courses {
        match course.after {
            Some(template) => drop(world.state.templates.insert(key, template)),
            None => drop(world.state.templates.remove(&key)),
        }
        let name = |object: &Object| {
            let scope = if object.namespace().is_empty() { Scope::Cluster } else { Scope::Namespaced };
            BindingKey::of(scope, object)
        };
        match (course.binding_before, course.binding_after) {
            (_, Some(mut after)) => {
                // The scheduler remembers what it was asked for.
                if let Some(placement) = after.at("/spec/placement").cloned() {
                    after.set_annotation("policy.karmada.io/applied-placement", &placement.to_string());
                }
                world.bindings.insert(name(&after), after);
            }
            (Some(before), None) => drop(world.bindings.remove(&name(&before))),
            (None, None) => {}
        }
    }
}

/// A world in which objects have been applied and everything has settled.
fn settled(objects: impl IntoIterator<Item = Object>) -> World {
    let mut world = empty();
    for object in objects {
        carry_out(&mut world, &[Change::Put(object)]);
    }
    world
}

fn gates(text: &str) -> Gates {
    Gates::from(&text.parse::<FeatureGates>().unwrap())
}

fn put(objects: impl IntoIterator<Item = Object>) -> Vec<Change> {
    objects.into_iter().map(Change::Put).collect()
}

fn planned(world: &World, changes: &[Change]) -> Plan {
    plan(world, changes).unwrap()
}

fn check(world: &World, changes: &[Change], expected: Expect) {
    expected.assert_eq(&table(&planned(world, changes)));
}

#[test]
fn a_new_policy_claims_what_waited_for_it() {
    let world = settled([deployment("web", 3), deployment("api", 1)]);
    check(
        &world,
        &put([pp("web", "web", weights(&[("m1", 2), ("m2", 1)]))]),
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   - -> pp/web   m1        - -> 2     create   -
                                            m2        - -> 1     create   -

        1 object: 1 claimed, 2 copies created.
    "#]],
    );
}

#[test]
fn a_template_and_its_policy_in_one_file_go_together() {
    let changes = put([deployment("web", 2), pp("web", "web", on(&["m1"]))]);
    check(
        &empty(),
        &changes,
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   - -> pp/web   m1        - -> 2     create   -

        1 object: 1 claimed, 1 copy created.
    "#]],
    );
}

#[test]
fn a_template_that_no_policy_selects_goes_nowhere() {
    check(
        &empty(),
        &put([deployment("web", 2)]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   -        -         -          -        -

        Deployment shop/web: it goes to no cluster: no policy selects it
        1 object, and no copy would change.
    "#]],
    );
}

#[test]
fn a_changed_placement_moves_and_scales() {
    let world = settled([deployment("web", 3), pp("web", "web", weights(&[("m1", 2), ("m2", 1)]))]);
    check(
        &world,
        &put([pp("web", "web", weights(&[("m2", 2), ("m3", 1)]))]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION     OVERRIDES
        Deployment shop/web   pp/web   m1        2 -> -     delete     -
                                       m2        1 -> 2     scale up   -
                                       m3        - -> 1     create     -

        1 object: 1 copy created, 1 copy deleted, 1 copy scaled.
    "#]],
    );
}

#[test]
fn what_is_applied_already_changes_nothing() {
    let policy = || pp("web", "web", weights(&[("m1", 2), ("m2", 1)]));
    let world = settled([deployment("web", 3), policy()]);
    check(
        &world,
        &put([policy(), deployment("web", 3)]),
        expect![[r#"
        Nothing would change.
    "#]],
    );
    assert_eq!(planned(&world, &put([policy()])).files[0].action, "unchanged");
}

#[test]
fn a_changed_template_is_scaled_and_updated() {
    let world = settled([deployment("web", 3), pp("web", "web", weights(&[("m1", 2), ("m2", 1)]))]);
    check(
        &world,
        &put([deployment("web", 6)]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION     OVERRIDES
        Deployment shop/web   pp/web   m1        2 -> 4     scale up   -
                                       m2        1 -> 2     scale up   -

        1 object: 2 copies scaled.
    "#]],
    );
    let mut web = deployment("web", 6);
    web.set("/spec/paused", true);
    check(
        &world,
        &put([web]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION             OVERRIDES
        Deployment shop/web   pp/web   m1        2 -> 4     scale up, update   -
                                       m2        1 -> 2     scale up, update   -

        1 object: 2 copies scaled, 2 copies updated.
    "#]],
    );
}

#[test]
fn a_policy_that_stops_selecting_releases_and_another_takes_over() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    check(
        &world,
        &put([pp("web", "other", on(&["m1"]))]),
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION     OVERRIDES
        Deployment shop/web   pp/web -> -   -         -          released   -

        Deployment shop/web: released: what runs goes on running, and nothing keeps it up to date with a policy
        PropagationPolicy shop/web: it selects no object that exists
        1 object: 1 released.
    "#]],
    );
    let everything = json!([{ "apiVersion": "apps/v1", "kind": "Deployment" }]);
    let all = policy(
        "ClusterPropagationPolicy",
        "all",
        json!({ "resourceSelectors": everything, "placement": on(&["m2"]) }),
    );
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"])), all]);
    check(
        &world,
        &put([pp("web", "other", on(&["m1"]))]),
        expect![[r#"
        OBJECT                POLICY              CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web -> cpp/all   m1        1 -> -     delete   -
                                                  m2        - -> 1     create   -

        PropagationPolicy shop/web: it selects no object that exists
        1 object: 1 taken over, 1 copy created, 1 copy deleted.
    "#]],
    );
}

#[test]
fn a_deleted_policy_leaves_what_runs() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    check(
        &world,
        &[Change::Delete(pp("web", "web", json!({})))],
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION     OVERRIDES
        Deployment shop/web   pp/web -> -   -         -          released   -

        Deployment shop/web: released: what runs goes on running, and nothing keeps it up to date with a policy
        1 object: 1 released.
    "#]],
    );
}

#[test]
fn a_deleted_template_goes_from_its_clusters_unless_it_is_preserved() {
    let gone = [Change::Delete(deployment("web", 1))];
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    check(
        &world,
        &gone,
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web -> -   m1        1 -> -     delete   -

        1 object: 1 copy deleted.
    "#]],
    );
    let preserving = with(pp("web", "web", on(&["m1"])), "preserveResourcesOnDeletion", json!(true));
    check(
        &settled([deployment("web", 1), preserving]),
        &gone,
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION    OVERRIDES
        Deployment shop/web   pp/web -> -   m1        1 -> -     abandon   -

        1 object: 1 copy abandoned.
    "#]],
    );
}

#[test]
fn an_existing_claim_stays_and_the_plan_says_why() {
    let world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    let better = with(pp("better", "web", on(&["m2"])), "priority", json!(9));
    check(
        &world,
        &put([better.clone()]),
        expect![[r#"
        PropagationPolicy shop/better: it does not get Deployment shop/web: PropagationPolicy shop/web keeps its claim (its preemption is Never)
        Nothing would change.
    "#]],
    );
    let always = with(better, "preemption", json!("Always"));
    check(
        &world,
        &put([always]),
        expect![[r#"
        PropagationPolicy shop/better: it does not get Deployment shop/web: PropagationPolicy shop/web keeps its claim (the feature gate PropagationPolicyPreemption is off)
        Nothing would change.
    "#]],
    );
}

#[test]
fn preemption_takes_over_by_priority_where_the_gate_is_open() {
    let mut world = settled([deployment("web", 1), pp("web", "web", on(&["m1"]))]);
    world.gates = gates("PropagationPolicyPreemption=true");
    let always = |priority: i64| {
        with(
            with(pp("better", "web", on(&["m2"])), "priority", json!(priority)),
            "preemption",
            json!("Always"),
        )
    };
    check(
        &world,
        &put([always(9)]),
        expect![[r#"
        OBJECT                POLICY                CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web -> pp/better   m1        1 -> -     delete   -
                                                    m2        - -> 1     create   -

        1 object: 1 taken over, 1 copy created, 1 copy deleted.
    "#]],
    );
    check(
        &world,
        &put([always(0)]),
        expect![[r#"
        PropagationPolicy shop/better: it does not get Deployment shop/web: PropagationPolicy shop/web keeps its claim (its priority 0 is not greater than 0)
        Nothing would change.
    "#]],
    );
}

#[test]
fn a_priority_that_sinks_wakes_those_that_wait_to_preempt() {
    let ranked = |name: &str, priority: i64, cluster: &str| {
        with(pp(name, "web", on(&[cluster])), "priority", json!(priority))
    };
    let waiting = with(ranked("waiting", 5, "m2"), "preemption", json!("Always"));
    let mut world = settled([deployment("web", 1), ranked("web", 9, "m1"), waiting]);
    world.gates = gates("PropagationPolicyPreemption=true");
    check(
        &world,
        &put([ranked("web", 7, "m1")]),
        expect![[r#"
        Nothing would change.
    "#]],
    );
    check(
        &world,
        &put([ranked("web", 1, "m1")]),
        expect![[r#"
        OBJECT                POLICY                 CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web -> pp/waiting   m1        1 -> -     delete   -
                                                     m2        - -> 1     create   -

        PropagationPolicy shop/web: it does not get Deployment shop/web: PropagationPolicy shop/waiting comes first
        1 object: 1 taken over, 1 copy created, 1 copy deleted.
    "#]],
    );
}

#[test]
fn a_lazy_policy_waits_for_the_next_change_of_the_template() {
    let lazy =
        |clusters: &[&str]| with(pp("web", "web", on(clusters)), "activationPreference", json!("Lazy"));
    let world = settled([deployment("web", 1), lazy(&["m1"])]);
    check(
        &world,
        &put([lazy(&["m2"])]),
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   -         -          -        -

            Deployment shop/web: PropagationPolicy shop/web is Lazy: nothing changes until the object itself does
            1 object, and no copy would change.
        "#]],
    );
    check(
        &world,
        &put([lazy(&["m2"]), deployment("web", 2)]),
        expect![[r#"
        OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   pp/web   m1        1 -> -     delete   -
                                       m2        - -> 2     create   -

        1 object: 1 copy created, 1 copy deleted.
    "#]],
    );
    check(
        &settled([deployment("web", 1)]),
        &put([lazy(&["m1"])]),
        expect![[r#"
        OBJECT                POLICY        CLUSTER   REPLICAS   ACTION   OVERRIDES
        Deployment shop/web   - -> pp/web   m1        - -> 1     create   -

        1 object: 1 claimed, 1 copy created.
    "#]],
    );
}

#[test]
fn what_cannot_be_propagated_is_told_for_the_policy_that_selects_it() {
    let mut system = deployment("web", 1);
    system.set("/metadata/namespace", "karmada-system");
    let mut service = deployment("api", 1);
    service.set_label("resourcetemplate.karmada.io/claimed-by", "MultiClusterService");
    let everything = json!([{ "apiVersion": "apps/v1", "kind": "Deployment" }]);
    let all = policy("ClusterPropagationPolicy", "all", json!({ "resourceSelectors": everything }));
    check(
        &settled([system, service]),
        &put([all]),
        expect![[r#"
        ClusterPropagationPolicy all: it never gets Deployment karmada-system/web: namespace karmada-system is Karmada's own
        ClusterPropagationPolicy all: it does not get Deployment shop/api, which a MultiClusterService has claimed
        Nothing would change.
    "#]],
    );
}

#[test]
fn a_template_that_leaves_its_policys_selectors_keeps_the_claim_and_its_copies() {
    let by_label = json!([{
        "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop",
        "labelSelector": { "matchLabels": { "app": "web" } },
    }]);
    let policy = policy(
        "PropagationPolicy",
        "web",
        json!({ "resourceSelectors": by_label, "placement": on(&["m1"]) }),
    );
    let world = settled([deployment("web", 1), policy]);
    let mut web = (*world.state.templates.values().next().unwrap().clone()).clone();
    web.set_label("app", "other");
    check(
        &world,
        &put([web]),
        expect![[r#"
            OBJECT                POLICY   CLUSTER   REPLICAS   ACTION   OVERRIDES
            Deployment shop/web   pp/web   -         -          -        -

            Deployment shop/web: PropagationPolicy shop/web has claimed it and does not select it any more: its copies stay as they are
            1 object, and no copy would change.
        "#]],
    );
}

#[test]
fn a_settled_world_plans_nothing_and_carrying_a_plan_out_settles_it() {
    let all = || {
        policy(
            "ClusterPropagationPolicy",
            "all",
            json!({
                "resourceSelectors": [{ "apiVersion": "apps/v1", "kind": "Deployment" }], "placement": on(&["m1", "m3"]),
            }),
        )
    };
    let pool: Vec<Object> = vec![
        deployment("web", 3),
        deployment("api", 2),
        pp("web", "web", weights(&[("m1", 2), ("m2", 1)])),
        pp("web", "api", weights(&[("m2", 1), ("m3", 1)])),
        with(pp("late", "web", on(&["m3"])), "priority", json!(3)),
        all(),
        image("canary", &["m2"], "2"),
    ];
    let mut seed = 1_u32;
    let mut random = |bound: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) as usize % bound
    };
    for round in 0..60 {
        let mut world = empty();
        for step in 0..6 {
            let object = pool[random(pool.len())].clone();
            let delete = random(4) == 0;
            let change = [if delete { Change::Delete(object) } else { Change::Put(object) }];
            carry_out(&mut world, &change);
            let again = planned(&world, &change);
            assert!(again.objects.is_empty(), "round {round}, step {step}: {}", table(&again));
        }
    }
}

#[test]
fn the_data_has_a_stable_shape() {
    let world = settled([deployment("web", 1)]);
    let value = serde_json::to_value(planned(&world, &put([pp("web", "web", on(&["m1"]))]))).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    expect!["files notes objects summary"].assert_eq(&keys(&value));
    expect!["action object"].assert_eq(&keys(&value["files"][0]));
    expect!["claim clusters notes object policy"].assert_eq(&keys(&value["objects"][0]));
    expect!["actions cluster manifest overrides replicas"]
        .assert_eq(&keys(&value["objects"][0]["clusters"][0]));
}

#[test]
fn arguments_are_read_and_wrong_ones_refused() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: PlanArgs,
    }
    let parse = |line: &[&str]| <Line as clap::Parser>::try_parse_from(line).map(|line| line.args);
    let args =
        parse(&["plan", "-f", "a.yaml,b", "-f", "-", "-R", "-n", "shop", "-o", "diff", "--delete"]).unwrap();
    assert_eq!(args.filename.len(), 3);
    assert!(args.recursive && args.delete && args.output == Output::Diff);
    assert!(parse(&["plan"]).is_err(), "a file must be given");
    assert!(parse(&["plan", "-f", "a", "-o", "yaml"]).is_err());
    let gates =
        |text: &str| parse(&["plan", "-f", "a", "--feature-gates", text]).map(|args| args.feature_gates);
    assert!(gates("PropagateDeps=false").is_ok_and(|gates| !gates.enabled("PropagateDeps")));
    assert!(gates("Nonsense=true").is_err());
    assert!(gates("PropagateDeps").is_err());
}
