//! A Kubernetes client over HTTPS or in process, one per cluster.
