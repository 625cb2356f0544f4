//! Asking estimators: one question to many clusters at once, within one deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::connections::Estimators;
use crate::{OBJECT_KEY, paths, pb};

/// What each cluster's estimator answered; nothing for one that was not reached, failed, or has no opinion.
pub type Answers = BTreeMap<String, Option<i32>>;

/// A question: where it goes and how its cluster and its answer are read.
struct Method<Q, A> {
    path: &'static str,
    cluster: fn(&Q) -> &str,
    answer: fn(A) -> i32,
}

impl Estimators {
    /// How many more replicas fit each of the clusters named in the requests. `object` says for whom, in the
    /// form `kind=Deployment, name=default/web`.
    pub async fn max_available_replicas(
        &self,
        object: &str,
        requests: Vec<pb::MaxAvailableReplicasRequest>,
    ) -> Answers {
        let method = Method {
            path: paths::MAX_AVAILABLE_REPLICAS,
            cluster: |request: &pb::MaxAvailableReplicasRequest| &request.cluster,
            answer: |response: pb::MaxAvailableReplicasResponse| response.max_replicas,
        };
        self.ask(&method, object, requests).await
    }

    /// How many more complete sets of components fit each of the clusters named in the requests.
    pub async fn max_available_component_sets(
        &self,
        object: &str,
        requests: Vec<pb::MaxAvailableComponentSetsRequest>,
    ) -> Answers {
        let method = Method {
            path: paths::MAX_AVAILABLE_COMPONENT_SETS,
            cluster: |request: &pb::MaxAvailableComponentSetsRequest| &request.cluster,
            answer: |response: pb::MaxAvailableComponentSetsResponse| response.max_sets,
        };
        self.ask(&method, object, requests).await
    }

    /// How many replicas of a workload find no node in each of the clusters named in the requests.
    pub async fn unschedulable_replicas(
        &self,
        object: &str,
        requests: Vec<pb::UnschedulableReplicasRequest>,
    ) -> Answers {
        let method = Method {
            path: paths::GET_UNSCHEDULABLE_REPLICAS,
            cluster: |request: &pb::UnschedulableReplicasRequest| &request.cluster,
            answer: |response: pb::UnschedulableReplicasResponse| response.unschedulable_replicas,
        };
        self.ask(&method, object, requests).await
    }

    /// All at once: the slowest estimator delays the answer by no more than the timeout, and costs only its own
    /// cluster's answer.
    async fn ask<Q, A>(&self, method: &Method<Q, A>, object: &str, requests: Vec<Q>) -> Answers
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let timeout = self.options().timeout;
        let deadline = tokio::time::Instant::now() + timeout;
        let object = object.parse::<MetadataValue<Ascii>>().ok();
        let calls = requests.into_iter().map(|message| {
            let cluster = (method.cluster)(&message).to_owned();
            let object = object.clone();
            async move {
                let Some(channel) = self.channel(&cluster) else {
                    tracing::debug!(cluster, "cluster has no connection to an estimator");
                    return (cluster, None);
                };
                let call = call(channel, method.path, request(message, object, timeout));
                let answer = match tokio::time::timeout_at(deadline, call).await {
                    Ok(Ok(answer)) => Some((method.answer)(answer)),
                    Ok(Err(status)) => {
                        tracing::warn!(cluster, code = %status.code(), error = status.message(), "estimator failed");
                        None
                    }
                    Err(_) => {
                        tracing::warn!(cluster, ?timeout, "estimator did not answer in time");
                        None
                    }
                };
                (cluster, answer.filter(|count| *count >= 0))
            }
        });
        join_all(calls).await.into_iter().collect()
    }
}

fn request<Q>(message: Q, object: Option<MetadataValue<Ascii>>, timeout: Duration) -> Request<Q> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    if let Some(object) = object {
        request.metadata_mut().insert(OBJECT_KEY, object);
    }
    request
}

async fn call<Q, A>(channel: Channel, path: &'static str, request: Request<Q>) -> Result<A, Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(runtime::queue::chain(&error)))?;
    let codec = ProstCodec::<Q, A>::default();
    Ok(grpc.unary(request, PathAndQuery::from_static(path), codec).await?.into_inner())
}
