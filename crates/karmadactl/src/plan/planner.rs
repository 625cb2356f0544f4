//! From what is and what is to change to a plan. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Scope;
use api::policy::{Override, Policy};
use machinery::{Object, ObjectKey};
use matching::{Claimant, PolicyRef};
use propagation::{BindingKey, Source, Target, TemplateKey, Wanted, binding_id_label, placement};
use serde_json::Value;

use super::course::{Course, Courses, Player, binding_key, chain, specification};
use super::dependencies;
use super::govern::How;
use super::outcome::{Action, FileChange, Plan, Planned, PlannedCopy, Transition};
use super::world::{Change, Delta, Role, State, World};
use crate::why::explanation::Reference;
use crate::why::facts::skipped;

/// Says what the changes would do.
///
/// # Errors
/// When a policy among them does not have the shape of one.
pub(crate) fn plan(world: &World, changes: &[Change]) -> Result<Plan, machinery::object::Error> {
    let after = world.state.with(changes)?;
    let delta = Delta::between(&world.state, &after);
    let courses = play(world, &after, &delta);
    let overrides = changed_overrides(&world.state, &after);
    let compared = Comparison { world, after: &after, overrides };
    let objects: Vec<Planned> =
        courses.iter().filter_map(|(key, course)| compared.planned(key, course)).collect();
    let files = changes.iter().map(|change| file_change(world, change)).collect();
    let summary = summary(&objects);
    let notes = delta.policies.iter().flat_map(|policy| unmet(world, &after, &courses, policy)).collect();
    Ok(Plan { files, objects, notes, summary })
}

/// What becomes of every template.
fn play(world: &World, after: &State, delta: &Delta) -> Courses {
    let player = Player { world, after, delta, snapshot: world.snapshot() };
    let keys: BTreeSet<&TemplateKey> = world.state.templates.keys().chain(after.templates.keys()).collect();
    let mut courses: Courses = keys.into_iter().map(|key| (key.clone(), player.course(key))).collect();
    dependencies::follow(world, after, &mut courses);
    courses
}

/// What becomes of every template, for stories that carry a plan out.
#[cfg(test)]
pub(crate) fn courses(world: &World, changes: &[Change]) -> Result<Courses, machinery::object::Error> {
    let after = world.state.with(changes)?;
    Ok(play(world, &after, &Delta::between(&world.state, &after)))
}

/// How many objects that a policy does not get are named.
const UNMET_MAX: usize = 5;

/// What a policy selects and does not get; that it selects nothing.
fn unmet(world: &World, after: &State, courses: &Courses, claimant: &Claimant) -> Vec<String> {
    let Some(policy) = after.policies.get(claimant) else { return Vec::new() };
    let selected: Vec<&Course> = courses
        .values()
        .filter(|course| course.after.as_ref().is_some_and(|template| selects(policy, template)))
        .collect();
    if selected.is_empty() {
        return vec![format!("{}: it selects no object that exists", PolicyRef::from(claimant))];
    }
    let others: Vec<&Course> =
        selected.into_iter().filter(|course| course.owner_after.as_ref() != Some(claimant)).collect();
    let mut notes: Vec<String> =
        others.iter().take(UNMET_MAX).filter_map(|course| stays(world, after, policy, course)).collect();
    if others.len() > UNMET_MAX {
        notes.push(format!(
            "{}: {} more objects are not its own",
            PolicyRef::from(claimant),
            others.len() - UNMET_MAX
        ));
    }
    notes
}

fn selects(policy: &Policy, template: &Object) -> bool {
    let namespace = &policy.metadata.namespace;
    (namespace.is_empty() || namespace == template.namespace())
        && matching::matches_any(&policy.spec.resource_selectors, template)
}

/// Why a policy does not get an object that it selects.
fn stays(world: &World, after: &State, policy: &Policy, course: &Course) -> Option<String> {
    let template = course.after.as_ref()?;
    let (name, object) = (PolicyRef::from(policy), reference(template));
    if let Some(skipped) = skipped(template) {
        return Some(format!("{name}: it never gets {object}: {skipped}"));
    }
    if let Some(other) = matching::claimed_by_other(template) {
        return Some(format!("{name}: it does not get {object}, which a {other} has claimed"));
    }
    let owner = after.policies.get(course.owner_after.as_ref()?)?;
    let why = match matching::preempts(policy, owner, template, world.preemption()) {
        Err(refusal) if course.owner_before == course.owner_after => format!("keeps its claim ({refusal})"),
        _ => "comes first".to_owned(),
    };
    Some(format!("{name}: it does not get {object}: {} {why}", PolicyRef::from(owner.as_ref())))
}

fn reference(object: &Object) -> Reference {
    Reference {
        api_version: object.api_version().into(),
        kind: object.kind().into(),
        namespace: object.namespace().into(),
        name: object.name().into(),
    }
}

fn file_change(world: &World, change: &Change) -> FileChange {
    let object = change.object();
    let state = &world.state;
    let known = match Role::of(object) {
        Role::Policy(scope) => {
            let claimant = Claimant { scope, key: object.key() };
            state.policies.get(&claimant).map(|policy| policy.to_object())
        }
        Role::Override(scope) => state.overrides.get(&(scope, object.key())).map(|policy| policy.to_object()),
        Role::Template => state.templates.get(&TemplateKey::of(object)).map(|template| (**template).clone()),
    };
    let is_same = |known: &Object| match Role::of(object) {
        Role::Template => !super::course::is_changed(known, object),
        Role::Policy(_) => same_spec(known, object, |o| Policy::from_object(o).map(|p| p.spec)),
        Role::Override(_) => {
            same_spec(known, object, |o| api::policy::Override::from_object(o).map(|p| p.spec))
        }
    };
    let action = match (change, known) {
        (Change::Delete(_), _) => "deleted",
        (Change::Put(_), None) => "created",
        (Change::Put(_), Some(known)) if is_same(&known) => "unchanged",
        (Change::Put(_), Some(_)) => "changed",
    };
    FileChange { object: reference(object), action }
}

fn same_spec<T: PartialEq, E>(one: &Object, other: &Object, read: impl Fn(&Object) -> Result<T, E>) -> bool {
    matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

/// The override policies of which the specification changes, before and after.
fn changed_overrides(before: &State, after: &State) -> Vec<Arc<Override>> {
    let keys: BTreeSet<&(Scope, ObjectKey)> = before.overrides.keys().chain(after.overrides.keys()).collect();
    let sides = keys.into_iter().map(|key| [before.overrides.get(key), after.overrides.get(key)]);
    let changed = sides.filter(|[old, new]| old.map(|policy| &policy.spec) != new.map(|policy| &policy.spec));
    changed.flatten().flatten().cloned().collect()
}

/// Whether an override policy makes the copies of a template anew when it changes. Labels are compared when they
/// are made.
pub(crate) fn may_select(policy: &Override, template: &TemplateKey) -> bool {
    let (namespace, selectors) = (&policy.metadata.namespace, &policy.spec.resource_selectors);
    let api_version = template.kind.api_version();
    let in_reach = namespace.is_empty() || *namespace == template.key.namespace;
    in_reach
        && (selectors.is_empty()
            || selectors.iter().any(|s| {
                s.kind == template.kind.kind
                    && s.api_version == api_version
                    && (s.namespace.is_empty() || s.namespace == template.key.namespace)
                    && (s.name.is_empty() || s.name == template.key.name)
            }))
}

/// Compares what would be in the clusters with what is.
struct Comparison<'a> {
    world: &'a World,
    after: &'a State,
    /// The override policies that change, as they were and as they will be.
    overrides: Vec<Arc<Override>>,
}

/// The copy for one cluster.
struct Made {
    replicas: i32,
    wanted: Result<Wanted, String>,
}

impl Comparison<'_> {
    /// What happens to a template; nothing when nothing does.
    fn planned(&self, key: &TemplateKey, course: &Course) -> Option<Planned> {
        let is_overridden = self.overrides.iter().any(|policy| may_select(policy, key));
        if !is_overridden
            && !course.has_changed
            && course.notes.is_empty()
            && course.binding_before == course.binding_after
            && course.owner_before == course.owner_after
        {
            return None;
        }
        let binding = binding_key(course)?;
        let mut before = self.copies(
            &binding,
            &self.world.state,
            course.before.as_deref(),
            course.binding_before.as_ref(),
        );
        self.as_recorded(&mut before);
        // Override policies make the copies anew, whoever governs the template.
        let clusters = if course.is_followed || is_overridden {
            let after =
                self.copies(&binding, self.after, course.after.as_deref(), course.binding_after.as_ref());
            self.clusters(course, &before, &after)
        } else {
            Vec::new()
        };
        let policy = Transition {
            before: course.owner_before.as_ref().map(PolicyRef::from),
            after: course.owner_after.as_ref().map(PolicyRef::from),
        };
        let mut notes = course.notes.clone();
        if course.how == How::None
            && course.has_changed
            && course.after.is_some()
            && clusters.is_empty()
            && notes.is_empty()
        {
            notes.push(match course.after.as_deref().and_then(skipped) {
                Some(skipped) => format!("it goes to no cluster: {skipped}"),
                None if course.binding_after.is_some() => {
                    "no policy governs it: its copies stay as they are".into()
                }
                None => "it goes to no cluster: no policy selects it".into(),
            });
        }
        if course.how == How::Released {
            notes.push(
                "released: what runs goes on running, and nothing keeps it up to date with a policy".into(),
            );
        }
        if clusters.is_empty() && !policy.is_change() && notes.is_empty() {
            return None;
        }
        Some(Planned {
            object: Reference {
                api_version: key.kind.api_version(),
                kind: key.kind.kind.clone(),
                namespace: key.key.namespace.clone(),
                name: key.key.name.clone(),
            },
            claim: match course.how {
                How::None => "none",
                How::Kept | How::Stale => "kept",
                How::Claimed => "claimed",
                How::Preempted => "preempted",
                How::Reclaimed => "reclaimed",
                How::Released => "released",
            },
            policy,
            clusters,
            notes,
        })
    }

    /// The copies that a binding makes in a state.
    fn copies(
        &self,
        key: &BindingKey,
        state: &State,
        template: Option<&Object>,
        binding: Option<&Object>,
    ) -> BTreeMap<String, Made> {
        let (Some(template), Some(binding)) = (template, binding) else { return BTreeMap::new() };
        let spec = specification(binding);
        let targets: Vec<Target> = placement::targets(&spec);
        let source = Source {
            key,
            id: binding.label(binding_id_label(key.scope)).unwrap_or_default(),
            spec: &spec,
            template,
            inject_state: self.world.gates.stateful_failover_injection,
        };
        let overrides = |manifest: &mut Object, name: &str| {
            let unknown = api::cluster::Cluster::default();
            let cluster = self.world.clusters.get(name).unwrap_or(&unknown);
            let namespace = manifest.namespace().to_owned();
            let cluster_policies = state.overrides_for(Scope::Cluster, "");
            overrides::apply(
                manifest,
                cluster,
                cluster_policies,
                state.overrides_for(Scope::Namespaced, &namespace),
            )
        };
        let works = source.works_now(&self.world.interpreter, &targets, overrides);
        let replicas: BTreeMap<&str, i32> =
            targets.iter().map(|t| (t.cluster.as_str(), t.replicas)).collect();
        works
            .into_iter()
            .map(|(cluster, wanted)| {
                let replicas =
                    replicas.get(cluster.as_str()).copied().filter(|_| spec.is_workload()).unwrap_or(0);
                (cluster, Made { replicas, wanted: wanted.map_err(|error| chain(&error)) })
            })
            .collect()
    }

    fn clusters(
        &self,
        course: &Course,
        before: &BTreeMap<String, Made>,
        after: &BTreeMap<String, Made>,
    ) -> Vec<PlannedCopy> {
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let kept = course.binding_after.as_ref().map(specification).unwrap_or_default();
        let evicting = placement::existing_clusters(&kept);
        names
            .into_iter()
            .filter_map(|name| {
                let (old, new) = (before.get(name), after.get(name));
                if new.is_none() && evicting.contains(name.as_str()) {
                    return None;
                }
                self.copy(name, old, new)
            })
            .collect()
    }

    fn copy(&self, cluster: &str, before: Option<&Made>, after: Option<&Made>) -> Option<PlannedCopy> {
        let old = before.and_then(|made| made.wanted.as_ref().ok());
        let (new, problem) = match after.map(|made| &made.wanted) {
            Some(Ok(new)) => (Some(new), None),
            Some(Err(problem)) => (None, Some(problem)),
            None => (None, None),
        };
        let actions = match problem {
            Some(_) if before.is_some() && old.is_none() => Vec::new(),
            Some(_) => vec![Action::Fail],
            None => self.actions(before.zip(old), after.zip(new), before.is_some()),
        };
        if actions.is_empty() {
            return None;
        }
        let mut notes: Vec<String> = problem.cloned().into_iter().collect();
        if new.is_some_and(|new| new.suspended) {
            notes.push("dispatching is suspended: nothing reaches the cluster for now".into());
        }
        let replicas = |made: Option<&Made>| made.map(|made| made.replicas);
        Some(PlannedCopy {
            cluster: cluster.into(),
            replicas: Transition { before: replicas(before), after: replicas(after) },
            actions,
            overrides: Transition { before: old.map(applied), after: new.map(applied) },
            manifest: Transition {
                before: old.map(|old| shown(&old.manifest)),
                after: new.map(|new| shown(&new.manifest)),
            },
            notes,
        })
    }

    /// What happens between two states of a copy; `was_there` is whether there was one that could not be made.
    fn actions(
        &self,
        before: Option<(&Made, &Wanted)>,
        after: Option<(&Made, &Wanted)>,
        was_there: bool,
    ) -> Vec<Action> {
        let ((old_made, old), (new_made, new)) = match (before, after) {
            (None, None) => return Vec::new(),
            (None, Some(_)) => return vec![if was_there { Action::Update } else { Action::Create }],
            (Some((_, old)), None) => {
                return vec![if old.preserve { Action::Abandon } else { Action::Delete }];
            }
            (Some(before), Some(after)) => (before, after),
        };
        let mut actions = Vec::new();
        match new_made.replicas.cmp(&old_made.replicas) {
            std::cmp::Ordering::Greater => actions.push(Action::ScaleUp),
            std::cmp::Ordering::Less => actions.push(Action::ScaleDown),
            std::cmp::Ordering::Equal => {}
        }
        if self.differs_beside_replicas(old, new, new_made.replicas, actions.is_empty()) {
            actions.push(Action::Update);
        }
        match (old.suspended, new.suspended) {
            (false, true) => actions.push(Action::Suspend),
            (true, false) => actions.push(Action::Resume),
            (true, true) | (false, false) => {}
        }
        actions
    }

    fn differs_beside_replicas(
        &self,
        old: &Wanted,
        new: &Wanted,
        replicas: i32,
        same_replicas: bool,
    ) -> bool {
        if shown(&old.manifest) == shown(&new.manifest) {
            return false;
        }
        if same_replicas {
            return true;
        }
        match self.world.interpreter.revise_replicas(&old.manifest, i64::from(replicas)).now() {
            Ok(scaled) => shown(&scaled) != shown(&new.manifest),
            Err(_) => true,
        }
    }

    /// Puts what the Works hold in the place of what the controllers would put there today: a Work follows its
    /// template only when something makes it.
    fn as_recorded(&self, copies: &mut BTreeMap<String, Made>) {
        for wanted in copies.values_mut().filter_map(|made| made.wanted.as_mut().ok()) {
            let Some(work) = self.world.works.get(&wanted.key()) else { continue };
            let is_same = wanted.labels.iter().all(|(key, value)| work.label(key) == Some(value));
            let manifest = work.at("/spec/workload/manifests/0").filter(|_| is_same);
            if let Some(Ok(manifest)) = manifest.cloned().map(Object::from_value) {
                wanted.manifest = manifest;
            }
        }
    }
}

/// Names of the override policies that changed a copy.
fn applied(wanted: &Wanted) -> Vec<String> {
    let mut names = Vec::new();
    for (key, kind) in [
        (api::names::annotations::APPLIED_CLUSTER_OVERRIDES, "ClusterOverridePolicy"),
        (api::names::annotations::APPLIED_OVERRIDES, "OverridePolicy"),
    ] {
        let list = wanted.annotations.iter().find(|(k, _)| k == key);
        let list: Vec<Value> = list.and_then(|(_, text)| serde_json::from_str(text).ok()).unwrap_or_default();
        for entry in list {
            let name = format!("{kind} {}", entry["policyName"].as_str().unwrap_or_default());
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

/// A manifest without what Karmada and kubectl write on it for themselves.
pub(crate) fn shown(manifest: &Object) -> Value {
    let mut shown = manifest.clone();
    let is_ours =
        |key: &str| key.contains("karmada.io/") || key == "kubectl.kubernetes.io/last-applied-configuration";
    let labels: Vec<String> =
        manifest.labels().map(|(k, _)| k).filter(|k| is_ours(k)).map(Into::into).collect();
    let annotations: Vec<String> =
        manifest.annotations().map(|(k, _)| k).filter(|k| is_ours(k)).map(Into::into).collect();
    for label in labels {
        shown.remove_label(&label);
    }
    for annotation in annotations {
        shown.remove_annotation(&annotation);
    }
    shown.into()
}

fn summary(objects: &[Planned]) -> String {
    if objects.is_empty() {
        return "Nothing would change.".into();
    }
    let claims = |claim: &str| objects.iter().filter(|o| o.claim == claim && o.policy.is_change()).count();
    let acts = |actions: &[Action]| {
        let copies = objects.iter().flat_map(|o| &o.clusters);
        copies.filter(|c| c.actions.iter().any(|a| actions.contains(a))).count()
    };
    let mut parts = Vec::new();
    for (count, text) in [
        (claims("claimed"), "claimed"),
        (claims("reclaimed") + claims("preempted"), "taken over"),
        (claims("released"), "released"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {text}"));
        }
    }
    for (count, text) in [
        (acts(&[Action::Create]), "created"),
        (acts(&[Action::Delete]), "deleted"),
        (acts(&[Action::Abandon]), "abandoned"),
        (acts(&[Action::ScaleUp, Action::ScaleDown]), "scaled"),
        (acts(&[Action::Update]), "updated"),
        (acts(&[Action::Suspend, Action::Resume]), "suspended or resumed"),
        (acts(&[Action::Fail]), "impossible"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {} {text}", if count == 1 { "copy" } else { "copies" }));
        }
    }
    let objects = match objects.len() {
        1 => "1 object".to_owned(),
        many => format!("{many} objects"),
    };
    if parts.is_empty() {
        format!("{objects}, and no copy would change.")
    } else {
        format!("{objects}: {}.", parts.join(", "))
    }
}
