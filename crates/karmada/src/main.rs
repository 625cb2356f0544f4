//! Karmada's multi-cluster control plane in one binary.
fn main() {}
