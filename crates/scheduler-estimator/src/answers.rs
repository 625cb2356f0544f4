//! The answers to the three questions.

use std::sync::Arc;

use clock::Clock;
use estimation::{Assumed, Component, unschedulable_replicas};
use estimator::{Estimator, pb};
use jiff::SignedDuration;
use machinery::{Object, ObjectKey};
use runtime::Informer;
use tonic::Status;

use crate::metrics::{Extension, Question, extension_point};
use crate::plugins::merge;
use crate::snapshot::Snapshot;

/// Answers for one cluster.
pub(crate) struct Answerer {
    pub(crate) cluster: String,
    /// Whether quotas count.
    pub(crate) quotas: bool,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) deployments: Informer,
    pub(crate) replica_sets: Informer,
    pub(crate) pods: Informer,
    pub(crate) clock: Clock,
}

impl Answerer {
    fn is_asked(&self, cluster: &str) -> Result<(), Status> {
        if cluster == self.cluster {
            return Ok(());
        }
        Err(Status::unknown(format!(
            "cluster name does not match: this is the estimator of {:?}, not of {cluster:?}",
            self.cluster
        )))
    }

    fn replicas(&self, request: &pb::MaxAvailableReplicasRequest) -> Result<i64, Status> {
        self.is_asked(&request.cluster)?;
        let none = pb::ReplicaRequirements::default();
        let needs = request.replica_requirements.as_ref().unwrap_or(&none);
        let needs = api::work::ReplicaRequirements::try_from(needs).map_err(|error| unreadable(&error))?;
        let replica = Component::replica(&needs).map_err(|error| unreadable(&error))?;
        let assumed = read_assumed(&request.assumed_workloads)?;
        if self.snapshot.is_empty() {
            return Ok(0);
        }
        extension_point(Extension::Replicas, || {
            let nodes = self.snapshot.replicas_on_nodes(&replica, &assumed);
            let quotas =
                self.quotas.then(|| self.snapshot.replicas_in_quota(&needs.namespace, &replica, &assumed));
            merge([nodes].into_iter().chain(quotas))
        })
        .map_err(|reason| Status::unknown(format!("could not estimate replicas: {reason}")))
    }

    fn sets(&self, request: &pb::MaxAvailableComponentSetsRequest) -> Result<i64, Status> {
        self.is_asked(&request.cluster)?;
        let components = read_components(&request.components)?;
        let assumed = read_assumed(&request.assumed_workloads)?;
        if self.snapshot.is_empty() {
            return Ok(0);
        }
        extension_point(Extension::Components, || {
            let nodes = self.snapshot.sets_on_nodes(&components, &assumed);
            let quotas =
                self.quotas.then(|| self.snapshot.sets_in_quota(&request.namespace, &components, &assumed));
            merge([nodes].into_iter().chain(quotas))
        })
        .map_err(|reason| Status::unknown(format!("could not estimate component sets: {reason}")))
    }

    fn workload(&self, reference: &pb::ObjectReference) -> Result<Arc<Object>, Status> {
        let pb::ObjectReference { api_version, kind, namespace, name } = reference;
        if (api_version.as_str(), kind.as_str()) != ("apps/v1", "Deployment") {
            return Err(Status::unknown(format!(
                "pods without a node are only known of apps/v1 Deployments, not of {api_version} {kind} {namespace}/{name}"
            )));
        }
        let found = self.deployments.get(&ObjectKey::new(namespace, name));
        found.ok_or_else(|| Status::unknown(format!("deployment {namespace}/{name} is not there")))
    }

    fn unschedulable(
        &self,
        question: &Question,
        request: &pb::UnschedulableReplicasRequest,
    ) -> Result<i64, Status> {
        self.is_asked(&request.cluster)?;
        let none = pb::ObjectReference::default();
        let reference = request.resource.as_ref().unwrap_or(&none);
        let workload = question.step("GetObjectFromCache", || self.workload(reference))?;
        question.step("GetWorkloadUnschedulablePods", || {
            let (sets, pods) =
                (self.replica_sets.list_in(workload.namespace()), self.pods.list_in(workload.namespace()));
            let threshold = SignedDuration::from_nanos(request.unschedulable_threshold);
            let sets = sets.iter().map(|set| set.as_ref());
            let pods = pods.iter().map(|pod| pod.as_ref());
            unschedulable_replicas(&workload, sets, pods, threshold, self.clock.now())
                .map_err(|error| Status::unknown(error.to_string()))
        })
    }
}

impl Estimator for Answerer {
    fn max_available_replicas(
        &self,
        object: &str,
        request: &pb::MaxAvailableReplicasRequest,
    ) -> Result<i32, Status> {
        let question = Question::new("MaxAvailableReplicas", object, &self.clock);
        question.answered(self.replicas(request))
    }

    fn max_available_component_sets(
        &self,
        object: &str,
        request: &pb::MaxAvailableComponentSetsRequest,
    ) -> Result<i32, Status> {
        let question = Question::new("MaxAvailableComponentSets", object, &self.clock);
        question.answered(self.sets(request))
    }

    fn unschedulable_replicas(
        &self,
        object: &str,
        request: &pb::UnschedulableReplicasRequest,
    ) -> Result<i32, Status> {
        let question = Question::new("GetUnschedulableReplicas", object, &self.clock);
        question.answered(self.unschedulable(&question, request))
    }
}

fn unreadable(error: &dyn std::error::Error) -> Status {
    Status::invalid_argument(format!("the request cannot be read: {}", runtime::queue::chain(error)))
}

fn read_components(components: &[pb::Component]) -> Result<Vec<Component>, Status> {
    let read = |component: &pb::Component| {
        let component = api::work::Component::try_from(component).map_err(|error| unreadable(&error))?;
        Component::read(&component).map_err(|error| unreadable(&error))
    };
    components.iter().map(read).collect()
}

fn read_assumed(workloads: &[pb::AssumedWorkload]) -> Result<Vec<Assumed>, Status> {
    let read = |workload: &pb::AssumedWorkload| {
        let components = read_components(&workload.components)?;
        Ok(Assumed { namespace: workload.namespace.clone(), components })
    };
    workloads.iter().map(read).collect()
}
