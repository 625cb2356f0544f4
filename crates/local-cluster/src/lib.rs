//! A member cluster without machines.
//!
//! It is a real Kubernetes API with real workload controllers; only the nodes are simulated. Pods are
//! placed, become ready, stay unready or crash as their annotations ask, and end when they are told to.
//!
//! ```text
//! kubectl, Karmada ─▶ apiserver ─▶ store
//!                        ▲ │
//!      kube-controllers ─┤ │   Deployments to ReplicaSets to Pods, endpoints, garbage collection
//!      pod_scheduler    ─┤ │   Pods to nodes
//!      kubelet          ─┘ ▼   nodes that beat, Pods that run
//! ```

pub mod kubelet;
pub mod pod_scheduler;
