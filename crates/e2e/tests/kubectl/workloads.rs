//! Workloads on a member: what runs is what was asked for.

use e2e::SOON;
use testkit::{Cluster, Kubectl, eventually};

use crate::{WEB, contains, heading, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(Member:
    a_deployment_is_rolled_out,
    a_rollout_can_be_watched_undone_and_repeated,
    a_rollout_can_be_paused,
    pods_come_and_go_with_the_scale,
    a_pod_that_is_deleted_is_replaced,
    an_unhealthy_deployment_is_seen_as_such,
    a_deleted_deployment_takes_its_pods_along,
    orphans_of_a_deployment_keep_running,
    a_service_finds_its_pods,
    nodes_are_shown_and_described,
    a_cordoned_node_takes_no_new_pods,
    objects_are_waited_for,
    a_member_takes_the_same_commands_as_any_cluster,
    every_namespace_has_the_authoritys_certificate,
);

told_by_the_current_kubectl!(Member:
    a_field_can_be_waited_for,
);

fn rolled_out(kubectl: &Kubectl) {
    kubectl.ok_with("apply -f -", WEB);
    let status = kubectl.ok("rollout status deployment/web --timeout=60s");
    contains(&status, "deployment \"web\" successfully rolled out");
}

fn a_deployment_is_rolled_out(kubectl: &Kubectl, _: &Cluster) {
    rolled_out(kubectl);
    let table = kubectl.ok("get deployment web --no-headers");
    assert_eq!(table.split_whitespace().take(4).collect::<Vec<_>>(), ["web", "2/2", "2", "2"]);
    let pods = kubectl.ok("get pods -l app=web");
    assert_eq!(heading(&pods), "NAME READY STATUS RESTARTS AGE");
    assert_eq!(pods.matches("1/1     Running").count(), 2, "{pods}");
    let wide = kubectl.ok("get pods -l app=web -o wide");
    assert_eq!(heading(&wide), "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES");
    let pod = kubectl.ok("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    let described = kubectl.ok(&format!("describe pod {pod}"));
    contains(&described, "Controlled By:  ReplicaSet/web-");
    contains(&described, "Image:");
    contains(&described, "Ready             True");
    let described = kubectl.ok("describe deployment web");
    contains(&described, "2 desired | 2 updated | 2 total | 2 available | 0 unavailable");
    contains(&described, "Available      True    MinimumReplicasAvailable");
    contains(&described, "ScalingReplicaSet");
    contains(&kubectl.ok("get events"), "ScalingReplicaSet");
    let running = kubectl.ok("get pods -o name --field-selector status.phase=Running");
    assert_eq!(running.lines().count(), 2);
}

fn a_rollout_can_be_watched_undone_and_repeated(kubectl: &Kubectl, _: &Cluster) {
    rolled_out(kubectl);
    kubectl.ok("annotate deployment web kubernetes.io/change-cause=first");
    kubectl.ok("set image deployment/web nginx=nginx:1.27");
    kubectl.ok("annotate deployment web kubernetes.io/change-cause=second --overwrite");
    kubectl.ok("rollout status deployment/web --timeout=60s");
    let images = "get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}";
    eventually(SOON, "only the new pods are left", || {
        let images = kubectl.ok(images);
        anyhow::ensure!(images == "nginx:1.27 nginx:1.27", "{images}");
        Ok(())
    });
    let history = kubectl.ok("rollout history deployment/web");
    contains(&history, "1         first");
    contains(&history, "2         second");
    contains(&kubectl.ok("rollout history deployment/web --revision=1"), "nginx:1.25");
    assert_eq!(kubectl.ok("rollout undo deployment/web"), "deployment.apps/web rolled back\n");
    kubectl.ok("rollout status deployment/web --timeout=60s");
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.ok(image), "nginx:1.25");
    kubectl.ok("rollout undo deployment/web --to-revision=2");
    assert_eq!(kubectl.ok(image), "nginx:1.27");
    assert_eq!(kubectl.ok("rollout restart deployment/web"), "deployment.apps/web restarted\n");
    kubectl.ok("rollout status deployment/web --timeout=60s");
    eventually(SOON, "two pods are left", || {
        let pods = kubectl.ok("get pods -l app=web -o name");
        anyhow::ensure!(pods.lines().count() == 2, "{pods}");
        Ok(())
    });
}

fn a_rollout_can_be_paused(kubectl: &Kubectl, cluster: &Cluster) {
    rolled_out(kubectl);
    assert_eq!(kubectl.ok("rollout pause deployment/web"), "deployment.apps/web paused\n");
    kubectl.ok("set image deployment/web nginx=nginx:1.27");
    let generation = kubectl.ok("get deployment web -o jsonpath={.metadata.generation}");
    eventually(SOON, "the change was seen", || {
        let seen = kubectl.ok("get deployment web -o jsonpath={.status.observedGeneration}");
        anyhow::ensure!(seen == generation, "seen {seen} of {generation}");
        Ok(())
    });
    let sets = cluster.list("apps/v1/replicasets", kubectl.namespace(), "app=web").unwrap();
    assert_eq!(sets.len(), 1, "a paused rollout makes no new ReplicaSet");
    assert_eq!(kubectl.ok("rollout resume deployment/web"), "deployment.apps/web resumed\n");
    kubectl.ok("rollout status deployment/web --timeout=60s");
}

fn pods_come_and_go_with_the_scale(kubectl: &Kubectl, _: &Cluster) {
    rolled_out(kubectl);
    for replicas in ["4", "1", "0"] {
        kubectl.ok(&format!("scale deployment/web --replicas={replicas}"));
        eventually(SOON, &format!("there are {replicas} pods"), || {
            let pods = kubectl.ok("get pods -l app=web -o name").lines().count().to_string();
            let ready = kubectl.ok("get deployment web -o jsonpath={.status.readyReplicas}");
            let ready = if ready.is_empty() { "0".to_owned() } else { ready };
            anyhow::ensure!(pods == replicas && ready == replicas, "{pods} pods, {ready} ready");
            Ok(())
        });
    }
}

fn a_pod_that_is_deleted_is_replaced(kubectl: &Kubectl, _: &Cluster) {
    rolled_out(kubectl);
    let pod = kubectl.ok("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    contains(&kubectl.ok(&format!("delete pod {pod}")), "deleted");
    eventually(SOON, "two pods are ready again", || {
        let names = kubectl.ok("get pods -l app=web -o name");
        anyhow::ensure!(names.lines().count() == 2 && !names.contains(&pod), "{names}");
        let ready = kubectl.ok("get deployment web -o jsonpath={.status.readyReplicas}");
        anyhow::ensure!(ready == "2", "{ready} ready");
        Ok(())
    });
    let pod = kubectl.ok("get pods -l app=web -o jsonpath={.items[0].metadata.name}");
    kubectl.ok(&format!("delete pod {pod} --grace-period=0 --force"));
    contains(&kubectl.fails(&format!("get pod {pod}")), "NotFound");
}

fn an_unhealthy_deployment_is_seen_as_such(kubectl: &Kubectl, _: &Cluster) {
    let unready = WEB.replace(
        "    metadata: {labels: {app: web}}",
        "    metadata: {labels: {app: web}, annotations: {simulator.karmada.io/behaviour: unready}}",
    );
    kubectl.ok_with("apply -f -", &unready);
    eventually(SOON, "pods run but are not ready", || {
        let pods = kubectl.ok("get pods -l app=web");
        anyhow::ensure!(pods.matches("0/1     Running").count() == 2, "{pods}");
        Ok(())
    });
    contains(&kubectl.ok("get deployment web --no-headers"), "0/2");
    let told = kubectl.fails("rollout status deployment/web --timeout=1s");
    contains(&told, "timed out waiting for the condition");
    contains(&kubectl.ok("describe deployment web"), "Available      False   MinimumReplicasUnavailable");
    kubectl.ok_with("apply -f -", WEB);
    kubectl.ok("rollout status deployment/web --timeout=60s");
}

fn a_deleted_deployment_takes_its_pods_along(kubectl: &Kubectl, cluster: &Cluster) {
    for cascade in ["background", "foreground"] {
        rolled_out(kubectl);
        kubectl.ok(&format!("delete deployment web --cascade={cascade}"));
        eventually(SOON, "its ReplicaSets and Pods are gone", || {
            for resource in ["apps/v1/replicasets", "v1/pods"] {
                let left = cluster.list(resource, kubectl.namespace(), "app=web")?;
                anyhow::ensure!(left.is_empty(), "{} {resource} are left", left.len());
            }
            Ok(())
        });
    }
}

fn orphans_of_a_deployment_keep_running(kubectl: &Kubectl, cluster: &Cluster) {
    rolled_out(kubectl);
    kubectl.ok("delete deployment web --cascade=orphan");
    let sets = cluster.list("apps/v1/replicasets", kubectl.namespace(), "app=web").unwrap();
    assert_eq!(sets.len(), 1);
    assert!(sets[0].owner_references().is_empty(), "{:?}", sets[0].owner_references());
    assert_eq!(cluster.list("v1/pods", kubectl.namespace(), "app=web").unwrap().len(), 2);
    // A new Deployment with the same selector takes them over.
    rolled_out(kubectl);
    let adopted = cluster.get("apps/v1/replicasets", kubectl.namespace(), sets[0].name()).unwrap();
    assert_eq!(adopted.controller_owner().map(|owner| owner.name), Some("web".to_owned()));
}

fn a_service_finds_its_pods(kubectl: &Kubectl, _: &Cluster) {
    rolled_out(kubectl);
    kubectl.ok("expose deployment web --port=80");
    eventually(SOON, "both pods are endpoints", || {
        let slices = kubectl.ok(
            "get endpointslices -l kubernetes.io/service-name=web -o jsonpath={.items[*].endpoints[*].addresses[0]}",
        );
        anyhow::ensure!(slices.split_whitespace().count() == 2, "{slices:?}");
        Ok(())
    });
    contains(&kubectl.ok("describe service web"), "Port:");
}

fn nodes_are_shown_and_described(kubectl: &Kubectl, _: &Cluster) {
    let nodes = kubectl.ok("get nodes");
    assert_eq!(heading(&nodes), "NAME STATUS ROLES AGE VERSION");
    contains(&nodes, "Ready");
    contains(&heading(&kubectl.ok("get nodes -o wide")), "INTERNAL-IP");
    let name = kubectl.ok("get nodes -o jsonpath={.items[0].metadata.name}");
    let described = kubectl.ok(&format!("describe node {name}"));
    contains(&described, "Ready");
    contains(&described, "KubeletReady");
    contains(&described, "Allocatable:");
    contains(&described, "Allocated resources:");
}

fn a_cordoned_node_takes_no_new_pods(kubectl: &Kubectl, cluster: &Cluster) {
    // A node of its own, so that nobody else notices.
    let name = kubectl.namespace();
    let node = serde_json::json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    cluster.create("v1/nodes", node).unwrap();
    contains(&kubectl.ok(&format!("cordon {name}")), "cordoned");
    contains(&kubectl.ok(&format!("get node {name}")), "SchedulingDisabled");
    kubectl.ok(&format!("taint node {name} story=told:NoSchedule"));
    let taints = kubectl.ok(&format!("get node {name} -o jsonpath={{.spec.taints[*].key}}"));
    contains(&taints, "story");
    contains(&kubectl.ok(&format!("uncordon {name}")), "uncordoned");
    kubectl.ok(&format!("label node {name} disk=fast"));
    contains(&kubectl.ok("get nodes -l disk=fast -o name"), name);
    kubectl.ok(&format!("delete node {name}"));
}

fn objects_are_waited_for(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", WEB);
    let met = kubectl.ok("wait --for=condition=available deployment/web --timeout=60s");
    assert_eq!(met, "deployment.apps/web condition met\n");
    let pods = kubectl.ok("wait --for=condition=ready pod -l app=web --timeout=60s");
    assert_eq!(pods.lines().count(), 2, "{pods}");
    let told = kubectl.fails("wait --for=condition=failed deployment/web --timeout=1s");
    contains(&told, "timed out waiting for the condition on deployments/web");
    let mut waiting = kubectl.start("wait --for=delete deployment/web --timeout=60s -v=6");
    waiting.prints(SOON, "watch=true");
    kubectl.ok("delete deployment web");
    assert_eq!(waiting.ends(SOON), 0, "{}", waiting.printed());
}

fn a_field_can_be_waited_for(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", WEB);
    kubectl.ok("wait --for=jsonpath={.status.readyReplicas}=2 deployment/web --timeout=60s");
    let mut waiting = kubectl.start("wait --for=create configmap/late --timeout=60s");
    kubectl.ok("create configmap late");
    assert_eq!(waiting.ends(SOON), 0, "{}", waiting.printed());
}

fn a_member_takes_the_same_commands_as_any_cluster(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply --server-side -f -", WEB);
    contains(&kubectl.ok("get deployments -A"), "web");
    contains(&kubectl.ok("explain pod.spec.nodeName"), "nodeName");
    kubectl.ok("auth can-i create pods");
    kubectl.ok("run alone --image=nginx --restart=Never");
    kubectl.ok("wait --for=condition=ready pod/alone --timeout=60s");
    kubectl.ok("delete pod alone");
    contains(&kubectl.ok("get serviceaccount default -o name"), "serviceaccount/default");
}

fn every_namespace_has_the_authoritys_certificate(kubectl: &Kubectl, _: &Cluster) {
    eventually(SOON, "the authority's certificate is published", || {
        let found = kubectl.run("get configmap kube-root-ca.crt -o jsonpath={.data}");
        anyhow::ensure!(found.stdout.contains("BEGIN CERTIFICATE"), "{found:?}");
        Ok(())
    });
}
