//! The accurate estimator of one member cluster: how many more replicas fit its nodes and quotas.
