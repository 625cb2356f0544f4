//! What is true of any Kubernetes object, whatever its kind: how it is named and found, what its
//! metadata means, how it is selected, and how a server says no.
//!
//! Objects travel through the project as [`Object`]: a JSON object with accessors, so that fields
//! nobody here knows survive every read and write. Typed views are taken from it where a rule needs them.

pub mod hash;
pub mod jsonpath;
pub mod kind;
pub mod meta;
pub mod names;
pub mod object;
pub mod pod;
pub mod quantity;
pub mod selector;
pub mod status;
pub mod time;
pub mod version;

pub use kind::{GroupVersion, GroupVersionKind, GroupVersionResource, ObjectKey};
pub use object::{Object, OwnerReference};
pub use quantity::Quantity;
pub use selector::{FieldSelector, LabelSelector};
pub use status::{Cause, Reason, Status};
