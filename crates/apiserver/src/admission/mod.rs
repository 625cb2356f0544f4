//! Admission: what may change or refuse a write between decoding and storing.

mod lifecycle;
mod limits;
mod quota;
pub(crate) mod webhook;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use machinery::{GroupVersionKind, GroupVersionResource, Object, Status};

use crate::auth::user::User;
use crate::core::{Core, Warnings};
use crate::resource::Resource;

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object.
    Update,
    /// An object that goes.
    Delete,
    /// exec, proxy and the like.
    Connect,
}

impl Operation {
    /// The name in webhook rules and reviews.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// What is known of a write besides the object.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// Who writes.
    pub user: Arc<User>,
    /// What the write does.
    pub operation: Operation,
    /// Kind of the object.
    pub kind: GroupVersionKind,
    /// Resource of the URL.
    pub resource: GroupVersionResource,
    /// Subresource, empty for the main resource.
    pub subresource: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name; empty on a create whose name is generated.
    pub name: String,
    /// Whether the resource is namespaced.
    pub namespaced: bool,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// The writer's field manager.
    pub field_manager: String,
}

/// An admission plugin that runs inside the server.
#[async_trait]
pub trait Admission: Send + Sync + 'static {
    /// Name for logs.
    fn name(&self) -> &str;

    /// Whether the plugin looks at such writes at all. Called for every write: keep it cheap.
    fn handles(&self, attributes: &Attributes) -> bool;

    /// Changes the object of a create or update. `old` is the stored state of an update. Texts pushed
    /// to `warnings` reach the client.
    ///
    /// # Errors
    /// The refusal, as the client will see it.
    async fn mutate(
        &self,
        _attributes: &Attributes,
        _object: &mut Object,
        _old: Option<&Object>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        Ok(())
    }

    /// Refuses or lets pass. A delete has only `old`, a create only `object`.
    ///
    /// # Errors
    /// The refusal, as the client will see it.
    async fn validate(
        &self,
        _attributes: &Attributes,
        _object: Option<&Object>,
        _old: Option<&Object>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        Ok(())
    }
}

/// Every admission plugin in order: namespace lifecycle, limits, the ones handed in, the webhooks, quotas.
pub(crate) struct Chain {
    plugins: Vec<Arc<dyn Admission>>,
    webhooks: webhook::Webhooks,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.plugins.iter().map(|p| p.name())).finish()
    }
}

impl Chain {
    pub(crate) fn new(plugins: Vec<Arc<dyn Admission>>) -> Self {
        Self { plugins, webhooks: webhook::Webhooks::default() }
    }

    /// Runs everything that may change the object.
    pub(crate) async fn mutate(
        &self,
        attributes: &Attributes,
        object: &mut Object,
        old: Option<&Object>,
        warnings: &Warnings,
        core: &Arc<Core>,
        resource: &Resource,
    ) -> Result<(), Status> {
        lifecycle::check(attributes, core).await?;
        limits::fill(attributes, object, core);
        let mut changed = false;
        for plugin in self.plugins.iter().filter(|p| p.handles(attributes)) {
            let mut texts = Vec::new();
            plugin.mutate(attributes, object, old, &mut texts).await?;
            changed = true;
            texts.into_iter().for_each(|text| warnings.add(text));
        }
        changed |= self.webhooks.mutate(attributes, object, old, warnings, core).await?;
        if changed {
            resource.default(object);
        }
        Ok(())
    }

    /// Runs mutating webhooks that look at deletes; they cannot change anything but may refuse.
    pub(crate) async fn mutate_delete(
        &self,
        attributes: &Attributes,
        old: &Object,
        warnings: &Warnings,
        core: &Arc<Core>,
        _resource: &Resource,
    ) -> Result<(), Status> {
        self.webhooks.mutate_delete(attributes, old, warnings, core).await
    }

    /// Runs everything that may refuse the write.
    pub(crate) async fn validate(
        &self,
        attributes: &Attributes,
        object: Option<&Object>,
        old: Option<&Object>,
        warnings: &Warnings,
        core: &Arc<Core>,
        _resource: &Resource,
    ) -> Result<(), Status> {
        if let Some(object) = object {
            limits::check(attributes, object, core)?;
        }
        for plugin in self.plugins.iter().filter(|p| p.handles(attributes)) {
            let mut texts = Vec::new();
            plugin.validate(attributes, object, old, &mut texts).await?;
            texts.into_iter().for_each(|text| warnings.add(text));
        }
        self.webhooks.validate(attributes, object, old, warnings, core).await?;
        match object {
            Some(object) => quota::charge(attributes, object, old, core).await,
            None => Ok(()),
        }
    }
}
