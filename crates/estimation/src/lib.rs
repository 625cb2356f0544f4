//! How many more replicas fit a cluster.
