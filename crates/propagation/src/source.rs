//! The Works that a binding and its template make, one per cluster.

use api::names::annotations;
use api::policy::{ConflictResolution, PurgeMode, ReplicaSchedulingType};
use api::work::ResourceBindingSpec;
use api::{Scope, naming};
use interpreter::{Interpreter, Step};
use machinery::Object;
use overrides::Applied;
use scheduling::webster;

use crate::key::{BindingKey, binding_id_label};
use crate::placement::Target;
use crate::work::{self, Wanted};

/// A binding and its template, as the Works of all clusters need them.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Key of the binding.
    pub key: &'a BindingKey,
    /// The binding's permanent id.
    pub id: &'a str,
    /// The binding's specification.
    pub spec: &'a ResourceBindingSpec,
    /// The template.
    pub template: &'a Object,
    /// Whether new copies of evicted workloads get the state that was preserved.
    pub inject_state: bool,
}

/// What is divided among the targets beside the replicas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shares {
    /// Completions of a Job, by position of the target.
    completions: Option<Vec<i64>>,
    /// Labels with which the copy starts in the only target.
    preserved: Vec<(String, String)>,
}

impl Source<'_> {
    /// What each target gets beside its replicas.
    pub fn shares(&self, targets: &[Target]) -> Shares {
        Shares { completions: self.completions(targets), preserved: self.preserved_labels(targets) }
    }

    /// How many completions of a Job each cluster gets, when they are divided.
    fn completions(&self, targets: &[Target]) -> Option<Vec<i64>> {
        let divided = self.spec.placement.as_ref()?.scheduling_type() == ReplicaSchedulingType::Divided;
        let is_job = self.template.kind() == "Job" && self.template.api_version() == "batch/v1";
        let total = self.template.i64_at("/spec/completions")?;
        if !divided || !is_job || self.spec.replicas <= 0 {
            return None;
        }
        let mut names: Vec<(usize, &str)> =
            targets.iter().enumerate().map(|(i, target)| (i, target.cluster.as_str())).collect();
        names.sort_by_key(|(_, name)| *name);
        let mut parties: Vec<webster::Party> = names
            .iter()
            .zip(0_u32..)
            .map(|((i, _), rank)| webster::Party { rank, votes: i64::from(targets[*i].replicas), seats: 0 })
            .collect();
        webster::divide(total, &mut parties, webster::Ties::for_uid(self.template.uid()));
        let mut completions = vec![0; targets.len()];
        for ((index, _), party) in names.iter().zip(&parties) {
            completions[*index] = party.seats;
        }
        Some(completions)
    }

    /// The labels a copy starts with in the cluster that takes over from a failed one.
    fn preserved_labels(&self, targets: &[Target]) -> Vec<(String, String)> {
        let ([target], Some(task)) = (targets, self.spec.graceful_eviction_tasks.last()) else {
            return Vec::new();
        };
        let is_new = task.purge_mode == Some(PurgeMode::Directly)
            && !task.clusters_before_failover.contains(&target.cluster);
        if !self.inject_state || !is_new {
            return Vec::new();
        }
        task.preserved_label_state.iter().map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// The annotations that lead from a Work and its manifest back to the binding.
    fn marks(&self) -> Vec<(String, String)> {
        match self.key.scope {
            Scope::Namespaced => vec![
                (annotations::RESOURCE_BINDING_NAMESPACE.into(), self.key.key.namespace.clone()),
                (annotations::RESOURCE_BINDING_NAME.into(), self.key.key.name.clone()),
            ],
            Scope::Cluster => {
                vec![(annotations::CLUSTER_RESOURCE_BINDING_NAME.into(), self.key.key.name.clone())]
            }
        }
    }

    /// `overwrite` or `abort`: the template's word, else the binding's.
    fn conflict_resolution(&self) -> &'static str {
        match (self.template.annotation(annotations::CONFLICT_RESOLUTION), self.spec.conflict_resolution) {
            (Some("overwrite"), _) => "overwrite",
            (Some("abort"), _) => "abort",
            (_, Some(ConflictResolution::Overwrite)) => "overwrite",
            _ => "abort",
        }
    }

    fn is_suspended(&self, cluster: &str) -> bool {
        let Some(suspension) = &self.spec.suspension else { return false };
        suspension.dispatching == Some(true)
            || suspension
                .dispatching_on_clusters
                .as_ref()
                .is_some_and(|some| some.cluster_names.iter().any(|name| name == cluster))
    }

    /// The template's copy with a target's share of the replicas.
    ///
    /// What has no replicas is copied as it is. The result of scheduling counts also where every cluster
    /// gets all of them.
    pub fn copy(&self, interpreter: &Interpreter, target: &Target) -> Step<Object> {
        if self.spec.is_workload() {
            interpreter.revise_replicas(self.template, i64::from(target.replicas))
        } else {
            Step::Done(Ok(self.template.clone()))
        }
    }

    /// The Work of one target, by its position, from its copy of the template. Overrides come last, so that
    /// they have the last word.
    ///
    /// # Errors
    /// When an override cannot be applied.
    pub fn work(
        &self,
        mut manifest: Object,
        (position, target): (usize, &Target),
        shares: &Shares,
        apply_overrides: impl FnOnce(&mut Object, &str) -> Result<Applied, overrides::Error>,
    ) -> Result<Wanted, overrides::Error> {
        let namespace = naming::execution_namespace(&target.cluster);
        let template = self.template;
        let name = naming::work(template.kind(), template.namespace(), template.name());
        let id_label = binding_id_label(self.key.scope);
        if let Some(completions) = shares.completions.as_ref().and_then(|all| all.get(position)) {
            manifest.set("/spec/completions", *completions);
        }
        interpreter::prune_for_work(&mut manifest);
        let applied = apply_overrides(&mut manifest, &target.cluster)?;
        manifest.set_label(id_label, self.id);
        for (key, value) in &shares.preserved {
            manifest.set_label(key, value);
        }
        let mut marks = self.marks();
        for (key, value) in &marks {
            manifest.set_annotation(key, value);
        }
        if template.generation() > 0 {
            manifest.set_annotation(annotations::TEMPLATE_GENERATION, &template.generation().to_string());
        }
        work::prepare(&mut manifest, template.uid(), &namespace, &name);
        marks.push((annotations::CONFLICT_RESOLUTION.into(), self.conflict_resolution().into()));
        marks.extend(applied.annotations().into_iter().map(|(k, v)| (k.to_owned(), v)));
        Ok(Wanted {
            labels: vec![(id_label.into(), self.id.into())],
            annotations: marks,
            suspended: self.is_suspended(&target.cluster),
            preserve: self.spec.preserve_resources_on_deletion == Some(true),
            ..Wanted::new(namespace, name, manifest)
        })
    }

    /// The Works that should exist, by cluster, or why one cannot be made. Without a network.
    pub fn works_now(
        &self,
        interpreter: &Interpreter,
        targets: &[Target],
        apply_overrides: impl Fn(&mut Object, &str) -> Result<Applied, overrides::Error>,
    ) -> Vec<(String, Result<Wanted, Error>)> {
        let shares = self.shares(targets);
        let one = |(position, target): (usize, &Target)| {
            let work = self.copy(interpreter, target).now().map_err(Error::from).and_then(|copy| {
                self.work(copy, (position, target), &shares, &apply_overrides).map_err(Error::from)
            });
            (target.cluster.clone(), work)
        };
        targets.iter().enumerate().map(one).collect()
    }
}

/// Why the Work of a cluster cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The share of the replicas could not be set.
    #[error("could not set the cluster's share of the replicas")]
    Copy(#[from] interpreter::Error),
    /// An override could not be applied.
    #[error("could not apply the override policies")]
    Overrides(#[from] overrides::Error),
}
