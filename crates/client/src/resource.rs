//! Reading and writing the objects of one resource.

use bytes::Bytes;
use http::{Method, Request};
use kube::client::Body;
use machinery::{GroupVersionResource, Object};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::watch::{WatchOptions, WatchStream};
use crate::{Client, Error, request};

/// The objects of one resource, in one namespace or in all.
#[derive(Debug, Clone)]
pub struct Resource {
    client: Client,
    gvr: GroupVersionResource,
    namespace: Option<String>,
    field_manager: Option<&'static str>,
}

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Label selector in its text form; empty for all.
    pub labels: String,
    /// Field selector in its text form; empty for all.
    pub fields: String,
    /// At most this many objects; 0 for all.
    pub limit: u32,
    /// Token of the page before.
    pub continue_token: Option<String>,
    /// Resource version, `0` for whatever the server has at hand.
    pub resource_version: Option<String>,
}

/// One page of a list.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// The objects. `apiVersion` and `kind` are filled in even where the server leaves them out.
    pub items: Vec<Object>,
    /// The state of the server that the list shows.
    pub resource_version: String,
    /// Token for the next page.
    pub continue_token: Option<String>,
}

/// A change to an object.
#[derive(Debug, Clone)]
pub enum Patch<'a> {
    /// RFC 7396.
    Merge(&'a Value),
    /// RFC 6902.
    Json(&'a Value),
    /// Strategic merge; built-in kinds only.
    Strategic(&'a Value),
    /// Server-side apply by a field manager; `force` takes fields over from others.
    Apply {
        /// What the manager wants.
        config: &'a Object,
        /// The manager.
        manager: &'a str,
        /// Take over fields that others own.
        force: bool,
    },
}

/// What becomes of the dependents of a deleted object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// Deleted afterwards by the garbage collector.
    #[default]
    Background,
    /// Deleted first.
    Foreground,
    /// Left alone.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What becomes of dependents; the kind's default when absent.
    pub propagation: Option<Propagation>,
    /// Delete only the object of this uid.
    pub uid: Option<String>,
    /// Delete only this version of the object.
    pub resource_version: Option<String>,
    /// Seconds given to a pod to end; the pod's own when absent.
    pub grace_period_secs: Option<u64>,
}

#[derive(Deserialize)]
struct ListBody {
    #[serde(default)]
    kind: String,
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    metadata: ListMeta,
    items: Option<Vec<Object>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    continue_token: String,
}

impl Resource {
    pub(crate) fn new(client: Client, gvr: GroupVersionResource) -> Self {
        Self { client, gvr, namespace: None, field_manager: None }
    }

    /// The same resource in one namespace; an empty name means all namespaces or none.
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned()).filter(|n| !n.is_empty());
        self
    }

    /// Names the writer in managed fields; the server takes the user agent otherwise.
    pub fn field_manager(mut self, manager: &'static str) -> Self {
        self.field_manager = Some(manager);
        self
    }

    /// Group, version and plural name.
    pub fn gvr(&self) -> &GroupVersionResource {
        &self.gvr
    }

    fn what(&self, verb: &str, name: &str) -> String {
        match (&self.namespace, name) {
            (Some(namespace), "") => format!("{verb} {} in {namespace}", self.gvr.qualified()),
            (Some(namespace), name) => format!("{verb} {} {namespace}/{name}", self.gvr.qualified()),
            (None, "") => format!("{verb} {}", self.gvr.qualified()),
            (None, name) => format!("{verb} {} {name}", self.gvr.qualified()),
        }
    }

    fn path(&self, name: Option<&str>, subresource: &str, query: &[(&str, &str)]) -> String {
        let mut path = self.gvr.path(self.namespace.as_deref(), name.map(encode).as_deref());
        if !subresource.is_empty() {
            path.push('/');
            path.push_str(subresource);
        }
        let manager = self.field_manager.map(|m| ("fieldManager", m));
        for (i, (key, value)) in query.iter().copied().chain(manager).enumerate() {
            path.push(if i == 0 { '?' } else { '&' });
            path.push_str(key);
            path.push('=');
            path.push_str(&encode(value));
        }
        path
    }

    async fn one(&self, verb: &str, name: &str, request: Request<Body>) -> Result<Object, Error> {
        self.client.json(&|| self.what(verb, name), request).await
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Error::is_not_found`] when there is none.
    pub async fn get(&self, name: &str) -> Result<Object, Error> {
        let path = self.gvr.path(self.namespace.as_deref(), Some(&encode(name)));
        self.one("get", name, request(Method::GET, &path, None, Bytes::new())?).await
    }

    /// Reads an object that may not exist.
    ///
    /// # Errors
    /// All failures but "not found".
    pub async fn find(&self, name: &str) -> Result<Option<Object>, Error> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lists objects, one page.
    ///
    /// # Errors
    /// [`Error::is_expired`] when a continue token is too old.
    pub async fn list(&self, options: &ListOptions) -> Result<List, Error> {
        let limit = options.limit.to_string();
        let mut query = Vec::new();
        if !options.labels.is_empty() {
            query.push(("labelSelector", options.labels.as_str()));
        }
        if !options.fields.is_empty() {
            query.push(("fieldSelector", options.fields.as_str()));
        }
        if options.limit > 0 {
            query.push(("limit", limit.as_str()));
        }
        if let Some(token) = &options.continue_token {
            query.push(("continue", token.as_str()));
        }
        if let Some(version) = &options.resource_version {
            query.push(("resourceVersion", version.as_str()));
        }
        let path = self.path(None, "", &query);
        let what = || self.what("list", "");
        let body: ListBody =
            self.client.json(&what, request(Method::GET, &path, None, Bytes::new())?).await?;
        let kind = body.kind.strip_suffix("List").unwrap_or_default();
        let mut items = body.items.unwrap_or_default();
        for item in &mut items {
            if item.kind().is_empty() {
                item.set("/kind", kind);
                item.set("/apiVersion", body.api_version.as_str());
            }
        }
        Ok(List {
            items,
            resource_version: body.metadata.resource_version,
            continue_token: Some(body.metadata.continue_token).filter(|t| !t.is_empty()),
        })
    }

    /// Lists objects, all pages.
    ///
    /// # Errors
    /// As [`Resource::list`]; nothing is returned when a page fails.
    pub async fn list_all(&self, options: &ListOptions) -> Result<List, Error> {
        let mut options = options.clone();
        let mut all = List::default();
        loop {
            let page = self.list(&options).await?;
            all.items.extend(page.items);
            all.resource_version = page.resource_version;
            match page.continue_token {
                None => return Ok(all),
                token => {
                    options.continue_token = token;
                    options.resource_version = None;
                }
            }
        }
    }

    /// Watches for changes.
    ///
    /// # Errors
    /// When the watch cannot be opened.
    pub async fn watch(&self, options: &WatchOptions) -> Result<WatchStream, Error> {
        let query = options.query();
        let query: Vec<(&str, &str)> = query.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let path = self.path(None, "", &query);
        let what = || self.what("watch", "");
        let response = self.client.send(&what, request(Method::GET, &path, None, Bytes::new())?).await?;
        Ok(WatchStream::new(self.what("watch", ""), response.into_body()))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`Error::is_already_exists`] when the name is taken.
    pub async fn create(&self, object: &Object) -> Result<Object, Error> {
        let path = self.path(None, "", &[]);
        self.one("create", object.name(), request(Method::POST, &path, Some(JSON), body(object.value()))?)
            .await
    }

    /// Posts to a subresource of an object, for example `token` of a service account.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create_subresource(
        &self,
        name: &str,
        subresource: &str,
        object: &Object,
    ) -> Result<Object, Error> {
        let path = self.path(Some(name), subresource, &[]);
        self.one("create", name, request(Method::POST, &path, Some(JSON), body(object.value()))?).await
    }

    /// Replaces an object; with a resource version in it, only that version.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when the object changed in between.
    pub async fn update(&self, object: &Object) -> Result<Object, Error> {
        self.replace(object, "").await
    }

    /// Replaces an object's status; the rest of what is sent is ignored.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when the object changed in between.
    pub async fn update_status(&self, object: &Object) -> Result<Object, Error> {
        self.replace(object, "status").await
    }

    /// Replaces through a subresource.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when the object changed in between.
    pub async fn replace(&self, object: &Object, subresource: &str) -> Result<Object, Error> {
        let path = self.path(Some(object.name()), subresource, &[]);
        self.one("update", object.name(), request(Method::PUT, &path, Some(JSON), body(object.value()))?)
            .await
    }

    /// Changes an object.
    ///
    /// # Errors
    /// [`Error::is_conflict`] when the patch names a version that is not current.
    pub async fn patch(&self, name: &str, patch: &Patch<'_>) -> Result<Object, Error> {
        self.patch_subresource(name, "", patch).await
    }

    /// Changes an object's status.
    ///
    /// # Errors
    /// As [`Resource::patch`].
    pub async fn patch_status(&self, name: &str, patch: &Patch<'_>) -> Result<Object, Error> {
        self.patch_subresource(name, "status", patch).await
    }

    async fn patch_subresource(
        &self,
        name: &str,
        subresource: &str,
        patch: &Patch<'_>,
    ) -> Result<Object, Error> {
        let (content_type, value) = match patch {
            Patch::Merge(value) => ("application/merge-patch+json", *value),
            Patch::Json(value) => ("application/json-patch+json", *value),
            Patch::Strategic(value) => ("application/strategic-merge-patch+json", *value),
            Patch::Apply { config, .. } => ("application/apply-patch+yaml", config.value()),
        };
        let path = match patch {
            Patch::Apply { manager, force, .. } => {
                let applied = Self { field_manager: None, ..self.clone() };
                let force = if *force { "true" } else { "false" };
                applied.path(Some(name), subresource, &[("fieldManager", manager), ("force", force)])
            }
            _ => self.path(Some(name), subresource, &[]),
        };
        self.one("patch", name, request(Method::PATCH, &path, Some(content_type), body(value))?).await
    }

    /// Deletes an object. Returns once the server has accepted; finalizers may keep the object around.
    ///
    /// # Errors
    /// [`Error::is_not_found`] when there is none, [`Error::is_conflict`] when a precondition fails.
    pub async fn delete(&self, name: &str, options: &DeleteOptions) -> Result<(), Error> {
        let mut sent = json!({ "kind": "DeleteOptions", "apiVersion": "v1" });
        if let Some(propagation) = options.propagation {
            sent["propagationPolicy"] = match propagation {
                Propagation::Background => "Background",
                Propagation::Foreground => "Foreground",
                Propagation::Orphan => "Orphan",
            }
            .into();
        }
        if let Some(uid) = &options.uid {
            sent["preconditions"]["uid"] = uid.as_str().into();
        }
        if let Some(version) = &options.resource_version {
            sent["preconditions"]["resourceVersion"] = version.as_str().into();
        }
        if let Some(seconds) = options.grace_period_secs {
            sent["gracePeriodSeconds"] = seconds.into();
        }
        let path = self.path(Some(name), "", &[]);
        let what = || self.what("delete", name);
        self.client.send(&what, request(Method::DELETE, &path, Some(JSON), body(&sent))?).await?;
        Ok(())
    }

    /// Deletes an object that may already be gone.
    ///
    /// # Errors
    /// All failures but "not found".
    pub async fn delete_if_present(&self, name: &str, options: &DeleteOptions) -> Result<(), Error> {
        match self.delete(name, options).await {
            Err(error) if error.is_not_found() => Ok(()),
            result => result,
        }
    }

    /// Deletes every object that the selectors match.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete_collection(&self, options: &ListOptions) -> Result<(), Error> {
        let mut query = Vec::new();
        if !options.labels.is_empty() {
            query.push(("labelSelector", options.labels.as_str()));
        }
        if !options.fields.is_empty() {
            query.push(("fieldSelector", options.fields.as_str()));
        }
        let path = self.path(None, "", &query);
        let what = || self.what("delete", "");
        self.client.send(&what, request(Method::DELETE, &path, None, Bytes::new())?).await?;
        Ok(())
    }
}

const JSON: &str = "application/json";

fn body(value: &Value) -> Bytes {
    serde_json::to_vec(value).expect("a JSON value always serialises").into()
}

/// Percent-encodes everything that is not unreserved (RFC 3986).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_cannot_hold_is_encoded() {
        assert_eq!(encode("a=b,c in (x)"), "a%3Db%2Cc%20in%20%28x%29");
        assert_eq!(encode("system:node/é"), "system%3Anode%2F%C3%A9");
    }
}
