//! Scripts that read Deployments otherwise than Karmada does by itself.

use anyhow::ensure;
use e2e::stage::{
    CONFIG_MAPS, DEPLOYMENTS, Stage, aggregated, config_map, definition, deployment, on, policy,
    the_definition, the_deployment,
};
use e2e::{Alone, LATE, alone};
use serde_json::{Value, json};
use testkit::eventually;

/// A customization of Deployments, gone at the end.
struct Customization<'a> {
    stage: &'a Stage,
    name: String,
}

impl<'a> Customization<'a> {
    #[track_caller]
    fn apply(stage: &'a Stage, name: &str, target: &str, rule: &str, script: &str) -> Self {
        let script: String = script.trim().lines().map(|line| format!("        {line}\n")).collect();
        stage.apply(&format!(
            "
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {{name: {name}}}
spec:
  target: {target}
  customizations:
    {rule}:
      luaScript: |
{script}"
        ));
        Self { stage, name: name.into() }
    }
}

impl Drop for Customization<'_> {
    fn drop(&mut self) {
        self.stage.user.run(&format!("delete resourceinterpretercustomization {}", self.name));
    }
}

const OF_DEPLOYMENTS: &str = "{apiVersion: apps/v1, kind: Deployment}";

/// A Deployment on one member with a script for its kind.
///
/// The interpreter learns of a customization a moment after it was stored: the Deployment comes after it
/// and is changed until `check` holds.
#[track_caller]
fn with_script(
    up: &Alone,
    namespace: &str,
    rule: &str,
    script: &str,
    check: impl Fn(&Stage) -> anyhow::Result<()>,
) {
    let stage = Stage::set(up, namespace);
    let _customization = Customization::apply(&stage, namespace, OF_DEPLOYMENTS, rule, script);
    stage.apply(&(policy("p", &the_deployment("web"), &on("member2"), "") + &deployment("web", 3)));
    let mut round = 0;
    eventually(LATE, "the script decides", || {
        let found = check(&stage);
        if found.is_err() {
            round += 1;
            if round % 20 == 0 {
                stage.user.ok(&format!("annotate deployment web --overwrite round={round}"));
            }
        }
        found
    });
}

#[test]
fn a_script_counts_replicas_and_what_they_need() {
    let script = "
function GetReplicas(desiredObj)
  replica = desiredObj.spec.replicas + 1
  requirement = {}
  requirement.nodeClaim = {}
  requirement.nodeClaim.nodeSelector = desiredObj.spec.template.spec.nodeSelector
  requirement.nodeClaim.tolerations = desiredObj.spec.template.spec.tolerations
  requirement.resourceRequest = desiredObj.spec.template.spec.containers[1].resources.limits
  return replica, requirement
end";
    with_script(&alone(), "script-replicas", "replicaResource", script, |stage| {
        let binding = stage.binding("web-deployment")?;
        ensure!(binding.i64_at("/spec/replicas") == Some(4), "{:?}", binding.at("/spec/replicas"));
        let found = binding.at("/spec/replicaRequirements").cloned().unwrap_or_default();
        // An empty claim is no claim.
        ensure!(found == json!({ "resourceRequest": { "cpu": "100m" } }), "{found}");
        Ok(())
    });
}

#[test]
fn a_script_sets_replicas() {
    let script = "
function ReviseReplica(obj, desiredReplica)
  obj.spec.replicas = desiredReplica + 1
  return obj
end";
    with_script(&alone(), "script-revises", "replicaRevision", script, |stage| {
        stage.user.ok(
            r#"patch propagationpolicy p --type=merge -p {"spec":{"placement":{"replicaScheduling":{"replicaSchedulingType":"Divided","replicaDivisionPreference":"Weighted"}}}}"#,
        );
        let copy = stage.members[1].get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(copy.i64_at("/spec/replicas") == Some(4), "{:?}", copy.at("/spec/replicas"));
        Ok(())
    });
}

#[test]
fn a_script_keeps_what_the_member_has() {
    let script = "
function Retain(desiredObj, observedObj)
  desiredObj.spec.paused = observedObj.spec.paused
  return desiredObj
end";
    let up = alone();
    let stage = Stage::set(&up, "script-retains");
    let _customization = Customization::apply(&stage, "script-retains", OF_DEPLOYMENTS, "retention", script);
    stage.apply(&(policy("p", &the_deployment("web"), &on("member2"), "") + &deployment("web", 3)));
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.user.ok(r#"patch deployment web -p {"spec":{"paused":true,"replicas":2}}"#);
    stage.copies(DEPLOYMENTS, "web", &["member2"], "it has two replicas and is not paused", |copy| {
        ensure!(copy.i64_at("/spec/replicas") == Some(2), "{:?}", copy.at("/spec/replicas"));
        ensure!(copy.at("/spec/paused").is_none_or(|paused| paused == &json!(false)), "it is paused");
        Ok(())
    });
}

#[test]
fn a_script_sums_up_statuses() {
    let script = "
function AggregateStatus(desiredObj, statusItems)
  if statusItems == nil then
    return desiredObj
  end
  if desiredObj.status == nil then
    desiredObj.status = {}
  end
  replicas = 0
  for i = 1, #statusItems do
    if statusItems[i].status ~= nil and statusItems[i].status.replicas ~= nil then
      replicas = replicas + statusItems[i].status.replicas + 1
    end
  end
  desiredObj.status.replicas = replicas
  return desiredObj
end";
    with_script(&alone(), "script-sums", "statusAggregation", script, |stage| {
        let template = stage.control_plane.get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(template.i64_at("/status/replicas") == Some(4), "{:?}", template.at("/status"));
        Ok(())
    });
}

#[test]
fn a_script_reports_the_whole_status() {
    let script = "
function ReflectStatus (observedObj)
  if observedObj.status == nil then
    return nil
  end
  return observedObj.status
end";
    with_script(&alone(), "script-reports", "statusReflection", script, |stage| {
        let template = stage.control_plane.get(DEPLOYMENTS, &stage.namespace, "web")?;
        ensure!(template.i64_at("/status/readyReplicas") == Some(3), "{:?}", template.at("/status"));
        let items = aggregated(&stage.binding("web-deployment")?);
        ensure!(items["member2"]["status"]["conditions"].is_array(), "{items:?}");
        Ok(())
    });
}

#[test]
fn a_script_says_what_is_healthy() {
    let script = "
function InterpretHealth(observedObj)
  return observedObj.status.readyReplicas == observedObj.spec.replicas
end ";
    with_script(&alone(), "script-health", "healthInterpretation", script, |stage| {
        let items = aggregated(&stage.binding("web-deployment")?);
        ensure!(items.len() == 1 && items["member2"]["health"] == "Healthy", "{items:?}");
        Ok(())
    });
}

#[test]
fn scripts_of_two_customizations_name_what_goes_along() {
    let up = alone();
    let stage = Stage::set(&up, "script-needs");
    let accounts = "
function GetDependencies(desiredObj)
  dependentSas = {}
  refs = {}
  if desiredObj.spec.template.spec.serviceAccountName ~= nil and desiredObj.spec.template.spec.serviceAccountName ~= 'default' then
    dependentSas[desiredObj.spec.template.spec.serviceAccountName] = true
  end
  local idx = 1
  for key, value in pairs(dependentSas) do
    dependObj = {}
    dependObj.apiVersion = 'v1'
    dependObj.kind = 'ServiceAccount'
    dependObj.name = key
    dependObj.namespace = desiredObj.metadata.namespace
    refs[idx] = dependObj
    idx = idx + 1
  end
  return refs
end ";
    let maps = "
function GetDependencies(desiredObj)
  refs = {}
  if desiredObj.spec.template.spec.volumes == nil then
    return refs
  end
  local idx = 1
  for index, volume in pairs(desiredObj.spec.template.spec.volumes) do
    if volume.configMap ~= nil then
      dependObj = {}
      dependObj.apiVersion = 'v1'
      dependObj.kind = 'ConfigMap'
      dependObj.name = volume.configMap.name
      dependObj.namespace = desiredObj.metadata.namespace
      refs[idx] = dependObj
      idx = idx + 1
    end
  end
  return refs
end ";
    let rule = "dependencyInterpretation";
    let _accounts = Customization::apply(&stage, "script-accounts", OF_DEPLOYMENTS, rule, accounts);
    let _maps = Customization::apply(&stage, "script-maps", OF_DEPLOYMENTS, rule, maps);
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\n";
    let needing = deployment("web", 1).replace(
        "      containers:",
        "      serviceAccountName: a\n      volumes: [{name: v, configMap: {name: settings}}]\n      containers:",
    );
    let following = policy("p", &the_deployment("web"), &on("member2"), "  propagateDeps: true");
    stage.apply(&(account.to_owned() + &config_map("settings", "1") + &following + &needing));
    stage.is_on(DEPLOYMENTS, "web", &["member2"]);
    stage.is_on("v1/serviceaccounts", "a", &["member2"]);
    stage.is_on(CONFIG_MAPS, "settings", &["member2"]);
}

#[test]
fn objects_of_one_custom_kind_take_along_those_of_another() {
    let up = alone();
    let stage = Stage::set(&up, "script-things");
    let (group, needed) = ("script-things.example.com", "needed-things.example.com");
    for group in [group, needed] {
        let crd = format!("things.{group}");
        stage.apply(
            &(definition(group, "Namespaced")
                + &e2e::stage::cluster_policy(&crd, &the_definition(&crd), "{}", "")),
        );
    }
    for member in e2e::stage::EVERYWHERE {
        eventually(LATE, "both kinds are known to be served", || {
            let cluster = stage.control_plane.get(e2e::stage::CLUSTERS, "", member)?;
            let served =
                cluster.at("/status/apiEnablements").and_then(Value::as_array).cloned().unwrap_or_default();
            let known = |group: &str| served.iter().any(|e| e["groupVersion"] == format!("{group}/v1"));
            ensure!(known(group) && known(needed), "not yet");
            Ok(())
        });
    }
    let script = format!(
        "
function GetDependencies(desiredObj)
  refs = {{}}
  dependObj = {{}}
  dependObj.apiVersion = '{needed}/v1'
  dependObj.kind = 'Thing'
  dependObj.name = 'needed'
  dependObj.namespace = '{}'
  refs[1] = dependObj
  return refs
end",
        stage.namespace
    );
    let target = format!("{{apiVersion: {group}/v1, kind: Thing}}");
    let _things = Customization::apply(&stage, "script-things", &target, "dependencyInterpretation", &script);
    let thing = |group: &str, name: &str, value: &str| {
        format!(
            "apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: {name}}}\nspec: {{value: {value}}}\n---\n"
        )
    };
    let selector = format!("{{apiVersion: {group}/v1, kind: Thing, name: x}}");
    stage.apply(&(policy("p", &selector, "{}", "  propagateDeps: true") + &thing(group, "x", "one")));
    stage.apply(&thing(needed, "needed", "one"));
    let things = format!("{needed}/v1/things");
    stage.is_on(&things, "needed", e2e::stage::EVERYWHERE);
    stage.apply(&thing(needed, "needed", "two"));
    stage.copies(&things, "needed", e2e::stage::EVERYWHERE, "the change has arrived", |copy| {
        ensure!(copy.str_at("/spec/value") == Some("two"), "{:?}", copy.at("/spec"));
        Ok(())
    });
    stage.user.ok(&format!("delete things.{group} x"));
    stage.is_on(&things, "needed", &[]);
    for group in [group, needed] {
        stage.user.ok(&format!("delete crd things.{group}"));
        stage.user.ok(&format!("delete clusterpropagationpolicy things.{group}"));
    }
}
