//! Deployments: rolled out through ReplicaSets, one per revision of the Pod template.
//!
//! ```text
//! watches  Deployment, ReplicaSet
//! writes   creates, scales, annotates and deletes ReplicaSets; Deployment revision annotation and status
//! wakes    on changes of either; when the progress deadline passes
//! ```
//!
//! What to do is decided in [`rollout`], what the status says in [`status`]. The rules are Kubernetes':
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/>.

use std::sync::Arc;
use std::time::Duration;

use client::{DeleteOptions, Patch};
use machinery::{Object, ObjectKey};
use runtime::{Change, Informer, Outcome, Queue, queue};
use serde_json::{Value, json};

use crate::owned::{self, Claims};
use crate::{Context, apps};

pub mod rollout;
pub mod status;
#[cfg(test)]
mod tests;

use rollout::{NewSet, Plan, REVISION};

#[derive(Clone)]
struct Controller {
    context: Context,
    deployments: Informer,
    sets: Informer,
}

/// Runs the controller until shutdown.
pub async fn run(context: Context) {
    let queue: Queue<ObjectKey> = Queue::new("deployment");
    let deployments = context.informers.get(&apps("deployments"));
    let sets = context.informers.get(&apps("replicasets"));
    if !(deployments.wait_synced(&context.shutdown).await && sets.wait_synced(&context.shutdown).await) {
        return;
    }
    let controller =
        Controller { context: context.clone(), deployments: deployments.clone(), sets: sets.clone() };
    let wake = queue.clone();
    deployments.on_change(move |change: &Change| wake.add(change.object().key()));
    owned::wake_owners(&sets, &deployments, "Deployment", &queue);
    let shutdown = context.shutdown.clone();
    queue::run(&queue, 4, &shutdown, move |key| {
        let controller = controller.clone();
        async move { controller.look(&key).await }
    })
    .await;
}

impl Controller {
    async fn look(&self, key: &ObjectKey) -> Result<Outcome, client::Error> {
        let Some(deployment) = self.deployments.get(key) else { return Ok(Outcome::Done) };
        let Some(selector) = owned::selector(&deployment) else { return Ok(Outcome::Done) };
        let client = self.context.informers.client();
        let claims: Claims = owned::claims(&deployment, &selector, self.sets.list_in(&key.namespace));
        owned::settle(client, &apps("replicasets"), &deployment, &claims).await?;
        let sets: Vec<Arc<Object>> = claims.owned;
        let now = self.context.clock.now();
        let plan = rollout::decide(&deployment, &sets);
        let collided = self.carry_out(&deployment, &plan).await?;
        let mut wanted = status::decide(&deployment, &sets, &plan, now);
        if collided {
            let count = deployment.i64_at("/status/collisionCount").unwrap_or(0) + 1;
            wanted.status["collisionCount"] = count.into();
        }
        self.write_status(&deployment, wanted.status).await?;
        Ok(match wanted.wake_at {
            Some(at) => Outcome::After(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
            None => Outcome::Done,
        })
    }

    /// Carries a plan out; says whether the new ReplicaSet's name is taken by a stranger.
    async fn carry_out(&self, deployment: &Object, plan: &Plan) -> Result<bool, client::Error> {
        let sets =
            self.context.informers.client().resource(&apps("replicasets")).namespace(deployment.namespace());
        for change in &plan.changes {
            let mut patch = json!({ "metadata": {
                "resourceVersion": change.set.resource_version(), "annotations": change.annotations,
            } });
            if let Some(replicas) = change.replicas {
                patch["spec"]["replicas"] = replicas.into();
            }
            if let Some(seconds) = change.min_ready_secs {
                patch["spec"]["minReadySeconds"] = seconds.into();
            }
            match sets.patch(change.set.name(), &Patch::Merge(&patch)).await {
                Ok(_) => self.tell_scaled(deployment, &change.set, change.replicas),
                // Somebody was faster: their change brings us back with the newer version.
                Err(error) if error.is_conflict() || error.is_not_found() => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        for set in &plan.delete {
            let only = DeleteOptions {
                uid: Some(set.uid().into()),
                resource_version: Some(set.resource_version().into()),
                ..DeleteOptions::default()
            };
            match sets.delete_if_present(set.name(), &only).await {
                Err(error) if !error.is_conflict() => return Err(error),
                _ => {}
            }
        }
        let mut collided = false;
        if let Some(new) = &plan.create {
            collided = self.create(deployment, new).await?;
        }
        if let Some(revision) = plan.revision.filter(|_| !collided) {
            self.write_revision(deployment, revision).await?;
        }
        Ok(collided)
    }

    fn tell_scaled(&self, deployment: &Object, set: &Object, replicas: Option<i64>) {
        let Some(to) = replicas else { return };
        let from = set.i64_at("/spec/replicas").unwrap_or(0);
        let direction = if to > from { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {} from {from} to {to}", set.name());
        self.context.events.normal(deployment, "ScalingReplicaSet", message);
    }

    async fn create(&self, deployment: &Object, new: &NewSet) -> Result<bool, client::Error> {
        let sets =
            self.context.informers.client().resource(&apps("replicasets")).namespace(deployment.namespace());
        match sets.create(&new.object).await {
            Ok(set) => {
                let message = format!("Scaled up replica set {} from 0 to {}", set.name(), new.replicas);
                self.context.events.normal(deployment, "ScalingReplicaSet", message);
                Ok(false)
            }
            Err(error) if error.is_already_exists() => {
                // Ours and the same: the cache is only behind. Anything else is a clash of names.
                let Some(existing) = sets.find(new.object.name()).await? else { return Ok(false) };
                let ours = existing.controller_owner().is_some_and(|o| o.uid == deployment.uid());
                Ok(!(ours && rollout::same_template(deployment, &existing)))
            }
            Err(error) => {
                let message =
                    format!("Failed to create new replica set {:?}: {}", new.object.name(), error.chain());
                self.context.events.warning(deployment, "ReplicaSetCreateError", message);
                Err(error)
            }
        }
    }

    async fn write_revision(&self, deployment: &Object, revision: i64) -> Result<(), client::Error> {
        let revision = revision.to_string();
        if deployment.annotation(REVISION) == Some(&revision) {
            return Ok(());
        }
        let patch = json!({ "metadata": { "annotations": { REVISION: revision } } });
        let deployments =
            self.context.informers.client().resource(&apps("deployments")).namespace(deployment.namespace());
        match deployments.patch(deployment.name(), &Patch::Merge(&patch)).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result.map(|_| ()),
        }
    }

    async fn write_status(&self, deployment: &Object, status: Value) -> Result<(), client::Error> {
        if deployment.at("/status") == Some(&status) {
            return Ok(());
        }
        // The revision annotation may just have moved the version on; the status is ours alone, so it
        // is written against whatever is there, but never over a status somebody else has moved.
        let deployments =
            self.context.informers.client().resource(&apps("deployments")).namespace(deployment.namespace());
        let Some(mut current) = deployments.find(deployment.name()).await? else { return Ok(()) };
        if current.uid() != deployment.uid() || current.at("/status") == Some(&status) {
            return Ok(());
        }
        current.set("/status", status);
        match deployments.update_status(&current).await {
            Err(error) if error.is_conflict() || error.is_not_found() => Ok(()),
            result => result.map(|_| ()),
        }
    }
}
