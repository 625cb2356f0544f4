//! From what is known to the answer. Pure.

use std::collections::{BTreeMap, BTreeSet};

use api::names::{annotations, conditions, values};
use api::naming;
use api::policy::{Placement, ReplicaDivisionPreference, ReplicaSchedulingType};
use api::work::{Binding, ResourceHealth, Work};
use serde_json::Value;

use super::decide::{decision, placed};
use super::explanation::{
    Condition, Copy, Decision, Dependent, Eviction, Explanation, Governance, Placed, Recorded, Reference,
    State,
};
use super::facts::Facts;
use super::policy::governance;

/// Explains where the object is and why.
pub(crate) fn explain(facts: &Facts) -> Explanation {
    let template = &facts.template;
    let object = Reference {
        api_version: template.api_version().into(),
        kind: template.kind().into(),
        namespace: template.namespace().into(),
        name: template.name().into(),
    };
    let policy = governance(facts);
    let binding = facts.binding.as_ref().map(recorded);
    let decision = decision(facts);
    let clusters = copies(facts);
    let required_by = dependents(facts);
    let mut explanation =
        Explanation { object, answer: String::new(), policy, binding, decision, clusters, required_by };
    explanation.answer = answer(facts, &explanation);
    explanation
}

fn binding_reference(binding: &Binding) -> Reference {
    Reference {
        api_version: binding.kind().api_version(),
        kind: binding.kind().kind.into(),
        namespace: binding.metadata.namespace.clone(),
        name: binding.metadata.name.clone(),
    }
}

fn scheduler(binding: &Binding) -> &str {
    match binding.spec.scheduler_name.as_str() {
        "" => values::DEFAULT_SCHEDULER,
        name => name,
    }
}

fn recorded(binding: &Binding) -> Recorded {
    let (spec, status) = (&binding.spec, &binding.status);
    let condition = |c: &api::meta::Condition| Condition {
        kind: c.type_.clone(),
        status: c.status.clone(),
        reason: c.reason.clone(),
        message: c.message.clone(),
        since: c.last_transition_time.to_string(),
    };
    let observed = &status.scheduler_observing_affinity_name;
    Recorded {
        binding: binding_reference(binding),
        replicas: spec.replicas,
        clusters: placed(&spec.clusters),
        affinity: (!observed.is_empty()).then(|| observed.clone()),
        scheduler: scheduler(binding).into(),
        last_scheduled_time: status.last_scheduled_time.map(|time| time.to_string()),
        conditions: status.conditions.iter().map(condition).collect(),
        notes: binding_notes(binding),
    }
}

fn binding_notes(binding: &Binding) -> Vec<String> {
    let spec = &binding.spec;
    let mut notes = Vec::new();
    if binding.metadata.is_deleting() {
        notes.push("the binding is being deleted".into());
    }
    if let Some(suspension) = &spec.suspension {
        if suspension.scheduling == Some(true) {
            notes.push("scheduling is suspended (spec.suspension.scheduling)".into());
        }
        if suspension.dispatching == Some(true) {
            notes.push(
                "dispatching is suspended to every cluster: nothing is applied or changed there".into(),
            );
        }
        if let Some(some) =
            suspension.dispatching_on_clusters.as_ref().filter(|s| !s.cluster_names.is_empty())
        {
            notes.push(format!("dispatching is suspended to {}", some.cluster_names.join(", ")));
        }
    }
    if scheduler(binding) != values::DEFAULT_SCHEDULER {
        notes.push(format!("only a scheduler of the name {} schedules it", scheduler(binding)));
    }
    if spec.placement.is_some()
        && binding.status.scheduler_observed_generation != binding.metadata.generation
        && condition(binding, conditions::SCHEDULED).is_some_and(|c| c.status == "True")
    {
        notes.push("the scheduler has not looked at the latest version of the binding yet".into());
    }
    if spec.preserve_resources_on_deletion == Some(true) {
        notes.push("the clusters keep the object when the template is deleted".into());
    }
    notes
}

fn condition<'a>(binding: &'a Binding, kind: &str) -> Option<&'a api::meta::Condition> {
    binding.status.conditions.iter().find(|c| c.type_ == kind)
}

/// The clusters that should have a copy, with their share; the first mention wins.
fn wanted(binding: &Binding) -> BTreeMap<&str, i32> {
    let mut wanted = BTreeMap::new();
    let required = binding.spec.required_by.iter().flat_map(|snapshot| &snapshot.clusters);
    for cluster in binding.spec.clusters.iter().chain(required) {
        // A dependency has the replicas of what needs it on its clusters, and none of its own.
        let replicas = if binding.spec.is_workload() { cluster.replicas } else { 0 };
        wanted.entry(cluster.name.as_str()).or_insert(replicas);
    }
    wanted
}

fn copies(facts: &Facts) -> Vec<Copy> {
    let Some(binding) = &facts.binding else { return Vec::new() };
    let wanted = wanted(binding);
    let works: BTreeMap<&str, &Work> = facts
        .works
        .iter()
        .filter_map(|work| Some((naming::cluster_of_execution_namespace(&work.metadata.namespace)?, work)))
        .collect();
    let evicted = binding.spec.graceful_eviction_tasks.iter().map(|task| task.from_cluster.as_str());
    let names: BTreeSet<&str> = wanted.keys().chain(works.keys()).copied().chain(evicted).collect();
    names
        .into_iter()
        .map(|name| Copy {
            not_ready: not_ready(facts, name),
            ..copy(binding, name, wanted.get(name).copied(), works.get(name).copied())
        })
        .collect()
}

/// Why a cluster is not ready.
fn not_ready(facts: &Facts, name: &str) -> Option<String> {
    let Some(cluster) = facts.clusters.iter().find(|cluster| cluster.metadata.name == name) else {
        return Some("the cluster does not exist".into());
    };
    if cluster.metadata.is_deleting() {
        return Some("the cluster is being removed".into());
    }
    let ready = cluster.status.conditions.iter().find(|c| c.type_ == conditions::READY)?;
    (ready.status != "True").then(|| format!("the cluster is not ready ({})", ready.reason))
}

fn copy(binding: &Binding, cluster: &str, replicas: Option<i32>, work: Option<&Work>) -> Copy {
    let mut copy = Copy {
        cluster: cluster.into(),
        replicas: replicas.unwrap_or(0),
        wanted: replicas.is_some(),
        ..Copy::default()
    };
    if let Some(task) = binding.spec.eviction_task(cluster) {
        copy.eviction = Some(Eviction {
            reason: task.reason.clone(),
            message: task.message.clone(),
            producer: task.producer.clone(),
            since: task.creation_timestamp.map(|time| time.to_string()),
        });
    }
    let Some(work) = work else {
        copy.message = if copy.wanted { "there is no Work yet".into() } else { String::new() };
        return copy;
    };
    copy.work = Some(work.metadata.key().to_string());
    copy.suspended = work.spec.suspend_dispatching == Some(true);
    copy.preserved = work.spec.preserve_resources_on_deletion == Some(true);
    if let Some(applied) = work.status.conditions.iter().find(|c| c.type_ == conditions::APPLIED) {
        copy.applied = Some(applied.status == "True");
        if applied.status != "True" {
            copy.message.clone_from(&applied.message);
        }
    }
    if work.metadata.is_deleting() {
        copy.message = "the Work is being deleted".into();
    }
    copy.health = health(binding, cluster, work).map(|health| format!("{health:?}"));
    copy.overrides = overrides(work);
    copy
}

fn health(binding: &Binding, cluster: &str, work: &Work) -> Option<ResourceHealth> {
    let of_work = work.status.manifest_statuses.first().and_then(|status| status.health);
    let aggregated = binding.status.aggregated_status.iter().find(|item| item.cluster_name == cluster);
    of_work.or_else(|| aggregated?.health)
}

/// The override policies that a Work says were applied.
fn overrides(work: &Work) -> Vec<String> {
    let mut all = Vec::new();
    for (kind, key) in [
        ("ClusterOverridePolicy", annotations::APPLIED_CLUSTER_OVERRIDES),
        ("OverridePolicy", annotations::APPLIED_OVERRIDES),
    ] {
        let list: Option<Vec<Value>> =
            work.metadata.annotation(key).and_then(|text| serde_json::from_str(text).ok());
        for entry in list.unwrap_or_default() {
            let name = format!("{kind} {}", entry["policyName"].as_str().unwrap_or_default());
            if !all.contains(&name) {
                all.push(name);
            }
        }
    }
    all
}

fn dependents(facts: &Facts) -> Vec<Dependent> {
    let Some(binding) = &facts.binding else { return Vec::new() };
    let one = |snapshot: &api::work::BindingSnapshot| {
        let known = facts
            .neighbours
            .iter()
            .find(|n| n.metadata.name == snapshot.name && n.metadata.namespace == snapshot.namespace);
        let kind = Binding::kind_of(if snapshot.namespace.is_empty() {
            api::Scope::Cluster
        } else {
            api::Scope::Namespaced
        });
        Dependent {
            binding: Reference {
                api_version: kind.api_version(),
                kind: kind.kind.into(),
                namespace: snapshot.namespace.clone(),
                name: snapshot.name.clone(),
            },
            template: known.map(|n| template_reference(&n.spec.resource)),
            clusters: placed(&snapshot.clusters),
        }
    };
    binding.spec.required_by.iter().map(one).collect()
}

fn template_reference(resource: &api::work::ObjectReference) -> Reference {
    Reference {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
        namespace: resource.namespace.clone(),
        name: resource.name.clone(),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn and(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Clusters with their shares; shares are left out when nothing has replicas.
pub(crate) fn places(clusters: &[Placed]) -> String {
    let counts = clusters.iter().any(|c| c.replicas > 0);
    let one = |c: &Placed| if counts { format!("{} ({})", c.cluster, c.replicas) } else { c.cluster.clone() };
    and(&clusters.iter().map(one).collect::<Vec<_>>())
}

fn answer(facts: &Facts, explanation: &Explanation) -> String {
    let subject = &explanation.object;
    let governance = &explanation.policy;
    let Some(binding) = &facts.binding else { return without_binding(subject, governance) };
    if governance.state == State::Gone {
        return format!("{subject} does not exist any more; its binding and copies go with it.");
    }
    let wanted: Vec<Placed> = wanted(binding)
        .into_iter()
        .map(|(cluster, replicas)| Placed { cluster: cluster.into(), replicas })
        .collect();
    if wanted.is_empty() {
        return nowhere(subject, binding, explanation);
    }
    let pending: Vec<&Copy> =
        explanation.clusters.iter().filter(|c| c.wanted && c.applied != Some(true)).collect();
    let verb = match (pending.is_empty(), binding.spec.is_workload()) {
        (true, true) => "runs on",
        (true, false) => "is in",
        (false, _) => "is placed on",
    };
    let mut text = format!("{subject} {verb} {}: {}.", places(&wanted), because(binding, explanation));
    if let Some(troubled) = troubles(&pending) {
        text.push_str(&troubled);
    }
    if let Some(decision) = &explanation.decision {
        text.push_str(&drift(decision));
    }
    text
}

fn without_binding(subject: &Reference, governance: &Governance) -> String {
    match (governance.state, &governance.policy) {
        (State::Selected | State::Claimed, Some(policy)) => match governance.notes.first() {
            Some(note) => format!("{subject} is not propagated yet: {note}."),
            None => format!(
                "{subject} is not propagated yet: {policy} selects it, and the binding is still to come; events of the object say what holds it back."
            ),
        },
        _ => format!("{subject} is not propagated: {}.", governance.reason),
    }
}

/// What is wrong in clusters that should have a copy and have not.
fn troubles(pending: &[&Copy]) -> Option<String> {
    let first = pending.first()?;
    let names: Vec<String> = pending.iter().map(|c| c.cluster.clone()).collect();
    let why = if first.suspended {
        "dispatching is suspended".to_owned()
    } else if first.message.is_empty() {
        "the cluster has not answered yet".to_owned()
    } else {
        first.message.trim_end_matches('.').to_owned()
    };
    Some(format!(" It is not applied on {}: {why}.", and(&names)))
}

/// What is said when the decision made now is another one than the recorded.
fn drift(decision: &Decision) -> String {
    let when = match &decision.due {
        Some(due) => format!("The scheduler would decide again, as {due}:"),
        None => "The recorded decision stands until something changes; made now,".to_owned(),
    };
    if let Some(failure) = &decision.now.failure {
        let failure = failure.trim_end_matches('.');
        return if decision.now.keeps_recorded {
            format!(" {when} it would leave it where it is, for want of a better place: {failure}.")
        } else {
            format!(" {when} it would take it away everywhere: {failure}.")
        };
    }
    if !decision.now.as_recorded {
        return format!(" {when} it would choose {}.", places(&decision.now.clusters));
    }
    match &decision.fresh {
        Some(fresh) if !fresh.as_recorded && fresh.failure.is_none() => {
            format!(" A fresh decision would choose {}.", places(&fresh.clusters))
        }
        _ => String::new(),
    }
}

fn nowhere(subject: &Reference, binding: &Binding, explanation: &Explanation) -> String {
    let suspended = binding.spec.suspension.as_ref().is_some_and(|s| s.scheduling == Some(true));
    if suspended {
        return format!(
            "{subject} is placed nowhere: scheduling of its binding is suspended (spec.suspension.scheduling)."
        );
    }
    let Some(decision) = &explanation.decision else {
        return format!(
            "{subject} is placed nowhere: its binding has no placement, and no other binding needs it."
        );
    };
    let mut text = match &decision.now.failure {
        Some(failure) => format!("{subject} is placed nowhere: {}.", failure.trim_end_matches('.')),
        None => {
            let scheduled = condition(binding, conditions::SCHEDULED);
            let why = match scheduled.filter(|c| c.status != "True") {
                Some(failed) => format!(
                    "the last try failed ({}: {})",
                    failed.reason,
                    failed.message.trim_end_matches('.')
                ),
                None => format!("the scheduler {} has not acted yet", scheduler(binding)),
            };
            format!(
                "{subject} is placed nowhere yet: {why}. Decided now it would go to {}.",
                places(&decision.now.clusters)
            )
        }
    };
    if !decision.now.remedies.is_empty() {
        text.push_str(&format!(" To change that: {}.", decision.now.remedies.join("; or ")));
    }
    text
}

/// Who placed the object, and how.
fn because(binding: &Binding, explanation: &Explanation) -> String {
    let needed: Vec<String> = explanation
        .required_by
        .iter()
        .map(|d| d.template.as_ref().unwrap_or(&d.binding).to_string())
        .collect();
    let needs = match needed.as_slice() {
        [_] => format!("{} needs it", and(&needed)),
        _ => format!("{} need it", and(&needed)),
    };
    if binding.spec.clusters.is_empty() && !needed.is_empty() {
        return needs;
    }
    let governance = &explanation.policy;
    let who = match (governance.state, &governance.policy) {
        (State::Claimed | State::Selected, Some(policy)) => {
            format!(
                "{policy} {}",
                binding.spec.placement.as_ref().map_or("places it".into(), |p| how(p, binding))
            )
        }
        (State::ClaimedByOther | State::Skipped, _) => governance.reason.clone(),
        (State::Deleting, _) => "it is being deleted, and its copies go with it".into(),
        _ => format!("no policy governs it any more, and what runs goes on running ({})", governance.reason),
    };
    if needed.is_empty() { who } else { format!("{who}, and {needs}") }
}

/// What a placement says in a few words.
fn how(placement: &Placement, binding: &Binding) -> String {
    let replicas = binding.spec.replicas;
    if !binding.spec.is_workload() || replicas == 0 {
        return "copies it to every cluster that fits".into();
    }
    if placement.scheduling_type() == ReplicaSchedulingType::Duplicated {
        return format!("gives every cluster that fits all {replicas} replicas");
    }
    let scheduling = placement.replica_scheduling.as_ref();
    let weights = scheduling.and_then(|s| s.weight_preference.as_ref());
    match scheduling.and_then(|s| s.replica_division_preference) {
        Some(ReplicaDivisionPreference::Aggregated) => {
            format!("divides its {replicas} replicas over as few clusters as hold them")
        }
        _ if weights.is_some_and(|w| w.dynamic_weight.is_some()) => {
            format!("divides its {replicas} replicas by the room in each cluster")
        }
        _ if weights.is_some_and(|w| !w.static_weight_list.is_empty()) => {
            format!("divides its {replicas} replicas by static weights")
        }
        _ => format!("divides its {replicas} replicas evenly"),
    }
}
