//! What a template needs goes where the template goes (`propagateDeps`).

use std::collections::BTreeSet;
use std::sync::Arc;

use api::Scope;
use api::config::DependentObjectReference;
use api::work::{BindingSnapshot, ResourceBindingSpec};
use interpreter::{Interpreter, Operation};
use machinery::Object;
use propagation::{BindingKey, TemplateKey, binding};

use super::course::{Course, Courses, chain, specification};
use super::world::{State, World};

/// The objects that a template refers to; nothing for kinds nobody can ask.
///
/// # Errors
/// When the template cannot be interpreted without a webhook.
pub(crate) fn references(
    interpreter: &Interpreter,
    template: &Object,
) -> Result<Vec<DependentObjectReference>, interpreter::Error> {
    if !interpreter.has(&template.gvk(), Operation::InterpretDependency) {
        return Ok(Vec::new());
    }
    interpreter.dependencies(template).now()
}

/// The templates that references mean.
fn resolve(state: &State, references: &[DependentObjectReference]) -> BTreeSet<TemplateKey> {
    let is_meant = |template: &Object, reference: &DependentObjectReference| {
        template.kind() == reference.kind
            && template.api_version() == reference.api_version
            && template.namespace() == reference.namespace
            && match (reference.name.as_str(), &reference.label_selector) {
                ("", Some(selector)) => matching::labels_match(selector, |key| template.label(key)),
                ("", None) => false,
                (name, _) => template.name() == name,
            }
    };
    let any = |template: &Arc<Object>| references.iter().any(|reference| is_meant(template, reference));
    state.templates.iter().filter(|(_, template)| any(template)).map(|(key, _)| key.clone()).collect()
}

/// What a course's binding asks of its dependencies: its snapshot for them, when it has one.
fn snapshot(binding: Option<&Object>) -> Option<(BindingSnapshot, ResourceBindingSpec)> {
    let binding = binding?;
    let spec = specification(binding);
    if !spec.propagate_deps || spec.clusters.is_empty() || binding.namespace().is_empty() {
        return None;
    }
    let snapshot = BindingSnapshot {
        namespace: binding.namespace().into(),
        name: binding.name().into(),
        clusters: spec.clusters.clone(),
    };
    Some((snapshot, spec))
}

/// Lets the dependencies of every template with a course follow it; their courses are added.
pub(crate) fn follow(world: &World, after: &State, courses: &mut Courses) {
    if !world.gates.propagate_deps {
        return;
    }
    let independent: Vec<TemplateKey> = courses.keys().cloned().collect();
    for key in independent {
        let Some(course) = courses.get_mut(&key) else { continue };
        let had = needed(world, &world.state, course.before.as_ref(), course.binding_before.as_ref());
        let has = needed(world, after, course.after.as_ref(), course.binding_after.as_ref());
        let (had, has) = match (had, has) {
            (Ok(had), Ok(has)) => (had, has),
            (Err(problem), _) | (_, Err(problem)) => {
                course.notes.push(problem);
                continue;
            }
        };
        let own = course.binding_before.as_ref().or(course.binding_after.as_ref()).map(Object::key);
        let Some(own) = own else { continue };
        let wanted = snapshot(course.binding_after.as_ref()).map(|(snapshot, _)| snapshot);
        for dependency in had.difference(&has) {
            let required = |spec: &mut ResourceBindingSpec| {
                spec.required_by.retain(|s| s.namespace != own.namespace || s.name != own.name);
            };
            change(world, after, courses, dependency, required);
        }
        for dependency in &has {
            let Some(wanted) = wanted.clone() else { continue };
            change(world, after, courses, dependency, |spec| require(spec, wanted));
        }
    }
}

fn needed(
    world: &World,
    state: &State,
    template: Option<&Arc<Object>>,
    binding: Option<&Object>,
) -> Result<BTreeSet<TemplateKey>, String> {
    let (Some(template), Some(_)) = (template, snapshot(binding)) else { return Ok(BTreeSet::new()) };
    let references = references(&world.interpreter, template).map_err(|error| chain(&error))?;
    Ok(resolve(state, &references))
}

fn require(spec: &mut ResourceBindingSpec, wanted: BindingSnapshot) {
    let is_same = |s: &&mut BindingSnapshot| s.namespace == wanted.namespace && s.name == wanted.name;
    match spec.required_by.iter_mut().find(is_same) {
        Some(known) => known.clusters = wanted.clusters,
        None => spec.required_by.push(wanted),
    }
}

/// Changes the binding of a dependency, which is made when it does not exist.
fn change(
    world: &World,
    after: &State,
    courses: &mut Courses,
    dependency: &TemplateKey,
    edit: impl FnOnce(&mut ResourceBindingSpec),
) {
    let Some(template) = after.templates.get(dependency) else { return };
    let key: BindingKey = binding::key(template);
    let course = courses
        .entry(dependency.clone())
        .or_insert_with(|| Course::unchanged(template, world.bindings.get(&key)));
    if course.after.is_none() || key.scope == Scope::Cluster {
        return;
    }
    let new_id = || format!("planned-{}", template.name());
    let (mut attached, _) = match binding::own(course.binding_after.as_ref(), template, &key, new_id) {
        Ok(owned) => owned,
        Err(error) => return course.notes.push(error.to_string()),
    };
    let is_new = course.binding_after.is_none();
    let old = specification(&attached);
    let mut new = old.clone();
    if is_new {
        new.resource = binding::reference(template);
    }
    edit(&mut new);
    if is_new && new.required_by.is_empty() {
        return;
    }
    binding::set_specification(&mut attached, &new, (!is_new).then_some(&old));
    course.binding_after = Some(attached);
    course.is_followed = true;
}
