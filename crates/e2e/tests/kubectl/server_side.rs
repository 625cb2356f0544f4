//! Server-side apply: who owns which field.

use testkit::{Cluster, Kubectl};

use crate::{WEB, contains, lacks, told_by_both_kubectls};

told_by_both_kubectls!(ControlPlane:
    the_server_merges_what_is_applied,
    a_field_of_another_manager_is_a_conflict,
    a_field_that_is_no_longer_applied_goes,
    client_side_apply_can_be_followed_by_server_side_apply,
    lists_are_owned_item_by_item,
);

fn the_server_merges_what_is_applied(kubectl: &Kubectl, cluster: &Cluster) {
    let applied = kubectl.ok_with("apply --server-side -f -", WEB);
    assert_eq!(applied, "deployment.apps/web serverside-applied\n");
    let before = cluster.get("apps/v1/deployments", kubectl.namespace(), "web").unwrap();
    kubectl.ok_with("apply --server-side -f -", WEB);
    let after = cluster.get("apps/v1/deployments", kubectl.namespace(), "web").unwrap();
    assert_eq!(before.resource_version(), after.resource_version(), "applying the same writes nothing");
    assert_eq!(after.annotation("kubectl.kubernetes.io/last-applied-configuration"), None);
    let fields = after.at("/metadata/managedFields/0").unwrap();
    assert_eq!((fields["manager"].as_str(), fields["operation"].as_str()), (Some("kubectl"), Some("Apply")));
    assert!(fields["fieldsV1"]["f:spec"]["f:replicas"].is_object(), "{fields}");
}

fn a_field_of_another_manager_is_a_conflict(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply --server-side --field-manager=first -f -", WEB);
    let bigger = WEB.replace("replicas: 2", "replicas: 3");
    let told = kubectl.fails_with("apply --server-side --field-manager=second -f -", &bigger);
    contains(&told, "Apply failed with 1 conflict: conflict with \"first\": .spec.replicas");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "2");
    kubectl.ok_with("apply --server-side --field-manager=second --force-conflicts -f -", &bigger);
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "3");
    let told = kubectl.fails_with("apply --server-side --field-manager=first -f -", WEB);
    contains(&told, "conflict with \"second\"");
    // Without an opinion on the field there is no conflict.
    kubectl.ok_with("apply --server-side --field-manager=first -f -", &WEB.replace("  replicas: 2\n", ""));
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "3");
}

fn a_field_that_is_no_longer_applied_goes(kubectl: &Kubectl, _: &Cluster) {
    let object =
        |data: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {data}\n");
    kubectl.ok_with("apply --server-side -f -", &object("{a: '1', b: '2'}"));
    kubectl.ok_with("apply --server-side --field-manager=other -f -", &object("{b: '2', c: '3'}"));
    kubectl.ok_with("apply --server-side -f -", &object("{a: '1'}"));
    // Still wanted by the other one.
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.data}"), r#"{"a":"1","b":"2","c":"3"}"#);
    kubectl.ok_with("apply --server-side --field-manager=other -f -", &object("{c: '3'}"));
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.data}"), r#"{"a":"1","c":"3"}"#);
}

fn client_side_apply_can_be_followed_by_server_side_apply(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", WEB);
    kubectl.ok_with("apply --server-side --force-conflicts -f -", &WEB.replace("replicas: 2", "replicas: 4"));
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "4");
    kubectl.ok_with("apply -f -", &WEB.replace("replicas: 2", "replicas: 5"));
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "5");
}

fn lists_are_owned_item_by_item(kubectl: &Kubectl, _: &Cluster) {
    let object = |port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec:\n  selector: {{app: web}}\n  ports:\n  {port}\n"
        )
    };
    kubectl.ok_with("apply --server-side --field-manager=a -f -", &object("- {name: http, port: 80}"));
    kubectl.ok_with("apply --server-side --field-manager=b -f -", &object("- {name: https, port: 443}"));
    let ports = "get service web -o jsonpath={.spec.ports[*].name}";
    assert_eq!(kubectl.ok(ports), "http https");
    kubectl.ok_with("apply --server-side --field-manager=a -f -", &object("- {name: metrics, port: 9090}"));
    let ports = kubectl.ok(ports);
    contains(&ports, "https");
    contains(&ports, "metrics");
    lacks(&format!("{ports} "), "http ");
}
