//! What is known about an object: everything an explanation is made from, as it was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use api::cluster::Cluster;
use api::policy::Policy;
use api::work::{Binding, Work};
use api::{Scope, naming};
use estimation::Modeling;
use machinery::Object;
use propagation::Gates;
use propagation::skip::{NAMESPACES_DEFAULT, SkippedApis, SkippedNamespaces};
use scheduling::{Features, Peers, Plugins};

/// What was read about an object.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The object; a bare reference when it does not exist.
    pub(crate) template: Object,
    /// Whether it exists.
    pub(crate) exists: bool,
    /// Why objects like this are never propagated.
    pub(crate) skipped: Option<String>,
    /// All policies, also those of other namespaces.
    pub(crate) policies: Vec<Policy>,
    /// Namespaces and names of all override policies.
    pub(crate) overrides: BTreeMap<Scope, BTreeSet<(String, String)>>,
    pub(crate) binding: Option<Binding>,
    pub(crate) clusters: Vec<Cluster>,
    /// The binding's Works.
    pub(crate) works: Vec<Work>,
    /// Other bindings of the same namespace: those that need this one, and those of the same groups.
    pub(crate) neighbours: Vec<Binding>,
    /// What the control plane runs with.
    pub(crate) gates: Gates,
}

impl Facts {
    /// Whether an override policy exists that a policy may wait for.
    pub(crate) fn has_override(&self, policy: &Policy, name: &str) -> bool {
        self.overrides
            .get(&policy.scope)
            .is_some_and(|known| known.contains(&(policy.metadata.namespace.clone(), name.to_owned())))
    }
}

/// Why objects of this kind and in this namespace are never propagated, as controllers are set up by
/// default.
pub(crate) fn skipped(object: &Object) -> Option<String> {
    static APIS: LazyLock<SkippedApis> = LazyLock::new(|| SkippedApis::new(""));
    static NAMESPACES: LazyLock<SkippedNamespaces> =
        LazyLock::new(|| SkippedNamespaces::new(&[NAMESPACES_DEFAULT]));
    let kind = object.gvk();
    if APIS.contains(&kind) {
        return Some(match kind.group.as_str() {
            "" => format!("objects of kind {} are never propagated", kind.kind),
            group => format!("objects of group {group} are never propagated"),
        });
    }
    let namespace = object.namespace();
    if naming::is_reserved_namespace(namespace) {
        return Some(format!("namespace {namespace} is Karmada's own"));
    }
    NAMESPACES
        .skips(object)
        .then(|| format!("namespace {namespace} is a system namespace (--skipped-propagating-namespaces)"))
}

/// The scheduler's switches under feature gates.
pub(crate) fn features(gates: &Gates) -> Features {
    let plugins = Plugins::parse(["*"]).unwrap_or_default();
    Features {
        plugins: if gates.workload_affinity { plugins } else { plugins.without_workload_affinity() },
        modeling: if gates.customized_cluster_resource_modeling { Modeling::Used } else { Modeling::Ignored },
        components: gates.multiple_pod_templates_scheduling,
        ..Features::default()
    }
}

/// The gates as they must be set for a binding to look as it does.
fn gates_of(gates: &Gates, binding: &Binding) -> Gates {
    Gates {
        workload_affinity: gates.workload_affinity || binding.spec.workload_affinity_groups.is_some(),
        multiple_pod_templates_scheduling: gates.multiple_pod_templates_scheduling
            || !binding.spec.components.is_empty(),
        ..*gates
    }
}

impl Facts {
    /// The scheduler's switches for a binding.
    pub(crate) fn features(&self, binding: &Binding) -> Features {
        features(&gates_of(&self.gates, binding))
    }
}

/// Where the other workloads of the binding's affinity groups are.
pub(crate) fn peers(binding: &Binding, others: &[Binding]) -> Option<Peers> {
    let groups = binding.spec.workload_affinity_groups.as_ref()?;
    let mut peers = Peers::default();
    for other in
        others.iter().filter(|o| o.scope == binding.scope && o.metadata.key() != binding.metadata.key())
    {
        if other.metadata.namespace != binding.metadata.namespace {
            continue;
        }
        let Some(theirs) = &other.spec.workload_affinity_groups else { continue };
        let clusters: BTreeSet<String> = other.spec.clusters.iter().map(|c| c.name.clone()).collect();
        let same = |mine: &str, theirs: &str| !mine.is_empty() && mine == theirs;
        if same(&groups.anti_affinity_group, &theirs.anti_affinity_group) {
            peers.anti_affinity.extend(clusters.iter().cloned());
        }
        if same(&groups.affinity_group, &theirs.affinity_group) && !clusters.is_empty() {
            peers.affinity.push(clusters);
        }
    }
    Some(peers)
}
