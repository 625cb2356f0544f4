//! Which policy claims which object.

use anyhow::ensure;
use e2e::{SOON, together};
use testkit::eventually;

use crate::{CONFIG_MAPS, DUPLICATED, Stage, config_map, for_config_map, on, policy};

const NAME: &str = "propagationpolicy.karmada.io/name";

/// Waits until an object is claimed by a policy.
#[track_caller]
fn claimed_by(stage: &Stage, name: &str, policy: Option<&str>) {
    eventually(SOON, &format!("{name} is claimed by {policy:?}"), || {
        let object = stage.control_plane.get(CONFIG_MAPS, &stage.namespace, name)?;
        ensure!(object.annotation(NAME) == policy, "it is claimed by {:?}", object.annotation(NAME));
        Ok(())
    });
}

fn prioritised(name: &str, object: &str, clusters: &str, priority: i32) -> String {
    policy(name, object, &on(clusters), &format!("  priority: {priority}"))
}

#[test]
fn the_higher_priority_wins_then_the_closer_match_then_the_name() {
    let up = together();
    let stage = Stage::set(&up, "priority");
    let all = "{apiVersion: v1, kind: ConfigMap}";
    let labelled = "{apiVersion: v1, kind: ConfigMap, labelSelector: {matchLabels: {mine: 'yes'}}}";
    stage.apply(&prioritised("a-all", all, "member1", 0));
    stage.apply(&prioritised("b-all", all, "member2", 0));
    stage.apply(&prioritised("c-labelled", labelled, "member2", 0));
    stage.apply(&prioritised(
        "d-important",
        "{apiVersion: v1, kind: ConfigMap, labelSelector: {matchLabels: {vip: 'yes'}}}",
        "member3",
        5,
    ));
    stage.apply(&config_map("plain", "1"));
    claimed_by(&stage, "plain", Some("a-all"));
    stage.apply(&config_map("mine", "1").replace("name: mine", "name: mine, labels: {mine: 'yes'}"));
    claimed_by(&stage, "mine", Some("c-labelled"));
    stage.apply(&config_map("vip", "1").replace("name: vip", "name: vip, labels: {mine: 'yes', vip: 'yes'}"));
    claimed_by(&stage, "vip", Some("d-important"));
    stage.config_map_is_on("vip", &["member3"]);
}

#[test]
fn a_policy_that_comes_later_takes_what_waits() {
    let up = together();
    let stage = Stage::set(&up, "later");
    stage.apply(&config_map("early", "1"));
    stage.apply(&for_config_map("early", DUPLICATED));
    claimed_by(&stage, "early", Some("early"));
    stage.config_map_is_on("early", &["member1", "member2", "member3"]);
}

#[test]
fn a_deleted_policy_leaves_everything_where_it_is() {
    let up = together();
    let stage = Stage::set(&up, "deleted-policy");
    stage.apply(&(config_map("c", "1") + &for_config_map("c", &on("member1, member2"))));
    stage.config_map_is_on("c", &["member1", "member2"]);
    stage.user.ok("delete propagationpolicy c");
    claimed_by(&stage, "c", None);
    eventually(SOON, "the binding is nobody's", || {
        let binding = stage.binding("c-configmap")?;
        ensure!(binding.label("propagationpolicy.karmada.io/permanent-id").is_none(), "it still is");
        Ok(())
    });
    // A change still arrives.
    stage.apply(&config_map("c", "2"));
    for member in &stage.members[..2] {
        let copy = member.get(CONFIG_MAPS, &stage.namespace, "c").unwrap();
        assert_eq!(copy.label("karmada.io/managed"), Some("true"));
    }
    // Another policy can take over.
    stage.apply(&for_config_map("c", &on("member2, member3")));
    stage.config_map_is_on("c", &["member2", "member3"]);
}

#[test]
fn an_object_that_no_longer_matches_is_let_go() {
    let up = together();
    let stage = Stage::set(&up, "let-go");
    stage.apply(&(config_map("c", "1") + &for_config_map("c", &on("member1"))));
    stage.config_map_is_on("c", &["member1"]);
    let other = policy("c", "{apiVersion: v1, kind: ConfigMap, name: other}", &on("member1"), "");
    stage.apply(&other);
    claimed_by(&stage, "c", None);
    stage.config_map_is_on("c", &["member1"]);
}

#[test]
fn one_policy_of_the_namespace_beats_any_of_the_cluster() {
    let up = together();
    let stage = Stage::set(&up, "beats");
    let cluster_wide = format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterPropagationPolicy
metadata: {{name: beats}}
spec:
  priority: 100
  resourceSelectors: [{{apiVersion: v1, kind: ConfigMap, namespace: {}}}]
  placement: {}
",
        stage.namespace,
        on("member1")
    );
    stage.apply(&for_config_map("c", &on("member2")));
    stage.apply(&cluster_wide);
    stage.apply(&config_map("c", "1"));
    claimed_by(&stage, "c", Some("c"));
    stage.config_map_is_on("c", &["member2"]);
    stage.apply(&config_map("d", "1"));
    eventually(SOON, "d is claimed by the cluster's policy", || {
        let object = stage.control_plane.get(CONFIG_MAPS, &stage.namespace, "d")?;
        let name = object.annotation("clusterpropagationpolicy.karmada.io/name");
        ensure!(name == Some("beats"), "it is claimed by {name:?}");
        Ok(())
    });
    stage.config_map_is_on("d", &["member1"]);
    stage.user.ok("delete clusterpropagationpolicy beats");
}

#[test]
fn suspended_dispatching_holds_everything_back() {
    let up = together();
    let stage = Stage::set(&up, "suspended");
    let object = "{apiVersion: v1, kind: ConfigMap, name: c}";
    let held = policy(
        "c",
        object,
        &on("member1, member2"),
        "  suspension: {dispatchingOnClusters: {clusterNames: [member1]}}",
    );
    stage.apply(&(config_map("c", "1") + &held));
    stage.config_map_is_on("c", &["member2"]);
    let work = eventually(SOON, "the Work says that it is held back", || {
        let works = stage.control_plane.list(crate::WORKS, "karmada-es-member1", "")?;
        let own = |work: &&machinery::Object| {
            work.str_at("/spec/workload/manifests/0/metadata/namespace") == Some(&stage.namespace)
        };
        let work = works.iter().find(own).ok_or_else(|| anyhow::anyhow!("there is no Work"))?;
        let told = crate::has(work, "Dispatching", "False")?;
        ensure!(told["reason"] == "SuspendDispatching", "{told}");
        Ok(work.clone())
    });
    assert_eq!(work.at("/spec/suspendDispatching"), Some(&true.into()));
    assert!(stage.members[0].find(CONFIG_MAPS, &stage.namespace, "c").unwrap().is_none());
    stage.apply(&policy("c", object, &on("member1, member2"), ""));
    stage.config_map_is_on("c", &["member1", "member2"]);
}
