//! An API server as a test looks at it: one call, one answer, no futures.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use client::{Budget, Client, DeleteOptions, ListOptions};
use machinery::{GroupVersionResource, Object};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

/// The tests' own threads for futures.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("the machine has room for two threads")
    })
}

/// Runs a future to its end.
pub fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// Runs a future beside the test, until it ends or is aborted.
pub fn background(future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    runtime().spawn(future)
}

/// An API server and how to reach it.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    context: String,
    client: Client,
}

impl Cluster {
    /// The server of a context.
    ///
    /// # Errors
    /// When the file cannot be read or has no such context.
    pub fn open(kubeconfig: &Path, context: &str) -> Result<Self> {
        let budget = Budget { timeout: Duration::from_secs(20), ..Budget::control_plane() };
        let client = block_on(Client::from_kubeconfig(kubeconfig, Some(context), budget))?;
        Ok(Self { kubeconfig: kubeconfig.into(), context: context.into(), client })
    }

    /// Its kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Its context in the file.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The client behind it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether `/readyz` says ok.
    ///
    /// # Errors
    /// When the server cannot be reached or says why it is not ready.
    pub fn check_ready(&self) -> Result<()> {
        let (code, text) = block_on(self.client.get_text("/readyz"))?;
        anyhow::ensure!(code == 200, "/readyz says {code}: {text}");
        Ok(())
    }

    fn resource(&self, resource: &str, namespace: &str) -> client::Resource {
        self.client.resource(&gvr(resource)).namespace(namespace)
    }

    /// An object, by resource (`v1/pods`, `apps/v1/deployments`), namespace and name.
    ///
    /// # Errors
    /// When there is none or the server cannot be asked.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Object> {
        let found = self.find(resource, namespace, name)?;
        found.with_context(|| format!("{} has no {resource} {namespace}/{name}", self.context))
    }

    /// An object, or nothing where there is none.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn find(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<Object>> {
        Ok(block_on(self.resource(resource, namespace).find(name))?)
    }

    /// Says so if an object exists.
    ///
    /// # Errors
    /// When it does or the server cannot be asked.
    pub fn check_gone(&self, resource: &str, namespace: &str, name: &str) -> Result<()> {
        let found = self.find(resource, namespace, name)?;
        anyhow::ensure!(found.is_none(), "{} still has {resource} {namespace}/{name}", self.context);
        Ok(())
    }

    /// The objects of a resource; an empty namespace means all, an empty selector too.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn list(&self, resource: &str, namespace: &str, labels: &str) -> Result<Vec<Object>> {
        let options = ListOptions { labels: labels.into(), ..ListOptions::default() };
        Ok(block_on(self.resource(resource, namespace).list_all(&options))?.items)
    }

    /// Creates an object in the namespace it names.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create(&self, resource: &str, object: Value) -> Result<Object> {
        let object = Object::from_value(object).context("not an object")?;
        Ok(block_on(self.resource(resource, object.namespace()).create(&object))?)
    }

    /// Changes an object by a merge patch.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn patch(&self, resource: &str, namespace: &str, name: &str, patch: Value) -> Result<Object> {
        Ok(block_on(self.resource(resource, namespace).patch(name, &client::Patch::Merge(&patch)))?)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When there is none or the server refuses.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<()> {
        Ok(block_on(self.resource(resource, namespace).delete(name, &DeleteOptions::default()))?)
    }
}

/// `v1/pods` or `apps/v1/deployments` as data.
///
/// # Panics
/// When it is neither.
#[track_caller]
fn gvr(resource: &str) -> GroupVersionResource {
    match resource.split('/').collect::<Vec<_>>()[..] {
        [version, plural] => GroupVersionResource::new("", version, plural),
        [group, version, plural] => GroupVersionResource::new(group, version, plural),
        _ => panic!("{resource:?} is not group/version/resource"),
    }
}
