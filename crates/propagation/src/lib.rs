//! The binding that a policy makes of a template, and the manifest that a binding makes for a cluster.
//!
//! Two questions, in the order in which a template meets them, both answered from values alone:
//!
//! 1. [`binding::decide`]: a policy, a template and what the interpreter says of it make a binding.
//!    [`claim`] is the mark by which both name the policy.
//! 2. [`Source`]: a binding and its template make one [`Wanted`] Work per target cluster;
//!    [`placement::decide`] says which clusters those are, and which Works go.
//!
//! The controllers carry the answers out; `karmadactl plan` only shows them. Without a network an interpreter
//! webhook cannot be asked: [`Interpretation::now`] and [`Source::works_now`] then give an error that names
//! it.
//!
//! ```
//! use interpreter::Interpreter;
//! use machinery::Object;
//! use propagation::{Gates, Interpretation, Interpreted, Source, Target, Write, binding};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut policy = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", "shop", "everywhere");
//! policy.set("/spec", serde_json::json!({ "resourceSelectors": [], "placement": {} }));
//! let policy = api::policy::Policy::from_object(&policy)?;
//! let mut web = Object::new("apps/v1", "Deployment", "shop", "web");
//! web.set("/spec/replicas", 2);
//!
//! let (interpreter, gates) = (Interpreter::native(), Gates::default());
//! let workload = Interpretation::now(&interpreter, &web, &gates)?;
//! let interpreted = Interpreted { workload, ..Interpreted::default() };
//! let Write::Create(binding) = binding::decide(None, &policy, &web, &interpreted, &gates, || "id".into())? else {
//!     unreachable!("there is none yet")
//! };
//!
//! let key = binding::key(&web);
//! let spec = binding::specification_of(&binding)?;
//! let source = Source { key: &key, id: "id", spec: &spec, template: &web, inject_state: false };
//! let target = Target { cluster: "m1".into(), replicas: 2 };
//! let works = source.works_now(&interpreter, &[target], |_, _| Ok(overrides::Applied::default()));
//! assert_eq!(works[0].1.as_ref().unwrap().manifest.i64_at("/spec/replicas"), Some(2));
//! # Ok(())
//! # }
//! ```

pub mod binding;
pub mod claim;
pub mod placement;
pub mod skip;

mod gates;
mod key;
mod source;
mod work;

use machinery::Object;

pub use binding::{Interpretation, Interpreted};
pub use gates::Gates;
pub use key::{BindingKey, TemplateKey, binding_id_label, policy_id_label};
pub use placement::Target;
pub use source::{Shares, Source};
pub use work::{Wanted, prepare};

/// What has to be done so that an object is as wanted.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Nothing.
    None,
    /// It does not exist.
    Create(Box<Object>),
    /// It differs; this is how it should be, on the version that was compared.
    Update(Box<Object>),
}

/// Sets labels and annotations; says whether that changed anything.
pub fn merge_metadata<'a>(
    object: &mut Object,
    new_labels: impl IntoIterator<Item = (&'a str, &'a str)>,
    new_annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> bool {
    let mut changed = false;
    for (key, value) in new_labels {
        if object.label(key) != Some(value) {
            object.set_label(key, value);
            changed = true;
        }
    }
    for (key, value) in new_annotations {
        if object.annotation(key) != Some(value) {
            object.set_annotation(key, value);
            changed = true;
        }
    }
    changed
}

#[cfg(test)]
mod tests;
