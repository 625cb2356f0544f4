//! Reads what an explanation is made from.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use api::cluster::Cluster;
use api::policy::{Override, Policy};
use api::work::{Binding, ObjectReference, Work};
use api::{Resource as _, Scope, naming};
use client::{Client, ListOptions};
use machinery::{GroupVersionKind, GroupVersionResource, Object};

use super::facts::{Facts, skipped};
use crate::{target, told};

/// How many objects a page of a list has.
const PAGE_LEN: u32 = 500;

/// All objects of a resource.
pub(crate) async fn list(
    client: &Client,
    gvr: &GroupVersionResource,
    namespace: &str,
    labels: String,
) -> Result<Vec<Object>> {
    let options = ListOptions { labels, limit: PAGE_LEN, ..ListOptions::default() };
    Ok(client.resource(gvr).namespace(namespace).list_all(&options).await.map_err(told)?.items)
}

/// Reads everything about the object that the arguments name.
pub(crate) async fn facts(client: &Client, words: &[String], namespace: &str) -> Result<Facts> {
    let discovered = client.discover().await.map_err(told)?;
    let named = target::read(client, &discovered, words, namespace).await?;
    let (template, exists, mut binding) = match binding_scope(&named) {
        Some(_) => {
            let binding = Binding::from_object(&named)?;
            let reference = binding.spec.resource.clone();
            let template = template(client, &discovered, &reference).await?;
            let exists = template.is_some();
            (template.unwrap_or_else(|| bare(&reference)), exists, Some(binding))
        }
        None => (named, true, None),
    };
    let namespace = template.namespace().to_owned();
    let scope = if namespace.is_empty() { Scope::Cluster } else { Scope::Namespaced };
    let of_binding = async {
        if binding.is_none() && skipped(&template).is_none() {
            let name = naming::binding(template.kind(), template.name());
            let resource = client.resource(&Binding::kind_of(scope).gvr()).namespace(&namespace);
            let found = resource.find(&name).await.map_err(told)?;
            // A namesake's binding, of another group or an earlier object, is not this object's.
            binding = match found {
                Some(found) => Some(Binding::from_object(&found)?).filter(|b| is_of(b, &template)),
                None => None,
            };
        }
        rest(client, binding).await
    };
    let of_policies = policies(client, &namespace);
    let of_clusters = async { list(client, &Cluster::gvr(), "", String::new()).await };
    let of_overrides = overrides(client, &namespace);
    let ((binding, works, neighbours), policies, clusters, overrides) =
        tokio::try_join!(of_binding, of_policies, of_clusters, of_overrides)?;
    Ok(Facts {
        skipped: skipped(&template),
        template,
        exists,
        policies,
        overrides,
        binding,
        clusters: clusters.iter().filter_map(|c| Cluster::from_object(c).ok()).collect(),
        works,
        neighbours,
        ..Facts::default()
    })
}

fn binding_scope(object: &Object) -> Option<Scope> {
    [Scope::Namespaced, Scope::Cluster].into_iter().find(|scope| {
        let kind = Binding::kind_of(*scope);
        object.kind() == kind.kind && object.gvk().group == kind.group
    })
}

fn is_of(binding: &Binding, template: &Object) -> bool {
    let resource = &binding.spec.resource;
    resource.kind == template.kind()
        && resource.name == template.name()
        && resource.api_version == template.api_version()
}

/// An object of which only the reference is known.
fn bare(reference: &ObjectReference) -> Object {
    Object::new(&reference.api_version, &reference.kind, &reference.namespace, &reference.name)
}

async fn template(
    client: &Client,
    discovered: &client::Discovered,
    reference: &ObjectReference,
) -> Result<Option<Object>> {
    let kind = GroupVersionKind::from_api_version(&reference.api_version, &reference.kind);
    let Some(resource) = discovered.by_kind(&kind) else { return Ok(None) };
    let objects = client.resource(&resource.gvr()).namespace(&reference.namespace);
    objects.find(&reference.name).await.map_err(told)
}

/// All objects of a resource; where that is not allowed, those of the namespace.
async fn list_reachable(client: &Client, gvr: &GroupVersionResource, namespace: &str) -> Result<Vec<Object>> {
    let options = ListOptions { limit: PAGE_LEN, ..ListOptions::default() };
    match client.resource(gvr).list_all(&options).await {
        Ok(all) => Ok(all.items),
        Err(error) if !namespace.is_empty() && error.status().is_some_and(|status| status.code == 403) => {
            list(client, gvr, namespace, String::new()).await
        }
        Err(error) => Err(told(error)),
    }
}

/// The policies of both kinds.
async fn policies(client: &Client, namespace: &str) -> Result<Vec<Policy>> {
    let (some, others) = (Policy::kind_of(Scope::Namespaced).gvr(), Policy::kind_of(Scope::Cluster).gvr());
    let (some, others) =
        tokio::try_join!(list_reachable(client, &some, namespace), list_reachable(client, &others, ""))?;
    Ok(some.iter().chain(&others).filter_map(|object| Policy::from_object(object).ok()).collect())
}

/// Namespaces and names of the override policies that policies may wait for.
async fn overrides(client: &Client, namespace: &str) -> Result<BTreeMap<Scope, BTreeSet<(String, String)>>> {
    let names = async |scope: Scope| {
        let namespace = if scope == Scope::Cluster { "" } else { namespace };
        let all = list_reachable(client, &Override::kind_of(scope).gvr(), namespace).await?;
        let name = |object: &Object| (object.namespace().to_owned(), object.name().to_owned());
        anyhow::Ok((scope, all.iter().map(name).collect()))
    };
    let (namespaced, cluster) = tokio::try_join!(names(Scope::Namespaced), names(Scope::Cluster))?;
    Ok(BTreeMap::from([namespaced, cluster]))
}

/// The binding's Works, and the other bindings that count for it.
async fn rest(
    client: &Client,
    binding: Option<Binding>,
) -> Result<(Option<Binding>, Vec<Work>, Vec<Binding>)> {
    let Some(binding) = binding else { return Ok((None, Vec::new(), Vec::new())) };
    let of_works = async {
        let id = binding.permanent_id();
        if id.is_empty() {
            return Ok(Vec::new());
        }
        list(client, &Work::gvr(), "", format!("{}={id}", binding.permanent_id_label())).await
    };
    let (works, neighbours) = tokio::try_join!(of_works, neighbours(client, &binding))?;
    let works = works.iter().filter_map(|work| Work::from_object(work).ok()).collect();
    Ok((Some(binding), works, neighbours))
}

/// All bindings of the namespace when the binding is in an affinity group, else those that need it.
async fn neighbours(client: &Client, binding: &Binding) -> Result<Vec<Binding>> {
    let gvr = Binding::kind_of(Scope::Namespaced).gvr();
    let mut objects = if binding.spec.workload_affinity_groups.is_some() {
        list(client, &binding.kind().gvr(), &binding.metadata.namespace, String::new()).await?
    } else {
        Vec::new()
    };
    for snapshot in &binding.spec.required_by {
        let is_read = |o: &Object| o.name() == snapshot.name && o.namespace() == snapshot.namespace;
        if !objects.iter().any(is_read) {
            let bindings = client.resource(&gvr).namespace(&snapshot.namespace);
            objects.extend(bindings.find(&snapshot.name).await.map_err(told)?);
        }
    }
    Ok(objects.iter().filter_map(|object| Binding::from_object(object).ok()).collect())
}
