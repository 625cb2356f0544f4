//! The files' objects as the server would store them: it fills defaults in and checks them, and writes
//! nothing.

use std::collections::BTreeSet;

use admission::{Operation, Options, Source};
use anyhow::{Context as _, Result, anyhow, bail};
use client::{ApiResource, Client, Discovered};
use clock::Clock;
use kube::api::PostParams;
use kube::core::Request;
use machinery::{GroupVersionResource, Object};

use super::apply::applied;
use super::world::{Change, Role};
use crate::told;

/// A namespace that every control plane has.
const EXISTING_NAMESPACE: &str = "default";

/// What the files do to the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `kubectl apply`
    Apply,
    /// `kubectl delete`
    Delete,
}

/// The namespace of objects that name none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Namespace {
    /// The user has named it: no object may name another one.
    Asked(String),
    /// It comes from the kubeconfig.
    Context(String),
}

impl Namespace {
    fn name(&self) -> &str {
        match self {
            Self::Asked(name) | Self::Context(name) => name,
        }
    }
}

/// Asks the server what it would store.
///
/// # Errors
/// Everything that the server refuses, one line per object.
pub(crate) async fn changes(
    client: &Client,
    discovered: &Discovered,
    objects: Vec<Object>,
    namespace: Namespace,
    verb: Verb,
) -> Result<Vec<Change>> {
    let mut asked = Asked { client, discovered, namespace, new_namespaces: BTreeSet::new() };
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    for object in objects {
        let name = format!("{} {}", object.kind(), object.name());
        match asked.change(object, verb).await {
            Ok(change) => changes.push(change),
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    if failures.is_empty() { Ok(changes) } else { bail!("{}", failures.join("\n")) }
}

struct Asked<'a> {
    client: &'a Client,
    discovered: &'a Discovered,
    namespace: Namespace,
    /// Namespaces that only the files make.
    new_namespaces: BTreeSet<String>,
}

/// Groups of which only policies and override policies can be planned.
fn is_ours(group: &str) -> bool {
    group.ends_with(".karmada.io")
}

impl Asked<'_> {
    async fn change(&mut self, mut object: Object, verb: Verb) -> Result<Change> {
        let gvk = object.gvk();
        if is_ours(&gvk.group) && Role::of(&object) == Role::Template {
            bail!(
                "a plan is made of policies, override policies and what they select; {} is neither",
                gvk.kind
            );
        }
        let resource = self.discovered.by_kind(&gvk).ok_or_else(|| {
            anyhow!("the server has no kind {} in version {}", gvk.kind, object.api_version())
        })?;
        if resource.namespaced && object.namespace().is_empty() {
            object.set("/metadata/namespace", self.namespace.name());
        } else if let Namespace::Asked(asked) = &self.namespace
            && resource.namespaced
            && object.namespace() != asked
        {
            bail!("its namespace is {:?}, but --namespace is {asked:?}", object.namespace());
        }
        let live = self.client.resource(&resource.gvr()).namespace(object.namespace());
        let live = live.find(object.name()).await.map_err(told)?;
        match (verb, live) {
            (Verb::Delete, Some(live)) => Ok(Change::Delete(live)),
            (Verb::Delete, None) => bail!("not found"),
            (Verb::Apply, Some(live)) => {
                Ok(Change::Put(self.ask(resource, &applied(&object, &live), Some(live.name())).await?))
            }
            (Verb::Apply, None) => self.create(resource, object).await.map(Change::Put),
        }
    }

    async fn create(&mut self, resource: &ApiResource, object: Object) -> Result<Object> {
        if object.kind() == "Namespace" && object.api_version() == "v1" {
            self.new_namespaces.insert(object.name().to_owned());
        }
        if self.new_namespaces.contains(object.namespace()) {
            return self.create_in_new_namespace(resource, object).await;
        }
        self.ask(resource, &object, None).await
    }

    /// The object in a namespace that does not exist yet: the server would refuse it for that alone. Policies
    /// get their defaults and checks here; other objects are shown to the server in a namespace that exists.
    async fn create_in_new_namespace(&self, resource: &ApiResource, object: Object) -> Result<Object> {
        if Role::of(&object) != Role::Template {
            return locally(object);
        }
        let namespace = object.namespace().to_owned();
        let mut elsewhere = object.clone();
        elsewhere.set("/metadata/namespace", EXISTING_NAMESPACE);
        match self.ask(resource, &elsewhere, None).await {
            Ok(mut filled_in) => {
                filled_in.set("/metadata/namespace", namespace);
                Ok(filled_in)
            }
            // The name may be taken there, or a quota used up; that says nothing about the object.
            Err(_) => Ok(object),
        }
    }

    /// Sends the object with `dryRun`; as a replacement when it has a name on the server.
    async fn ask(&self, resource: &ApiResource, object: &Object, replaced: Option<&str>) -> Result<Object> {
        let gvr: GroupVersionResource = resource.gvr();
        let namespace = Some(object.namespace()).filter(|namespace| !namespace.is_empty());
        let request = Request::new(gvr.path(namespace, None));
        let params = PostParams { dry_run: true, field_manager: None };
        let body = serde_json::to_vec(object)?;
        let request = match replaced {
            Some(name) => request.replace(name, &params, body)?,
            None => request.create(&params, body)?,
        };
        match self.client.kube().request::<Object>(request).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => bail!("{}", status.message),
            Err(error) => Err(error).context("the server could not be asked"),
        }
    }
}

/// A new policy with its defaults, checked.
fn locally(mut object: Object) -> Result<Object> {
    let (gvk, namespace) = (object.gvk(), object.namespace().to_owned());
    let id = format!("planned-{}-{}", object.namespace(), object.name());
    let (options, mut ids) = (Options::default(), || id.clone());
    let mut source = Source { options: &options, now: Clock::system().now(), ids: &mut ids };
    let denied = |(_, denial): (&str, admission::Denial)| anyhow!("{}", denial.message);
    admission::mutate(&gvk, Operation::Create, &namespace, &mut object, None, &mut source).map_err(denied)?;
    admission::validate(&gvk, Operation::Create, &object, None, &admission::World::empty(&options))
        .map_err(denied)?;
    Ok(object)
}
