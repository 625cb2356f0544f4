//! Finding things: selectors, descriptions, explanations, what the server can do.

use testkit::{Cluster, Kubectl, Version};

use crate::{WEB, contains, heading, lacks, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(ControlPlane:
    labels_select,
    fields_select,
    an_unknown_field_cannot_be_selected_by,
    descriptions_tell_about_the_object,
    built_in_fields_are_explained,
    the_server_lists_its_resources,
    the_server_lists_its_versions,
    the_server_tells_its_version_and_health,
);

told_by_the_current_kubectl!(ControlPlane:
    events_are_listed_in_order,
);

fn labels_select(kubectl: &Kubectl, _: &Cluster) {
    for (name, labels) in [("a", "tier=front,zone=x"), ("b", "tier=back,zone=x"), ("c", "zone=y")] {
        kubectl.ok(&format!("create configmap {name}"));
        kubectl.ok(&format!("label configmap {name} {}", labels.replace(',', " ")));
    }
    let selected = |selector: &str| {
        let names = kubectl.ok(&format!("get configmaps -o name -l '{selector}'"));
        names.replace("configmap/", "").replace('\n', " ").trim().to_owned()
    };
    assert_eq!(selected("tier=front"), "a");
    assert_eq!(selected("zone==x,tier!=front"), "b");
    assert_eq!(selected("tier in (front, back)"), "a b");
    assert_eq!(selected("zone,tier notin (front)"), "b c");
    assert_eq!(selected("zone,!tier"), "c");
    assert_eq!(selected("tier"), "a b");
}

fn fields_select(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap a");
    kubectl.ok("create configmap b");
    assert_eq!(kubectl.ok("get configmaps -o name --field-selector metadata.name=b"), "configmap/b\n");
    let elsewhere = format!("metadata.namespace!={}", kubectl.namespace());
    assert_eq!(kubectl.ok(&format!("get configmaps -o name --field-selector {elsewhere}")), "");
    kubectl.ok("create secret generic plain --from-literal=a=1");
    kubectl.ok(
        "create secret docker-registry registry --docker-username=u --docker-password=p --docker-server=r",
    );
    let registries = "get secrets -o name --field-selector type=kubernetes.io/dockerconfigjson";
    assert_eq!(kubectl.ok(registries), "secret/registry\n");
    kubectl.ok("run pod --image=nginx");
    let unplaced = "get pods -o name --field-selector spec.nodeName=,status.phase=Pending";
    assert_eq!(kubectl.ok(unplaced), "pod/pod\n");
    assert_eq!(kubectl.ok("get pods -o name --field-selector status.phase!=Pending"), "");
}

fn an_unknown_field_cannot_be_selected_by(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.fails("get configmaps --field-selector data.a=b");
    contains(&told, "Error from server (BadRequest): Unable to find \"/v1, Resource=configmaps\"");
    contains(&told, "\"data.a\" is not a known field selector");
}

fn descriptions_tell_about_the_object(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    kubectl.ok("create service clusterip web --tcp=80:8080");
    kubectl.ok("create configmap colours --from-literal=sky=blue");
    kubectl.ok("create secret generic keys --from-literal=door=12345");
    let deployment = kubectl.ok("describe deployment web");
    contains(&deployment, "Selector:               app=web");
    contains(&deployment, "StrategyType:           RollingUpdate");
    contains(&deployment, "RollingUpdateStrategy:  25% max unavailable, 25% max surge");
    contains(&deployment, "Image:      nginx:1.25");
    contains(&deployment, "COLOUR:");
    let service = kubectl.ok("describe service web");
    contains(&service, "TargetPort:");
    contains(&service, "8080/TCP");
    contains(&service, "Session Affinity:");
    contains(&kubectl.ok("describe configmap colours"), "sky:\n----\nblue\n");
    let secret = kubectl.ok("describe secret keys");
    contains(&secret, "door:  5 bytes");
    lacks(&secret, "12345");
    let namespace = kubectl.ok(&format!("describe namespace {}", kubectl.namespace()));
    contains(&namespace, "Status:       Active");
    contains(&namespace, "No resource quota.");
}

fn built_in_fields_are_explained(kubectl: &Kubectl, _: &Cluster) {
    let deployment = kubectl.ok("explain deployment");
    contains(&deployment, "KIND:");
    contains(&deployment, "Deployment");
    contains(&deployment, "spec\t");
    let replicas = kubectl.ok("explain deployment.spec.replicas");
    contains(&replicas, "replicas <integer>");
    let nested = kubectl.ok("explain pod.spec.containers.resources.limits");
    contains(&nested, "limits");
    contains(&kubectl.ok("explain service.spec --recursive"), "targetPort");
    contains(&kubectl.fails("explain deployment.spec.nope"), "field \"nope\" does not exist");
}

fn the_server_lists_its_resources(kubectl: &Kubectl, _: &Cluster) {
    let resources = kubectl.ok("api-resources");
    assert_eq!(heading(&resources), "NAME SHORTNAMES APIVERSION NAMESPACED KIND");
    let line = |name: &str| {
        let found = resources.lines().find(|line| line.split(' ').next() == Some(name));
        found.unwrap_or_else(|| panic!("no {name} in:\n{resources}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("deployments"), ["deployments", "deploy", "apps/v1", "true", "Deployment"]);
    assert_eq!(line("nodes"), ["nodes", "no", "v1", "false", "Node"]);
    assert_eq!(line("leases"), ["leases", "coordination.k8s.io/v1", "true", "Lease"]);
    let names = kubectl.ok("api-resources -o name --namespaced=false --api-group=rbac.authorization.k8s.io");
    let mut names: Vec<&str> = names.lines().collect();
    names.sort_unstable();
    let expected =
        ["clusterrolebindings.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"];
    assert_eq!(names, expected);
    let deletable = kubectl.ok("api-resources --verbs=deletecollection -o name");
    contains(&deletable, "configmaps");
    lacks(&deletable, "tokenreviews");
}

fn the_server_lists_its_versions(kubectl: &Kubectl, _: &Cluster) {
    let versions = kubectl.ok("api-versions");
    for version in ["v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "events.k8s.io/v1"] {
        assert!(versions.lines().any(|line| line == version), "{version} is not in:\n{versions}");
    }
}

fn the_server_tells_its_version_and_health(kubectl: &Kubectl, _: &Cluster) {
    contains(&kubectl.ok("version"), "Server Version: ");
    let raw: serde_json::Value = serde_json::from_str(&kubectl.ok("get --raw /version")).unwrap();
    assert_eq!(raw["major"], "1");
    assert!(raw["gitVersion"].as_str().unwrap().starts_with("v1."), "{raw}");
    assert_eq!(kubectl.ok("get --raw /healthz"), "ok");
    assert_eq!(kubectl.ok("get --raw /livez"), "ok");
    contains(&kubectl.ok("get --raw /readyz?verbose"), "readyz check passed");
    contains(&kubectl.ok("cluster-info"), "is running at");
}

fn events_are_listed_in_order(kubectl: &Kubectl, cluster: &Cluster) {
    assert_eq!(kubectl.version(), Version::Current);
    for (name, minute) in [("late", 5), ("early", 1)] {
        let time = format!("2026-01-01T00:0{minute}:00Z");
        let namespace = kubectl.namespace();
        let event = serde_json::json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": { "name": name, "namespace": namespace },
            "involvedObject": { "kind": "ConfigMap", "name": "c", "namespace": namespace, "apiVersion": "v1" },
            "reason": name, "message": format!("it was {name}"), "type": "Normal",
            "firstTimestamp": time, "lastTimestamp": time, "count": 1, "source": { "component": "story" },
        });
        cluster.create("v1/events", event).unwrap();
    }
    let events = kubectl.ok("events");
    assert_eq!(heading(&events), "LAST SEEN TYPE REASON OBJECT MESSAGE");
    assert!(events.find("it was early") < events.find("it was late"), "{events}");
    assert_eq!(heading(&kubectl.ok("get events")), "LAST SEEN TYPE REASON OBJECT MESSAGE");
    contains(&kubectl.ok("get events --field-selector involvedObject.name=c,reason=late"), "it was late");
    contains(&kubectl.ok("get events.events.k8s.io late -o yaml"), "note: it was late");
}
