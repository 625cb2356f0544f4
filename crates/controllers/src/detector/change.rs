//! Which changes of a template count.

use machinery::Object;
use serde_json::{Map, Value};

const SKIP_AUTO_PROPAGATION: &str = api::names::labels::SKIP_AUTO_PROPAGATION;

/// Metadata that changes with every write.
const VOLATILE: [&str; 2] = ["managedFields", "resourceVersion"];

/// Whether two maps are equal but for some keys, in whatever order.
fn same(
    old: Option<&Map<String, Value>>,
    new: Option<&Map<String, Value>>,
    is_ignored: impl Fn(&str) -> bool,
) -> bool {
    let counted = |map: Option<&Map<String, Value>>| {
        map.into_iter().flat_map(Map::keys).filter(|key| !is_ignored(key)).count()
    };
    counted(old) == counted(new)
        && old
            .into_iter()
            .flatten()
            .filter(|(key, _)| !is_ignored(key))
            .all(|(key, value)| new.and_then(|new| new.get(key)) == Some(value))
}

fn same_metadata(old: &Object, new: &Object, ignored: &[&str]) -> bool {
    same(old.metadata(), new.metadata(), |key| ignored.contains(&key))
}

fn same_body(old: &Object, new: &Object) -> bool {
    same(Some(old.fields()), Some(new.fields()), |key| key == "status" || key == "metadata")
}

/// Whether anything but the status changed.
pub(crate) fn specification_changed(old: &Object, new: &Object) -> bool {
    // Most changes are of the status alone, or show in the generation; both are found out quickly.
    old.generation() != new.generation() || !same_metadata(old, new, &VOLATILE) || !same_body(old, new)
}

fn is_ours(key: &str) -> bool {
    key.contains(".karmada.io") && key != SKIP_AUTO_PROPAGATION
}

/// Whether all that changed is what Karmada itself writes on templates.
pub(super) fn changed_by_karmada(old: &Object, new: &Object) -> bool {
    fn strings<'a>(object: &'a Object, map: &str) -> Option<&'a Map<String, Value>> {
        object.metadata()?.get(map)?.as_object()
    }
    let ignored = ["managedFields", "resourceVersion", "generation", "labels", "annotations"];
    same_metadata(old, new, &ignored)
        && same_body(old, new)
        && ["labels", "annotations"].iter().all(|map| same(strings(old, map), strings(new, map), is_ours))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(change: impl FnOnce(&mut Object)) -> Object {
        let mut object = Object::new("apps/v1", "Deployment", "shop", "web");
        object.set("/metadata/generation", 1);
        object.set("/metadata/resourceVersion", "1");
        object.set("/spec", json!({ "replicas": 1 }));
        change(&mut object);
        object
    }

    #[test]
    fn a_status_is_no_specification() {
        let old = template(|_| {});
        let status = template(|o| {
            o.set("/status/replicas", 1);
            o.set("/metadata/resourceVersion", "2");
        });
        assert!(!specification_changed(&old, &status));
        assert!(specification_changed(&old, &template(|o| o.set("/spec/replicas", 2))));
        assert!(specification_changed(&old, &template(|o| o.set_label("a", "b"))));
        let finalizer = template(|o| o.set("/metadata/finalizers", json!(["f"])));
        assert!(specification_changed(&old, &finalizer));
    }

    #[test]
    fn claims_are_changes_by_karmada_and_user_changes_are_not() {
        let old = template(|_| {});
        let claim = |o: &mut Object| o.set_label(api::names::labels::PROPAGATION_POLICY_ID, "x");
        assert!(changed_by_karmada(&old, &template(claim)));
        assert!(!changed_by_karmada(&old, &template(|o| o.set_label("a", "b"))));
        assert!(!changed_by_karmada(&old, &template(|o| o.set_label(SKIP_AUTO_PROPAGATION, "true"))));
        assert!(!changed_by_karmada(&old, &template(|o| o.set("/spec/replicas", 2))));
    }
}
