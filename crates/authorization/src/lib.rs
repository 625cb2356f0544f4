//! RBAC: may this user do this?
//!
//! [`Policy`] holds the roles and bindings of a cluster and answers [`Policy::authorize`]. Permissions
//! only add up; nothing takes one away. What the rules mean is described at
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/>.

mod aggregation;
mod attributes;
mod bootstrap;
mod policy;
mod rule;
#[cfg(test)]
mod tests;

pub use aggregation::aggregated_rules;
pub use attributes::{Attributes, User, forbidden};
pub use bootstrap::bootstrap;
pub use policy::{Decision, Policy, RoleRef};
pub use rule::{Rule, compact, covers, uncovered};

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

/// Members of this group may do everything, whatever roles there are.
pub const SUPERUSERS: &str = "system:masters";
