//! Members come, get lost, return and leave.
#![expect(clippy::unwrap_used, reason = "a story fails by panicking")]

use std::process::Command;

use anyhow::ensure;
use e2e::{LATE, LocalCluster, SOON, Up, cluster_is, karmadactl, together};
use serde_json::json;
use testkit::{Cluster, Kubectl, Program, eventually, tools};

const CONFIG_MAPS: &str = "v1/configmaps";

/// A member that is not in `up`'s process, and a namespace to propagate to it and to member1.
struct Story {
    edge: LocalCluster,
    name: String,
    control_plane: Cluster,
    near: Cluster,
    user: Kubectl,
}

impl Story {
    #[track_caller]
    fn begin(up: &Up, name: &str) -> Self {
        let edge = LocalCluster::start(name);
        let story = Self {
            edge,
            name: name.into(),
            control_plane: up.control_plane(),
            near: up.member("member1"),
            user: up.user(&format!("story-{name}")),
        };
        assert_eq!(story.join(name).ok(), format!("cluster({name}) is joined successfully\n"));
        eventually(SOON, "it is ready", || cluster_is(&story.control_plane, name, "True"));
        story
    }

    #[track_caller]
    fn join(&self, name: &str) -> testkit::Outcome {
        let kubeconfig = self.edge.kubeconfig();
        karmadactl(&self.control_plane, &format!("join {name} --cluster-kubeconfig {}", kubeconfig.display()))
    }

    /// Propagates a ConfigMap to both members.
    #[track_caller]
    fn propagate(&self, name: &str) {
        let manifest = format!(
            "
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{value: '1'}}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {{name: {name}}}
spec:
  resourceSelectors: [{{apiVersion: v1, kind: ConfigMap, name: {name}}}]
  placement:
    clusterAffinity: {{clusterNames: [member1, {}]}}
    clusterTolerations: [{{operator: Exists}}]
",
            self.name
        );
        self.user.ok_with("apply -f -", &manifest);
    }

    #[track_caller]
    fn change(&self, name: &str, value: &str) {
        let change = json!({ "data": { "value": value } });
        self.control_plane.patch(CONFIG_MAPS, self.user.namespace(), name, change).unwrap();
    }

    #[track_caller]
    fn arrives(&self, member: &Cluster, name: &str, value: &str) {
        let what = format!("{name} is {value:?} on {}", member.context());
        eventually(LATE, &what, || {
            let copy = member.get(CONFIG_MAPS, self.user.namespace(), name)?;
            ensure!(copy.str_at("/data/value") == Some(value), "{:?}", copy.at("/data"));
            Ok(())
        });
    }
}

#[test]
fn a_lost_member_is_noticed_hurts_nobody_and_catches_up() {
    let up = together();
    let mut story = Story::begin(&up, "edge");
    for name in ["changed", "deleted"] {
        story.propagate(name);
        story.arrives(&story.near, name, "1");
        story.arrives(&story.edge.cluster(), name, "1");
    }
    story.edge.kill();
    // Nobody waits for the lost one.
    story.change("changed", "2");
    story.arrives(&story.near, "changed", "2");
    story.propagate("new");
    story.arrives(&story.near, "new", "1");
    eventually(LATE, "it is known to be lost", || cluster_is(&story.control_plane, "edge", "False"));
    eventually(SOON, "nothing new is scheduled there", || {
        let lost = story.control_plane.get("cluster.karmada.io/v1alpha1/clusters", "", "edge")?;
        let taints = lost.at("/spec/taints").cloned().unwrap_or_default();
        ensure!(taints.to_string().contains("cluster.karmada.io/not-ready"), "its taints are {taints}");
        Ok(())
    });
    cluster_is(&story.control_plane, "member1", "True").unwrap();
    story.control_plane.delete(CONFIG_MAPS, story.user.namespace(), "deleted").unwrap();
    eventually(SOON, "it is deleted where that is possible", || {
        story.near.check_gone(CONFIG_MAPS, story.user.namespace(), "deleted")
    });
    story.change("changed", "3");
    story.arrives(&story.near, "changed", "3");

    story.edge.start_again();
    let edge = story.edge.cluster();
    story.arrives(&edge, "changed", "3");
    story.arrives(&edge, "new", "1");
    eventually(LATE, "what was deleted meanwhile is deleted here too", || {
        edge.check_gone(CONFIG_MAPS, story.user.namespace(), "deleted")
    });
    eventually(LATE, "it is ready again, and not tainted", || {
        cluster_is(&story.control_plane, "edge", "True")?;
        let found = story.control_plane.get("cluster.karmada.io/v1alpha1/clusters", "", "edge")?;
        ensure!(
            found.at("/spec/taints").is_none_or(|t| t.as_array().is_some_and(Vec::is_empty)),
            "{found:?}"
        );
        Ok(())
    });
    story.change("changed", "4");
    story.arrives(&edge, "changed", "4");
    let works = format!("karmada-es-{}", story.name);
    eventually(SOON, "no Work of the deleted object is left", || {
        let works = story.control_plane.list("work.karmada.io/v1alpha1/works", &works, "")?;
        let of = |work: &machinery::Object| {
            work.str_at("/spec/workload/manifests/0/metadata/name") == Some("deleted")
        };
        ensure!(!works.iter().any(of), "one is");
        Ok(())
    });
}

/// Starts the agent of a cluster that is called `far`.
#[track_caller]
fn agent_of(cluster: &LocalCluster, up: &Up) -> Program {
    let mut agent = Command::new(tools::program("karmada"));
    agent.args(["agent", "--cluster-name", "far", "--metrics-bind-address", "0"]);
    agent.args(["--health-probe-bind-address", "0", "--kubeconfig"]).arg(cluster.kubeconfig());
    agent.arg("--karmada-kubeconfig").arg(up.kubeconfig());
    Program::start("agent", agent, cluster.folder())
}

#[test]
fn a_pull_member_whose_agent_is_gone_is_noticed_and_catches_up() {
    let up = together();
    let far = LocalCluster::start("far");
    let control_plane = up.control_plane();
    let mut agent = agent_of(&far, &up);
    eventually(SOON, "the agent has registered its cluster", || {
        agent.check_running()?;
        cluster_is(&control_plane, "far", "True")
    });
    let story = Story {
        name: "far".into(),
        near: up.member("member1"),
        user: up.user("story-far"),
        edge: far,
        control_plane,
    };
    story.propagate("c");
    story.arrives(&story.near, "c", "1");
    story.arrives(&story.edge.cluster(), "c", "1");
    agent.kill();
    story.change("c", "2");
    story.arrives(&story.near, "c", "2");
    eventually(LATE, "nobody knows how it is", || cluster_is(&story.control_plane, "far", "Unknown"));
    let mut agent = agent_of(&story.edge, &up);
    story.arrives(&story.edge.cluster(), "c", "2");
    eventually(LATE, "it is ready again", || {
        agent.check_running()?;
        cluster_is(&story.control_plane, "far", "True")
    });
}

#[test]
fn an_unjoined_member_keeps_nothing_and_is_remembered_by_nobody() {
    let up = together();
    let story = Story::begin(&up, "parting");
    story.propagate("c");
    let parting = story.edge.cluster();
    story.arrives(&parting, "c", "1");

    let told = story.join("parting").complaint();
    assert!(told.contains("parting"), "{told}");
    let told = story.join("other-name").complaint();
    assert!(told.contains("parting"), "the cluster is known by its other name: {told}");

    let kubeconfig = story.edge.kubeconfig();
    let unjoin = format!("unjoin parting --cluster-kubeconfig {}", kubeconfig.display());
    karmadactl(&story.control_plane, &unjoin).ok();
    let control_plane = &story.control_plane;
    control_plane.check_gone("cluster.karmada.io/v1alpha1/clusters", "", "parting").unwrap();
    control_plane.check_gone("v1/namespaces", "", "karmada-es-parting").unwrap();
    eventually(SOON, "its credentials are gone", || {
        for secret in ["parting", "parting-impersonator"] {
            control_plane.check_gone("v1/secrets", "karmada-cluster", secret)?;
        }
        Ok(())
    });
    eventually(SOON, "the binding is for the other member alone", || {
        let bindings = "work.karmada.io/v1alpha2/resourcebindings";
        let binding = control_plane.get(bindings, story.user.namespace(), "c-configmap")?;
        let clusters = binding.at("/spec/clusters").cloned().unwrap_or_default();
        ensure!(clusters == json!([{ "name": "member1" }]), "{clusters}");
        Ok(())
    });
    parting.check_gone(CONFIG_MAPS, story.user.namespace(), "c").unwrap();
    for kind in ["clusterroles", "clusterrolebindings"] {
        let all = parting.list(&format!("rbac.authorization.k8s.io/v1/{kind}"), "", "").unwrap();
        let left: Vec<&str> =
            all.iter().map(machinery::Object::name).filter(|n| n.contains("karmada")).collect();
        assert!(left.is_empty(), "{kind} left: {left:?}");
    }
    eventually(SOON, "its namespace of accounts is gone", || {
        parting.check_gone("v1/namespaces", "", "karmada-cluster")
    });
    story.arrives(&story.near, "c", "1");

    assert_eq!(story.join("parting").ok(), "cluster(parting) is joined successfully\n");
    story.arrives(&parting, "c", "1");
}

#[test]
fn a_member_that_is_gone_for_good_can_be_forgotten() {
    let up = together();
    let mut story = Story::begin(&up, "gone");
    story.propagate("c");
    story.arrives(&story.edge.cluster(), "c", "1");
    story.edge.kill();
    karmadactl(&story.control_plane, "unjoin gone --wait 5s --force").ok();
    eventually(SOON, "nothing reminds of it", || {
        story.control_plane.check_gone("cluster.karmada.io/v1alpha1/clusters", "", "gone")?;
        story.control_plane.check_gone("v1/namespaces", "", "karmada-es-gone")
    });
    story.change("c", "2");
    story.arrives(&story.near, "c", "2");
}

#[test]
fn nonsense_is_refused_in_one_line() {
    let up = together();
    let control_plane = up.control_plane();
    let near = up.data().join("members.config");
    let join = |rest: &str| karmadactl(&control_plane, &format!("join {rest}")).complaint();
    let told = join(&format!("Bad_Name --cluster-kubeconfig {} --cluster-context member1", near.display()));
    assert!(told.contains("Bad_Name"), "{told}");
    let told = join("nowhere --cluster-kubeconfig /does/not/exist");
    assert!(told.contains("/does/not/exist"), "{told}");
    let told = karmadactl(&control_plane, "unjoin nobody").complaint();
    assert!(told.contains("nobody"), "{told}");
    let told = karmadactl(&control_plane, "unjoin member3").complaint();
    assert!(told.contains("Pull mode"), "{told}");
    assert_eq!(told.trim_end().lines().count(), 1, "{told}");
}

#[test]
fn karmadactl_shows_all_clusters_at_once() {
    let up = together();
    let user = up.user("all-at-once");
    let manifest = "
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
---
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: c}
spec:
  resourceSelectors: [{apiVersion: v1, kind: ConfigMap, name: c}]
  placement: {clusterAffinity: {clusterNames: [member1, member2]}}
";
    user.ok_with("apply -f -", manifest);
    let control_plane = up.control_plane();
    for member in ["member1", "member2"] {
        let member = up.member(member);
        eventually(SOON, "it has arrived", || member.get(CONFIG_MAPS, "all-at-once", "c"));
    }
    let line = "get configmaps c -n all-at-once --operation-scope all --clusters member1,member2";
    let table = karmadactl(&control_plane, line).ok();
    let heading: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(heading, ["NAME", "CLUSTER", "DATA", "AGE", "ADOPTION"], "{table}");
    let rows = |cluster: &str, adoption: &str| {
        let has = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.get(1) == Some(&cluster) && words.last() == Some(&adoption)
        };
        assert!(table.lines().any(has), "no {cluster} {adoption} in:\n{table}");
    };
    rows("Karmada", "-");
    rows("member1", "Y");
    rows("member2", "Y");
}
