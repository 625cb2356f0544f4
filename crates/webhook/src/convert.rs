//! `apiextensions.k8s.io/v1` ConversionReview: bindings between their versions. See
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#webhook-request-and-response>.

use api::work::{ClusterResourceBinding, ResourceBinding, convert_binding};
use api::{Kind, Resource as _};
use machinery::Object;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::review::Unreadable;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    #[serde(rename = "desiredAPIVersion")]
    desired_api_version: String,
    #[serde(default)]
    objects: Vec<Value>,
}

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";

/// The kinds that come in several versions.
const KINDS: [Kind; 2] = [ResourceBinding::KIND, ClusterResourceBinding::KIND];

/// Answers the review in a body: every object in the wanted version, in the order asked for, or why not.
pub(crate) fn answer(body: &[u8]) -> Result<Value, Unreadable> {
    let Review { api_version, kind, request } = serde_json::from_slice(body)?;
    if kind != KIND || api_version != API_VERSION {
        return Err(Unreadable::Kind {
            found: format!("{kind} of {api_version}"),
            wanted: "ConversionReview of apiextensions.k8s.io/v1",
        });
    }
    let Request { uid, desired_api_version, objects } = request;
    let converted: Result<Vec<Value>, String> =
        objects.into_iter().map(|object| convert(object, &desired_api_version)).collect();
    let response = match converted {
        Ok(objects) => {
            json!({ "uid": uid, "convertedObjects": objects, "result": { "status": "Success" } })
        }
        Err(message) => {
            let result = json!({ "status": "Failure", "message": message });
            json!({ "uid": uid, "convertedObjects": [], "result": result })
        }
    };
    Ok(json!({ "apiVersion": API_VERSION, "kind": KIND, "response": response }))
}

fn convert(object: Value, api_version: &str) -> Result<Value, String> {
    let object = Object::from_value(object).map_err(|e| e.to_string())?;
    let name = || format!("{} {}", object.kind(), object.key());
    if !KINDS.iter().any(|kind| kind.kind == object.kind()) {
        return Err(format!("{} has no other version", name()));
    }
    match convert_binding(&object, api_version) {
        Ok(converted) => Ok(converted.into()),
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
            Err(format!("cannot convert {} to {api_version}: {error}{cause}", name()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "work.karmada.io/v1alpha1";
    const NEW: &str = "work.karmada.io/v1alpha2";

    fn review(desired: &str, objects: Value) -> Value {
        let body = json!({ "apiVersion": API_VERSION, "kind": KIND, "request": {
            "uid": "u1", "desiredAPIVersion": desired, "objects": objects,
        } });
        let answer = answer(body.to_string().as_bytes()).unwrap();
        assert_eq!((&answer["apiVersion"], &answer["kind"]), (&json!(API_VERSION), &json!(KIND)));
        assert_eq!(answer["response"]["uid"], "u1");
        answer["response"].clone()
    }

    fn old(kind: &str) -> Value {
        json!({
            "apiVersion": OLD, "kind": kind,
            "metadata": { "name": "web", "uid": "u", "labels": { "a": "b" }, "managedFields": [{ "manager": "m" }] },
            "spec": {
                "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ns", "name": "web",
                    "resourceVersion": "7", "replicas": 3, "resourcePerReplicas": { "cpu": "1" } },
                "clusters": [{ "name": "m1", "replicas": 2 }, { "name": "m2", "replicas": 1 }],
            },
            "status": {
                "conditions": [{ "type": "Scheduled", "status": "True", "reason": "Success", "message": "",
                    "lastTransitionTime": "2024-05-06T07:08:09Z" }],
                "aggregatedStatus": [{ "clusterName": "m1", "applied": true, "appliedMessage": "ok", "status": { "replicas": 2 } }],
            },
        })
    }

    fn new(kind: &str) -> Value {
        let mut new = old(kind);
        new["apiVersion"] = NEW.into();
        new["spec"] = json!({
            "resource": { "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "ns", "name": "web", "resourceVersion": "7" },
            "replicas": 3, "replicaRequirements": { "resourceRequest": { "cpu": "1" } },
            "clusters": [{ "name": "m1", "replicas": 2 }, { "name": "m2", "replicas": 1 }],
        });
        new
    }

    #[test]
    fn both_kinds_of_bindings_come_in_both_versions() {
        for kind in ["ResourceBinding", "ClusterResourceBinding"] {
            let up = review(NEW, json!([old(kind)]));
            assert_eq!(up["result"], json!({ "status": "Success" }));
            assert_eq!(up["convertedObjects"], json!([new(kind)]));
            let down = review(OLD, json!([new(kind)]));
            assert_eq!(down["convertedObjects"], json!([old(kind)]));
        }
    }

    #[test]
    fn objects_keep_their_order_and_metadata_and_those_in_the_version_stay_as_they_are() {
        let mut known = new("ResourceBinding");
        known["spec"]["placement"] = json!({ "clusterAffinity": { "clusterNames": ["m1"] } });
        known["spec"]["unknown"] = json!(1);
        let response = review(NEW, json!([old("ClusterResourceBinding"), known]));
        assert_eq!(response["convertedObjects"][0]["metadata"], old("ClusterResourceBinding")["metadata"]);
        assert_eq!(response["convertedObjects"][1], known);
        assert_eq!(review(NEW, json!([]))["convertedObjects"], json!([]));
    }

    #[test]
    fn the_older_version_drops_what_it_did_not_know() {
        let mut rich = new("ResourceBinding");
        rich["spec"]["placement"] = json!({ "clusterAffinity": {} });
        rich["spec"]["resource"]["uid"] = json!("u");
        rich["status"]["aggregatedStatus"][0]["health"] = json!("Healthy");
        assert_eq!(review(OLD, json!([rich]))["convertedObjects"], json!([old("ResourceBinding")]));
    }

    #[test]
    fn one_object_that_cannot_be_converted_fails_the_review_with_its_name() {
        for (desired, bad, expected) in [
            (
                "work.karmada.io/v9",
                old("ResourceBinding"),
                "\"work.karmada.io/v9\" is not a version of bindings",
            ),
            (
                NEW,
                json!({ "apiVersion": OLD, "kind": "Work", "metadata": { "name": "w" } }),
                "Work w has no other version",
            ),
            (
                NEW,
                json!({ "apiVersion": OLD, "kind": "ResourceBinding", "spec": 7 }),
                "cannot read the binding",
            ),
            (NEW, json!("x"), "must be a JSON object"),
        ] {
            let response = review(desired, json!([old("ResourceBinding"), bad]));
            assert_eq!(response["result"]["status"], "Failure");
            assert_eq!(response["convertedObjects"], json!([]));
            let message = response["result"]["message"].as_str().unwrap();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn another_kind_of_body_is_an_error() {
        assert!(answer(b"{}").is_err());
        let other = json!({ "apiVersion": "v1", "kind": "Pod", "request": { "uid": "u", "desiredAPIVersion": "v1" } });
        assert!(matches!(answer(other.to_string().as_bytes()), Err(Unreadable::Kind { .. })));
    }
}
