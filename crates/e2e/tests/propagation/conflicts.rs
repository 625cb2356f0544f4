//! What a member refuses.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use anyhow::ensure;
use e2e::{LATE, SOON, together};
use serde_json::json;
use testkit::eventually;

use crate::{
    CONFIG_MAPS, DUPLICATED, Stage, aggregated, assignment, config_map, for_config_map, has, on, policy,
};

/// Puts a ConfigMap that Karmada does not manage on a member.
fn somebody_elses(stage: &Stage, member: usize, name: &str) {
    let member = &stage.members[member];
    eventually(SOON, "the namespace has arrived", || member.get("v1/namespaces", "", &stage.namespace));
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": stage.namespace },
        "data": { "value": "somebody else's" },
    });
    member.create(CONFIG_MAPS, object).unwrap();
}

#[test]
fn an_object_of_somebody_else_is_left_alone_and_reported() {
    let up = together();
    let stage = Stage::set(&up, "conflict");
    somebody_elses(&stage, 1, "c");
    stage.apply(&(config_map("c", "ours") + &for_config_map("c", &on("member1, member2"))));
    eventually(SOON, "the binding tells what happened on member2", || {
        let binding = stage.binding("c-configmap")?;
        has(&binding, "FullyApplied", "False")?;
        let items = aggregated(&binding);
        ensure!(items.get("member1").is_some_and(|item| item["applied"] == true), "{items:?}");
        let second = items.get("member2").cloned().unwrap_or_default();
        ensure!(second["applied"] != true, "{second}");
        let message = second["appliedMessage"].as_str().unwrap_or_default();
        ensure!(message.starts_with("Failed to apply all manifests (0/1)"), "{second}");
        Ok(())
    });
    let theirs = stage.members[1].get(CONFIG_MAPS, &stage.namespace, "c").unwrap();
    assert_eq!(theirs.str_at("/data/value"), Some("somebody else's"));
    stage.members[1].delete(CONFIG_MAPS, &stage.namespace, "c").unwrap();
    eventually(LATE, "once it is out of the way ours is applied", || {
        let copy = stage.members[1].get(CONFIG_MAPS, &stage.namespace, "c")?;
        ensure!(copy.str_at("/data/value") == Some("ours"), "{:?}", copy.at("/data"));
        has(&stage.binding("c-configmap")?, "FullyApplied", "True")
    });
}

#[test]
fn a_policy_may_overwrite_what_is_there() {
    let up = together();
    let stage = Stage::set(&up, "overwrite");
    somebody_elses(&stage, 0, "c");
    let object = "{apiVersion: v1, kind: ConfigMap, name: c}";
    let overwrite = policy("c", object, &on("member1"), "  conflictResolution: Overwrite");
    stage.apply(&(config_map("c", "ours") + &overwrite));
    eventually(SOON, "it is ours now", || {
        let copy = stage.members[0].get(CONFIG_MAPS, &stage.namespace, "c")?;
        ensure!(copy.str_at("/data/value") == Some("ours"), "{:?}", copy.at("/data"));
        ensure!(copy.label("karmada.io/managed") == Some("true"), "it is not managed");
        Ok(())
    });
}

#[test]
fn an_object_the_member_finds_invalid_is_reported_and_applied_after_the_fix() {
    let up = together();
    let stage = Stage::set(&up, "invalid");
    // The member takes the immutable object and then refuses its change.
    let frozen = |value: &str| config_map("c", value).replace("\ndata:", "\nimmutable: true\ndata:");
    stage.apply(&(config_map("c", "1") + &for_config_map("c", &on("member1"))));
    stage.config_map_is_on("c", &["member1"]);
    stage.members[0].patch(CONFIG_MAPS, &stage.namespace, "c", json!({ "immutable": true })).unwrap();
    stage.apply(&config_map("c", "2"));
    eventually(SOON, "the member's refusal is told", || {
        let items = aggregated(&stage.binding("c-configmap")?);
        let item = items.get("member1").cloned().unwrap_or_default();
        let message = item["appliedMessage"].as_str().unwrap_or_default();
        ensure!(message.contains("immutable"), "{item}");
        Ok(())
    });
    // The user gives in.
    stage.apply(&frozen("1"));
    eventually(LATE, "all is well again", || has(&stage.binding("c-configmap")?, "FullyApplied", "True"));
}

#[test]
fn a_kind_that_only_some_members_know_goes_only_there() {
    let up = together();
    let stage = Stage::set(&up, "some-know");
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.some-know.example.com}
spec:
  group: some-know.example.com
  scope: Namespaced
  names: {kind: Boat, plural: boats, singular: boat}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";
    stage.apply(definition);
    let member = up.kubectl(testkit::Version::Current, &stage.members[0]);
    member.ok_with("apply -f -", definition);
    eventually(LATE, "the control plane knows that member1 knows boats", || {
        let cluster = stage.control_plane.get(crate::CLUSTERS, "", "member1")?;
        let enabled = cluster.at("/status/apiEnablements").cloned().unwrap_or_default();
        ensure!(enabled.to_string().contains("some-know.example.com/v1"), "it does not");
        Ok(())
    });
    stage.user.ok("wait --for=condition=established crd/boats.some-know.example.com --timeout=30s");
    stage.apply(&policy("boats", "{apiVersion: some-know.example.com/v1, kind: Boat}", DUPLICATED, ""));
    stage.apply(
        "apiVersion: some-know.example.com/v1\nkind: Boat\nmetadata: {name: argo}\nspec: {oars: 50}\n",
    );
    let boats = "some-know.example.com/v1/boats";
    eventually(LATE, "the boat is on member1", || {
        let copy = stage.members[0].get(boats, &stage.namespace, "argo")?;
        ensure!(copy.i64_at("/spec/oars") == Some(50), "{copy:?}");
        Ok(())
    });
    let found = assignment(&stage.binding("argo-boat").unwrap());
    assert_eq!(found, "member1");
    stage.user.ok("delete boats argo");
    eventually(SOON, "the boat has left", || stage.members[0].check_gone(boats, &stage.namespace, "argo"));
}
