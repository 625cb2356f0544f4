//! What can be done at which path, before it is written down in either version of OpenAPI.

use machinery::{GroupVersion, GroupVersionKind};

use crate::{Served, Subresource, definitions};

/// A query parameter and its type.
pub(crate) type Parameter = (&'static str, &'static str);

const WRITE: &[Parameter] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];

const PATCH: &[Parameter] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean")];

const DELETE: &[Parameter] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];

const LIST: &[Parameter] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

const DELETE_COLLECTION: &[Parameter] = &[
    ("continue", "string"),
    ("dryRun", "string"),
    ("fieldSelector", "string"),
    ("gracePeriodSeconds", "integer"),
    ("ignoreStoreReadErrorWithClusterBreakingPotential", "boolean"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
];

pub(crate) const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
pub(crate) const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
pub(crate) const PATCH_BODY: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";
pub(crate) const RESOURCE_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList";

/// Everything that can be done at one path.
pub(crate) struct Path {
    /// With placeholders, for example `/api/v1/namespaces/{namespace}/pods/{name}`.
    pub(crate) path: String,
    /// Placeholders in the path.
    pub(crate) placeholders: Vec<&'static str>,
    pub(crate) operations: Vec<Operation>,
}

/// One method at one path.
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// `x-kubernetes-action`.
    pub(crate) action: &'static str,
    pub(crate) id: String,
    pub(crate) tag: String,
    pub(crate) gvk: Option<GroupVersionKind>,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) body: Body,
    /// Definition of the answer, or nothing for text and streams.
    pub(crate) answer: Option<String>,
    /// Success codes.
    pub(crate) codes: &'static [&'static str],
    /// Whether the kind is defined by a CustomResourceDefinition.
    pub(crate) is_custom: bool,
}

/// What a request carries.
pub(crate) enum Body {
    None,
    /// An object of a definition.
    Object(String),
    /// Optionally [`DELETE_OPTIONS`].
    DeleteOptions,
    /// One of the patch formats.
    Patch,
}

/// Media types of patches, in the order of their names.
pub(crate) fn patch_types(is_custom: bool) -> &'static [&'static str] {
    const ALL: [&str; 4] = [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
    ];
    if is_custom { &ALL[..3] } else { &ALL }
}

/// URL path of a group version without slashes at its ends: `api/v1`, `apis/apps/v1`.
pub(crate) fn base(gv: &GroupVersion) -> String {
    if gv.group.is_empty() {
        format!("api/{}", gv.version)
    } else {
        format!("apis/{}/{}", gv.group, gv.version)
    }
}

/// All paths of a group version, those of `served` that belong to it.
pub(crate) fn of_group_version(gv: &GroupVersion, served: &[Served]) -> Vec<Path> {
    let names = Names::new(gv);
    let mut paths = vec![names.discovery()];
    for resource in served.iter().filter(|resource| definitions::group_version(&resource.gvk) == *gv) {
        paths.extend(names.resource(resource));
    }
    paths.retain(|path| !path.operations.is_empty());
    paths
}

/// How a group version is called in paths, operation ids and tags.
struct Names {
    root: String,
    id: String,
    tag: String,
}

impl Names {
    fn new(gv: &GroupVersion) -> Self {
        let short = gv.group.strip_suffix(".k8s.io").unwrap_or(&gv.group);
        let group: String =
            if short.is_empty() { "Core".into() } else { short.split(['.', '-']).map(capitalised).collect() };
        let tag = format!("{}_{}", uncapitalised(&group), gv.version);
        Self { root: format!("/{}", base(gv)), id: format!("{group}{}", capitalised(&gv.version)), tag }
    }

    fn discovery(&self) -> Path {
        let operation = Operation {
            method: "get",
            action: "",
            id: format!("get{}APIResources", self.id),
            tag: self.tag.clone(),
            gvk: None,
            parameters: &[],
            body: Body::None,
            answer: Some(RESOURCE_LIST.into()),
            codes: &["200"],
            is_custom: false,
        };
        Path { path: format!("{}/", self.root), placeholders: Vec::new(), operations: vec![operation] }
    }

    fn resource(&self, resource: &Served) -> Vec<Path> {
        let plural = &resource.plural;
        let within = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{}{within}/{plural}", self.root);
        let placeholders = if resource.namespaced { vec!["namespace"] } else { Vec::new() };
        let of_object: Vec<&'static str> = [&["name"][..], &placeholders].concat();
        let object = format!("{collection}/{{name}}");

        let mut paths = Vec::new();
        if resource.namespaced && has(&resource.verbs, "list") {
            let mut list = self.operation(resource, "list", "list");
            list.id = format!("list{}{}ForAllNamespaces", self.id, resource.gvk.kind);
            paths.push(Path {
                path: format!("{}/{plural}", self.root),
                placeholders: Vec::new(),
                operations: vec![list],
            });
        }
        let operations = |verbs: &[(&'static str, &'static str)]| {
            let supported = verbs.iter().filter(|(verb, _)| has(&resource.verbs, verb));
            supported.map(|(verb, word)| self.operation(resource, verb, word)).collect()
        };
        paths.push(Path {
            path: collection,
            placeholders,
            operations: operations(&[("list", "list"), ("create", "create"), ("deletecollection", "delete")]),
        });
        paths.push(Path {
            path: object.clone(),
            placeholders: of_object.clone(),
            operations: operations(&[
                ("get", "read"),
                ("update", "replace"),
                ("delete", "delete"),
                ("patch", "patch"),
            ]),
        });
        for subresource in &resource.subresources {
            paths.push(Path {
                path: format!("{object}/{}", subresource.name),
                placeholders: of_object.clone(),
                operations: self.subresource(resource, subresource),
            });
        }
        paths
    }

    fn operation(&self, resource: &Served, verb: &'static str, word: &str) -> Operation {
        let namespaced = if resource.namespaced { "Namespaced" } else { "" };
        let collection = if verb == "deletecollection" { "Collection" } else { "" };
        let kind = &resource.gvk.kind;
        let mut operation =
            self.plain(verb, resource.gvk.clone(), definitions::name(resource), resource.is_custom);
        operation.id = format!("{word}{}{collection}{namespaced}{kind}", self.id);
        match verb {
            "list" => operation.answer = Some(definitions::list_name(resource)),
            "delete" | "deletecollection" => operation.answer = Some(STATUS.into()),
            _ => {}
        }
        operation
    }

    fn subresource(&self, resource: &Served, subresource: &Subresource) -> Vec<Operation> {
        const VERBS: [(&str, &str); 5] = [
            ("get", "read"),
            ("create", "create"),
            ("update", "replace"),
            ("delete", "delete"),
            ("patch", "patch"),
        ];
        let namespaced = if resource.namespaced { "Namespaced" } else { "" };
        let suffix = format!("{namespaced}{}{}", resource.gvk.kind, capitalised(&subresource.name));
        let is_connection = subresource.gvk.kind.ends_with("Options");
        let same_kind = subresource.gvk == resource.gvk;
        let definition = if same_kind {
            definitions::name(resource)
        } else {
            definitions::builtin_name(&subresource.gvk).unwrap_or(STATUS).to_owned()
        };
        let operation = |(verb, word): &(&'static str, &'static str)| {
            let is_custom = resource.is_custom && same_kind;
            let mut operation = self.plain(verb, subresource.gvk.clone(), definition.clone(), is_custom);
            operation.id = format!("{word}{}{suffix}", self.id);
            if is_connection {
                operation.action = "connect";
                operation.id = format!("connect{}{}{suffix}", self.id, capitalised(operation.method));
                (operation.parameters, operation.body) = (&[], Body::None);
            }
            if is_connection || subresource.name == "log" {
                operation.answer = None;
                operation.codes = &["200"];
            }
            operation
        };
        VERBS.iter().filter(|(verb, _)| has(&subresource.verbs, verb)).map(operation).collect()
    }

    /// An operation without its id, answering with the definition it works on.
    fn plain(
        &self,
        verb: &'static str,
        gvk: GroupVersionKind,
        definition: String,
        is_custom: bool,
    ) -> Operation {
        let (method, action, parameters, codes): (_, _, _, &'static [&'static str]) = match verb {
            "list" => ("get", "list", LIST, &["200"]),
            "create" => ("post", "post", WRITE, &["200", "201", "202"]),
            "update" => ("put", "put", WRITE, &["200", "201"]),
            "patch" => ("patch", "patch", PATCH, &["200", "201"]),
            "delete" => ("delete", "delete", DELETE, &["200", "202"]),
            "deletecollection" => ("delete", "deletecollection", DELETE_COLLECTION, &["200"]),
            _ => ("get", "get", &[][..], &["200"]),
        };
        let body = match method {
            "post" | "put" => Body::Object(definition.clone()),
            "patch" => Body::Patch,
            "delete" => Body::DeleteOptions,
            _ => Body::None,
        };
        Operation {
            method,
            action,
            id: String::new(),
            tag: self.tag.clone(),
            gvk: Some(gvk),
            parameters,
            body,
            answer: Some(definition),
            codes,
            is_custom,
        }
    }
}

fn has(verbs: &[String], verb: &str) -> bool {
    verbs.iter().any(|known| known == verb)
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

fn uncapitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
}
