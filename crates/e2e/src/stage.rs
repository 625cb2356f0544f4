//! A story's own corner of the scene, and the words that stories share.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use machinery::Object;
use serde_json::Value;
use testkit::{Cluster, Kubectl, eventually};

use crate::{SOON, Up, condition};

/// Deployments.
pub const DEPLOYMENTS: &str = "apps/v1/deployments";
/// ConfigMaps.
pub const CONFIG_MAPS: &str = "v1/configmaps";
/// Services.
pub const SERVICES: &str = "v1/services";
/// ClusterRoles.
pub const CLUSTER_ROLES: &str = "rbac.authorization.k8s.io/v1/clusterroles";
/// ResourceBindings.
pub const BINDINGS: &str = "work.karmada.io/v1alpha2/resourcebindings";
/// ClusterResourceBindings.
pub const CLUSTER_BINDINGS: &str = "work.karmada.io/v1alpha2/clusterresourcebindings";
/// Works.
pub const WORKS: &str = "work.karmada.io/v1alpha1/works";
/// Clusters.
pub const CLUSTERS: &str = "cluster.karmada.io/v1alpha1/clusters";
/// All three members.
pub const EVERYWHERE: &[&str] = &["member1", "member2", "member3"];

/// A namespace on the control plane, and the three members.
#[derive(Debug)]
pub struct Stage {
    /// kubectl for the control plane, in the story's namespace.
    pub user: Kubectl,
    /// The control plane.
    pub control_plane: Cluster,
    /// The members, in order.
    pub members: [Cluster; 3],
    /// The story's namespace.
    pub namespace: String,
}

impl Stage {
    /// Creates the namespace, on the control plane.
    #[track_caller]
    pub fn set(up: &Up, namespace: &str) -> Self {
        let members = up.members();
        let user = up.user(namespace);
        Self { user, control_plane: up.control_plane(), members, namespace: namespace.into() }
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.user.ok_with("apply -f -", manifest);
    }

    /// Applies a JSON patch, to `configmap/x` for example.
    #[track_caller]
    pub fn json_patch(&self, object: &str, patch: &Value) {
        self.user.ok(&format!("patch {} --type=json -p '{patch}'", object.replace('/', " ")));
    }

    /// Waits until every member has the story's namespace, for stories that write to members themselves.
    #[track_caller]
    pub fn members_have_the_namespace(&self) {
        for member in &self.members {
            eventually(SOON, "the namespace has arrived", || {
                member.get("v1/namespaces", "", &self.namespace)
            });
        }
    }

    /// A binding of the namespace.
    ///
    /// # Errors
    /// When there is none or the server cannot be asked.
    pub fn binding(&self, name: &str) -> Result<Object> {
        self.control_plane.get(BINDINGS, &self.namespace, name)
    }

    /// Waits until a binding is as `check` wants it.
    #[track_caller]
    pub fn bound<T>(&self, name: &str, what: &str, check: impl Fn(&Object) -> Result<T>) -> T {
        eventually(SOON, &format!("{name}: {what}"), || check(&self.binding(name)?))
    }

    /// Waits until a template is as `check` wants it.
    #[track_caller]
    pub fn template<T>(
        &self,
        resource: &str,
        name: &str,
        what: &str,
        check: impl Fn(&Object) -> Result<T>,
    ) -> T {
        eventually(SOON, &format!("{name}: {what}"), || {
            check(&self.control_plane.get(resource, &self.namespace, name)?)
        })
    }

    /// Waits until the copies in these members are as `check` wants them.
    #[track_caller]
    pub fn copies(
        &self,
        resource: &str,
        name: &str,
        members: &[&str],
        what: &str,
        check: impl Fn(&Object) -> Result<()>,
    ) {
        for member in self.members.iter().filter(|member| members.contains(&member.context())) {
            eventually(SOON, &format!("{name} in {}: {what}", member.context()), || {
                check(&member.get(resource, &self.namespace, name)?)
            });
        }
    }

    /// Waits until an object of the namespace is on just these members.
    #[track_caller]
    pub fn is_on(&self, resource: &str, name: &str, expected: &[&str]) {
        self.exists_on(resource, &self.namespace, name, expected);
    }

    /// Waits until a ConfigMap is on just these members.
    #[track_caller]
    pub fn config_map_is_on(&self, name: &str, expected: &[&str]) {
        self.is_on(CONFIG_MAPS, name, expected);
    }

    /// Waits until an object without a namespace is on just these members.
    #[track_caller]
    pub fn cluster_scoped_is_on(&self, resource: &str, name: &str, expected: &[&str]) {
        self.exists_on(resource, "", name, expected);
    }

    #[track_caller]
    fn exists_on(&self, resource: &str, namespace: &str, name: &str, expected: &[&str]) {
        for member in &self.members {
            let wanted = expected.contains(&member.context());
            eventually(SOON, &format!("{name} is on {expected:?}"), || {
                let found = member.find(resource, namespace, name)?.is_some();
                ensure!(found == wanted, "on {}: {found}", member.context());
                Ok(())
            });
        }
    }

    /// Waits until a binding's replicas are divided in a way, for example `member1=2 member2=1`.
    #[track_caller]
    pub fn assigned(&self, binding: &str, expected: &str) {
        self.bound(binding, &format!("it is assigned to {expected:?}"), |binding| {
            let found = assignment(binding);
            ensure!(found == expected, "it is assigned to {found:?}");
            Ok(())
        });
    }

    /// Waits until the members' Deployments have these replicas; `-` where there should be none.
    #[track_caller]
    pub fn deployed(&self, name: &str, expected: [&str; 3]) {
        for (member, expected) in self.members.iter().zip(expected) {
            eventually(SOON, &format!("{name} in {} has {expected} replicas", member.context()), || {
                let found = member.find(DEPLOYMENTS, &self.namespace, name)?;
                let replicas = found.and_then(|deployment| deployment.i64_at("/spec/replicas"));
                let replicas = replicas.map_or_else(|| "-".to_owned(), |n| n.to_string());
                ensure!(replicas == expected, "it has {replicas}");
                Ok(())
            });
        }
    }

    /// Waits until so many replicas of a template are ready.
    #[track_caller]
    pub fn ready(&self, deployment: &str, replicas: i64) {
        self.template(DEPLOYMENTS, deployment, &format!("{replicas} replicas are ready"), |template| {
            let status = template.at("/status").cloned().unwrap_or_default();
            for field in ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas"] {
                ensure!(status[field].as_i64().unwrap_or(0) == replicas, "the status is {status}");
            }
            Ok(())
        });
    }

    /// [`Stage::ready`], and every cluster of the template has taken in its newest generation.
    #[track_caller]
    pub fn ready_and_observed(&self, deployment: &str, replicas: i64) {
        self.ready(deployment, replicas);
        self.template(DEPLOYMENTS, deployment, "its newest generation is observed everywhere", |template| {
            let status = template.at("/status").cloned().unwrap_or_default();
            let observed = template.i64_at("/status/observedGeneration");
            ensure!(observed == Some(template.generation()), "the status is {status}");
            Ok(())
        });
    }

    /// The Work in a member's space that carries an object of the namespace.
    ///
    /// # Errors
    /// When there is none or the server cannot be asked.
    pub fn work(&self, member: &str, kind: &str, name: &str) -> Result<Object> {
        self.work_of(member, kind, &self.namespace, name)
    }

    /// The Work in a member's space that carries an object; an empty namespace means none.
    ///
    /// # Errors
    /// When there is none or the server cannot be asked.
    pub fn work_of(&self, member: &str, kind: &str, namespace: &str, name: &str) -> Result<Object> {
        let works = self.control_plane.list(WORKS, &format!("karmada-es-{member}"), "")?;
        let found = works.into_iter().find(|work| {
            let manifest = |field| work.str_at(&format!("/spec/workload/manifests/0/{field}"));
            manifest("kind") == Some(kind)
                && manifest("metadata/name") == Some(name)
                && manifest("metadata/namespace").unwrap_or_default() == namespace
        });
        found.with_context(|| format!("{member} has no Work for {kind} {name}"))
    }

    /// Waits until an event about an object was recorded in a namespace, and returns its message.
    #[track_caller]
    pub fn told(&self, namespace: &str, object: &str, reason: &str, wanted: &str) -> String {
        eventually(SOON, &format!("{object} has an event {reason} with {wanted:?}"), || {
            let events = self.control_plane.list("v1/events", namespace, "")?;
            let about = |event: &&Object| event.str_at("/involvedObject/name") == Some(object);
            let told: Vec<(&str, &str)> = events
                .iter()
                .filter(about)
                .map(|event| {
                    (
                        event.str_at("/reason").unwrap_or_default(),
                        event.str_at("/message").unwrap_or_default(),
                    )
                })
                .collect();
            let found = told.iter().find(|(r, message)| *r == reason && message.contains(wanted));
            let (_, message) = found.with_context(|| format!("there are {told:?}"))?;
            Ok((*message).to_owned())
        })
    }
}

/// The clusters of a binding with their replicas, sorted.
pub fn assignment(binding: &Object) -> String {
    let clusters = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut clusters: Vec<String> = clusters
        .iter()
        .map(|target| {
            let name = target["name"].as_str().unwrap_or_default();
            target["replicas"].as_i64().map_or_else(|| name.to_owned(), |n| format!("{name}={n}"))
        })
        .collect();
    clusters.sort();
    clusters.join(" ")
}

/// Names of the clusters of a binding, sorted.
pub fn clusters(binding: &Object) -> Vec<String> {
    let targets = binding.at("/spec/clusters").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut names: Vec<String> =
        targets.iter().map(|target| target["name"].as_str().unwrap_or_default().to_owned()).collect();
    names.sort();
    names
}

/// What a binding says about each of its clusters.
pub fn aggregated(binding: &Object) -> BTreeMap<String, Value> {
    let items = binding.at("/status/aggregatedStatus").and_then(Value::as_array).cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|item| (item["clusterName"].as_str().unwrap_or_default().to_owned(), item))
        .collect()
}

/// Says unless a condition of an object has a status.
///
/// # Errors
/// With the condition as it is.
pub fn has(object: &Object, name: &str, status: &str) -> Result<Value> {
    let found = condition(object, name).with_context(|| format!("there is no condition {name}"))?;
    ensure!(found["status"] == status, "the condition is {found}");
    Ok(found.clone())
}

/// A Deployment of an ordinary server.
pub fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
      - {{name: nginx, image: 'nginx:1.25', resources: {{limits: {{cpu: 100m}}}}}}
---
"
    )
}

/// A ConfigMap with one value.
pub fn config_map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: '{value}'}}\n---\n")
}

/// A ClusterRole.
pub fn cluster_role(name: &str) -> String {
    format!(
        "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: '{name}'}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [get]}}]
---
"
    )
}

/// A definition `things.GROUP` of kind Thing in version v1 that takes any fields.
pub fn definition(group: &str, scope: &str) -> String {
    format!(
        "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{group}}}
spec:
  group: {group}
  scope: {scope}
  names: {{kind: Thing, listKind: ThingList, plural: things, singular: thing}}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
"
    )
}

/// A PropagationPolicy. `selectors` is the inside of a YAML flow sequence, `placement` a flow map, `more`
/// further lines of the spec.
pub fn policy(name: &str, selectors: &str, placement: &str, more: &str) -> String {
    any_policy("PropagationPolicy", name, selectors, placement, more)
}

/// A ClusterPropagationPolicy, see [`policy`].
pub fn cluster_policy(name: &str, selectors: &str, placement: &str, more: &str) -> String {
    any_policy("ClusterPropagationPolicy", name, selectors, placement, more)
}

fn any_policy(kind: &str, name: &str, selectors: &str, placement: &str, more: &str) -> String {
    format!(
        "
apiVersion: policy.karmada.io/v1alpha1
kind: {kind}
metadata: {{name: '{name}'}}
spec:
  resourceSelectors: [{selectors}]
  placement: {placement}
{more}
---
"
    )
}

/// Selects a Deployment.
pub fn the_deployment(name: &str) -> String {
    format!("{{apiVersion: apps/v1, kind: Deployment, name: {name}}}")
}

/// Selects a ConfigMap.
pub fn the_config_map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, name: {name}}}")
}

/// Selects a ClusterRole.
pub fn the_cluster_role(name: &str) -> String {
    format!("{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, name: '{name}'}}")
}

/// Selects a CustomResourceDefinition.
pub fn the_definition(name: &str) -> String {
    format!("{{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, name: {name}}}")
}

/// A placement on named clusters.
pub fn on(clusters: &str) -> String {
    format!("{{clusterAffinity: {{clusterNames: [{clusters}]}}}}")
}
