//! Certificates and kubeconfigs of a control plane.
