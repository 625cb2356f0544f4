//! Karmada's own kinds through kubectl.

use e2e::{SOON, together};
use testkit::{Cluster, Kubectl, eventually};

use crate::{WEB, contains, heading, lacks, told_by_both_kubectls};

told_by_both_kubectls!(ControlPlane:
    clusters_have_their_columns,
    a_policy_is_described,
    fields_of_a_policy_are_explained,
    defaults_of_a_policy_are_filled_in,
    a_wrong_policy_is_refused,
    a_protected_object_cannot_be_deleted,
    a_propagated_deployment_looks_like_any_other,
);

const POLICY: &str = "
apiVersion: policy.karmada.io/v1alpha1
kind: PropagationPolicy
metadata: {name: web}
spec:
  resourceSelectors:
  - {apiVersion: apps/v1, kind: Deployment, name: web}
  placement:
    clusterAffinity: {clusterNames: [member1, member2]}
";

fn clusters_have_their_columns(kubectl: &Kubectl, _: &Cluster) {
    let up = together();
    let _ = up.members();
    let clusters = kubectl.ok("get clusters");
    assert_eq!(heading(&clusters), "NAME VERSION MODE READY AGE");
    for (name, mode) in [("member1", "Push"), ("member2", "Push"), ("member3", "Pull")] {
        let row =
            clusters.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{clusters}"));
        let row: Vec<&str> = row.split_whitespace().collect();
        assert!(row[1].starts_with("v1."), "{clusters}");
        assert_eq!(row[2..4], [mode, "True"], "{clusters}");
    }
    let wide = heading(&kubectl.ok("get clusters -o wide"));
    assert_eq!(wide, "NAME VERSION MODE READY AGE ZONES REGION PROVIDER API-ENDPOINT PROXY-URL");
    contains(&kubectl.ok("get clusters.cluster.karmada.io -o name"), "cluster.cluster.karmada.io/member1");
    let described = kubectl.ok("describe cluster member1");
    contains(&described, "Sync Mode:");
    contains(&described, "ClusterReady");
    let enabled = kubectl.ok("get cluster member1 -o jsonpath={.status.apiEnablements[*].groupVersion}");
    contains(&enabled, "apps/v1");
    assert_ne!(kubectl.ok("get cluster member1 -o jsonpath={.status.nodeSummary.readyNum}"), "0");
}

fn a_policy_is_described(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", POLICY);
    let described = kubectl.ok("describe propagationpolicy web");
    contains(&described, "Cluster Names:");
    contains(&described, "member2");
    let table = kubectl.ok("get pp");
    assert_eq!(heading(&table), "NAME CONFLICT-RESOLUTION PRIORITY AGE");
    contains(
        &kubectl.ok("get propagationpolicies.policy.karmada.io -o name"),
        "propagationpolicy.policy.karmada.io/web",
    );
}

fn fields_of_a_policy_are_explained(kubectl: &Kubectl, _: &Cluster) {
    contains(&kubectl.ok("explain propagationpolicy.spec.placement"), "clusterAffinity");
    contains(&kubectl.ok("explain cluster.spec.syncMode"), "syncMode <string>");
    contains(&kubectl.ok("api-resources --api-group=policy.karmada.io"), "overridepolicies");
}

fn defaults_of_a_policy_are_filled_in(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", POLICY);
    assert_eq!(kubectl.ok("get pp web -o jsonpath={.spec.conflictResolution}"), "Abort");
    assert_eq!(kubectl.ok("get pp web -o jsonpath={.spec.preemption}"), "Never");
    assert_eq!(
        kubectl.ok("get pp web -o jsonpath={.spec.resourceSelectors[0].namespace}"),
        kubectl.namespace()
    );
    let id =
        kubectl.ok(r"get pp web -o jsonpath={.metadata.labels.propagationpolicy\.karmada\.io/permanent-id}");
    assert_eq!(id.len(), 36, "{id:?}");
    let version = "get pp web -o jsonpath={.metadata.resourceVersion}";
    let before = kubectl.ok(version);
    kubectl.ok_with("apply -f -", POLICY);
    assert_eq!(kubectl.ok(version), before, "filling in the same again writes nothing");
}

fn a_wrong_policy_is_refused(kubectl: &Kubectl, _: &Cluster) {
    let misspelt = POLICY.replace("clusterNames", "clusterNamez");
    let told = kubectl.fails_with("apply -f -", &misspelt);
    contains(&told, "unknown field");
    contains(&told, "clusterNamez");
    let both =
        POLICY.replace("clusterAffinity:", "clusterAffinities: [{affinityName: a}]\n    clusterAffinity:");
    contains(&kubectl.fails_with("apply -f -", &both), "denied the request");
    let none =
        "apiVersion: policy.karmada.io/v1alpha1\nkind: PropagationPolicy\nmetadata: {name: none}\nspec: {}\n";
    contains(&kubectl.fails_with("create --validate=false -f -", none), "spec.resourceSelectors");
    lacks(&kubectl.ok("get pp -o name"), "web");
}

fn a_protected_object_cannot_be_deleted(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap dear");
    kubectl.ok("label configmap dear resourcetemplate.karmada.io/deletion-protected=Always");
    contains(&kubectl.fails("delete configmap dear"), "denied");
    kubectl.ok("label configmap dear resourcetemplate.karmada.io/deletion-protected-");
    kubectl.ok("delete configmap dear");
}

fn a_propagated_deployment_looks_like_any_other(kubectl: &Kubectl, _: &Cluster) {
    let up = together();
    let _ = up.members();
    kubectl.ok_with("apply -f -", POLICY);
    kubectl.ok_with("apply -f -", WEB);
    let status = kubectl.ok("rollout status deployment/web --timeout=60s");
    contains(&status, "successfully rolled out");
    kubectl.ok("wait --for=condition=FullyApplied resourcebinding/web-deployment --timeout=60s");
    let bindings = kubectl.ok("get rb");
    assert_eq!(heading(&bindings), "NAME SCHEDULED FULLYAPPLIED AGE");
    contains(&bindings, "web-deployment");
    contains(&kubectl.ok("describe deployment web"), "ApplyPolicySucceed");
    kubectl.ok("scale deployment web --replicas=3");
    eventually(SOON, "six are ready, three on each member", || {
        let ready = kubectl.ok("get deployment web -o jsonpath={.status.readyReplicas}");
        anyhow::ensure!(ready == "6", "{ready} ready");
        Ok(())
    });
    contains(&kubectl.ok("get works -n karmada-es-member1"), "web");
    kubectl.ok("delete deployment web");
    eventually(SOON, "the binding is gone", || {
        let told = kubectl.run("get rb web-deployment");
        anyhow::ensure!(told.code == 1, "{told:?}");
        Ok(())
    });
}
