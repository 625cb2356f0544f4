//! What override policies change in the copies.

use anyhow::ensure;
use e2e::stage::{
    CONFIG_MAPS, DEPLOYMENTS, EVERYWHERE, Stage, deployment, policy, the_config_map, the_deployment,
};
use e2e::{SOON, alone, together};
use machinery::Object;
use testkit::eventually;

/// An OverridePolicy with one rule for all three members; `old` puts it where it stood in former times.
fn overriding(name: &str, selectors: &str, overriders: &str, old: bool) -> String {
    let target = "targetCluster: {clusterNames: [member1, member2, member3]}";
    let rule = if old {
        format!("  {target}\n  overriders: {overriders}")
    } else {
        format!("  overrideRules: [{{{target}, overriders: {overriders}}}]")
    };
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: OverridePolicy
metadata: {{name: {name}}}
spec:
  resourceSelectors: {selectors}
{rule}
---
"
    )
}

fn the_pod(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, name: {name}}}")
}

fn pod(name: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  containers:
  - {{name: nginx, image: 'nginx:1.19.0', ports: [{{name: web, containerPort: 80}}]}}
  - {{name: helper, image: 'helper:1'}}
---
"
    )
}

const IMAGE: &str = "{imageOverrider: [\
    {component: Registry, operator: replace, value: fictional.registry.us}, \
    {component: Repository, operator: replace, value: busybox}, \
    {component: Tag, operator: replace, value: '1.0'}]}";

const ONE_IMAGE: &str = "{imageOverrider: [{predicate: {path: /spec/template/spec/containers/0/image}, \
    component: Registry, operator: replace, value: fictional.registry.us}]}";

fn images(object: &Object, pointer: &str) -> Vec<String> {
    let containers = object.at(pointer).and_then(|c| c.as_array()).cloned().unwrap_or_default();
    containers.iter().map(|c| c["image"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn every_image_of_deployments_and_pods_or_one_by_its_path() {
    let up = together();
    for (namespace, old) in [("images", false), ("images-old", true)] {
        let stage = Stage::set(&up, namespace);
        let pods = "v1/pods";
        let selectors = [the_deployment("web"), the_deployment("one"), the_pod("pod")].join(", ");
        stage.apply(
            &(policy("p", &selectors, "{}", "")
                + &overriding("web", &format!("[{}]", the_deployment("web")), IMAGE, old)
                + &overriding("one", &format!("[{}]", the_deployment("one")), ONE_IMAGE, old)
                + &overriding("pod", &format!("[{}]", the_pod("pod")), IMAGE, old)
                + &deployment("web", 1)
                + &deployment("one", 1)
                + &pod("pod")),
        );
        let changed = "fictional.registry.us/busybox:1.0".to_owned();
        for (resource, name, pointer, expected) in [
            (DEPLOYMENTS, "web", "/spec/template/spec/containers", vec![changed.clone()]),
            (
                DEPLOYMENTS,
                "one",
                "/spec/template/spec/containers",
                vec!["fictional.registry.us/nginx:1.25".into()],
            ),
            (pods, "pod", "/spec/containers", vec![changed.clone(), changed]),
        ] {
            stage.copies(resource, name, EVERYWHERE, "its images are changed", |copy| {
                ensure!(images(copy, pointer) == expected, "{:?}", images(copy, pointer));
                Ok(())
            });
        }
        stage.told(namespace, "web", "ApplyOverridePolicySucceed", "");
    }
}

#[test]
fn the_image_of_a_pod_can_be_changed_where_it_runs() {
    let up = together();
    let stage = Stage::set(&up, "pod-image");
    stage.apply(&(policy("p", &the_pod("pod"), "{}", "") + &pod("pod")));
    stage.is_on("v1/pods", "pod", EVERYWHERE);
    let latest = serde_json::json!([
        { "op": "replace", "path": "/spec/containers/0/image", "value": "nginx:latest" }
    ]);
    stage.json_patch("pod/pod", &latest);
    stage.copies("v1/pods", "pod", EVERYWHERE, "it runs the new image", |copy| {
        ensure!(copy.str_at("/spec/containers/0/image") == Some("nginx:latest"), "{:?}", copy.at("/spec"));
        Ok(())
    });
}

#[test]
fn labels_and_annotations_are_replaced_where_they_are_added_and_removed() {
    let up = together();
    let stage = Stage::set(&up, "marks");
    let marked = deployment("web", 1).replace(
        "labels: {app: web}}\nspec",
        "labels: {foo: foo, bar: bar}, annotations: {foo: foo, bar: bar}}\nspec",
    );
    assert!(marked.contains("foo"), "{marked}");
    let changes = "[{operator: replace, value: {foo: exist, non-exist: non-exist}}, \
                   {operator: add, value: {app: nginx}}, {operator: remove, value: {bar: bar}}]";
    let both = format!("{{labelsOverrider: {changes}, annotationsOverrider: {changes}}}");
    stage.apply(
        &(policy("p", &the_deployment("web"), "{}", "")
            + &overriding("o", &format!("[{}]", the_deployment("web")), &both, false)
            + &marked),
    );
    stage.copies(DEPLOYMENTS, "web", EVERYWHERE, "labels and annotations are changed", |copy| {
        let found = [copy.label("foo"), copy.label("app"), copy.label("bar"), copy.label("non-exist")];
        ensure!(found == [Some("exist"), Some("nginx"), None, None], "{found:?}");
        let found = ["foo", "app", "bar", "non-exist"].map(|key| copy.annotation(key));
        ensure!(found == [Some("exist"), Some("nginx"), None, None], "{found:?}");
        Ok(())
    });
}

const SERVER: &str = "
  server.yaml: |
    server:
      listen: 80
      location /:
        root: /usr/share/nginx/html
        index:
          - index.html
          - index.htm
      error_page:
        - code: 500
        - code: 502
";

#[test]
fn documents_inside_a_field_are_changed_in_their_own_language() {
    let up = together();
    let stage = Stage::set(&up, "documents");
    let workload = r#"{"kind": "Deployment", "spec": {"replicas": 3, "containers": [{"name": "nginx", "image": "nginx:1.19.0"}]}}"#;
    let map = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata:\n  deploy.json: '{workload}'{SERVER}---\n"
    );
    let json = "{fieldPath: /data/deploy.json, json: [\
        {subPath: /spec/replicas, operator: replace, value: 5}, \
        {subPath: /spec/containers/-, operator: add, value: {name: nginx-helper, image: 'nginx:1.19.1'}}, \
        {subPath: /spec/containers/0/image, operator: remove}]}";
    let yaml = "{fieldPath: /data/server.yaml, yaml: [\
        {subPath: '/server/location ~1/root', operator: replace, value: /var/www/html}, \
        {subPath: /server/error_page/-, operator: add, value: {code: 400}}, \
        {subPath: '/server/location ~1/index', operator: remove}]}";
    stage.apply(
        &(policy("p", &the_config_map("c"), "{}", "")
            + &overriding(
                "o",
                &format!("[{}]", the_config_map("c")),
                &format!("{{fieldOverrider: [{json}, {yaml}]}}"),
                false,
            )
            + &map),
    );
    stage.copies(CONFIG_MAPS, "c", EVERYWHERE, "both documents are changed", |copy| {
        let text =
            |key: &str| copy.at("/data").and_then(|data| data[key].as_str()).unwrap_or_default().to_owned();
        let (json, yaml) = (text("deploy.json"), text("server.yaml"));
        ensure!(json.contains(r#""replicas":5"#) && json.contains(r#""name":"nginx-helper""#), "{json}");
        ensure!(!json.contains(r#""image":"nginx:1.19.0""#), "{json}");
        ensure!(yaml.contains("root: /var/www/html") && yaml.contains("code: 400"), "{yaml}");
        ensure!(!yaml.contains("- index.html"), "{yaml}");
        Ok(())
    });
}

#[test]
fn a_policy_without_selectors_is_about_everything_whenever_it_comes() {
    let up = alone();
    let stage = Stage::set(&up, "all-kinds");
    let changed = |copy: &Object| {
        let found = images(copy, "/spec/template/spec/containers");
        ensure!(found == ["fictional.registry.us/nginx:1.25"], "{found:?}");
        Ok(())
    };
    let original = |copy: &Object| {
        let found = images(copy, "/spec/template/spec/containers");
        ensure!(found == ["nginx:1.25"], "{found:?}");
        Ok(())
    };
    stage.apply(&(policy("p", &the_deployment("web"), "{}", "") + &deployment("web", 1)));
    stage.copies(DEPLOYMENTS, "web", EVERYWHERE, "its image is as it was", original);
    let namespaced = overriding("all", "", ONE_IMAGE, false).replace("  resourceSelectors: \n", "");
    assert!(!namespaced.contains("resourceSelectors"), "{namespaced}");
    let wide = namespaced.replace("kind: OverridePolicy", "kind: ClusterOverridePolicy");
    for (kind, overriding) in [("overridepolicy", namespaced), ("clusteroverridepolicy", wide)] {
        stage.apply(&overriding);
        stage.copies(DEPLOYMENTS, "web", EVERYWHERE, "its image is changed", changed);
        stage.user.ok(&format!("delete {kind} all"));
        stage.copies(DEPLOYMENTS, "web", EVERYWHERE, "its image is as it was", original);
    }
}

#[test]
fn namespaces_are_changed_on_their_way_too() {
    let up = together();
    let name = "changed-namespace";
    let overriding = format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: ClusterOverridePolicy
metadata: {{name: {name}}}
spec:
  resourceSelectors: [{{apiVersion: v1, kind: Namespace, name: {name}}}]
  overrideRules:
  - targetCluster: {{clusterNames: [member1, member2, member3]}}
    overriders: {{plaintext: [{{path: /metadata/labels, operator: add, value: {{hello: world}}}}]}}
"
    );
    let kubectl = up.kubectl(testkit::Version::Current, &up.control_plane());
    kubectl.ok_with("apply -f -", &overriding);
    let stage = Stage::set(&up, name);
    for member in &stage.members {
        eventually(SOON, "the namespace has the label", || {
            let copy = member.get("v1/namespaces", "", name)?;
            ensure!(copy.label("hello") == Some("world"), "{:?}", copy.at("/metadata/labels"));
            Ok(())
        });
    }
    stage.user.ok(&format!("delete clusteroverridepolicy {name}"));
}
