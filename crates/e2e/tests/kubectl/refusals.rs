//! What the server refuses, in the words users and scripts know.

use testkit::{Cluster, Kubectl, Version};

use crate::{WEB, contains, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(ControlPlane:
    what_does_not_exist_is_not_found,
    what_exists_cannot_be_created_again,
    an_unknown_field_is_refused,
    an_invalid_object_is_refused_with_every_cause,
    names_must_be_names,
    immutable_fields_stay,
    a_missing_namespace_takes_no_objects,
    an_object_in_the_wrong_namespace_is_refused,
    what_is_not_yaml_is_refused,
    objects_have_a_largest_size,
    a_type_that_nobody_serves_is_unknown,
    a_server_that_is_not_there_is_named,
);

told_by_the_current_kubectl!(ControlPlane:
    unknown_fields_can_be_a_warning,
);

fn what_does_not_exist_is_not_found(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.run("get deployment nope");
    assert_eq!(told.stderr, "Error from server (NotFound): deployments.apps \"nope\" not found\n");
    assert_eq!(told.code, 1);
    contains(&kubectl.fails("label configmap nope a=b"), "configmaps \"nope\" not found");
    contains(&kubectl.fails("patch configmap nope -p {}"), "configmaps \"nope\" not found");
    contains(&kubectl.fails("scale deployment nope --replicas=1"), "not found");
    contains(&kubectl.fails("get --raw /apis/apps/v1/nope"), "NotFound");
    contains(&kubectl.fails("get --raw /nope"), "NotFound");
}

fn what_exists_cannot_be_created_again(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    let told = kubectl.fails_with("create -f -", WEB);
    let expected = "Error from server (AlreadyExists): error when creating \"STDIN\": deployments.apps \"web\" already exists\n";
    assert_eq!(told, expected);
    contains(
        &kubectl.fails(&format!("create namespace {}", kubectl.namespace())),
        "(AlreadyExists): namespaces",
    );
}

fn an_unknown_field_is_refused(kubectl: &Kubectl, _: &Cluster) {
    let misspelt = WEB.replace("replicas:", "replicaz:");
    let told = kubectl.fails_with("apply -f -", &misspelt);
    if kubectl.version() == Version::Old {
        // It looks into the schema by itself.
        contains(&told, "unknown field \"replicaz\" in io.k8s.api.apps.v1.DeploymentSpec");
    } else {
        contains(&told, "strict decoding error: unknown field \"spec.replicaz\"");
    }
    contains(&kubectl.fails("get deployment web"), "NotFound");
    assert_eq!(kubectl.ok_with("apply --validate=false -f -", &misspelt), "deployment.apps/web created\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "1");
}

fn unknown_fields_can_be_a_warning(kubectl: &Kubectl, _: &Cluster) {
    let misspelt = WEB.replace("replicas:", "replicaz:");
    let outcome = kubectl.run_with("apply --validate=warn -f -", &misspelt);
    contains(&outcome.stderr, "Warning: unknown field \"spec.replicaz\"");
    assert_eq!(outcome.ok(), "deployment.apps/web created\n");
}

fn an_invalid_object_is_refused_with_every_cause(kubectl: &Kubectl, _: &Cluster) {
    let wrong = WEB
        .replace("replicas: 2", "replicas: -1")
        .replace("matchLabels: {app: web}", "matchLabels: {app: other}");
    let told = kubectl.run_with("create -f -", &wrong);
    assert_eq!(told.code, 1);
    contains(&told.stderr, "The Deployment \"web\" is invalid:");
    contains(&told.stderr, "* spec.replicas: Invalid value: -1: must be greater than or equal to 0");
    contains(&told.stderr, "`selector` does not match template `labels`");
    let wrong = WEB.replace("replicas: 2", "replicas: two");
    let told = kubectl.fails_with("create --validate=false -f -", &wrong);
    contains(&told, "Error from server (BadRequest)");
    contains(&told, "spec.replicas of type int32");
}

fn names_must_be_names(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.fails("create configmap Upper_Case");
    contains(
        &told,
        "\"Upper_Case\" is invalid: metadata.name: Invalid value: \"Upper_Case\": a lowercase RFC 1123 subdomain",
    );
    contains(&kubectl.fails("create namespace has.dots"), "a lowercase RFC 1123 label");
    kubectl.ok("create configmap has.dots");
    let told = kubectl.fails_with(
        "create --validate=false -f -",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, labels: {'bad key!': x}}\n",
    );
    contains(&told, "metadata.labels: Invalid value: \"bad key!\"");
}

fn immutable_fields_stay(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    let told = kubectl
        .fails(r#"patch deployment web --type=merge -p '{"spec":{"selector":{"matchLabels":{"app":"x"}}}}'"#);
    contains(&told, "The Deployment \"web\" is invalid:");
    contains(&told, "field is immutable");
    kubectl.ok("create service clusterip web --tcp=80");
    let told = kubectl.fails(
        r#"patch service web -p '{"spec":{"clusterIP":"10.96.200.200","clusterIPs":["10.96.200.200"]}}'"#,
    );
    contains(&told, "spec.clusterIPs[0]: Invalid value");
    contains(&told, "may not change once set");
    kubectl.ok_with(
        "create -f -",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\nimmutable: true\ndata: {a: '1'}\n",
    );
    let told = kubectl.fails(r#"patch configmap c -p '{"data":{"a":"2"}}'"#);
    contains(&told, "data: Forbidden: field is immutable when `immutable` is set");
    kubectl.ok("label configmap c still=editable");
}

fn a_missing_namespace_takes_no_objects(kubectl: &Kubectl, _: &Cluster) {
    let nowhere = kubectl.in_namespace("nowhere");
    let told = nowhere.fails("create configmap c");
    contains(&told, "namespaces \"nowhere\" not found");
    contains(&nowhere.run("get configmaps").stderr, "No resources found in nowhere namespace.");
}

fn an_object_in_the_wrong_namespace_is_refused(kubectl: &Kubectl, _: &Cluster) {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: default}\n";
    let told = kubectl.fails_with("create -f -", object);
    contains(&told, "the namespace from the provided object \"default\" does not match the namespace");
    let path = format!("/api/v1/namespaces/{}/configmaps", kubectl.namespace());
    let told = kubectl.fails_with(&format!("create --raw {path} -f -"), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\",\"namespace\":\"default\"}}");
    contains(&told, "the namespace of the provided object does not match the namespace sent on the request");
}

fn what_is_not_yaml_is_refused(kubectl: &Kubectl, _: &Cluster) {
    let path = format!("/api/v1/namespaces/{}/configmaps", kubectl.namespace());
    contains(&kubectl.fails_with(&format!("create --raw {path} -f -"), "{\"kind\": "), "BadRequest");
    contains(&kubectl.fails_with("apply -f -", "kind: ConfigMap\nmetadata: {name: c}\n"), "apiVersion");
    contains(
        &kubectl.fails_with("apply -f -", "apiVersion: v1\nkind: Nope\nmetadata: {name: c}\n"),
        "no matches for kind \"Nope\" in version \"v1\"",
    );
}

fn objects_have_a_largest_size(kubectl: &Kubectl, _: &Cluster) {
    let folder = testkit::Folder::new("large");
    let large = folder.path().join("large");
    std::fs::write(&large, "x".repeat(1_100_000)).unwrap();
    let told = kubectl.fails(&format!("create configmap large --from-file={}", large.display()));
    contains(&told, "Too long: ");
    std::fs::write(&large, "x".repeat(1_000_000)).unwrap();
    kubectl.ok(&format!("create configmap large --from-file={}", large.display()));
    assert_eq!(kubectl.ok("get configmap large -o jsonpath={.data.large}").len(), 1_000_000);
}

fn a_type_that_nobody_serves_is_unknown(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.run("get unicorns");
    assert_eq!(told.stderr, "error: the server doesn't have a resource type \"unicorns\"\n");
    assert_eq!(told.code, 1);
}

fn a_server_that_is_not_there_is_named(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.fails(&format!("get pods --server=https://127.0.0.1:{}", testkit::free_port()));
    contains(&told, "The connection to the server 127.0.0.1:");
    contains(&told, "was refused");
}
