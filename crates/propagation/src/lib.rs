//! The binding that a policy and a template make together, and the copy of the template that a binding sends to a cluster.
