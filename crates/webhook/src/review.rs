//! `admission.k8s.io/v1` AdmissionReview: a request in, an answer out. See
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#webhook-request-and-response>.

use admission::{Denial, Operation, Phase, Webhook};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use machinery::{GroupVersionKind, Object};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Rules;

/// Why a body is not a review this server can answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not JSON of the right shape.
    #[error("the body is not a review: {0}")]
    Shape(#[from] serde_json::Error),
    /// It is another kind or version.
    #[error("the body is a {found}, not the {wanted} that belongs to this path")]
    Kind {
        /// Kind and version of the body.
        found: String,
        /// The kind this path is for.
        wanted: &'static str,
    },
}

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
    kind: GroupVersionKind,
    operation: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    object: Option<Value>,
    #[serde(default)]
    old_object: Option<Value>,
}

/// Answers the review in a body by the rule at a path.
pub(crate) fn answer(rules: &Rules, webhook: &Webhook, body: &[u8]) -> Result<Value, Unreadable> {
    let Review { api_version, kind, request } = serde_json::from_slice(body)?;
    if kind != "AdmissionReview" || api_version != "admission.k8s.io/v1" {
        let found = format!("{kind} of {api_version}");
        return Err(Unreadable::Kind { found, wanted: "AdmissionReview of admission.k8s.io/v1" });
    }
    let uid = request.uid.clone();
    let warnings = warnings(webhook, &request);
    let mut response = match decide(rules, webhook, request) {
        Ok(None) => json!({ "uid": uid, "allowed": true }),
        Ok(Some(patch)) => {
            let patch = STANDARD.encode(patch.to_string());
            json!({ "uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": patch })
        }
        Err(denial) => {
            let mut status = json!({ "code": denial.code, "message": denial.message, "status": "Failure" });
            if !denial.reason.is_empty() {
                status["reason"] = denial.reason.into();
            }
            json!({ "uid": uid, "allowed": false, "status": status })
        }
    };
    if !warnings.is_empty() {
        response["warnings"] = warnings.into();
    }
    Ok(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response }))
}

/// Warnings come with the judgement, so that a request that passes both phases gets them once.
fn warnings(webhook: &Webhook, request: &Request) -> Vec<String> {
    if webhook.phase() != Phase::Validating || !Rules::may_warn(&request.kind) {
        return Vec::new();
    }
    let object = request.object.clone().and_then(|o| Object::from_value(o).ok());
    object.map(|o| Rules::warnings(&request.kind, &o)).unwrap_or_default()
}

/// The patch that a mutating rule asks for, nothing when it asks for none, or the refusal.
fn decide(rules: &Rules, webhook: &Webhook, request: Request) -> Result<Option<Value>, Denial> {
    let Some(operation) = Operation::parse(&request.operation) else { return Ok(None) };
    let read = |value: Option<Value>| {
        let value = value.filter(|v| !v.is_null());
        value.map(Object::from_value).transpose().map_err(|e| Denial::malformed(&e))
    };
    let old = read(request.old_object)?;
    let object = read(request.object)?;
    match webhook.phase() {
        Phase::Mutating => {
            let Some(before) = object else { return Ok(None) };
            let mut after = before.clone();
            rules
                .mutate(&request.kind, operation, &request.namespace, &mut after, old.as_ref())
                .map_err(|(_, d)| d)?;
            if after == before {
                return Ok(None);
            }
            let patch = json_patch::diff(before.value(), after.value());
            Ok(Some(serde_json::to_value(patch).expect("a JSON patch is JSON")))
        }
        Phase::Validating => {
            // A deletion has only the stored object, and that is what would go.
            let (judged, old) = if operation == Operation::Delete { (old, None) } else { (object, old) };
            let Some(judged) = judged else { return Ok(None) };
            rules.validate(&request.kind, operation, &judged, old.as_ref()).map_err(|(_, d)| d).map(|()| None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let clock = clock::Clock::fixed("2026-01-01T00:00:00Z".parse().unwrap());
        Rules::new(admission::Options::default(), clock, clock::Ids::seeded(1))
    }

    fn review(path: &str, operation: &str, spec: Value) -> Value {
        let webhook = admission::by_path(path).unwrap();
        let object = json!({
            "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
            "metadata": { "name": "p", "namespace": "ns" }, "spec": spec,
        });
        let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u1", "operation": operation, "namespace": "ns", "name": "p",
            "kind": { "group": "policy.karmada.io", "version": "v1alpha1", "kind": "PropagationPolicy" },
            "object": object, "oldObject": null,
        } });
        answer(&rules(), webhook, body.to_string().as_bytes()).unwrap()["response"].clone()
    }

    #[test]
    fn a_mutation_comes_back_as_a_json_patch() {
        let spec = json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "ConfigMap" }] });
        let response = review("/mutate-propagationpolicy", "CREATE", spec);
        assert_eq!((&response["uid"], &response["allowed"]), (&json!("u1"), &json!(true)));
        let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        let patch: Vec<Value> = serde_json::from_slice(&patch).unwrap();
        assert!(
            patch.iter().any(|p| p["path"] == "/spec/resourceSelectors/0/namespace" && p["value"] == "ns"),
            "{patch:?}"
        );
    }

    #[test]
    fn a_refusal_carries_its_text() {
        let spec = json!({
            "resourceSelectors": [{ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "ns" }],
            "placement": { "clusterAffinity": {}, "clusterAffinities": [{ "affinityName": "a" }] },
        });
        let response = review("/validate-propagationpolicy", "CREATE", spec);
        assert_eq!(response["allowed"], false);
        assert!(!response["status"]["message"].as_str().unwrap().is_empty());
    }

    #[test]
    fn another_kind_of_body_is_an_error_not_a_yes() {
        let webhook = admission::by_path("/mutate-work").unwrap();
        assert!(answer(&rules(), webhook, b"{}").is_err());
        let old = json!({ "apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "request": {
            "uid": "u", "operation": "CREATE", "kind": { "group": "", "version": "v1", "kind": "Pod" } } });
        assert!(matches!(
            answer(&rules(), webhook, old.to_string().as_bytes()),
            Err(Unreadable::Kind { .. })
        ));
    }

    /// A judgement over the network, in the words of one in process.
    fn over_the_network(operation: &str, object: &Object, old: Option<&Object>) -> Result<(), String> {
        let gvk = object.gvk();
        for webhook in admission::WEBHOOKS.iter().filter(|w| w.phase() == Phase::Validating) {
            let Some(parsed) = Operation::parse(operation) else { continue };
            if !webhook.covers(&gvk, parsed) {
                continue;
            }
            let (new, old) = if operation == "DELETE" { (None, Some(object)) } else { (Some(object), old) };
            let body = json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
                "uid": "u1", "operation": operation, "namespace": object.namespace(), "name": object.name(),
                "kind": gvk, "object": new, "oldObject": old,
            } });
            let response = answer(&rules(), webhook, body.to_string().as_bytes()).unwrap();
            let response = &response["response"];
            if response["allowed"] != true {
                return Err(response["status"]["message"].as_str().unwrap().to_owned());
            }
        }
        Ok(())
    }

    #[test]
    fn the_rules_answer_the_same_in_process_and_over_the_network() {
        let policy = |spec: Value| {
            json!({
                "apiVersion": "policy.karmada.io/v1alpha1", "kind": "PropagationPolicy",
                "metadata": { "name": "p", "namespace": "ns", "labels": { "propagationpolicy.karmada.io/permanent-id": "i" } },
                "spec": spec,
            })
        };
        let selectors = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "ns" }]);
        let script = |source: &str| {
            json!({
                "apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterCustomization",
                "metadata": { "name": "c" },
                "spec": { "target": { "apiVersion": "a/v1", "kind": "A" }, "customizations": { "retention": { "luaScript": source } } },
            })
        };
        let protected = |value: &str| {
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s", "namespace": "ns",
                "labels": { "resourcetemplate.karmada.io/deletion-protected": value } } })
        };
        let taken = [
            ("CREATE", policy(json!({ "resourceSelectors": selectors })), None),
            ("UPDATE", policy(json!({ "resourceSelectors": selectors })), Some(policy(json!({})))),
            ("CREATE", script("function Retain(d, o) return d end"), None),
            ("DELETE", protected("never"), None),
        ];
        let refused = [
            ("CREATE", policy(json!({ "preemption": "Always", "resourceSelectors": selectors })), None),
            (
                "UPDATE",
                policy(json!({ "schedulerName": "a" })),
                Some(policy(json!({ "schedulerName": "b" }))),
            ),
            ("CREATE", policy(json!({ "placement": 7 })), None),
            ("CREATE", script("function"), None),
            ("DELETE", protected("Always"), None),
        ];
        let cases = taken.into_iter().map(|c| (c, true)).chain(refused.into_iter().map(|c| (c, false)));
        for ((operation, object, old), expected) in cases {
            let read = |value: Value| Object::from_value(value).unwrap();
            let (object, old) = (read(object), old.map(read));
            let parsed = Operation::parse(operation).unwrap();
            let in_process = rules().validate(&object.gvk(), parsed, &object, old.as_ref());
            let in_process = in_process.map_err(|(_, denial)| denial.message);
            assert_eq!(in_process.is_ok(), expected, "{operation} {object:?}: {in_process:?}");
            assert_eq!(
                over_the_network(operation, &object, old.as_ref()),
                in_process,
                "{operation} {object:?}"
            );
        }
    }

    #[test]
    fn mutations_are_the_same_in_process_and_over_the_network() {
        let spec = json!({
            "resourceSelectors": [{ "apiVersion": "v1", "kind": "ConfigMap" }],
            "placement": { "spreadConstraints": [{}], "replicaScheduling": { "replicaSchedulingType": "Divided" } },
        });
        let mut object = Object::new("policy.karmada.io/v1alpha1", "PropagationPolicy", "ns", "p");
        object.set("/spec", spec.clone());
        let response = review("/mutate-propagationpolicy", "CREATE", spec);
        let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
        let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
        let mut patched = object.value().clone();
        json_patch::patch(&mut patched, &patch).unwrap();
        rules().mutate(&object.gvk(), Operation::Create, "ns", &mut object, None).unwrap();
        assert_eq!(&patched, object.value());
    }

    #[test]
    fn warnings_come_with_the_judgement_and_not_with_the_mutation() {
        let spec = json!({ "resourceSelectors": [{ "apiVersion": "v1", "kind": "ConfigMap", "namespace": "ns" }], "association": true });
        let judged = review("/validate-propagationpolicy", "CREATE", spec.clone());
        assert!(judged["warnings"][0].as_str().unwrap().contains("spec.association"), "{judged}");
        assert_eq!(review("/mutate-propagationpolicy", "CREATE", spec)["warnings"], Value::Null);
    }
}
