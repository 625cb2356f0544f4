//! Creating and changing objects.

use testkit::{Cluster, Kubectl, Version};

use crate::{WEB, contains, lacks, told_by_both_kubectls};

told_by_both_kubectls!(ControlPlane:
    applying_creates_then_changes_then_leaves_alone,
    what_is_no_longer_applied_is_removed_and_the_rest_kept,
    lists_are_merged_by_their_keys,
    a_folder_with_many_objects_is_applied,
    kustomizations_are_applied,
    generators_create_every_common_kind,
    names_are_generated,
    labels_and_annotations_are_set_and_removed,
    all_three_kinds_of_patch_work,
    a_deployment_is_scaled,
    images_environment_and_resources_are_set,
    an_editor_changes_an_object,
    an_object_is_replaced,
    a_difference_is_shown_before_it_is_made,
    a_dry_run_changes_nothing,
    a_deployment_is_exposed_and_autoscaled,
    a_secret_takes_plain_text,
);

fn applying_creates_then_changes_then_leaves_alone(kubectl: &Kubectl, _: &Cluster) {
    assert_eq!(kubectl.ok_with("apply -f -", WEB), "deployment.apps/web created\n");
    assert_eq!(kubectl.ok_with("apply -f -", WEB), "deployment.apps/web unchanged\n");
    let version = kubectl.ok("get deployment web -o jsonpath={.metadata.resourceVersion}");
    assert_eq!(kubectl.ok_with("apply -f -", WEB), "deployment.apps/web unchanged\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.metadata.resourceVersion}"), version);
    let bigger = WEB.replace("replicas: 2", "replicas: 3");
    assert_eq!(kubectl.ok_with("apply -f -", &bigger), "deployment.apps/web configured\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "3");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.metadata.generation}"), "2");
}

fn what_is_no_longer_applied_is_removed_and_the_rest_kept(kubectl: &Kubectl, _: &Cluster) {
    kubectl
        .ok_with("apply -f -", &WEB.replace("{app: web}\nspec:\n  rep", "{app: web, mark: x}\nspec:\n  rep"));
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.metadata.labels.mark}"), "x");
    kubectl.ok("label deployment web other=mine");
    kubectl.ok("scale deployment web --replicas=5");
    let without_replicas = WEB.replace("  replicas: 2\n", "");
    kubectl.ok_with("apply -f -", &without_replicas);
    assert_eq!(
        kubectl.ok("get deployment web -o jsonpath={.metadata.labels}"),
        "{\"app\":\"web\",\"other\":\"mine\"}"
    );
    // Removing the field gives it back to the server's default.
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "1");
}

fn lists_are_merged_by_their_keys(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", WEB);
    kubectl.ok("set env deployment/web INJECTED=yes");
    let two = WEB.replace("{name: COLOUR, value: green}", "{name: SHAPE, value: round}");
    kubectl.ok_with("apply -f -", &two);
    let env = "get deployment web -o jsonpath='{range .spec.template.spec.containers[0].env[*]}{.name}={.value} {end}'";
    let env = kubectl.ok(env);
    contains(&env, "SHAPE=round");
    contains(&env, "INJECTED=yes");
    lacks(&env, "COLOUR");
}

fn a_folder_with_many_objects_is_applied(kubectl: &Kubectl, _: &Cluster) {
    let folder = testkit::Folder::new("manifests");
    std::fs::create_dir(folder.path().join("deeper")).unwrap();
    let two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n";
    std::fs::write(folder.path().join("two.yaml"), two).unwrap();
    let list = r#"{"apiVersion":"v1","kind":"List","items":[
        {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}},
        {"apiVersion":"v1","kind":"Secret","metadata":{"name":"d"}}]}"#;
    std::fs::write(folder.path().join("deeper/list.json"), list).unwrap();
    let applied = kubectl.ok(&format!("apply -R -f {}", folder.path().display()));
    let mut applied: Vec<&str> = applied.lines().collect();
    applied.sort_unstable();
    let expected = ["configmap/a created", "configmap/b created", "configmap/c created", "secret/d created"];
    assert_eq!(applied, expected);
    let deleted = kubectl.ok(&format!("delete -R -f {}", folder.path().display()));
    assert_eq!(deleted.lines().count(), 4);
}

fn kustomizations_are_applied(kubectl: &Kubectl, _: &Cluster) {
    let folder = testkit::Folder::new("kustomization");
    std::fs::write(folder.path().join("web.yaml"), WEB).unwrap();
    let kustomization =
        "namePrefix: green-\nresources: [web.yaml]\nimages:\n- {name: nginx, newTag: '1.27'}\n";
    std::fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let applied = kubectl.ok(&format!("apply -k {}", folder.path().display()));
    assert_eq!(applied, "deployment.apps/green-web created\n");
    let image = "get deployment green-web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.ok(image), "nginx:1.27");
}

fn generators_create_every_common_kind(kubectl: &Kubectl, _: &Cluster) {
    let calls = [
        ("configmap c --from-literal=a=1", "configmap/c"),
        ("secret generic s --from-literal=a=1", "secret/s"),
        ("serviceaccount robot", "serviceaccount/robot"),
        ("deployment d --image=nginx --replicas=2", "deployment.apps/d"),
        ("service clusterip inside --tcp=80", "service/inside"),
        ("service nodeport node --tcp=80", "service/node"),
        ("service loadbalancer balanced --tcp=80", "service/balanced"),
        ("service externalname away --external-name=example.com", "service/away"),
        ("quota q --hard=pods=10", "resourcequota/q"),
        ("role reader --verb=get --resource=pods", "role.rbac.authorization.k8s.io/reader"),
        ("rolebinding readers --role=reader --user=jane", "rolebinding.rbac.authorization.k8s.io/readers"),
        ("job once --image=busybox", "job.batch/once"),
        ("ingress web --rule=example.com/*=inside:80", "ingress.networking.k8s.io/web"),
    ];
    for (call, name) in calls {
        assert_eq!(kubectl.ok(&format!("create {call}")), format!("{name} created\n"));
        kubectl.ok(&format!("get {name}"));
    }
    let port = kubectl.ok("get service node -o jsonpath={.spec.ports[0].nodePort}");
    assert!((30_000..=32_767).contains(&port.parse::<u32>().unwrap()), "{port}");
    let address = kubectl.ok("get service inside -o jsonpath={.spec.clusterIP}");
    assert!(address.parse::<std::net::IpAddr>().is_ok(), "{address:?}");
    assert_eq!(kubectl.ok("get service away -o jsonpath={.spec.clusterIP}"), "");
    if kubectl.version() == Version::Current {
        // The older kubectl knows only the beta versions of these.
        kubectl.ok("create cronjob nightly --image=busybox --schedule='0 0 * * *'");
        kubectl.ok("create job now --from=cronjob/nightly");
        kubectl.ok("create poddisruptionbudget calm --selector=app=d --min-available=1");
    }
}

fn names_are_generated(kubectl: &Kubectl, _: &Cluster) {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: run-\n";
    let mut names = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let said = kubectl.ok_with("create -f -", object);
        let name = said.strip_prefix("configmap/run-").and_then(|rest| rest.strip_suffix(" created\n"));
        let name = name.unwrap_or_else(|| panic!("{said:?}"));
        assert_eq!(name.len(), 5, "{said:?}");
        names.insert(name.to_owned());
    }
    assert_eq!(names.len(), 3);
    contains(&kubectl.fails_with("apply -f -", object), "cannot use generate name with apply");
}

fn labels_and_annotations_are_set_and_removed(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap c");
    assert_eq!(kubectl.ok("label configmap c tier=front zone=x"), "configmap/c labeled\n");
    let told = kubectl.fails("label configmap c tier=back");
    contains(&told, "already has a value (front), and --overwrite is false");
    assert_eq!(kubectl.ok("label configmap c tier=back --overwrite"), "configmap/c labeled\n");
    kubectl.ok("label configmap c zone-");
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.metadata.labels}"), "{\"tier\":\"back\"}");
    assert_eq!(kubectl.ok("annotate configmap c note='for later'"), "configmap/c annotated\n");
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.metadata.annotations.note}"), "for later");
    kubectl.ok("annotate configmap c note-");
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.metadata.annotations}"), "");
    kubectl.ok("create configmap d");
    kubectl.ok("label configmap c d group=both --overwrite");
    assert_eq!(kubectl.ok("get configmap -l group=both -o name"), "configmap/c\nconfigmap/d\n");
}

fn all_three_kinds_of_patch_work(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    let env = "get deployment web -o jsonpath={.spec.template.spec.containers[0].env[*].name}";
    let strategic = r#"patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","env":[{"name":"SHAPE","value":"round"}]}]}}}}'"#;
    assert_eq!(kubectl.ok(strategic), "deployment.apps/web patched\n");
    let names = kubectl.ok(env);
    assert!(names.contains("COLOUR") && names.contains("SHAPE"), "{names}");
    let merge = r#"patch deployment web --type=merge -p '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx","env":[{"name":"SIZE","value":"big"}]}]}}}}'"#;
    assert_eq!(kubectl.ok(merge), "deployment.apps/web patched\n");
    assert_eq!(kubectl.ok(env), "SIZE");
    let json = r#"patch deployment web --type=json -p '[{"op":"test","path":"/spec/replicas","value":2},{"op":"replace","path":"/spec/replicas","value":4},{"op":"add","path":"/metadata/labels/x~1y","value":"z"}]'"#;
    assert_eq!(kubectl.ok(json), "deployment.apps/web patched\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "4");
    assert_eq!(kubectl.ok(r"get deployment web -o jsonpath={.metadata.labels.x/y}"), "z");
    let nothing = kubectl.ok(r#"patch deployment web -p '{"spec":{"replicas":4}}'"#);
    assert_eq!(nothing, "deployment.apps/web patched (no change)\n");
    let failing =
        r#"patch deployment web --type=json -p '[{"op":"test","path":"/spec/replicas","value":9}]'"#;
    let told = kubectl.fails(failing);
    assert!(
        told.contains("The request is invalid") || told.contains("the server rejected our request"),
        "{told}"
    );
    let deleting = r#"patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","$patch":"delete"},{"name":"httpd","image":"httpd"}]}}}}'"#;
    kubectl.ok(deleting);
    let containers = "get deployment web -o jsonpath={.spec.template.spec.containers[*].name}";
    assert_eq!(kubectl.ok(containers), "httpd");
}

fn a_deployment_is_scaled(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    assert_eq!(kubectl.ok("scale deployment web --replicas=5"), "deployment.apps/web scaled\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "5");
    let told = kubectl.fails("scale deployment web --current-replicas=2 --replicas=1");
    contains(&told, "Expected replicas to be 2, was 5");
    let scale = format!("get --raw /apis/apps/v1/namespaces/{}/deployments/web/scale", kubectl.namespace());
    let scale: serde_json::Value = serde_json::from_str(&kubectl.ok(&scale)).unwrap();
    assert_eq!((scale["kind"].as_str(), scale["spec"]["replicas"].as_i64()), (Some("Scale"), Some(5)));
    assert_eq!(scale["status"]["selector"], "app=web");
    kubectl.ok("create configmap c");
    contains(
        &kubectl.fails("scale configmap c --replicas=1"),
        "the server could not find the requested resource",
    );
}

fn images_environment_and_resources_are_set(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    assert_eq!(
        kubectl.ok("set image deployment/web nginx=nginx:1.27"),
        "deployment.apps/web image updated\n"
    );
    assert_eq!(kubectl.ok("set env deployment/web COLOUR=red"), "deployment.apps/web env updated\n");
    let limits = "set resources deployment web --limits=cpu=1000m,memory=1024Mi";
    assert_eq!(kubectl.ok(limits), "deployment.apps/web resource requirements updated\n");
    let container: serde_json::Value = serde_json::from_str(
        &kubectl.ok("get deployment web -o jsonpath={.spec.template.spec.containers[0]}"),
    )
    .unwrap();
    assert_eq!(container["image"], "nginx:1.27");
    assert_eq!(container["env"], serde_json::json!([{ "name": "COLOUR", "value": "red" }]));
    assert_eq!(container["resources"]["limits"], serde_json::json!({ "cpu": "1", "memory": "1Gi" }));
    contains(
        &kubectl.fails("set image deployment/web nope=nginx"),
        "unable to find container named \"nope\"",
    );
}

fn an_editor_changes_an_object(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    let edit = |script: &str| {
        let mut command = kubectl.command("edit deployment web");
        let output = command.env("KUBE_EDITOR", format!("sed -i {script}")).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&all).into_owned())
    };
    let (code, said) = edit("s/nginx:1.25/nginx:1.26/");
    assert_eq!((code, said.as_str()), (Some(0), "deployment.apps/web edited\n"));
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(kubectl.ok(image), "nginx:1.26");
    let (code, said) = edit("s/no-such-text//");
    assert_eq!(code, Some(0));
    contains(&said, "Edit cancelled, no changes made.");
}

fn an_object_is_replaced(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap c --from-literal=a=1");
    let read = kubectl.ok("get configmap c -o yaml");
    kubectl.ok("label configmap c touched=yes");
    let told = kubectl.fails_with("replace -f -", &read);
    contains(&told, "Error from server (Conflict): error when replacing");
    contains(
        &told,
        "the object has been modified; please apply your changes to the latest version and try again",
    );
    let fresh = kubectl.ok("get configmap c -o yaml").replace("a: \"1\"", "a: \"2\"");
    assert_eq!(kubectl.ok_with("replace -f -", &fresh), "configmap/c replaced\n");
    let uid = kubectl.ok("get configmap c -o jsonpath={.metadata.uid}");
    let plain = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {b: '1'}\n";
    assert_eq!(kubectl.ok_with("replace -f -", plain), "configmap/c replaced\n");
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.data}"), "{\"b\":\"1\"}");
    assert_eq!(kubectl.ok("get configmap c -o jsonpath={.metadata.uid}"), uid);
    let forced = kubectl.ok_with("replace --force -f -", plain);
    contains(&forced, "configmap/c replaced");
    assert_ne!(kubectl.ok("get configmap c -o jsonpath={.metadata.uid}"), uid);
}

fn a_difference_is_shown_before_it_is_made(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("apply -f -", WEB);
    assert_eq!(kubectl.run_with("diff -f -", WEB).code, 0);
    let bigger = WEB.replace("replicas: 2", "replicas: 3");
    let diff = kubectl.run_with("diff -f -", &bigger);
    assert_eq!(diff.code, 1, "{diff:?}");
    contains(&diff.stdout, "-  replicas: 2\n+  replicas: 3\n");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "2");
    let server_side = kubectl.run_with("diff --server-side --force-conflicts -f -", &bigger);
    assert_eq!(server_side.code, 1, "{server_side:?}");
    contains(&server_side.stdout, "+  replicas: 3\n");
}

fn a_dry_run_changes_nothing(kubectl: &Kubectl, _: &Cluster) {
    let server = kubectl.ok_with("create --dry-run=server -f -", WEB);
    assert_eq!(server, "deployment.apps/web created (server dry run)\n");
    let client = kubectl.ok_with("create --dry-run=client -f -", WEB);
    assert_eq!(client, "deployment.apps/web created (dry run)\n");
    contains(&kubectl.fails("get deployment web"), "NotFound");
    let defaulted = kubectl.ok_with("apply --dry-run=server -o yaml -f -", WEB);
    contains(&defaulted, "progressDeadlineSeconds: 600");
    kubectl.ok_with("create -f -", WEB);
    contains(&kubectl.ok("scale deployment web --replicas=7 --dry-run=server"), "scaled");
    contains(&kubectl.ok("delete deployment web --dry-run=server"), "deleted");
    assert_eq!(kubectl.ok("get deployment web -o jsonpath={.spec.replicas}"), "2");
    let refused =
        WEB.replace("app: web}}\n  template", "app: other}}\n  template").replace("name: web", "name: other");
    contains(&kubectl.fails_with("create --dry-run=server -f -", &refused), "is invalid");
}

fn a_deployment_is_exposed_and_autoscaled(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok_with("create -f -", WEB);
    assert_eq!(kubectl.ok("expose deployment web --port=80 --target-port=8080"), "service/web exposed\n");
    assert_eq!(kubectl.ok("get service web -o jsonpath={.spec.selector}"), "{\"app\":\"web\"}");
    let autoscaled = kubectl.ok("autoscale deployment web --min=2 --max=5 --cpu-percent=50");
    contains(&autoscaled, "horizontalpodautoscaler.autoscaling/web autoscaled");
    let metrics = kubectl.ok("get horizontalpodautoscalers.v2.autoscaling web -o jsonpath={.spec.metrics}");
    let metrics: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    assert_eq!(metrics[0]["resource"]["target"]["averageUtilization"], 50);
    let first = kubectl.ok(
        "get horizontalpodautoscalers.v1.autoscaling web -o jsonpath={.spec.targetCPUUtilizationPercentage}",
    );
    assert_eq!(first, "50");
}

fn a_secret_takes_plain_text(kubectl: &Kubectl, cluster: &Cluster) {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {door: open}\n";
    kubectl.ok_with("apply -f -", secret);
    assert_eq!(kubectl.ok("get secret s -o jsonpath={.data.door}"), "b3Blbg==");
    assert_eq!(kubectl.ok("get secret s -o jsonpath={.stringData}"), "");
    let frozen = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nimmutable: true\n";
    kubectl.ok_with("apply -f -", &frozen.replace("immutable", "stringData: {door: open}\nimmutable"));
    let told =
        kubectl.fails_with("apply -f -", &frozen.replace("immutable", "stringData: {door: shut}\nimmutable"));
    contains(&told, "field is immutable when `immutable` is set");
    let secret = cluster.get("v1/secrets", kubectl.namespace(), "s").unwrap();
    assert_eq!(secret.str_at("/data/door"), Some("b3Blbg=="));
}
