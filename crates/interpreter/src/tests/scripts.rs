//! Customizations: which script runs, what it is given, and what its answers mean.

use std::time::Duration;

use clock::{Clock, ManualClock};

use super::*;

/// A customization of one kind with scripts by rule, as in `{"replicaResource": "function …"}`.
fn customization(name: &str, kind: (&str, &str), scripts: &[(&str, &str)]) -> Object {
    let mut object = Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterCustomization", "", name);
    let rules: Value =
        scripts.iter().map(|(rule, script)| ((*rule).to_owned(), json!({ "luaScript": script }))).collect();
    object
        .set("/spec", json!({ "target": { "apiVersion": kind.0, "kind": kind.1 }, "customizations": rules }));
    object
}

const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

fn with(scripts: &[(&str, &str)]) -> Interpreter {
    Interpreter::with(&[customization("c", DEPLOYMENT, scripts)], &[])
}

fn count(interpreter: &Interpreter, object: &Object) -> Result<Option<i64>> {
    Ok(interpreter.replicas(object).now()?.map(|(count, _)| count))
}

/// A script that finds `n` replicas.
fn finds(n: i64) -> String {
    format!("function GetReplicas(obj) return {n} end")
}

#[test]
fn come_before_webhooks_and_webhooks_before_bundled_and_native_ones() {
    let mut hooks =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterWebhookConfiguration", "", "hooks");
    let any = json!([{ "operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "kinds": ["*"] }]);
    hooks.set(
        "/webhooks",
        json!([{ "name": "a.b.c", "rules": any, "interpreterContextVersions": ["v1alpha1"] }]),
    );
    let scripts = customization("c", DEPLOYMENT, &[("replicaResource", &finds(7))]);
    let both = Interpreter::with(&[scripts], std::slice::from_ref(&hooks));
    let object = deployment(json!({ "spec": { "replicas": 1 } }));
    assert_eq!(count(&both, &object).unwrap(), Some(7));
    assert!(both.health(&object).now().unwrap_err().reason.contains("hooks/a.b.c"), "no script for health");
    let clone_set =
        super::object("apps.kruise.io/v1alpha1", "CloneSet", json!({ "spec": { "replicas": 3 } }));
    assert!(both.replicas(&clone_set).now().unwrap_err().reason.contains("hooks/a.b.c"));
    let (native, pod) = (Interpreter::native(), super::object("v1", "Pod", json!({})));
    assert_eq!(count(&native, &pod).unwrap(), Some(1));
}

#[test]
fn are_named_by_those_who_explain_a_decision() {
    let dependencies = [("dependencyInterpretation", "x"), ("retention", "x")];
    let mut hooks =
        Object::new("config.karmada.io/v1alpha1", "ResourceInterpreterWebhookConfiguration", "", "hooks");
    let any = json!([{ "operations": ["InterpretHealth"], "apiGroups": ["*"], "apiVersions": ["*"], "kinds": ["*"] }]);
    hooks.set("/webhooks", json!([{ "name": "a.b.c", "rules": any }]));
    let interpreter = Interpreter::with(
        &[customization("b", DEPLOYMENT, &dependencies), customization("a", DEPLOYMENT, &dependencies)],
        &[hooks],
    );
    let by = |kind: (&str, &str), operation: Operation| {
        let kind = GroupVersionKind::from_api_version(kind.0, kind.1);
        interpreter.answered_by(&kind, operation).map(|source| source.to_string()).unwrap_or_default()
    };
    assert_eq!(by(DEPLOYMENT, Operation::Retain), "customization a");
    assert_eq!(by(DEPLOYMENT, Operation::InterpretDependency), "customization a, b");
    assert_eq!(by(DEPLOYMENT, Operation::InterpretHealth), "webhook hooks/a.b.c");
    assert_eq!(by(DEPLOYMENT, Operation::InterpretReplica), "built in");
    assert_eq!(by(("apps.kruise.io/v1alpha1", "CloneSet"), Operation::ReviseReplica), "bundled script");
    assert_eq!(by(("v1", "ConfigMap"), Operation::InterpretStatus), "built in");
    assert_eq!(by(("v1", "ConfigMap"), Operation::Retain), "");
}

#[test]
fn change_without_changing_clock_and_gates() {
    let initial = Interpreter::native()
        .with_clock(Clock::fixed("2030-02-03T04:05:06Z".parse().unwrap()))
        .with_gates(Gates { resource_quota_estimate: true });
    let scripts = [
        ("statusReflection", "function ReflectStatus() return {now = os.time()} end"),
        (
            "replicaResource",
            "function GetReplicas(obj) return 1, require('kube').accuratePodRequirements(obj.spec.template) end",
        ),
    ];
    let customized = initial.customized(&[customization("c", DEPLOYMENT, &scripts)], &[]);
    let template = json!({ "spec": {
        "priorityClassName": "high", "containers": [{ "resources": { "requests": { "cpu": 1 } } }],
    } });
    let object = deployment(json!({ "spec": { "template": template } }));
    assert_eq!(customized.reflect_status(&object).now().unwrap(), Some(json!({ "now": 1_896_321_906 })));
    let (_, needs) = customized.replicas(&object).now().unwrap().unwrap();
    assert_eq!(needs.unwrap().priority_class_name, "high");
}

#[test]
fn are_of_one_version_and_kind_only() {
    let interpreter = Interpreter::with(
        &[customization("c", ("apps/v1", "Widget"), &[("replicaResource", &finds(7))])],
        &[],
    );
    assert_eq!(count(&interpreter, &object("apps/v1", "Widget", json!({}))).unwrap(), Some(7));
    for (api_version, kind) in [("apps/v2", "Widget"), ("v1", "Widget"), ("apps/v1", "Gadget")] {
        assert_eq!(count(&interpreter, &object(api_version, kind, json!({}))).unwrap(), None);
    }
    assert!(interpreter.has(&GroupVersionKind::new("apps", "v1", "Widget"), Operation::InterpretReplica));
    assert!(!interpreter.has(&GroupVersionKind::new("apps", "v1", "Widget"), Operation::ReviseReplica));
}

#[test]
fn of_the_first_customization_by_name_win_unless_they_are_empty() {
    let object = deployment(json!({}));
    let of = |name: &str, script: &str| customization(name, DEPLOYMENT, &[("replicaResource", script)]);
    let (one, two) = (finds(1), finds(2));
    assert_eq!(count(&Interpreter::with(&[of("b", &two), of("a", &one)], &[]), &object).unwrap(), Some(1));
    assert_eq!(count(&Interpreter::with(&[of("b", &two), of("a", "")], &[]), &object).unwrap(), Some(2));
    let health = customization(
        "a",
        DEPLOYMENT,
        &[("healthInterpretation", "function InterpretHealth() return false end")],
    );
    let merged = Interpreter::with(&[of("b", &two), health], &[]);
    assert_eq!(count(&merged, &object).unwrap(), Some(2), "rule by rule");
    assert!(!merged.health(&object).now().unwrap());
}

#[test]
fn for_dependencies_all_run_and_their_answers_are_united_and_sorted() {
    let script = |names: &str| {
        format!(
            "function GetDependencies(obj)
               local found = {{}}
               for name in string.gmatch('{names}', '%a+') do
                 table.insert(found, {{apiVersion = 'v1', kind = 'Secret', namespace = obj.metadata.namespace, name = name}})
               end
               table.insert(found, {{apiVersion = 'apps/v1', kind = 'X', name = 'x'}})
               return found
             end"
        )
    };
    let of = |name: &str, names: &str| {
        customization(name, DEPLOYMENT, &[("dependencyInterpretation", &script(names))])
    };
    let interpreter = Interpreter::with(&[of("a", "c a"), of("b", "b a")], &[]);
    let found = interpreter.dependencies(&deployment(json!({}))).now().unwrap();
    let found: Vec<String> = found.iter().map(|d| format!("{} {}/{}", d.kind, d.namespace, d.name)).collect();
    assert_eq!(found, ["X /x", "Secret shop/a", "Secret shop/b", "Secret shop/c"]);
}

#[test]
fn for_dependencies_tell_references_with_different_selectors_apart() {
    let script = "function GetDependencies(obj)
        local function slice(app)
          return {apiVersion = 'v1', kind = 'X', labelSelector = {matchLabels = {app = app}}}
        end
        return {slice('a'), slice('b'), slice('a')}
      end";
    let found =
        with(&[("dependencyInterpretation", script)]).dependencies(&deployment(json!({}))).now().unwrap();
    assert_eq!(found.len(), 2);
}

#[test]
fn answer_every_operation() {
    let interpreter = with(&[
        (
            "replicaResource",
            "function GetReplicas(obj) return obj.spec.replicas, {resourceRequest = {cpu = '1'}, nodeClaim = {}} end",
        ),
        ("componentResource", "function GetComponents(obj) return {{name = 'a', replicas = 2}} end"),
        ("replicaRevision", "function ReviseReplica(obj, n) obj.spec.replicas = n return obj end"),
        ("retention", "function Retain(desired, observed) desired.spec.x = observed.spec.x return desired end"),
        (
            "statusAggregation",
            "function AggregateStatus(desired, items)
               desired.status = {names = items[1].clusterName .. items[2].clusterName, sum = items[1].status.n + items[2].status.n}
               return desired
             end",
        ),
        ("statusReflection", "function ReflectStatus(observed) return {n = observed.status.n} end"),
        ("healthInterpretation", "function InterpretHealth(observed) return observed.spec.replicas == 1 end"),
        ("dependencyInterpretation", "function GetDependencies(obj) return {} end"),
    ]);
    let object = deployment(json!({ "spec": { "replicas": 1 }, "status": { "n": 4, "m": 5 } }));
    let (replicas, needs) = interpreter.replicas(&object).now().unwrap().unwrap();
    assert_eq!(replicas, 1);
    assert_eq!(serde_json::to_value(needs).unwrap(), json!({ "resourceRequest": { "cpu": "1" } }));
    let components = interpreter.components(&object).now().unwrap().unwrap();
    assert_eq!((components[0].name.as_str(), components[0].replicas), ("a", 2));
    assert_eq!(interpreter.revise_replicas(&object, 9).now().unwrap().i64_at("/spec/replicas"), Some(9));
    let observed = deployment(json!({ "spec": { "x": "kept" } }));
    assert_eq!(interpreter.retain(&object, &observed).now().unwrap().str_at("/spec/x"), Some("kept"));
    let aggregated = interpreter.aggregate_status(&object, &items(&[json!({ "n": 1 }), json!({ "n": 2 })]));
    assert_eq!(aggregated.now().unwrap().at("/status").unwrap(), &json!({ "names": "m1m2", "sum": 3 }));
    assert_eq!(interpreter.reflect_status(&object).now().unwrap(), Some(json!({ "n": 4 })));
    assert!(interpreter.health(&object).now().unwrap());
    assert!(interpreter.dependencies(&object).now().unwrap().is_empty());
}

#[test]
fn are_given_no_list_when_there_are_no_statuses() {
    let script = "function AggregateStatus(desired, items)
        desired.status = {list = type(items), applied = items and #items}
        return desired
      end";
    let interpreter = with(&[("statusAggregation", script)]);
    let template = deployment(json!({}));
    let status = |step: Step<Object>| step.now().unwrap().at("/status").cloned().unwrap();
    assert_eq!(status(interpreter.aggregate_status(&template, &[])), json!({ "list": "nil" }));
    assert_eq!(
        status(interpreter.aggregate_reports(&template, Some(&[]))),
        json!({ "list": "table", "applied": 0 })
    );
}

#[test]
fn that_do_not_answer_as_they_should_are_an_error_that_names_them() {
    for (rule, script, why) in [
        ("replicaResource", "function Other() end", "not found function GetReplicas"),
        ("replicaResource", "GetReplicas = 5", "GetReplicas is not a function: number"),
        (
            "replicaResource",
            "function GetReplicas() return 'two' end",
            "the result is a string, not a number",
        ),
        ("replicaResource", "function GetReplicas() return 1e10 end", "no number of replicas"),
        (
            "replicaResource",
            "function GetReplicas() return 1, 'x' end",
            "the requirements are a string, not a table",
        ),
        (
            "replicaResource",
            "function GetReplicas() return 1, {resourceRequest = {cpu = 'many'}} end",
            "the request of cpu, \"many\", is malformed",
        ),
        ("componentResource", "function GetComponents() return 1 end", "the result is a number, not a table"),
        (
            "componentResource",
            "function GetComponents() return {{name = 'a', replicas = 1.5}} end",
            "the components are malformed",
        ),
        ("replicaRevision", "function ReviseReplica() end", "the result is a nil, not a table"),
        ("replicaRevision", "function ReviseReplica() return {1} end", "a list, not an object"),
        ("retention", "function Retain() return {spec = 1} end", "without a kind"),
        (
            "statusAggregation",
            "function AggregateStatus() return true end",
            "the result is a boolean, not a table",
        ),
        ("statusReflection", "function ReflectStatus() return nil end", "the result is a nil, not a table"),
        ("healthInterpretation", "function InterpretHealth() return 1 end", "a number, not true or false"),
        (
            "dependencyInterpretation",
            "function GetDependencies() return nil end",
            "the result is a nil, not a table",
        ),
        (
            "dependencyInterpretation",
            "function GetDependencies() return {{kind = 'Secret', name = 'x'}} end",
            "dependency 0 has no apiVersion",
        ),
        ("dependencyInterpretation", "function GetDependencies() return {{name = {}}, 5} end", "malformed"),
        ("healthInterpretation", "function InterpretHealth(o) return o.none.x end", "<string>:1:"),
        ("healthInterpretation", "error('not today')", "not today"),
    ] {
        let interpreter = with(&[(rule, script)]);
        let object = deployment(json!({}));
        let errors = [
            interpreter.replicas(&object).now().err(),
            interpreter.components(&object).now().err(),
            interpreter.revise_replicas(&object, 1).now().err(),
            interpreter.retain(&object, &object).now().err(),
            interpreter.reflect_status(&object).now().err(),
            interpreter.aggregate_status(&object, &[]).now().err(),
            interpreter.health(&object).now().err(),
            interpreter.dependencies(&object).now().err(),
        ];
        let errors: Vec<Error> = errors.into_iter().flatten().collect();
        let [error] = &errors[..] else { panic!("{rule} {script}: {errors:?}") };
        assert!(error.reason.contains(why), "{error}");
        assert!(error.reason.contains("customization c"), "{error}");
    }
}

#[test]
fn that_cannot_be_compiled_spoil_no_other_rule() {
    let interpreter = with(&[
        ("replicaResource", "function GetReplicas("),
        ("healthInterpretation", "function InterpretHealth() return true end"),
    ]);
    let object = deployment(json!({}));
    for _ in 0..2 {
        let error = interpreter.replicas(&object).now().unwrap_err();
        assert!(error.reason.contains("the script of customization c cannot be compiled: "), "{error}");
    }
    assert!(interpreter.health(&object).now().unwrap());
}

#[test]
fn whose_customization_cannot_be_read_are_complained_about() {
    let mut broken = customization("broken", DEPLOYMENT, &[]);
    broken.set("/spec/customizations", 5);
    let good = customization("good", DEPLOYMENT, &[("replicaResource", &finds(3))]);
    let interpreter = Interpreter::with(&[broken, good], &[]);
    assert_eq!(interpreter.complaints().len(), 1);
    assert!(interpreter.complaints()[0].contains("broken"));
    assert_eq!(count(&interpreter, &deployment(json!({}))).unwrap(), Some(3));
}

#[test]
fn see_nothing_of_earlier_calls() {
    let script = "seen = (seen or 0) + 1
      function GetReplicas(obj)
        string.seen = (string.seen or 0) + 1
        require('kube').seen = (require('kube').seen or 0) + 1
        return seen + string.seen + require('kube').seen
      end";
    let interpreter = with(&[("replicaResource", script)]);
    for _ in 0..3 {
        assert_eq!(count(&interpreter, &deployment(json!({}))).unwrap(), Some(3));
    }
}

#[test]
fn are_stopped_when_they_take_too_much() {
    for (what, script, why) in [
        ("time", "function InterpretHealth() while true do end end", "instructions"),
        ("time before the function", "while true do end", "instructions"),
        (
            "time behind pcall",
            "function InterpretHealth() while true do pcall(error) end end",
            "instructions",
        ),
        ("memory", "function InterpretHealth() local s = 'x' while true do s = s .. s end end", "memory"),
        ("depth", "function InterpretHealth() return InterpretHealth() + 1 end", "stack overflow"),
    ] {
        let mut interpreter = with(&[("healthInterpretation", script)]);
        if what != "memory" {
            interpreter.sandbox.instructions = 100_000;
        }
        let error = interpreter.health(&deployment(json!({}))).now().unwrap_err().reason;
        assert!(error.contains("script stopped") && error.contains(why), "{what}: {error}");
    }
}

#[test]
fn have_one_second_on_the_clock() {
    struct Ticking(ManualClock);

    impl clock::Source for Ticking {
        fn now(&self) -> jiff::Timestamp {
            self.0.clock().now()
        }

        // Every look at it takes a third of a second.
        fn elapsed(&self) -> Duration {
            let elapsed = self.0.clock().elapsed();
            self.0.advance(Duration::from_millis(334));
            elapsed
        }
    }

    let script = "function InterpretHealth(obj) for i = 1, obj.spec.rounds do end return true end";
    let start: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let with_rounds = |rounds: i64| {
        let interpreter = with(&[("healthInterpretation", script)]);
        let interpreter = interpreter.with_clock(Clock::new(Ticking(ManualClock::new(start))));
        interpreter.health(&deployment(json!({ "spec": { "rounds": rounds } }))).now()
    };
    assert!(with_rounds(100).unwrap());
    let error = with_rounds(1_000_000).unwrap_err();
    assert!(error.reason.contains("deadline exceeded"), "{error}");
}

#[test]
fn tell_the_time_of_the_clock() {
    let script = "function ReflectStatus() return {at = os.date('!%Y-%m-%dT%H:%M:%SZ')} end";
    let at =
        |interpreter: Interpreter| interpreter.reflect_status(&deployment(json!({}))).now().unwrap().unwrap();
    assert_eq!(at(with(&[("statusReflection", script)])), json!({ "at": "1970-01-01T00:00:00Z" }));
    let clock = Clock::fixed("2030-02-03T04:05:06Z".parse().unwrap());
    assert_eq!(
        at(with(&[("statusReflection", script)]).with_clock(clock)),
        json!({ "at": "2030-02-03T04:05:06Z" })
    );
}

/// What `ReviseReplica` with a script makes of an object's `spec`.
fn revised(spec: Value, script: &str) -> Value {
    let script = format!("function ReviseReplica(obj, n) {script} return obj end");
    let interpreter = with(&[("replicaRevision", &script)]);
    let revised = interpreter.revise_replicas(&deployment(json!({ "spec": spec })), 1).now().unwrap();
    revised.at("/spec").cloned().unwrap_or_default()
}

#[test]
fn keep_empty_objects_and_lists_of_what_they_are_given() {
    let spec = json!({
        "emptyDir": {}, "args": [], "nested": { "a": {}, "b": [] },
        "list": [{ "x": {} }, { "x": { "y": [] } }], "app.io/name": {},
    });
    assert_eq!(revised(spec.clone(), ""), spec);
}

#[test]
fn lose_empty_tables_that_nobody_has_seen() {
    assert_eq!(
        revised(json!({ "a": {}, "b": [] }), "obj.spec.new = {} obj.spec.c = {d = {}}"),
        json!({ "a": {}, "b": [], "c": {} }),
        "what becomes empty by that stays",
    );
}

#[test]
fn find_the_shape_of_an_empty_table_at_its_path_in_any_element_of_a_list() {
    let spec = json!({ "list": [{ "x": {} }, { "x": { "y": 1 } }] });
    assert_eq!(revised(spec, "obj.spec.list[2].x = {}"), json!({ "list": [{ "x": {} }, { "x": {} }] }),);
}

#[test]
fn keep_the_members_empty_objects_when_they_retain() {
    let script = "function Retain(desired, observed) desired.spec = observed.spec return desired end";
    let interpreter = with(&[("retention", script)]);
    let observed = deployment(json!({ "spec": { "a": {}, "b": [] } }));
    let retained = interpreter.retain(&deployment(json!({ "spec": { "a": [] } })), &observed).now().unwrap();
    assert_eq!(
        retained.at("/spec").unwrap(),
        &json!({ "a": {}, "b": [] }),
        "an object anywhere makes it one"
    );
}

#[test]
fn answer_an_empty_status_with_an_empty_object() {
    let reflect = |script: &str| {
        let interpreter = with(&[("statusReflection", script)]);
        interpreter.reflect_status(&deployment(json!({}))).now().unwrap().unwrap()
    };
    assert_eq!(reflect("function ReflectStatus() return {} end"), json!({}));
    assert_eq!(
        reflect("function ReflectStatus() return {a = {}, b = {c = 1}} end"),
        json!({ "b": { "c": 1 } })
    );
}

#[test]
fn require_what_only_the_control_plane_can_compute() {
    let run = |body: &str| {
        let script =
            format!("local kube = require('kube') function ReflectStatus(obj) return {{r = ({body})}} end");
        let interpreter = with(&[("statusReflection", &script)]);
        let template = json!({ "spec": {
            "nodeSelector": { "disk": "ssd" }, "tolerations": [],
            "containers": [{
                "resources": { "requests": { "cpu": "100m" }, "limits": { "cpu": 1, "memory": "1Gi" } },
                "envFrom": [{ "secretRef": { "name": "s" } }],
            }],
        } });
        let object = deployment(json!({ "spec": { "template": template } }));
        let answer = interpreter.reflect_status(&object).now().map_err(|error| error.reason);
        answer.map(|status| status.unwrap().get("r").cloned().unwrap_or_default())
    };
    let secret = |namespace: &str| json!([{ "apiVersion": "v1", "kind": "Secret", "namespace": namespace, "name": "s" }]);
    for (body, expected) in [
        ("kube.resourceAdd('1', '500m', nil)", json!("1500m")),
        ("kube.resourceAdd('1Gi', '512Mi')", json!("1536Mi")),
        ("kube.resourceAdd()", json!("0")),
        (
            "kube.accuratePodRequirements(obj.spec.template)",
            json!({ "nodeClaim": { "nodeSelector": { "disk": "ssd" } }, "resourceRequest": { "cpu": "100m", "memory": "1Gi" } }),
        ),
        ("kube.accuratePodRequirements({}) == nil", json!(true)),
        ("kube.getPodDependencies(obj.spec.template, 'shop')", secret("shop")),
        ("kube.getPodDependencies(obj.spec.template, nil)", secret("default")),
        ("kube.getPodDependencies({spec = {}}, 'shop') == nil", json!(true)),
        ("kube.getResourceQuantity('1.5Gi')", json!(1_610_612_736)),
        ("kube.getResourceQuantity('2048m')", json!(2.048)),
        ("kube.getResourceQuantity('0.5')", json!(0.5)),
        ("kube.getResourceQuantity(nil)", json!(0)),
    ] {
        assert_eq!(run(body), Ok(expected), "{body}");
    }
    for (body, why) in [
        ("kube.resourceAdd('1', 2)", "bad argument #2 to resourceAdd (string expected, got number)"),
        ("kube.resourceAdd('many')", "cannot parse \"many\""),
        (
            "kube.accuratePodRequirements(nil)",
            "bad argument #1 to accuratePodRequirements (table expected, got nil)",
        ),
        ("kube.accuratePodRequirements()", "exactly one argument"),
        ("kube.accuratePodRequirements({spec = {overhead = {cpu = 'x'}}})", "the amount \"x\" of cpu"),
        ("kube.getPodDependencies({})", "exactly two arguments"),
        ("kube.getPodDependencies({}, {})", "bad argument #2"),
        ("kube.getResourceQuantity('-1')", "is negative"),
    ] {
        let error = run(body).unwrap_err();
        assert!(error.contains(why), "{body}: {error}");
    }
    let gone = run("require('merge')").unwrap_err();
    assert!(gone.contains("module merge not found"), "modules of bundled scripts are theirs: {gone}");
}

#[test]
fn keep_the_spelling_of_amounts_as_go_programs_do() {
    for (spelled, kept) in [
        ("'1000m'", "1000m"),
        ("2.048", "2.048"),
        ("1", "1"),
        ("'1024Mi'", "1024Mi"),
        ("'1434.000000Mi'", "1434Mi"),
        ("'102400Gi'", "100Ti"),
        ("'1000000000000000000000'", "1000E"),
    ] {
        let script =
            format!("function GetReplicas() return 1, {{resourceRequest = {{memory = {spelled}}}}} end");
        let (_, needs) =
            with(&[("replicaResource", &script)]).replicas(&deployment(json!({}))).now().unwrap().unwrap();
        assert_eq!(needs.unwrap().resource_request["memory"].as_str(), kept, "{spelled}");
    }
}
