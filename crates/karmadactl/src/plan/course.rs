//! What becomes of one template: its binding, and where the scheduler then sends it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::names::{labels, values};
use api::policy::Policy;
use api::work::{Binding, ResourceBindingSpec};
use machinery::Object;
use propagation::{BindingKey, Interpretation, Interpreted, TemplateKey, Write, binding, claim};
use scheduling::{Error, Input, Snapshot, needs_scheduling, schedule};

use super::govern::{Governed, How, govern, owner};
use super::world::{Delta, State, World};
use crate::why;

/// A template with its binding, before and after.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) before: Option<Arc<Object>>,
    /// As it is after it was claimed; nothing when it is deleted.
    pub(crate) after: Option<Arc<Object>>,
    pub(crate) owner_before: Option<matching::Claimant>,
    pub(crate) owner_after: Option<matching::Claimant>,
    pub(crate) how: How,
    /// Whether the template is changed, beside its claim.
    pub(crate) has_changed: bool,
    /// Whether changes of the template reach its binding, and so its copies.
    pub(crate) is_followed: bool,
    pub(crate) binding_before: Option<Object>,
    pub(crate) binding_after: Option<Object>,
    pub(crate) notes: Vec<String>,
}

impl Course {
    /// A template to which nothing happens.
    pub(crate) fn unchanged(template: &Arc<Object>, binding: Option<&Object>) -> Self {
        let owner = owner(template);
        Self {
            before: Some(Arc::clone(template)),
            after: Some(Arc::clone(template)),
            owner_before: owner.clone(),
            owner_after: owner,
            how: How::Kept,
            has_changed: false,
            is_followed: true,
            binding_before: binding.cloned(),
            binding_after: binding.cloned(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn template(&self) -> Option<&Arc<Object>> {
        self.after.as_ref().or(self.before.as_ref())
    }
}

/// Plays the controllers and the scheduler for single templates.
pub(crate) struct Player<'a> {
    pub(crate) world: &'a World,
    pub(crate) after: &'a State,
    pub(crate) delta: &'a Delta,
    pub(crate) snapshot: Snapshot,
}

impl Player<'_> {
    /// What becomes of a template.
    pub(crate) fn course(&self, key: &TemplateKey) -> Course {
        let before = self.world.state.templates.get(key).cloned();
        let after = self.after.templates.get(key).cloned();
        let Some(template) = after else { return self.deleted(before) };
        let has_changed =
            before.as_ref().is_none_or(|old| !Arc::ptr_eq(old, &template) && is_changed(old, &template));
        let governed = govern(self.world, self.after, self.delta, &template, has_changed);
        let binding_before =
            self.world.bindings.get(&binding::key(&template)).filter(|b| is_of(b, &template));
        // What others need follows its template through them.
        let is_attached =
            binding_before.is_some_and(|binding| !specification(binding).required_by.is_empty());
        let mut course = Course {
            owner_before: before.as_ref().and_then(|before| owner(before)),
            owner_after: governed.policy.as_ref().map(|policy| matching::Claimant::of(policy)),
            how: governed.how,
            has_changed,
            is_followed: governed.applies || is_attached,
            binding_before: binding_before.cloned(),
            binding_after: binding_before.cloned(),
            notes: governed.note.iter().cloned().collect(),
            before,
            after: Some(template),
        };
        self.claim(&mut course, &governed);
        if governed.applies
            && let Some(policy) = &governed.policy
        {
            self.apply(&mut course, policy, has_changed);
        }
        course
    }

    fn deleted(&self, before: Option<Arc<Object>>) -> Course {
        let binding = before.as_ref().and_then(|template| self.world.bindings.get(&binding::key(template)));
        Course {
            owner_before: before.as_ref().and_then(|before| owner(before)),
            owner_after: None,
            how: How::None,
            has_changed: true,
            is_followed: true,
            binding_before: binding.cloned(),
            binding_after: None,
            notes: Vec::new(),
            before,
            after: None,
        }
    }

    /// Moves the marks of the claim on the template and, where the policy is not applied, on the binding.
    fn claim(&self, course: &mut Course, governed: &Governed) {
        if governed.how == How::Stale {
            return;
        }
        let mark = |object: &mut Object| {
            if let Some(old) = owner(object).filter(|old| Some(old) != course.owner_after.as_ref()) {
                claim::remove(object, old.scope);
            }
            if let Some(policy) = &governed.policy {
                claim::claim(object, policy);
            }
        };
        if let Some(template) = &mut course.after {
            let mut claimed = (**template).clone();
            mark(&mut claimed);
            *template = claimed.into();
        }
        if governed.how == How::Released
            && let Some(binding) = &mut course.binding_after
        {
            mark(binding);
        }
    }

    /// Brings the binding up to date with its policy and lets the scheduler look at it.
    fn apply(&self, course: &mut Course, policy: &Policy, template_changed: bool) {
        let Some(template) = course.after.clone() else { return };
        let interpreted = match self.interpret(&template, policy, template_changed) {
            Ok(interpreted) => interpreted,
            Err(problem) => return course.notes.push(problem),
        };
        let existing = course.binding_before.as_ref();
        let new_id = || format!("planned-{}", template.name());
        let write = binding::decide(existing, policy, &template, &interpreted, &self.world.gates, new_id);
        match write {
            Err(error) => course.notes.push(error.to_string()),
            Ok(Write::None) => {}
            Ok(Write::Create(mut binding) | Write::Update(mut binding)) => {
                let is_news = existing.and_then(|b| b.at("/spec")) != binding.at("/spec");
                if is_news {
                    course.notes.extend(self.schedule(&mut binding));
                }
                course.binding_after = Some(*binding);
            }
        }
    }

    fn interpret(
        &self,
        template: &Object,
        policy: &Policy,
        template_changed: bool,
    ) -> Result<Interpreted, String> {
        let workload = Interpretation::now(&self.world.interpreter, template, &self.world.gates)
            .map_err(|error| chain(&error))?;
        let class =
            policy.spec.schedule_priority.as_ref().filter(|_| self.world.gates.priority_based_scheduling);
        let priority = match class.map(|class| &class.priority_class_name) {
            None => None,
            Some(class) => match self.world.priorities.get(class) {
                Some(value) => Some(*value),
                None => return Err(format!("priority class {class} does not exist")),
            },
        };
        Ok(Interpreted { workload, priority, template_changed })
    }

    /// Lets the scheduler look at a binding, and says what keeps it from a result.
    pub(crate) fn schedule(&self, object: &mut Object) -> Option<String> {
        let binding = match Binding::from_object(object) {
            Ok(binding) => binding,
            Err(error) => return Some(chain(&error)),
        };
        let is_scheduled = [
            labels::PROPAGATION_POLICY_ID,
            labels::CLUSTER_PROPAGATION_POLICY_ID,
            labels::BINDING_MANAGED_BY,
        ]
        .iter()
        .any(|label| object.label(label).is_some());
        if !is_scheduled || binding.spec.placement.is_none() {
            return None;
        }
        if binding.spec.suspension.as_ref().is_some_and(|s| s.scheduling == Some(true)) {
            return Some("scheduling of its binding is suspended".into());
        }
        let scheduler = binding.spec.scheduler_name.as_str();
        if !scheduler.is_empty() && scheduler != values::DEFAULT_SCHEDULER {
            return Some(format!("scheduler {scheduler} decides where it goes, and cannot be asked"));
        }
        let (features, applied) = (self.world.features(), why::applied_placement(&binding));
        needs_scheduling(&binding.spec, &binding.status, applied.as_ref(), &self.snapshot, &features)?;
        let peers = self.peers(&binding);
        let outcome = schedule(&Input {
            spec: &binding.spec,
            status: &binding.status,
            snapshot: &self.snapshot,
            features,
            peers: peers.as_ref(),
            estimate: None,
            after_step: None,
        });
        let (clusters, problem) = match outcome.result {
            Ok(clusters) => (clusters, None),
            Err(error @ Error::Fit { .. }) => (Vec::new(), Some(format!("placed nowhere: {error}"))),
            Err(error) => return Some(format!("the scheduler finds no new place: {error}")),
        };
        let new = ResourceBindingSpec { clusters, ..binding.spec.clone() };
        binding::set_specification(object, &new, Some(&binding.spec));
        problem
    }

    fn peers(&self, binding: &Binding) -> Option<scheduling::Peers> {
        binding.spec.workload_affinity_groups.as_ref()?;
        let namespace = &binding.metadata.namespace;
        let others: Vec<Binding> = self
            .world
            .bindings
            .values()
            .filter(|other| other.namespace() == namespace)
            .filter_map(|other| Binding::from_object(other).ok())
            .collect();
        why::facts::peers(binding, &others)
    }
}

/// Whether a binding is the template's, and not that of a namesake of another kind or an earlier one.
fn is_of(binding: &Object, template: &Object) -> bool {
    TemplateKey::of_binding(binding) == TemplateKey::of(template)
}

/// Whether users would see a difference between two states of a template.
pub(crate) fn is_changed(before: &Object, after: &Object) -> bool {
    let visible = |object: &Object| {
        let mut visible = object.clone();
        visible.remove("/status");
        for field in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp"] {
            visible.metadata_mut().remove(field);
        }
        visible
    };
    visible(before) != visible(after)
}

/// An error with its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// All courses, by template.
pub(crate) type Courses = BTreeMap<TemplateKey, Course>;

/// The typed specification of a binding.
pub(crate) fn specification(binding: &Object) -> ResourceBindingSpec {
    binding::specification_of(binding).unwrap_or_default()
}

/// The key of a template's binding, before or after.
pub(crate) fn binding_key(course: &Course) -> Option<BindingKey> {
    course.template().map(|template| binding::key(template))
}
