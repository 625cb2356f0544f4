//! Which resource serves a kind, in one API server, asked for only when needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use client::{ApiResource, Client, Discovered};
use machinery::{GroupVersionKind, GroupVersionResource};

/// Kinds and their resources, remembered.
#[derive(Clone)]
pub(crate) struct Kinds {
    client: Client,
    known: Arc<Mutex<BTreeMap<GroupVersionKind, Arc<ApiResource>>>>,
}

/// Why the resource of a kind is not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The server does not have the kind.
    #[error("the cluster does not serve {0}")]
    NotServed(GroupVersionKind),
    /// The server could not be asked.
    #[error("could not find out how {kind} is served")]
    Discovery {
        /// The kind.
        kind: GroupVersionKind,
        /// Why.
        source: client::Error,
    },
}

impl Kinds {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Arc::default() }
    }

    /// Takes over what a discovery has found.
    pub(crate) fn learn(&self, discovered: &Discovered) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let complete = discovered.failed.is_empty();
        if complete {
            known.clear();
        }
        for resource in &discovered.resources {
            known.insert(resource.gvk.clone(), Arc::new(resource.clone()));
        }
    }

    fn known(&self, kind: &GroupVersionKind) -> Option<Arc<ApiResource>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(kind).cloned()
    }

    /// The resource that serves a kind; asks the server when it is not known yet.
    pub(crate) async fn resource(&self, kind: &GroupVersionKind) -> Result<Arc<ApiResource>, Error> {
        if let Some(resource) = self.known(kind) {
            return Ok(resource);
        }
        match self.client.resources_of(&kind.group_version()).await {
            Ok(resources) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                for resource in resources {
                    known.insert(resource.gvk.clone(), Arc::new(resource));
                }
                known.get(kind).cloned().ok_or_else(|| Error::NotServed(kind.clone()))
            }
            Err(error) if error.is_not_found() => Err(Error::NotServed(kind.clone())),
            Err(source) => Err(Error::Discovery { kind: kind.clone(), source }),
        }
    }

    /// [`Kinds::resource`], as group, version and plural.
    pub(crate) async fn gvr(&self, kind: &GroupVersionKind) -> Result<GroupVersionResource, Error> {
        Ok(self.resource(kind).await?.gvr())
    }
}
