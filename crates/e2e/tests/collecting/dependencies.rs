//! What a workload refers to goes along, and those who need it are remembered.

use anyhow::ensure;
use e2e::stage::{
    CONFIG_MAPS, DEPLOYMENTS, Stage, cluster_policy, config_map, deployment, on, policy, the_deployment,
};
use e2e::together;
use machinery::Object;
use serde_json::{Value, json};

const FOLLOWING: &str = "  propagateDeps: true";

/// A Deployment whose Pods have more in their spec, as YAML flow entries.
fn needing(name: &str, more: &str) -> String {
    let needing = deployment(name, 1).replace("      containers:", &format!("{more}\n      containers:"));
    assert!(needing.contains(more), "{needing}");
    needing
}

fn mounting(name: &str, volume: &str) -> String {
    needing(name, &format!("      volumes: [{{name: v, {volume}}}]"))
}

#[test]
fn what_pods_mount_or_run_as_goes_along_and_leaves_when_no_longer_named() {
    let up = together();
    let stage = Stage::set(&up, "along");
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {user: jane}\n---\n";
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: c}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n---\n";
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\n";
    let nothing = mounting("web", "configMap: {name: not-there}");
    for (resource, name, manifest, workload) in [
        ("v1/secrets", "s", secret, mounting("web", "secret: {secretName: s}")),
        ("v1/persistentvolumeclaims", "c", claim, mounting("web", "persistentVolumeClaim: {claimName: c}")),
        ("v1/serviceaccounts", "a", account, needing("web", "      serviceAccountName: a")),
    ] {
        stage.apply(
            &(manifest.to_owned()
                + &workload
                + &policy("p", &the_deployment("web"), &on("member1"), FOLLOWING)),
        );
        stage.is_on(resource, name, &["member1"]);
        stage.told("along", "web", "GetDependenciesSucceed", "");
        stage.told("along", "web-deployment", "SyncScheduleResultToDependenciesSucceed", "");
        let gone = if name == "a" {
            nothing.replace("      volumes", "      serviceAccountName: default\n      volumes")
        } else {
            nothing.clone()
        };
        stage.apply(&gone);
        stage.is_on(resource, name, &[]);
    }
}

#[test]
fn config_maps_move_with_deployments_under_either_kind_of_policy() {
    let up = together();
    let stage = Stage::set(&up, "moving-along");
    for (kind, name, make) in [
        ("propagationpolicy", "along", policy as fn(&str, &str, &str, &str) -> String),
        ("clusterpropagationpolicy", "along-wide", cluster_policy),
    ] {
        let settings = format!("{name}-settings");
        stage.apply(
            &(config_map(&settings, "1")
                + &mounting(name, &format!("configMap: {{name: {settings}}}"))
                + &make(name, &the_deployment(name), &on("member1"), FOLLOWING)),
        );
        stage.is_on(DEPLOYMENTS, name, &["member1"]);
        stage.is_on(CONFIG_MAPS, &settings, &["member1"]);
        let names = json!([{ "op": "replace", "path": "/spec/placement/clusterAffinity/clusterNames", "value": ["member2"] }]);
        stage.json_patch(&format!("{kind}/{name}"), &names);
        stage.is_on(DEPLOYMENTS, name, &["member2"]);
        stage.is_on(CONFIG_MAPS, &settings, &["member2"]);
        let value = json!([{ "op": "replace", "path": "/data/value", "value": "2" }]);
        stage.json_patch(&format!("configmap/{settings}"), &value);
        stage.copies(CONFIG_MAPS, &settings, &["member2"], "the change has arrived", |copy| {
            ensure!(copy.str_at("/data/value") == Some("2"), "{:?}", copy.at("/data"));
            Ok(())
        });
        stage.user.ok(&format!("delete {kind} {name}"));
    }
}

fn required_by(binding: &Object) -> Vec<String> {
    let required = binding.at("/spec/requiredBy").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> =
        required.iter().map(|r| r["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn disagreements_about_a_shared_dependency_are_told_and_end_with_them() {
    let up = together();
    for (namespace, a, b, told, untold, resolved) in [
        ("both-differ", ("Overwrite", true), ("Abort", false), "both", "", ("Overwrite", true)),
        (
            "only-resolution",
            ("Overwrite", false),
            ("Abort", false),
            "resolution",
            "preserve",
            ("Overwrite", false),
        ),
        (
            "only-preserve",
            ("Overwrite", true),
            ("Overwrite", false),
            "preserve",
            "resolution",
            ("Overwrite", true),
        ),
    ] {
        let stage = Stage::set(&up, namespace);
        stage.apply(&config_map("shared", "1"));
        for name in ["a", "b"] {
            stage.apply(
                &(mounting(name, "configMap: {name: shared}")
                    + &policy(name, &the_deployment(name), &on("member1"), FOLLOWING)),
            );
        }
        stage.bound("shared-configmap", "both need it", |binding| {
            let found = required_by(binding);
            ensure!(found == ["a-deployment", "b-deployment"], "{found:?}");
            Ok(())
        });
        let want = |name: &str, (resolution, preserve): (&str, bool)| {
            let patch = json!([
                { "op": "replace", "path": "/spec/conflictResolution", "value": resolution },
                { "op": "replace", "path": "/spec/preserveResourcesOnDeletion", "value": preserve },
            ]);
            stage.json_patch(&format!("propagationpolicy/{name}"), &patch);
        };
        let is = |binding: &str, (resolution, preserve): (&str, bool)| {
            stage.bound(binding, &format!("{resolution} and {preserve}"), |binding| {
                let found = binding.str_at("/spec/conflictResolution");
                ensure!(found == Some(resolution), "{found:?}");
                let found = binding.at("/spec/preserveResourcesOnDeletion");
                ensure!(found == Some(&json!(preserve)), "{found:?}");
                Ok(())
            });
        };
        want("a", a);
        want("b", b);
        is("a-deployment", a);
        is("b-deployment", b);
        let words = |which: &str| match which {
            "resolution" => "ConflictResolution conflicted (Overwrite vs Abort)",
            _ => "PreserveResourcesOnDeletion conflicted (true vs false)",
        };
        let reason = "DependencyPolicyConflict";
        let first = if told == "both" { "resolution" } else { told };
        let message = stage.told(namespace, "shared-configmap", reason, words(first));
        if told == "both" {
            stage.told(namespace, "shared-configmap", reason, words("preserve"));
        } else {
            // Between the two patches the other may have differed for a moment.
            assert!(message.contains(words(first)) && !untold.is_empty(), "{message}");
        }
        is("shared-configmap", resolved);
        if told == "both" {
            want("b", a);
            is("b-deployment", a);
            is("shared-configmap", a);
            want("b", b);
            is("b-deployment", b);
            stage.user.ok("delete propagationpolicy b");
            is("shared-configmap", a);
        }
    }
}

#[test]
fn those_who_need_it_are_listed_until_they_do_not() {
    let up = together();
    let stage = Stage::set(&up, "needed-by");
    stage.apply(&config_map("shared", "1"));
    for name in ["a", "b"] {
        stage.apply(
            &(mounting(name, "configMap: {name: shared}")
                + &policy(name, &the_deployment(name), &on("member1"), FOLLOWING)),
        );
    }
    let needed = |expected: &[&str]| {
        stage.bound("shared-configmap", &format!("needed by {expected:?}"), |binding| {
            let found = required_by(binding);
            ensure!(found == expected, "{found:?}");
            Ok(())
        });
    };
    needed(&["a-deployment", "b-deployment"]);
    stage.apply(&mounting("b", "configMap: {name: other}"));
    needed(&["a-deployment"]);
}
