//! The part of kube-controller-manager that a control plane and a local member need.
