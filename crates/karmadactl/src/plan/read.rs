//! Reads what a plan is made from: only the kinds and namespaces that the changes may touch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use api::cluster::Cluster;
use api::config::{ResourceInterpreterCustomization, ResourceInterpreterWebhookConfiguration};
use api::policy::{Override, Policy, ResourceSelector};
use api::work::{Binding, Work};
use api::{Resource as _, Scope};
use client::{Client, Discovered};
use interpreter::Interpreter;
use machinery::{GroupVersionKind, GroupVersionResource, Object};
use matching::Claimant;
use propagation::{BindingKey, Gates, TemplateKey, binding, binding_id_label, policy_id_label};

use super::dependencies::references;
use super::planner::may_select;
use super::world::{Change, Delta, Role, State, World};
use crate::why::list;

/// More Works than those of so many bindings are read all at once.
const SELECTED_WORKS_MAX: usize = 40;

/// Kinds and namespaces of templates; an empty namespace means all of them.
type Wanted = BTreeSet<(GroupVersionKind, String)>;

/// Reads the world.
pub(crate) async fn world(
    client: &Client,
    discovered: &Discovered,
    changes: &[Change],
    gates: Gates,
) -> Result<World> {
    let reader = Reader { client, discovered };
    let (policies, overrides, bindings, clusters, interpreter) = tokio::try_join!(
        reader.policies(),
        reader.overrides(),
        reader.bindings(),
        reader.clusters(),
        reader.interpreter()
    )?;
    let state = State { policies, overrides, templates: BTreeMap::new() };
    let mut world = World { state, bindings, clusters, interpreter, gates, ..World::default() };
    let mut read = Wanted::new();
    let selected = wanted(&world, changes)?;
    reader.templates(&mut world.state, &selected, &mut read).await?;
    for change in changes.iter().filter(|change| Role::of(change.object()) == Role::Template) {
        reader.template(&mut world.state, change.object()).await?;
    }
    let needed = needed(&world, changes);
    reader.templates(&mut world.state, &needed, &mut read).await?;
    let (works, priorities) = tokio::try_join!(reader.works(&world), reader.priorities(&world, changes))?;
    Ok(World { works, priorities, ..world })
}

struct Reader<'a> {
    client: &'a Client,
    discovered: &'a Discovered,
}

impl Reader<'_> {
    async fn all(&self, gvr: &GroupVersionResource) -> Result<Vec<Object>> {
        list(self.client, gvr, "", String::new()).await
    }

    async fn policies(&self) -> Result<BTreeMap<Claimant, Arc<Policy>>> {
        let mut all = BTreeMap::new();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let objects = self.all(&Policy::kind_of(scope).gvr()).await?;
            let policies = objects.iter().filter_map(|object| Policy::from_object(object).ok());
            all.extend(policies.map(|policy| (Claimant::of(&policy), policy.into())));
        }
        Ok(all)
    }

    async fn overrides(&self) -> Result<BTreeMap<(Scope, machinery::ObjectKey), Arc<Override>>> {
        let mut all = BTreeMap::new();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let objects = self.all(&Override::kind_of(scope).gvr()).await?;
            let policies = objects.iter().filter_map(|object| Override::from_object(object).ok());
            all.extend(policies.map(|policy| ((scope, policy.metadata.key()), policy.into())));
        }
        Ok(all)
    }

    async fn bindings(&self) -> Result<BTreeMap<BindingKey, Object>> {
        let mut all = BTreeMap::new();
        for scope in [Scope::Namespaced, Scope::Cluster] {
            let objects = self.all(&Binding::kind_of(scope).gvr()).await?;
            all.extend(objects.into_iter().map(|object| (BindingKey::of(scope, &object), object)));
        }
        Ok(all)
    }

    async fn clusters(&self) -> Result<BTreeMap<String, Cluster>> {
        let objects = self.all(&Cluster::gvr()).await?;
        let clusters = objects.iter().filter_map(|object| Cluster::from_object(object).ok());
        Ok(clusters.map(|cluster| (cluster.metadata.name.clone(), cluster)).collect())
    }

    async fn interpreter(&self) -> Result<Interpreter> {
        let (customizations, configurations) =
            (ResourceInterpreterCustomization::gvr(), ResourceInterpreterWebhookConfiguration::gvr());
        let (customizations, configurations) =
            tokio::try_join!(self.all(&customizations), self.all(&configurations))?;
        Ok(Interpreter::with(&customizations, &configurations))
    }

    /// Lists the templates that have not been read.
    async fn templates(&self, state: &mut State, wanted: &Wanted, read: &mut Wanted) -> Result<()> {
        for (kind, namespace) in wanted {
            let everywhere = (kind.clone(), String::new());
            let is_covered = read.contains(&everywhere)
                || (!namespace.is_empty() && wanted.contains(&everywhere))
                || !read.insert((kind.clone(), namespace.clone()));
            let Some(resource) = self.discovered.by_kind(kind).filter(|r| !is_covered && r.can("list"))
            else {
                continue;
            };
            let namespace = if resource.namespaced { namespace.as_str() } else { "" };
            for object in list(self.client, &resource.gvr(), namespace, String::new()).await? {
                state.templates.insert(TemplateKey::of(&object), object.into());
            }
        }
        Ok(())
    }

    async fn template(&self, state: &mut State, named: &Object) -> Result<()> {
        let key = TemplateKey::of(named);
        let Some(resource) = self.discovered.by_kind(&key.kind) else { return Ok(()) };
        if state.templates.contains_key(&key) {
            return Ok(());
        }
        let objects = self.client.resource(&resource.gvr()).namespace(named.namespace());
        if let Some(live) = objects.find(named.name()).await.map_err(crate::told)? {
            state.templates.insert(key, live.into());
        }
        Ok(())
    }

    /// The Works of the templates' bindings.
    async fn works(&self, world: &World) -> Result<BTreeMap<machinery::ObjectKey, Object>> {
        let mut ids: BTreeMap<Scope, Vec<&str>> = BTreeMap::new();
        for template in world.state.templates.values() {
            let key = binding::key(template);
            let id = world.bindings.get(&key).and_then(|binding| binding.label(binding_id_label(key.scope)));
            ids.entry(key.scope).or_default().extend(id);
        }
        let mut works = Vec::new();
        for (scope, ids) in ids {
            let label = binding_id_label(scope);
            let selector = match ids.len() {
                0 => continue,
                n if n > SELECTED_WORKS_MAX => label.to_owned(),
                _ => format!("{label} in ({})", ids.join(",")),
            };
            works.extend(list(self.client, &Work::gvr(), "", selector).await?);
        }
        Ok(works.into_iter().map(|work| (work.key(), work)).collect())
    }

    async fn priorities(&self, world: &World, changes: &[Change]) -> Result<BTreeMap<String, i32>> {
        let after = world.state.with(changes)?;
        if !after.policies.values().any(|policy| policy.spec.schedule_priority.is_some()) {
            return Ok(BTreeMap::new());
        }
        let classes =
            self.all(&GroupVersionResource::new("scheduling.k8s.io", "v1", "priorityclasses")).await?;
        let value = |class: &Object| i32::try_from(class.i64_at("/value").unwrap_or(0)).unwrap_or(0);
        Ok(classes.iter().map(|class| (class.name().to_owned(), value(class))).collect())
    }
}

/// The templates that the changes may touch.
fn wanted(world: &World, changes: &[Change]) -> Result<Wanted> {
    let (before, after) = (&world.state, world.state.with(changes)?);
    let delta = Delta::between(before, &after);
    let mut wanted = Wanted::new();
    let gone = before.policies.keys().filter(|claimant| !after.policies.contains_key(*claimant));
    for claimant in delta.policies.iter().chain(&delta.preemptors).chain(gone) {
        for policy in [before.policies.get(claimant), after.policies.get(claimant)].into_iter().flatten() {
            add_selected(&mut wanted, &policy.spec.resource_selectors, &policy.metadata.namespace);
            add_claimed(&mut wanted, world, policy);
        }
    }
    for change in changes {
        let Role::Override(scope) = Role::of(change.object()) else { continue };
        let key = (scope, change.object().key());
        for policy in [before.overrides.get(&key), after.overrides.get(&key)].into_iter().flatten() {
            add_overridden(&mut wanted, world, policy);
        }
        let waits = |policy: &&Arc<Policy>| {
            policy.scope == scope
                && policy.metadata.namespace == key.1.namespace
                && policy.spec.dependent_overrides.contains(&key.1.name)
        };
        for policy in after.policies.values().filter(waits) {
            add_selected(&mut wanted, &policy.spec.resource_selectors, &policy.metadata.namespace);
        }
    }
    Ok(wanted)
}

fn add_selected(wanted: &mut Wanted, selectors: &[ResourceSelector], own: &str) {
    for selector in selectors {
        let kind = GroupVersionKind::from_api_version(&selector.api_version, &selector.kind);
        let namespace = if own.is_empty() { &selector.namespace } else { own };
        wanted.insert((kind, namespace.to_owned()));
    }
}

/// The templates whose bindings carry a policy's claim.
fn add_claimed(wanted: &mut Wanted, world: &World, policy: &Policy) {
    let (label, id) = (policy_id_label(policy.scope), policy.permanent_id());
    let claimed =
        world.bindings.values().filter(|binding| !id.is_empty() && binding.label(label) == Some(id));
    wanted.extend(claimed.map(|binding| {
        let template = TemplateKey::of_binding(binding);
        (template.kind, template.key.namespace)
    }));
}

/// The templates with a binding that an override policy may select.
fn add_overridden(wanted: &mut Wanted, world: &World, policy: &Override) {
    let templates = world.bindings.values().map(TemplateKey::of_binding);
    let selected = templates.filter(|template| may_select(policy, template));
    wanted.extend(selected.map(|template| (template.kind, template.key.namespace)));
}

/// What the templates that have been read refer to, if anything propagates dependencies.
fn needed(world: &World, changes: &[Change]) -> Wanted {
    let mut wanted = Wanted::new();
    let Ok(after) = world.state.with(changes) else { return wanted };
    let states = [&world.state, &after];
    if !states.iter().any(|state| state.policies.values().any(|policy| policy.spec.propagate_deps)) {
        return wanted;
    }
    for template in states.iter().flat_map(|state| state.templates.values()) {
        for reference in references(&world.interpreter, template).unwrap_or_default() {
            let kind = GroupVersionKind::from_api_version(&reference.api_version, &reference.kind);
            wanted.insert((kind, reference.namespace));
        }
    }
    wanted
}
