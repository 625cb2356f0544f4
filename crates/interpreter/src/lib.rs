//! Replicas, health, status and dependencies of any kind.
