//! OverridePolicy and ClusterOverridePolicy.

use std::collections::BTreeMap;

use api::policy::{
    ClusterAffinity, FieldOverrider, LabelAnnotationOverrider, Override, OverriderOperator, Overriders,
    PatchOperation,
};
use machinery::{Cause, Object, names};
use serde_json::json;

use crate::{Denial, Mutation, Source, Validation, World, fields, placement, propagation};

/// Selectors of a namespaced policy mean the policy's namespace.
pub(crate) fn mutate(request: &Mutation<'_>, object: &mut Object, _: &mut Source<'_>) -> Result<(), Denial> {
    propagation::default_selector_namespaces(object, request.namespace);
    Ok(())
}

/// Refuses overrides that cannot be applied to anything.
pub(crate) fn validate(request: &Validation<'_>, _: &World<'_>) -> Result<(), Denial> {
    let policy = Override::from_object(request.object).map_err(|e| Denial::malformed(&e))?;
    let spec = &policy.spec;
    let mut causes = Vec::new();
    for (i, selector) in spec.resource_selectors.iter().enumerate() {
        let path = format!("spec.resourceSelectors[{i}]");
        let own = &policy.metadata.namespace;
        causes.extend(propagation::selector_stays(policy.scope, own, &selector.namespace, &path));
    }
    let older = spec.target_cluster.is_some() || spec.overriders != Overriders::default();
    if older && !spec.override_rules.is_empty() {
        causes.push(Cause::forbidden(
            "spec.overrideRules",
            "overrideRules cannot be used together with targetCluster and overriders",
        ));
    }
    causes.extend(target(spec.target_cluster.as_ref(), "spec"));
    causes.extend(overriders(&spec.overriders, "spec.overriders"));
    for (i, rule) in spec.override_rules.iter().enumerate() {
        let path = format!("spec.overrideRules[{i}]");
        causes.extend(target(rule.target_cluster.as_ref(), &path));
        causes.extend(overriders(&rule.overriders, &format!("{path}.overriders")));
    }
    Denial::unless_empty(causes)
}

fn target(affinity: Option<&ClusterAffinity>, path: &str) -> Vec<Cause> {
    placement::field_selector(
        affinity.and_then(|a| a.field_selector.as_ref()),
        &format!("{path}.targetCluster"),
    )
}

fn overriders(overriders: &Overriders, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (i, image) in overriders.image_overrider.iter().enumerate() {
        if let Some(predicate) = &image.predicate {
            let path = format!("{path}.imageOverrider[{i}].predicate.path");
            causes.extend(fields::pointer(&path, &predicate.path));
        }
    }
    for (i, labels) in overriders.labels_overrider.iter().enumerate() {
        causes.extend(label_values(labels, &format!("{path}.labelsOverrider[{i}].value")));
    }
    for (i, annotations) in overriders.annotations_overrider.iter().enumerate() {
        let path = format!("{path}.annotationsOverrider[{i}].value");
        causes.extend(annotation_values(&annotations.value, &path));
    }
    for (i, field) in overriders.field_overrider.iter().enumerate() {
        causes.extend(field_overrider(field, &format!("{path}.fieldOverrider[{i}]")));
    }
    causes
}

fn label_values(labels: &LabelAnnotationOverrider, path: &str) -> Vec<Cause> {
    let check = |(key, value): (&String, &String)| {
        let mut causes = fields::key(path, key);
        causes.extend(fields::invalid(path, value, names::label_value(value)));
        causes
    };
    labels.value.iter().flat_map(check).collect()
}

/// Longest annotations of an object together, keys and values, in bytes.
const ANNOTATIONS_LEN_MAX: usize = 256 * 1024;

/// Keys of annotations are compared without regard to case, as Kubernetes does.
fn annotation_values(annotations: &BTreeMap<String, String>, path: &str) -> Vec<Cause> {
    let problems = |key: &String| fields::invalid(path, key, names::qualified_name(&key.to_lowercase()));
    let mut causes: Vec<Cause> = annotations.keys().flat_map(problems).collect();
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > ANNOTATIONS_LEN_MAX {
        causes.push(Cause::too_long(path, ANNOTATIONS_LEN_MAX));
    }
    causes
}

fn field_overrider(overrider: &FieldOverrider, path: &str) -> Vec<Cause> {
    let mut causes = fields::pointer(&format!("{path}.fieldPath"), &overrider.field_path);
    if overrider.json.is_empty() == overrider.yaml.is_empty() {
        let detail = "exactly one of json and yaml must be set";
        causes.push(Cause::invalid(path, &json!(overrider.field_path), detail));
    }
    for (name, operations) in [("json", &overrider.json), ("yaml", &overrider.yaml)] {
        for (i, operation) in operations.iter().enumerate() {
            causes.extend(patch_operation(operation, &format!("{path}.{name}[{i}]")));
        }
    }
    causes
}

fn patch_operation(operation: &PatchOperation, path: &str) -> Vec<Cause> {
    let mut causes = fields::whole_or_pointer(&format!("{path}.subPath"), &operation.sub_path);
    match (operation.operator, &operation.value) {
        (OverriderOperator::Remove, Some(value)) => {
            causes.push(Cause::invalid(format!("{path}.value"), value, "must be absent for operator remove"));
        }
        (OverriderOperator::Add | OverriderOperator::Replace, None) => {
            causes.push(Cause::required(format!("{path}.value"), "needed for operators add and replace"));
        }
        (OverriderOperator::Remove, None)
        | (OverriderOperator::Add | OverriderOperator::Replace, Some(_)) => {}
    }
    causes
}
