use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::webhook::{Endpoint, NoAddress};

/// A configuration with one webhook per rule; each is called `<position>.example.io`.
fn configuration(name: &str, rules: &[Value]) -> Object {
    let webhooks: Vec<Value> = rules
        .iter()
        .enumerate()
        .map(|(position, rule)| {
            json!({
                "name": format!("{position}.example.io"),
                "clientConfig": { "url": format!("https://{name}.example.io") },
                "rules": [rule],
                "interpreterContextVersions": ["v1alpha1"],
            })
        })
        .collect();
    let mut object =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterWebhookConfiguration", "", name);
    object.set("/webhooks", webhooks);
    object
}

fn rule(operation: &str, group: &str, version: &str, kind: &str) -> Value {
    json!({ "operations": [operation], "apiGroups": [group], "apiVersions": [version], "kinds": [kind] })
}

fn everything() -> Value {
    rule("*", "*", "*", "*")
}

fn asking_all() -> Interpreter {
    Interpreter::with(&[], &[configuration("all", &[everything()])])
}

fn question<T: std::fmt::Debug>(step: Step<T>) -> Question<T> {
    match step {
        Step::Ask(question) => question,
        Step::Done(answer) => panic!("answered without asking: {answer:?}"),
    }
}

/// A successful response to a question.
fn response<T>(question: &Question<T>, more: Value) -> Value {
    let mut response = json!({ "uid": question.body["request"]["uid"], "successful": true });
    merge(&mut response, more);
    json!({
        "apiVersion": "config.karmada.io/v1alpha1", "kind": "ResourceInterpreterContext", "response": response,
    })
}

fn read<T: std::fmt::Debug>(step: Step<T>, more: Value) -> Result<T> {
    let question = question(step);
    let response = response(&question, more);
    question.read(&response)
}

fn patch(operations: Value) -> Value {
    json!({ "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string()) })
}

#[test]
fn are_chosen_by_operation_group_version_and_kind_with_wildcards() {
    let deployment = deployment(json!({}));
    for (rule, asked) in [
        (everything(), true),
        (rule("InterpretHealth", "apps", "v1", "Deployment"), true),
        (rule("InterpretHealth", "*", "v1", "*"), true),
        (rule("InterpretReplica", "*", "*", "*"), false),
        (rule("*", "", "*", "*"), false),
        (rule("*", "*", "v2", "*"), false),
        (rule("*", "*", "*", "Pod"), false),
        (json!({ "operations": ["*"] }), false),
    ] {
        let interpreter = Interpreter::with(&[], &[configuration("c", std::slice::from_ref(&rule))]);
        let step = interpreter.health(&deployment);
        assert_eq!(matches!(step, Step::Ask(_)), asked, "{rule}");
    }
}

#[test]
fn are_asked_by_uid_and_only_the_first() {
    let interpreter = Interpreter::with(
        &[],
        &[
            configuration("b", &[everything()]),
            configuration("a", &[rule("Retain", "*", "*", "*"), everything(), everything()]),
        ],
    );
    let question = question(interpreter.health(&deployment(json!({}))));
    assert_eq!(question.webhook.uid, "a/1.example.io");
    assert_eq!(question.webhook.endpoint, Endpoint::Url("https://a.example.io".into()));
}

#[test]
fn make_a_kind_enabled() {
    let interpreter = Interpreter::with(&[], &[configuration("c", &[rule("Retain", "x.io", "v1", "X")])]);
    let kind = GroupVersionKind::new("x.io", "v1", "X");
    assert!(interpreter.has(&kind, Operation::Retain));
    assert!(!interpreter.has(&kind, Operation::ReviseReplica));
}

#[test]
fn take_ten_seconds_unless_told_otherwise() {
    for (seconds, timeout) in [(Value::Null, 10), (json!(3), 3)] {
        let mut configuration = configuration("c", &[everything()]);
        configuration.value_mut()["webhooks"][0]["timeoutSeconds"] = seconds;
        let interpreter = Interpreter::with(&[], &[configuration]);
        let question = question(interpreter.health(&deployment(json!({}))));
        assert_eq!(question.webhook.timeout, Duration::from_secs(timeout));
        assert_eq!(question.webhook.timeout_parameter(), format!("{timeout}s"));
    }
    let webhook = Webhook {
        uid: String::new(),
        endpoint: Endpoint::Url(String::new()),
        ca_bundle: None,
        timeout: Duration::from_millis(1_200),
    };
    assert_eq!(webhook.timeout_parameter(), "2s", "rounded up");
}

#[test]
fn that_cannot_be_asked_say_why_and_nobody_else_answers() {
    for (change, why) in [
        (json!({ "interpreterContextVersions": ["v9"] }), "no known version"),
        (json!({ "clientConfig": { "url": "" } }), "neither a service nor a URL"),
        (json!({ "clientConfig": { "caBundle": "!" } }), "CA bundle is malformed"),
        (
            json!({ "clientConfig": { "service": { "name": "s", "namespace": "n", "port": 70000 } } }),
            "out of range",
        ),
    ] {
        let mut configuration = configuration("c", &[everything()]);
        merge(&mut configuration.value_mut()["webhooks"][0], change);
        let interpreter = Interpreter::with(&[], &[configuration]);
        let error = interpreter.health(&deployment(json!({}))).now().unwrap_err();
        assert!(error.reason.contains(why), "{error}");
    }
}

#[test]
fn whose_configuration_cannot_be_read_are_complained_about() {
    let mut broken = configuration("broken", &[]);
    broken.set("/webhooks", "none");
    let interpreter = Interpreter::with(&[], &[broken, configuration("good", &[everything()])]);
    assert_eq!(interpreter.complaints().len(), 1);
    assert!(interpreter.complaints()[0].contains("broken"), "{:?}", interpreter.complaints());
    assert!(matches!(interpreter.health(&deployment(json!({}))), Step::Ask(_)));
}

#[test]
fn are_told_everything_about_the_question() {
    let interpreter = asking_all();
    let object = deployment(json!({ "spec": { "replicas": 2 } }));
    let question = question(interpreter.revise_replicas(&object, 5));
    let uid = question.body["request"]["uid"].clone();
    assert_eq!(uid.as_str().unwrap().len(), 36);
    assert_eq!(
        question.body,
        json!({
            "apiVersion": "config.karmada.io/v1alpha1",
            "kind": "ResourceInterpreterContext",
            "request": {
                "uid": uid,
                "kind": { "group": "apps", "version": "v1", "kind": "Deployment" },
                "namespace": "shop",
                "name": "cart",
                "operation": "ReviseReplica",
                "object": object.value(),
                "replicas": 5,
            },
        })
    );
    let again = self::question(interpreter.revise_replicas(&object, 5));
    assert_ne!(again.body["request"]["uid"], uid, "every request is its own");
}

#[test]
fn are_told_observed_object_and_aggregated_status_where_there_is_one() {
    let interpreter = asking_all();
    let (desired, observed) = (deployment(json!({})), deployment(json!({ "spec": { "replicas": 9 } })));
    let retain = question(interpreter.retain(&desired, &observed));
    assert_eq!(&retain.body["request"]["observedObject"], observed.value());
    assert_eq!(retain.body["request"]["replicas"], 0, "always sent");
    let aggregate = question(interpreter.aggregate_status(&desired, &items(&[json!({ "replicas": 1 })])));
    assert_eq!(
        aggregate.body["request"]["aggregatedStatus"],
        json!([{ "clusterName": "m1", "applied": true, "status": { "replicas": 1 } }]),
    );
    let mut cluster_scoped = Object::new("x.io/v1", "X", "", "x");
    cluster_scoped.set("/spec", json!({}));
    let replicas = question(interpreter.replicas(&cluster_scoped));
    assert_eq!(replicas.body["request"].get("namespace"), None);
    assert_eq!(replicas.body["request"].get("aggregatedStatus"), None);
}

#[test]
fn answer_each_operation_with_its_own_field() {
    let interpreter = asking_all();
    let object = deployment(json!({ "spec": { "replicas": 2 } }));
    let needs = json!({ "resourceRequest": { "cpu": "1" } });
    let replicas = json!({ "replicas": 3, "replicaRequirements": needs });
    let (count, found) = read(interpreter.replicas(&object), replicas).unwrap().unwrap();
    assert_eq!((count, serde_json::to_value(found).unwrap()), (3, needs));
    let components = json!({ "components": [{ "name": "a", "replicas": 1 }] });
    assert_eq!(read(interpreter.components(&object), components).unwrap().unwrap()[0].name, "a");
    let five = patch(json!([{ "op": "replace", "path": "/spec/replicas", "value": 5 }]));
    let revised = deployment(json!({ "spec": { "replicas": 5 } }));
    assert_eq!(read(interpreter.revise_replicas(&object, 5), five.clone()).unwrap(), revised);
    assert_eq!(read(interpreter.retain(&object, &object), five.clone()).unwrap(), revised);
    assert_eq!(read(interpreter.aggregate_status(&object, &[]), five).unwrap(), revised);
    assert_eq!(read(interpreter.retain(&object, &object), json!({})).unwrap(), object, "no patch, no change");
    let status = json!({ "rawStatus": { "x": 1 } });
    assert_eq!(read(interpreter.reflect_status(&object), status).unwrap(), Some(json!({ "x": 1 })));
    assert!(!read(interpreter.health(&object), json!({ "healthy": false })).unwrap());
    let reference = json!({ "apiVersion": "v1", "kind": "Secret", "name": "s" });
    let dependencies =
        read(interpreter.dependencies(&object), json!({ "dependencies": [reference] })).unwrap();
    assert_eq!(dependencies[0].name, "s");
}

#[test]
fn that_answer_too_little_are_an_error() {
    let interpreter = asking_all();
    let object = deployment(json!({}));
    let why = |error: Error| error.reason;
    let base64 = |text: &str| STANDARD.encode(text);
    let cases = [
        (why(read(interpreter.replicas(&object), json!({})).unwrap_err()), "no replicas"),
        (why(read(interpreter.reflect_status(&object), json!({})).unwrap_err()), "no rawStatus"),
        (why(read(interpreter.health(&object), json!({})).unwrap_err()), "whether the object is healthy"),
        (
            why(read(interpreter.dependencies(&object), json!({ "dependencies": [{ "kind": "Secret" }] }))
                .unwrap_err()),
            "dependency 0 has no apiVersion",
        ),
        (
            why(read(
                interpreter.dependencies(&object),
                json!({ "dependencies": [{ "apiVersion": "v1", "kind": "Secret" }] }),
            )
            .unwrap_err()),
            "no name and no labelSelector",
        ),
        (
            why(read(interpreter.retain(&object, &object), json!({ "patch": base64("[]") })).unwrap_err()),
            "patch without a patchType",
        ),
        (
            why(read(interpreter.retain(&object, &object), json!({ "patchType": "JSONPatch" })).unwrap_err()),
            "patchType without a patch",
        ),
        (
            why(read(
                interpreter.retain(&object, &object),
                json!({ "patch": base64("{}"), "patchType": "MergePatch" }),
            )
            .unwrap_err()),
            "only JSONPatch is known",
        ),
        (
            why(read(
                interpreter.retain(&object, &object),
                json!({ "patch": "%", "patchType": "JSONPatch" }),
            )
            .unwrap_err()),
            "patch is malformed",
        ),
        (
            why(read(
                interpreter.retain(&object, &object),
                patch(json!([{ "op": "remove", "path": "/spec/absent" }])),
            )
            .unwrap_err()),
            "/spec/absent",
        ),
        (
            why(read(
                interpreter.retain(&object, &object),
                patch(json!([{ "op": "remove", "path": "/kind" }])),
            )
            .unwrap_err()),
            "without a kind",
        ),
    ];
    for (reason, expected) in cases {
        assert!(reason.contains(expected), "{reason}");
        assert!(reason.contains("all/0.example.io"), "{reason}");
    }
}

#[test]
fn must_echo_the_uid_and_explain_a_failure() {
    let interpreter = asking_all();
    let object = deployment(json!({}));
    for (response, why) in [
        (json!({ "uid": "other", "healthy": true }), "answered the request \"other\""),
        (json!({ "successful": false }), "failed without a status"),
        (
            json!({ "successful": false, "status": { "code": 418, "message": "no" } }),
            "failed with code 418: no",
        ),
        (json!({ "healthy": "yes" }), "malformed response"),
    ] {
        let error = read(interpreter.health(&object), response).unwrap_err();
        assert!(error.reason.contains(why), "{error}");
    }
    let error = question(interpreter.health(&object)).read(&json!({})).unwrap_err();
    assert!(error.reason.contains("without a response"), "{error}");
    let error = question(interpreter.health(&object)).failed("no route");
    assert_eq!(error.to_string(), "could not run InterpretHealth for Deployment shop/cart: no route");
}

#[test]
fn are_named_to_those_who_cannot_ask_them() {
    let error = asking_all().health(&deployment(json!({}))).now().unwrap_err();
    assert_eq!(error.reason, "interpreter webhook all/0.example.io would have to be asked");
}

#[test]
fn behind_a_service_have_its_address() {
    let endpoint = Endpoint::Service {
        namespace: "ns".into(),
        name: "hook".into(),
        path: Some("interpret".into()),
        port: 8443,
    };
    let service = |spec: Value| {
        let mut service = Object::new("v1", "Service", "ns", "hook");
        service.set("/spec", spec);
        service
    };
    let ports = json!([{ "port": 8443 }]);
    for (spec, expected) in [
        (
            json!({ "type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": ports }),
            Ok("https://10.0.0.1:8443/interpret"),
        ),
        (
            json!({ "type": "NodePort", "clusterIP": "10.0.0.1", "ports": ports }),
            Ok("https://10.0.0.1:8443/interpret"),
        ),
        (
            json!({ "type": "LoadBalancer", "clusterIP": "fd00::1", "ports": ports }),
            Ok("https://[fd00::1]:8443/interpret"),
        ),
        (json!({ "type": "ExternalName", "externalName": "x.io" }), Ok("https://x.io:8443/interpret")),
        (json!({ "clusterIP": "None", "ports": ports }), Err(NoAddress::Headless("ns/hook".into()))),
        (
            json!({ "clusterIP": "10.0.0.1", "ports": [{ "port": 80 }] }),
            Err(NoAddress::NoPort { service: "ns/hook".into(), port: 8443 }),
        ),
        (json!({ "type": "Odd" }), Err(NoAddress::Type { service: "ns/hook".into(), kind: "Odd".into() })),
    ] {
        assert_eq!(endpoint.url(Some(&service(spec))), expected.map(str::to_owned));
    }
    assert_eq!(endpoint.url(None).unwrap(), "https://hook.ns.svc:8443/interpret");
    assert_eq!(endpoint.server_name().unwrap(), "hook.ns.svc");
}

#[test]
fn are_reached_by_their_service_even_when_they_have_a_url() {
    let mut configuration = configuration("c", &[everything()]);
    configuration.value_mut()["webhooks"][0]["clientConfig"]["service"] =
        json!({ "namespace": "ns", "name": "hook" });
    let interpreter = Interpreter::with(&[], &[configuration]);
    let endpoint = question(interpreter.health(&deployment(json!({})))).webhook.endpoint.clone();
    assert_eq!(
        endpoint,
        Endpoint::Service { namespace: "ns".into(), name: "hook".into(), path: None, port: 443 },
    );
    assert_eq!(endpoint.url(None).unwrap(), "https://hook.ns.svc:443");
}
