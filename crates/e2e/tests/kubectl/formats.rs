//! What `get` prints.

use e2e::SOON;
use testkit::{Cluster, Kubectl};

use crate::{WEB, contains, heading, lacks, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(ControlPlane:
    an_object_is_shown_in_every_format,
    tables_have_the_columns_of_their_kind,
    tables_can_be_sorted_and_widened_by_labels,
    several_types_are_listed_at_once,
    all_namespaces_are_listed_with_their_names,
    a_watch_shows_every_change,
    a_watch_of_changes_names_their_kind,
    lists_longer_than_a_page_are_complete,
    nothing_found_is_said_without_failing,
);

told_by_the_current_kubectl!(ControlPlane:
    managed_fields_are_shown_only_when_asked_for,
);

fn an_object_is_shown_in_every_format(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap colours --from-literal=sky=blue --from-literal=grass=green");
    let yaml = kubectl.ok("get configmap colours -o yaml");
    contains(&yaml, "apiVersion: v1\ndata:\n  grass: green\n  sky: blue\nkind: ConfigMap\nmetadata:");
    contains(&yaml, &format!("namespace: {}", kubectl.namespace()));
    let json: serde_json::Value = serde_json::from_str(&kubectl.ok("get configmap colours -o json")).unwrap();
    assert_eq!(json["data"]["sky"], "blue");
    assert_eq!(json["metadata"]["name"], "colours");
    assert!(json["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36), "{json}");
    assert_eq!(kubectl.ok("get configmap colours -o name"), "configmap/colours\n");
    assert_eq!(kubectl.ok("get cm/colours -o jsonpath={.data.sky}"), "blue");
    let template = "get cm colours -o go-template='{{range $k, $v := .data}}{{$k}}={{$v}};{{end}}'";
    assert_eq!(kubectl.ok(template), "grass=green;sky=blue;");
    let columns = kubectl.ok("get cm colours -o custom-columns=N:.metadata.name,SKY:.data.sky");
    assert_eq!(columns, "N         SKY\ncolours   blue\n");
    let list: serde_json::Value = serde_json::from_str(&kubectl.ok("get configmaps -o json")).unwrap();
    assert_eq!(list["kind"], "List");
    assert!(list["items"].as_array().unwrap().iter().any(|item| item["metadata"]["name"] == "colours"));
}

fn tables_have_the_columns_of_their_kind(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    kubectl.ok("create configmap c --from-literal=a=1 --from-literal=b=2");
    kubectl.ok("create secret generic s --from-literal=a=1");
    kubectl.ok("create service clusterip web --tcp=80:8080");
    kubectl.ok("create serviceaccount robot");
    let deployments = kubectl.ok("get deployments");
    assert_eq!(heading(&deployments), "NAME READY UP-TO-DATE AVAILABLE AGE");
    let wide = kubectl.ok("get deployments -o wide");
    assert_eq!(heading(&wide), "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR");
    contains(&wide, "nginx:1.25");
    contains(&wide, "app=web");
    let configmaps = kubectl.ok("get configmap c");
    assert_eq!(heading(&configmaps), "NAME DATA AGE");
    assert_eq!(configmaps.lines().nth(1).unwrap().split_whitespace().nth(1), Some("2"));
    let secrets = kubectl.ok("get secret s");
    assert_eq!(heading(&secrets), "NAME TYPE DATA AGE");
    contains(&secrets, "Opaque");
    let services = kubectl.ok("get services");
    assert_eq!(heading(&services), "NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE");
    contains(&services, "80/TCP");
    assert_eq!(heading(&kubectl.ok("get namespaces")), "NAME STATUS AGE");
    contains(&heading(&kubectl.ok("get serviceaccounts robot")), "NAME");
    assert_eq!(heading(&kubectl.ok("get clusterroles view")), "NAME CREATED AT");
    assert_eq!(kubectl.ok("get configmap c --no-headers").lines().count(), 1);
}

fn tables_can_be_sorted_and_widened_by_labels(kubectl: &Kubectl, _: &Cluster) {
    for (name, weight) in [("a", "3"), ("b", "1"), ("c", "2")] {
        kubectl.ok(&format!("create configmap {name} --from-literal=weight={weight}"));
        kubectl.ok(&format!("label configmap {name} weight=w{weight}"));
    }
    let sorted = kubectl.ok("get configmaps -l weight --sort-by={.data.weight} -o name");
    assert_eq!(sorted, "configmap/b\nconfigmap/c\nconfigmap/a\n");
    let labels = kubectl.ok("get configmaps -l weight --show-labels");
    assert_eq!(heading(&labels), "NAME DATA AGE LABELS");
    contains(&labels, "weight=w3");
    let column = kubectl.ok("get configmaps -l weight -L weight");
    assert_eq!(heading(&column), "NAME DATA AGE WEIGHT");
}

fn several_types_are_listed_at_once(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    kubectl.ok("create service clusterip web --tcp=80:80");
    let both = kubectl.ok("get deployments,services");
    contains(&both, "deployment.apps/web");
    contains(&both, "service/web");
    assert_eq!(both.split("\n\n").count(), 2, "two tables with a line between them:\n{both}");
    let all = kubectl.ok("get all");
    contains(&all, "deployment.apps/web");
    contains(&all, "service/web");
    lacks(&all, "configmap");
}

fn all_namespaces_are_listed_with_their_names(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap here");
    let all = kubectl.ok("get configmaps -A");
    assert_eq!(heading(&all), "NAMESPACE NAME DATA AGE");
    let mut rows = all.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    assert!(rows.any(|row| row == [kubectl.namespace(), "here"]), "{all}");
}

fn a_watch_shows_every_change(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap first");
    let watch = kubectl.start("get configmaps --watch");
    watch.prints(SOON, "first");
    kubectl.ok("create configmap second --from-literal=a=1");
    watch.prints(SOON, "second   1");
    kubectl.ok("patch configmap second -p '{\"data\":{\"b\":\"2\"}}'");
    watch.prints(SOON, "second   2");
    assert_eq!(heading(&watch.printed()), "NAME DATA AGE");
    let only = kubectl.start("get configmaps --watch-only -o name");
    // Whatever comes after the watch has begun is shown: changes are made until one is.
    let mut round = 0;
    testkit::eventually(SOON, "a change is shown", || {
        round += 1;
        kubectl.ok(&format!("label configmap first round=r{round} --overwrite"));
        anyhow::ensure!(only.printed().contains("configmap/first"), "{:?}", only.printed());
        Ok(())
    });
    lacks(&only.printed(), "second");
}

fn a_watch_of_changes_names_their_kind(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap c");
    let watch = kubectl.start("get configmaps c --watch --output-watch-events");
    watch.prints(SOON, "ADDED");
    kubectl.ok("label configmap c a=b");
    watch.prints(SOON, "MODIFIED");
    kubectl.ok("delete configmap c");
    watch.prints(SOON, "DELETED");
}

fn lists_longer_than_a_page_are_complete(kubectl: &Kubectl, cluster: &Cluster) {
    for n in 0..25 {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("n{n:02}"), "namespace": kubectl.namespace(), "labels": { "n": "" } },
        });
        cluster.create("v1/configmaps", object).unwrap();
    }
    let names = kubectl.ok("get configmaps -l n --chunk-size=10 -o name");
    let expected: String = (0..25).map(|n| format!("configmap/n{n:02}\n")).collect();
    assert_eq!(names, expected);
}

fn nothing_found_is_said_without_failing(kubectl: &Kubectl, _: &Cluster) {
    let nothing = kubectl.run("get secrets -l no=such");
    assert_eq!(nothing.stderr, format!("No resources found in {} namespace.\n", kubectl.namespace()));
    assert_eq!(nothing.code, 0);
    let ignored = kubectl.run("get secret nope --ignore-not-found");
    assert_eq!((ignored.stdout.as_str(), ignored.code), ("", 0));
}

fn managed_fields_are_shown_only_when_asked_for(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap c --from-literal=a=1");
    lacks(&kubectl.ok("get configmap c -o yaml"), "managedFields");
    let shown = kubectl.ok("get configmap c -o yaml --show-managed-fields");
    contains(&shown, "manager: kubectl-create");
    contains(&shown, "operation: Update");
    contains(&shown, "f:a: {}");
}
