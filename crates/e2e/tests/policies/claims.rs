//! How an object comes under a policy, moves between policies, and is let go.

use anyhow::ensure;
use e2e::stage::{
    BINDINGS, CONFIG_MAPS, DEPLOYMENTS, Stage, config_map, deployment, on, policy, the_config_map,
    the_deployment,
};
use e2e::{SOON, together};
use machinery::Object;
use serde_json::json;
use testkit::eventually;

pub(crate) const NAMESPACE: &str = "propagationpolicy.karmada.io/namespace";
pub(crate) const NAME: &str = "propagationpolicy.karmada.io/name";
pub(crate) const ID: &str = "propagationpolicy.karmada.io/permanent-id";

/// Says unless an object bears no mark of a policy.
fn is_nobodys(object: &Object) -> anyhow::Result<()> {
    ensure!(object.label(ID).is_none(), "it has the id {:?}", object.label(ID));
    for key in [NAMESPACE, NAME] {
        ensure!(object.annotation(key).is_none(), "{key} is {:?}", object.annotation(key));
    }
    Ok(())
}

#[test]
fn selectors_can_be_added_to_a_policy_and_taken_away() {
    let up = together();
    let stage = Stage::set(&up, "selectors");
    let (one, two) = (the_deployment("one"), the_deployment("two"));
    stage.apply(&(policy("p", &one, &on("member1"), "") + &deployment("one", 1) + &deployment("two", 1)));
    stage.is_on(DEPLOYMENTS, "one", &["member1"]);
    stage.apply(&policy("p", &format!("{one}, {two}"), &on("member1"), ""));
    stage.is_on(DEPLOYMENTS, "two", &["member1"]);
    stage.apply(&policy("p", &two, &on("member1"), ""));
    stage.template(DEPLOYMENTS, "one", "it is let go", is_nobodys);
    stage.bound("one-deployment", "its binding too", is_nobodys);
    stage.is_on(DEPLOYMENTS, "one", &["member1"]);
}

#[test]
fn bindings_are_found_by_the_id_of_their_policy_and_follow_its_changes() {
    let up = together();
    let stage = Stage::set(&up, "followed");
    stage.apply(&(policy("p", &the_deployment("web"), &on("member1"), "") + &deployment("web", 1)));
    let bound = || {
        let policies = "policy.karmada.io/v1alpha1/propagationpolicies";
        let policy = stage.control_plane.get(policies, "followed", "p")?;
        let id = policy.label(ID).ok_or_else(|| anyhow::anyhow!("the policy has no id"))?;
        let mut found = stage.control_plane.list(BINDINGS, "followed", &format!("{ID}={id}"))?;
        ensure!(found.len() == 1, "{} bindings", found.len());
        Ok(found.remove(0))
    };
    eventually(SOON, "the binding is found", bound);
    // The field is not there yet; the servers of Kubernetes take this for adding it.
    stage.json_patch(
        "propagationpolicy/p",
        &json!([{ "op": "replace", "path": "/spec/propagateDeps", "value": true }]),
    );
    eventually(SOON, "dependencies are wanted", || {
        let found = bound()?;
        ensure!(found.at("/spec/propagateDeps") == Some(&json!(true)), "{:?}", found.at("/spec"));
        Ok(())
    });
    let elsewhere = json!({ "clusterAffinity": { "clusterNames": ["member2"] } });
    stage.json_patch(
        "propagationpolicy/p",
        &json!([{ "op": "replace", "path": "/spec/placement", "value": elsewhere }]),
    );
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
}

#[test]
fn a_deleted_policy_leaves_no_mark_on_template_and_binding() {
    let up = together();
    let stage = Stage::set(&up, "unmarked");
    stage.apply(&(policy("p", &the_deployment("web"), &on("member1"), "") + &deployment("web", 1)));
    stage.is_on(DEPLOYMENTS, "web", &["member1"]);
    stage.user.ok("delete propagationpolicy p");
    stage.template(DEPLOYMENTS, "web", "it has no marks", is_nobodys);
    stage.bound("web-deployment", "it has no marks", is_nobodys);
}

#[test]
fn an_object_that_one_policy_lets_go_moves_to_where_the_next_one_wants_it() {
    let up = together();
    let stage = Stage::set(&up, "next-one");
    // Let go by a change of the first policy.
    stage.apply(&(config_map("a", "1") + &policy("a1", &the_config_map("a"), &on("member1"), "")));
    stage.is_on(CONFIG_MAPS, "a", &["member1"]);
    stage.apply(&policy("a1", &the_config_map("a-other"), &on("member1"), ""));
    stage.apply(&policy("a2", &the_config_map("a"), &on("member2"), ""));
    stage.is_on(CONFIG_MAPS, "a", &["member2"]);
    // Let go by deleting it.
    stage.apply(&(config_map("b", "1") + &policy("b1", &the_config_map("b"), &on("member1"), "")));
    stage.is_on(CONFIG_MAPS, "b", &["member1"]);
    stage.user.ok("delete propagationpolicy b1");
    stage.apply(&policy("b2", &the_config_map("b"), &on("member2"), ""));
    stage.is_on(CONFIG_MAPS, "b", &["member2"]);
    stage.user.ok("delete configmap a b");
    stage.is_on(CONFIG_MAPS, "a", &[]);
    stage.is_on(CONFIG_MAPS, "b", &[]);
}

#[test]
fn names_of_policies_may_be_longer_than_labels() {
    let up = together();
    let stage = Stage::set(&up, "long-names");
    let name = format!("web{}", "-longname".repeat(8));
    assert!(name.len() > 63);
    stage.apply(
        &(deployment(&name, 1) + &policy(&name, &the_deployment(&name), "{}", ""))
            .replace(&format!("labels: {{app: {name}}}"), "labels: {app: web}")
            .replace(&format!("matchLabels: {{app: {name}}}"), "matchLabels: {app: web}"),
    );
    stage.deployed(&name, ["1", "1", "1"]);
    stage.user.ok(&format!("scale deployment {name} --replicas=2"));
    stage.deployed(&name, ["2", "2", "2"]);
    stage.copies(DEPLOYMENTS, &name, &["member1"], "it names its policy", |copy| {
        ensure!(copy.annotation(NAME) == Some(&name), "{:?}", copy.annotation(NAME));
        Ok(())
    });
}

#[test]
fn bindings_works_and_copies_share_an_id() {
    let up = together();
    let stage = Stage::set(&up, "shared-id");
    stage.apply(&(config_map("c", "1") + &policy("c", &the_config_map("c"), &on("member1, member3"), "")));
    stage.is_on(CONFIG_MAPS, "c", &["member1", "member3"]);
    let key = "resourcebinding.karmada.io/permanent-id";
    let id = stage.bound("c-configmap", "it has an id", |binding| {
        Ok(binding.label(key).ok_or_else(|| anyhow::anyhow!("it has none"))?.to_owned())
    });
    let works = stage.control_plane.list(e2e::stage::WORKS, "", &format!("{key}={id}")).unwrap();
    assert_eq!(works.len(), 2);
    stage.copies(CONFIG_MAPS, "c", &["member1", "member3"], "it has the id", |copy| {
        ensure!(copy.label(key) == Some(&id), "{:?}", copy.label(key));
        ensure!(copy.annotation("resourcebinding.karmada.io/namespace") == Some("shared-id"));
        ensure!(copy.annotation("resourcebinding.karmada.io/name") == Some("c-configmap"));
        Ok(())
    });
}
