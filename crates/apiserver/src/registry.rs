//! What is served: every group, version and resource at one moment.
//!
//! A registry never changes; when a CustomResourceDefinition comes or goes a new one takes its place.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::resource::Resource;

/// One version of a group.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    /// In discovery's order.
    pub(crate) resources: Vec<Arc<Resource>>,
    /// OpenAPI v3 of the version; goes over to the next registry while the version stays the same.
    pub(crate) open_api: Lazy,
}

impl Version {
    fn is_same(&self, other: &Self) -> bool {
        self.resources.len() == other.resources.len()
            && self.resources.iter().zip(&other.resources).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// One API group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Preferred version first.
    pub(crate) versions: Vec<Version>,
}

/// Documents made from a registry the first time they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) aggregated: OnceLock<BTreeMap<&'static str, (Bytes, String)>>,
    pub(crate) open_api_v2: OnceLock<(Bytes, String)>,
    pub(crate) open_api_v2_proto: OnceLock<(Bytes, String)>,
}

/// A document and its hash, made when first asked for.
pub(crate) type Lazy = Arc<OnceLock<(Bytes, String)>>;

/// Everything served at one moment.
#[derive(Debug)]
pub(crate) struct Registry {
    /// In discovery's order.
    pub(crate) groups: Vec<Group>,
    by_name: BTreeMap<String, BTreeMap<String, BTreeMap<String, Arc<Resource>>>>,
    pub(crate) documents: Documents,
}

impl Registry {
    /// A registry of built-in resources, in the order given, and custom ones, whose new groups follow
    /// in alphabetical order. Documents of what stayed the same are taken from the previous registry.
    pub(crate) fn new(builtin: &[Arc<Resource>], custom: &[Arc<Resource>], previous: Option<&Self>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for resource in builtin {
            add(&mut groups, resource);
        }
        let first_custom = groups.len();
        let mut custom: Vec<&Arc<Resource>> = custom.iter().collect();
        custom.sort_by(|a, b| (&a.gvr.group, &a.gvr.resource).cmp(&(&b.gvr.group, &b.gvr.resource)));
        for resource in custom {
            add(&mut groups, resource);
        }
        for group in &mut groups[first_custom..] {
            group.versions.sort_by(|a, b| machinery::version::by_priority(&a.name, &b.name));
        }
        for group in &mut groups {
            let before = previous.and_then(|p| p.group(&group.name));
            for version in &mut group.versions {
                let known = before.and_then(|b| b.versions.iter().find(|v| v.name == version.name));
                if let Some(known) = known.filter(|known| known.is_same(version)) {
                    version.open_api = Arc::clone(&known.open_api);
                }
            }
        }
        let mut by_name: BTreeMap<String, BTreeMap<String, BTreeMap<String, Arc<Resource>>>> =
            BTreeMap::new();
        for group in &groups {
            for version in &group.versions {
                let resources =
                    by_name.entry(group.name.clone()).or_default().entry(version.name.clone()).or_default();
                for resource in &version.resources {
                    resources.insert(resource.gvr.resource.clone(), Arc::clone(resource));
                }
            }
        }
        Self { groups, by_name, documents: Documents::default() }
    }

    /// A resource by the names in its URL.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        self.by_name.get(group)?.get(version)?.get(plural)
    }

    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|g| g.name == name)
    }

    /// Every resource.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.groups.iter().flat_map(|g| &g.versions).flat_map(|v| &v.resources)
    }
}

fn add(groups: &mut Vec<Group>, resource: &Arc<Resource>) {
    let at = groups.iter().position(|g| g.name == resource.gvr.group).unwrap_or_else(|| {
        groups.push(Group { name: resource.gvr.group.clone(), versions: Vec::new() });
        groups.len() - 1
    });
    let versions = &mut groups[at].versions;
    let at = versions.iter().position(|v| v.name == resource.gvr.version).unwrap_or_else(|| {
        versions.push(Version {
            name: resource.gvr.version.clone(),
            resources: Vec::new(),
            open_api: Lazy::default(),
        });
        versions.len() - 1
    });
    versions[at].resources.push(Arc::clone(resource));
}
