//! A kind of one's own: defined, used, extended, removed.

use e2e::SOON;
use testkit::{Cluster, Kubectl, eventually};

use crate::{contains, heading, lacks, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(ControlPlane:
    a_kind_is_defined_used_and_removed,
    objects_are_defaulted_pruned_and_checked,
    columns_and_short_names_are_the_definitions,
    a_custom_resource_is_scaled,
    a_second_version_shows_the_same_objects,
    fields_of_a_custom_resource_are_explained,
    rules_of_a_definition_are_enforced,
);

told_by_the_current_kubectl!(ControlPlane:
    status_is_a_subresource,
    custom_resources_are_applied_by_the_server,
);

/// A definition of the kind Garden in an API group of its own, so that stories do not meet.
fn garden(kubectl: &Kubectl) -> (String, String) {
    let group = format!("{}.example.com", kubectl.namespace());
    let definition = format!(
        r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gardens.{group}
spec:
  group: {group}
  scope: Namespaced
  names: {{kind: Garden, plural: gardens, singular: garden, shortNames: [gdn-{short}], categories: [green-{short}]}}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {{}}
      scale: {{specReplicasPath: .spec.beds, statusReplicasPath: .status.beds, labelSelectorPath: .status.selector}}
    additionalPrinterColumns:
    - {{name: Beds, type: integer, jsonPath: .spec.beds}}
    - {{name: Soil, type: string, jsonPath: .spec.soil}}
    - {{name: Gardener, type: string, jsonPath: .spec.gardener, priority: 1}}
    - {{name: Age, type: date, jsonPath: .metadata.creationTimestamp}}
    schema:
      openAPIV3Schema:
        type: object
        description: A garden with beds.
        required: [spec]
        properties:
          spec:
            type: object
            required: [beds]
            properties:
              beds: {{type: integer, minimum: 0, maximum: 100, description: How many beds there are.}}
              soil: {{type: string, default: loam, enum: [loam, clay, sand]}}
              gardener: {{type: string}}
              plants:
                type: array
                items:
                  type: object
                  properties: {{name: {{type: string}}, rows: {{type: integer, default: 1}}}}
          status:
            type: object
            properties: {{beds: {{type: integer}}, selector: {{type: string}}, phase: {{type: string}}}}
",
        short = kubectl.namespace()
    );
    (group, definition)
}

/// Defines Garden and waits until it is served.
fn define(kubectl: &Kubectl) -> (String, String) {
    let (group, definition) = garden(kubectl);
    let applied = kubectl.ok_with("apply -f -", &definition);
    assert_eq!(applied, format!("customresourcedefinition.apiextensions.k8s.io/gardens.{group} created\n"));
    let waited = kubectl.ok(&format!("wait --for=condition=established --timeout=30s crd/gardens.{group}"));
    contains(&waited, "condition met");
    (group, definition)
}

fn plot(group: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: {group}/v1\nkind: Garden\nmetadata: {{name: {name}}}\nspec: {spec}\n")
}

fn a_kind_is_defined_used_and_removed(kubectl: &Kubectl, _: &Cluster) {
    let (group, definition) = define(kubectl);
    let created = kubectl.ok_with("apply -f -", &plot(&group, "east", "{beds: 3}"));
    assert_eq!(created, format!("garden.{group}/east created\n"));
    let same = kubectl.ok_with("apply -f -", &plot(&group, "east", "{beds: 3}"));
    assert_eq!(same, format!("garden.{group}/east unchanged\n"));
    let changed = kubectl.ok_with("apply -f -", &plot(&group, "east", "{beds: 4}"));
    assert_eq!(changed, format!("garden.{group}/east configured\n"));
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.metadata.generation}}")), "2");
    kubectl.ok(&format!("label gardens.{group} east season=spring"));
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.metadata.generation}}")), "2");
    assert_eq!(
        kubectl.ok(&format!("get gardens.{group} -l season=spring -o name")),
        format!("garden.{group}/east\n")
    );
    contains(&kubectl.ok(&format!("api-resources --api-group={group}")), "Garden");
    contains(&kubectl.ok(&format!("describe gardens.{group} east")), "Beds:");
    kubectl.ok_with("delete -f -", &definition);
    eventually(SOON, "the kind is no longer served", || {
        let told = kubectl.run(&format!("get --raw /apis/{group}/v1"));
        anyhow::ensure!(told.code != 0, "{told:?}");
        Ok(())
    });
    // Whether kubectl still remembers the kind or not.
    let told = kubectl.fails_with("apply -f -", &plot(&group, "east", "{beds: 3}"));
    let known = ["no matches for kind \"Garden\"", "could not find the requested resource"];
    assert!(known.iter().any(|text| told.contains(text)), "{told}");
}

fn objects_are_defaulted_pruned_and_checked(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    let unknown = plot(&group, "east", "{beds: 1, fence: high, plants: [{name: leek}]}");
    let told = kubectl.fails_with("create -f -", &unknown);
    contains(&told, "unknown field");
    contains(&told, "fence");
    kubectl.ok_with("create --validate=false -f -", &unknown);
    let spec = kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.spec}}"));
    let spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    let expected =
        serde_json::json!({ "beds": 1, "soil": "loam", "plants": [{ "name": "leek", "rows": 1 }] });
    assert_eq!(spec, expected);
    let wrong = plot(&group, "west", "{beds: -1, soil: gold}");
    let told = kubectl.fails_with("create --validate=false -f -", &wrong);
    contains(&told, "The Garden \"west\" is invalid:");
    contains(&told, "spec.beds: Invalid value: -1: spec.beds in body should be greater than or equal to 0");
    contains(&told, "spec.soil: Unsupported value: \"gold\": supported values: \"loam\", \"clay\", \"sand\"");
    let told = kubectl.fails_with("create --validate=false -f -", &plot(&group, "west", "{soil: clay}"));
    contains(&told, "spec.beds: Required value");
    let told = kubectl.fails_with("create --validate=false -f -", &plot(&group, "west", "{beds: many}"));
    contains(
        &told,
        "spec.beds: Invalid value: \"string\": spec.beds in body must be of type integer: \"string\"",
    );
}

fn columns_and_short_names_are_the_definitions(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    kubectl.ok_with("create -f -", &plot(&group, "east", "{beds: 3, gardener: joan}"));
    let table = kubectl.ok(&format!("get gardens.{group}"));
    assert_eq!(heading(&table), "NAME BEDS SOIL AGE");
    contains(&table, "east   3      loam");
    lacks(&table, "joan");
    contains(&kubectl.ok(&format!("get gardens.{group} -o wide")), "joan");
    contains(&kubectl.ok(&format!("get gdn-{}", kubectl.namespace())), "east");
    contains(&kubectl.ok(&format!("get green-{}", kubectl.namespace())), "east");
    contains(&kubectl.ok(&format!("get garden.v1.{group} east")), "east");
    let watch = kubectl.start(&format!("get gardens.{group} --watch"));
    watch.prints(SOON, "east   3");
    kubectl.ok(&format!("patch gardens.{group} east --type=merge -p '{{\"spec\":{{\"beds\":5}}}}'"));
    watch.prints(SOON, "east   5");
}

fn a_custom_resource_is_scaled(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    kubectl.ok_with("create -f -", &plot(&group, "east", "{beds: 3}"));
    let scaled = kubectl.ok(&format!("scale gardens.{group} east --replicas=6"));
    assert_eq!(scaled, format!("garden.{group}/east scaled\n"));
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.spec.beds}}")), "6");
    let told = kubectl.fails(&format!("scale gardens.{group} east --replicas=101"));
    contains(&told, "should be less than or equal to 100");
}

fn a_second_version_shows_the_same_objects(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    kubectl.ok_with("create -f -", &plot(&group, "east", "{beds: 3}"));
    let add = format!(
        r#"patch crd gardens.{group} --type=json -p '[{{"op":"add","path":"/spec/versions/-","value":{{"name":"v2","served":true,"storage":false,"schema":{{"openAPIV3Schema":{{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}}}}}]'"#
    );
    kubectl.ok(&add);
    eventually(SOON, "the second version is served", || {
        let read = kubectl.run(&format!("get gardens.v2.{group} east -o jsonpath={{.apiVersion}}"));
        anyhow::ensure!(read.stdout == format!("{group}/v2"), "{read:?}");
        Ok(())
    });
    let told = kubectl.fails(&format!(r#"patch crd gardens.{group} --type=json -p '[{{"op":"replace","path":"/spec/versions/1/storage","value":true}}]'"#));
    contains(&told, "must have exactly one version marked as storage version");
}

fn fields_of_a_custom_resource_are_explained(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    eventually(SOON, "the documents have the new kind", || {
        let explained = kubectl.run(&format!("explain gardens.spec.beds --api-version={group}/v1"));
        anyhow::ensure!(explained.stdout.contains("How many beds there are."), "{explained:?}");
        Ok(())
    });
    let explained = kubectl.ok(&format!("explain gardens --api-version={group}/v1"));
    contains(&explained, "A garden with beds.");
}

fn rules_of_a_definition_are_enforced(kubectl: &Kubectl, _: &Cluster) {
    let (group, definition) = garden(kubectl);
    let wrong_name = definition.replace(&format!("name: gardens.{group}"), "name: flowers.example.com");
    contains(
        &kubectl.fails_with("create -f -", &wrong_name),
        "metadata.name: Invalid value: \"flowers.example.com\": must be spec.names.plural+\".\"+spec.group",
    );
    let untyped =
        definition.replace("soil: {type: string, default: loam, enum: [loam, clay, sand]}", "soil: {}");
    contains(
        &kubectl.fails_with("create -f -", &untyped),
        "spec.validation.openAPIV3Schema.properties[spec].properties[soil].type: Required value: must not be empty for specified object fields",
    );
    let bad_default = definition.replace("default: loam", "default: gold");
    contains(&kubectl.fails_with("create -f -", &bad_default), "default: Unsupported value: \"gold\"");
}

fn status_is_a_subresource(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    let with_status = format!("{}status: {{phase: Ripe}}\n", plot(&group, "east", "{beds: 3}"));
    kubectl.ok_with("create -f -", &with_status);
    let phase = format!("get gardens.{group} east -o jsonpath={{.status.phase}}");
    assert_eq!(kubectl.ok(&phase), "", "the status cannot be set with the object");
    let patch = r#"--type=merge -p '{"status":{"phase":"Ripe"},"spec":{"beds":9}}'"#;
    kubectl.ok(&format!("patch gardens.{group} east --subresource=status {patch}"));
    assert_eq!(kubectl.ok(&phase), "Ripe");
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.spec.beds}}")), "3");
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.metadata.generation}}")), "1");
    kubectl.ok(&format!("wait --for=jsonpath={{.status.phase}}=Ripe gardens.{group}/east --timeout=10s"));
}

fn custom_resources_are_applied_by_the_server(kubectl: &Kubectl, _: &Cluster) {
    let (group, _) = define(kubectl);
    let east = plot(&group, "east", "{beds: 3, gardener: joan}");
    kubectl.ok_with("apply --server-side --field-manager=a -f -", &east);
    let told =
        kubectl.fails_with("apply --server-side --field-manager=b -f -", &plot(&group, "east", "{beds: 4}"));
    contains(&told, "conflict with \"a\": .spec.beds");
    kubectl.ok_with("apply --server-side --field-manager=a -f -", &plot(&group, "east", "{beds: 3}"));
    assert_eq!(kubectl.ok(&format!("get gardens.{group} east -o jsonpath={{.spec.gardener}}")), "");
}
