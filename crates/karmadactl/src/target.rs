//! What arguments mean: `deploy/web`, `deployment web`, `deployments.apps/web`.

use anyhow::{Result, bail};
use client::{ApiResource, Client, Discovered};
use machinery::Object;

use crate::told;

/// Splits `TYPE/NAME` or `TYPE NAME` into the two.
///
/// # Errors
/// When it is neither.
pub(crate) fn split(words: &[String]) -> Result<(String, String)> {
    let (kind, name) = match words {
        [one] => match one.split_once('/') {
            Some(parts) => parts,
            None => bail!("{one:?} names a type and no object; use TYPE/NAME or TYPE NAME"),
        },
        [kind, _] if kind.contains('/') => {
            bail!("{kind:?} names an object already; a second argument makes no sense")
        }
        [kind, name] => (kind.as_str(), name.as_str()),
        _ => bail!("one object must be named, as TYPE/NAME or TYPE NAME"),
    };
    if kind.is_empty() || name.is_empty() || name.contains('/') {
        bail!("{:?} is not TYPE/NAME", words.join(" "));
    }
    Ok((kind.to_owned(), name.to_owned()))
}

/// Finds the resource that a word means: plural, singular, short name or kind, with or without a group.
pub(crate) fn resolve<'a>(discovered: &'a Discovered, word: &str) -> Option<&'a ApiResource> {
    let word = word.to_lowercase();
    let (name, group) =
        word.split_once('.').map_or((word.as_str(), None), |(name, group)| (name, Some(group)));
    discovered.resources.iter().find(|r| {
        let named = r.plural == name
            || r.singular == name
            || r.gvk.kind.to_lowercase() == name
            || r.short_names.iter().any(|s| s == name);
        named && group.is_none_or(|g| r.gvk.group == g || format!("{}.{}", r.gvk.version, r.gvk.group) == g)
    })
}

/// Reads the object that the arguments name.
///
/// # Errors
/// When they name none, the type is unknown, or the object does not exist.
pub(crate) async fn read(
    client: &Client,
    discovered: &Discovered,
    words: &[String],
    namespace: &str,
) -> Result<Object> {
    let (kind, name) = split(words)?;
    let Some(resource) = resolve(discovered, &kind) else {
        bail!("the server doesn't have a resource type {kind:?}");
    };
    let namespace = if resource.namespaced { namespace } else { "" };
    let objects = client.resource(&resource.gvr()).namespace(namespace);
    match objects.find(&name).await.map_err(told)? {
        Some(object) => Ok(object),
        None if namespace.is_empty() => bail!("{} {name:?} not found", resource.gvr().qualified()),
        None => {
            bail!("{} {name:?} not found in namespace {namespace:?}", resource.gvr().qualified())
        }
    }
}

#[cfg(test)]
mod tests {
    use machinery::GroupVersionKind;

    use super::*;

    #[test]
    fn an_object_is_named_in_one_word_or_two() {
        let split = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            split(&words).map(|(kind, name)| format!("{kind} {name}")).map_err(|e| e.to_string())
        };
        assert_eq!(split(&["deploy/web"]).unwrap(), "deploy web");
        assert_eq!(split(&["deployments.apps", "web"]).unwrap(), "deployments.apps web");
        assert!(split(&["deploy"]).unwrap_err().contains("names a type and no object"));
        assert!(split(&["deploy/web", "other"]).unwrap_err().contains("a second argument"));
        for words in [&["/web"] as &[&str], &["deploy/"], &["deploy/a/b"], &[]] {
            assert!(split(words).is_err(), "{words:?}");
        }
    }

    #[test]
    fn a_resource_is_found_by_any_of_its_names() {
        let resource = |group: &str, kind: &str, plural: &str, short: &str| ApiResource {
            gvk: GroupVersionKind::new(group, "v1", kind),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: vec![short.into()],
            namespaced: true,
            verbs: vec![],
        };
        let discovered = Discovered {
            resources: vec![
                resource("", "Service", "services", "svc"),
                resource("serving.knative.dev", "Service", "services", "kservice"),
                resource("apps", "Deployment", "deployments", "deploy"),
            ],
            failed: vec![],
        };
        let group = |word| resolve(&discovered, word).map(|r| format!("{}/{}", r.gvk.group, r.gvk.kind));
        assert_eq!(group("deploy").as_deref(), Some("apps/Deployment"));
        assert_eq!(group("Deployment").as_deref(), Some("apps/Deployment"));
        assert_eq!(group("deployments.v1.apps").as_deref(), Some("apps/Deployment"));
        assert_eq!(group("services").as_deref(), Some("/Service"));
        assert_eq!(group("services.serving.knative.dev").as_deref(), Some("serving.knative.dev/Service"));
        assert_eq!(group("kservice").as_deref(), Some("serving.knative.dev/Service"));
        assert_eq!(group("nothing"), None);
    }
}
