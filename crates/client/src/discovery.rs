//! Which resources a server offers.

use machinery::{GroupVersion, GroupVersionKind, GroupVersionResource};
use serde::Deserialize;

use crate::{Client, Error};

/// A resource that a server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiResource {
    /// Group, version and kind.
    pub gvk: GroupVersionKind,
    /// Plural name.
    pub plural: String,
    /// Lower-case singular name.
    pub singular: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: Vec<String>,
}

impl ApiResource {
    /// Group, version and plural name.
    pub fn gvr(&self) -> GroupVersionResource {
        GroupVersionResource::new(&self.gvk.group, &self.gvk.version, &self.plural)
    }

    /// Whether a verb is offered.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

/// Everything that a server offers, as far as it could be asked.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    /// Resources (no subresources) of every version, preferred versions of a group first.
    pub resources: Vec<ApiResource>,
    /// Group versions that did not answer, with the reason.
    pub failed: Vec<(GroupVersion, String)>,
}

impl Discovered {
    /// The resource of a kind.
    pub fn by_kind(&self, gvk: &GroupVersionKind) -> Option<&ApiResource> {
        self.resources.iter().find(|r| r.gvk == *gvk)
    }
}

#[derive(Deserialize)]
struct Versions {
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    group_version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    name: String,
    #[serde(default)]
    singular_name: String,
    namespaced: bool,
    kind: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    version: String,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    short_names: Option<Vec<String>>,
}

impl Client {
    /// Asks the server for everything it offers. A group version that fails is listed in
    /// [`Discovered::failed`] and does not hide the others.
    ///
    /// # Errors
    /// When the lists of versions and groups cannot be read.
    pub async fn discover(&self) -> Result<Discovered, Error> {
        let core: Versions = self.read("/api").await?;
        let groups: GroupList = self.read("/apis").await?;
        let core = core.versions.into_iter();
        let versions =
            core.chain(groups.groups.into_iter().flat_map(|g| g.versions).map(|v| v.group_version));
        let answers = futures::future::join_all(versions.map(|text| async move {
            let version = GroupVersion::parse(&text);
            let answer = self.resources_of(&version).await;
            (version, answer)
        }))
        .await;
        let mut discovered = Discovered::default();
        for (version, answer) in answers {
            match answer {
                Ok(resources) => discovered.resources.extend(resources),
                Err(error) => discovered.failed.push((version, error.chain())),
            }
        }
        Ok(discovered)
    }

    /// The resources of one group version.
    ///
    /// # Errors
    /// [`Error::is_not_found`] when it is not served.
    pub async fn resources_of(&self, version: &GroupVersion) -> Result<Vec<ApiResource>, Error> {
        let path = if version.group.is_empty() { "/api" } else { "/apis" };
        let list: ResourceList = self.read(&format!("{path}/{version}")).await?;
        let own = list.resources.into_iter().filter(|e| !e.name.contains('/'));
        Ok(own
            .map(|entry| {
                let group = if entry.group.is_empty() { &version.group } else { &entry.group };
                let own_version = if entry.version.is_empty() { &version.version } else { &entry.version };
                ApiResource {
                    gvk: GroupVersionKind::new(group, own_version, &entry.kind),
                    plural: entry.name,
                    singular: entry.singular_name,
                    short_names: entry.short_names.unwrap_or_default(),
                    namespaced: entry.namespaced,
                    verbs: entry.verbs,
                }
            })
            .collect())
    }

    async fn read<T: for<'de> Deserialize<'de>>(&self, path: &str) -> Result<T, Error> {
        let request = crate::request(http::Method::GET, path, None, bytes::Bytes::new())?;
        self.json(&|| format!("read {path}"), request).await
    }
}
