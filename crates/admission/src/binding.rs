//! ResourceBinding and ClusterResourceBinding.

use std::collections::BTreeSet;

use api::config::DependentObjectReference;
use api::names::{annotations, labels};
use api::work::Binding;
use machinery::{Cause, Object};
use serde_json::json;

use crate::{Denial, Mutation, Operation, Source, Validation, World, quota};

/// Gives a new binding its permanent id.
pub(crate) fn mutate(
    request: &Mutation<'_>,
    object: &mut Object,
    source: &mut Source<'_>,
) -> Result<(), Denial> {
    if request.operation == Operation::Create {
        let id = (source.ids)();
        let label = if object.kind().starts_with("Cluster") {
            labels::CLUSTER_RESOURCE_BINDING_ID
        } else {
            labels::RESOURCE_BINDING_ID
        };
        object.set_label(label, &id);
    }
    Ok(())
}

/// Refuses bindings other components could not read, and those that exceed a federated quota.
pub(crate) fn validate(request: &Validation<'_>, world: &World<'_>) -> Result<(), Denial> {
    let mut causes = Vec::new();
    if let Some(text) = request.object.annotation(annotations::DEPENDENCIES)
        && let Err(error) = serde_json::from_str::<Vec<DependentObjectReference>>(text)
    {
        let path = format!("metadata.annotations[{}]", annotations::DEPENDENCIES);
        causes.push(Cause::invalid(
            path,
            &json!(text),
            &format!("must be a JSON list of dependencies: {error}"),
        ));
    }
    let options = world.options;
    if !options.multiple_pod_templates_scheduling && !options.federated_quota_enforcement {
        // Bindings are written more often than anything else; they are read only when they must be.
        return Denial::unless_empty(causes);
    }
    let binding = Binding::from_object(request.object).map_err(|e| Denial::malformed(&e))?;
    if options.multiple_pod_templates_scheduling {
        causes.extend(components(&binding));
    }
    Denial::unless_empty(causes)?;
    if options.federated_quota_enforcement {
        let old = request.old.map(Binding::from_object).transpose().map_err(|e| Denial::malformed(&e))?;
        quota::charges(&binding, old.as_ref(), world.quotas)?;
    }
    Ok(())
}

fn components(binding: &Binding) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut seen = BTreeSet::new();
    for (i, component) in binding.spec.components.iter().enumerate() {
        let path = format!("spec.components[{i}].name");
        if component.name.is_empty() {
            causes.push(Cause::required(path, "components are told apart by their names"));
        } else if !seen.insert(&component.name) {
            causes.push(Cause::duplicate(path, &json!(component.name)));
        }
    }
    causes
}
