//! What becomes of request bodies.

use machinery::GroupVersionKind;
use serde_json::{Value, json};

use super::*;
use crate::random::Random;
use crate::{Schema, Type, builtin};

fn shape(api_version: &str, kind: &str) -> &'static Schema {
    builtin::kind(&GroupVersionKind::from_api_version(api_version, kind)).expect("a built-in kind")
}

fn admitted(api_version: &str, kind: &str, mut value: Value) -> (Value, Vec<String>) {
    let unknown = admit(&mut value, shape(api_version, kind), kind).expect("the types fit");
    (value, unknown)
}

fn refusal(api_version: &str, kind: &str, mut value: Value) -> String {
    admit(&mut value, shape(api_version, kind), kind).expect_err("a type does not fit").to_string()
}

fn pod(container: Value) -> Value {
    json!({ "spec": { "containers": [container] } })
}

#[test]
fn a_key_that_occurs_twice_is_named_by_its_path_and_the_last_one_counts() {
    let parsed =
        json(br#"{"data":{"a":"1","a":"2","a":"3"},"spec":{"containers":[{},{"name":"x","name":"y"}]}}"#)
            .expect("JSON");
    assert_eq!(parsed.duplicates, ["data.a", "spec.containers[1].name"]);
    assert_eq!(parsed.value["data"]["a"], "3");
    let parsed = json(br#"{"a":[[{"b":1,"b":1}]]}"#).expect("JSON");
    assert_eq!(parsed.duplicates, ["a[0][0].b"]);
}

#[test]
fn json_keeps_numbers_apart_and_refuses_trailing_text() {
    let parsed = json(b"[1, -1, 1.0, 18446744073709551615, true, null]").expect("JSON");
    assert_eq!(parsed.value, json!([1, -1, 1.0, 18_446_744_073_709_551_615_u64, true, null]));
    assert!(json(b"{} x").is_err());
    assert!(json(b"").is_err());
}

#[test]
fn yaml_follows_version_1_1() {
    let text = b"a: yes\nb: 0644\nc: \"yes\"\nd: 2024-01-01\ne: ~\nf: 1.5\ng: on\nh: 012x\ni: 0x1F\n1: one\ntrue: t\n";
    let wanted = json!({
        "a": true, "b": 420, "c": "yes", "d": "2024-01-01", "e": null, "f": 1.5, "g": true,
        "h": "012x", "i": 31, "1": "one", "true": "t",
    });
    assert_eq!(yaml(text).expect("YAML").value, wanted);
}

#[test]
fn yaml_notices_duplicates_expands_aliases_and_reads_json() {
    let parsed = yaml(b"data:\n  a: 1\n  b: &x {k: v}\n  a: 2\n  c: *x\n").expect("YAML");
    assert_eq!(parsed.duplicates, ["data.a"]);
    assert_eq!(parsed.value, json!({ "data": { "a": 2, "b": { "k": "v" }, "c": { "k": "v" } } }));
    assert_eq!(yaml(br#"{"a": [1, "b"]}"#).expect("YAML").value, json!({ "a": [1, "b"] }));
    assert_eq!(yaml(b"# nothing\n---\n").expect("YAML").value, Value::Null);
    assert!(yaml(b"a: [1").is_err());
}

#[test]
fn whole_floats_in_yaml_are_integers() {
    let parsed = yaml(b"a: 1.0\nb: 1e3\nc: 1.5\nd: [-2.0]\n").expect("YAML");
    assert_eq!(parsed.value.to_string(), r#"{"a":1,"b":1000,"c":1.5,"d":[-2]}"#);
    let parsed = yaml(br#" {"a": 1.0, "a": 2.0}"#).expect("JSON under YAML's media type");
    assert_eq!(
        (parsed.value.to_string().as_str(), parsed.duplicates.as_slice()),
        (r#"{"a":2}"#, &["a".to_owned()][..])
    );
}

#[test]
fn yaml_that_explodes_or_nests_too_deeply_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let inner = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [inner.as_str(); 10].join(", ")));
    }
    assert!(yaml(bomb.as_bytes()).is_err());
    for depth in [300, 100_000] {
        let nested = format!("a: {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(yaml(nested.as_bytes()).is_err());
        let blocks = format!("{}x", "- ".repeat(depth));
        assert!(yaml(blocks.as_bytes()).is_err());
        assert!(json("[".repeat(depth).as_bytes()).is_err());
    }
    let fine = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(yaml(fine.as_bytes()).is_ok());
}

#[test]
fn unknown_fields_are_reported_and_dropped() {
    let value = json!({ "metadata": { "name": "s1", "foo": "x" }, "data": { "any": "v" }, "bogus": 1 });
    let unknown = unknown_fields(&value, shape("v1", "ConfigMap"));
    assert_eq!(unknown, ["metadata.foo", "bogus"]);
    let (kept, reported) = admitted("v1", "ConfigMap", value.clone());
    assert_eq!(reported, unknown);
    assert_eq!(kept, json!({ "metadata": { "name": "s1" }, "data": { "any": "v" } }));
    let mut dropped = value;
    drop_unknown(&mut dropped, shape("v1", "ConfigMap"));
    assert_eq!(dropped, kept);
}

#[test]
fn unknown_fields_in_lists_have_an_index() {
    let value = pod(json!({ "name": "c", "ports": [{ "containerPort": 1, "x": 1 }], "imagee": "i" }));
    let wanted = ["spec.containers[0].ports[0].x", "spec.containers[0].imagee"];
    assert_eq!(unknown_fields(&value, shape("v1", "Pod")), wanted);
    assert_eq!(admitted("v1", "Pod", value).1, wanted);
}

#[test]
fn free_form_parts_keep_everything() {
    let fields = json!({ "metadata": { "managedFields": [{ "fieldsV1": { "f:x": { ".": {} } } }] } });
    assert_eq!(admitted("v1", "ConfigMap", fields.clone()), (fields, Vec::new()));
    let schema =
        json!({ "spec": { "versions": [{ "schema": { "openAPIV3Schema": { "default": { "any": 1 } } } }] } });
    assert_eq!(admitted("apiextensions.k8s.io/v1", "CustomResourceDefinition", schema.clone()).0, schema);
}

#[test]
fn strict_texts_name_duplicates_and_unknown_fields() {
    let text = strict_error(&["spec.foo".into()], &["data.a".into()]).expect("two complaints");
    assert_eq!(text, "strict decoding error: unknown field \"spec.foo\", duplicate field \"data.a\"");
    assert_eq!(strict_error(&[], &[]), None);
    assert_eq!(warnings(&["bogus".into()], &[]), ["unknown field \"bogus\""]);
}

#[test]
fn wrong_types_are_refused_in_the_words_of_gos_decoder() {
    for (api_version, kind, value, wanted) in [
        (
            "v1",
            "ConfigMap",
            json!({ "data": { "k": 5 } }),
            "number into Go struct field ConfigMap.data of type string",
        ),
        (
            "apps/v1",
            "Deployment",
            json!({ "spec": { "replicas": "three" } }),
            "string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "authentication.k8s.io/v1",
            "TokenRequest",
            json!({ "spec": { "audiences": "x" } }),
            "string into Go struct field TokenRequestSpec.spec.audiences of type []string",
        ),
        (
            "apps/v1",
            "Deployment",
            json!({ "spec": { "replicas": 3_000_000_000_u32 } }),
            "number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "v1",
            "Pod",
            pod(json!({ "ports": [{ "containerPort": true }] })),
            "bool into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        ("v1", "ConfigMap", json!([]), "array into Go value of type v1.ConfigMap"),
        (
            "v1",
            "Pod",
            json!({ "spec": { "containers": {} } }),
            "object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
    ] {
        assert_eq!(refusal(api_version, kind, value), format!("json: cannot unmarshal {wanted}"));
    }
}

#[test]
fn types_with_their_own_reader_refuse_in_their_own_words() {
    let secret = json!({ "data": { "a": "***" } });
    assert_eq!(refusal("v1", "Secret", secret), "illegal base64 data at input byte 0");
    let limits = pod(json!({ "resources": { "limits": { "cpu": "abc" } } }));
    assert!(refusal("v1", "Pod", limits).starts_with("quantities must match"));
    let time = json!({ "metadata": { "creationTimestamp": "yesterday" } });
    assert!(
        refusal("v1", "Pod", time).starts_with("parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\"")
    );
}

#[test]
fn every_wrong_top_level_field_has_a_text() {
    let value = json!({ "data": { "k": 5 }, "immutable": "no", "metadata": {} });
    let texts = type_errors(&value, shape("v1", "ConfigMap"), "ConfigMap");
    assert_eq!(texts.len(), 2);
    assert!(texts[1].ends_with("ConfigMap.immutable of type bool"));
}

#[test]
fn null_is_absent_or_the_zero_value() {
    let value = json!({ "metadata": { "creationTimestamp": null, "labels": null }, "data": { "a": null }, "immutable": null });
    assert_eq!(admitted("v1", "ConfigMap", value).0, json!({ "metadata": {}, "data": { "a": "" } }));
}

#[test]
fn quantities_and_times_become_canonical() {
    let value = pod(json!({ "resources": { "limits": { "cpu": 2, "memory": "1.5Gi", "x": 0.5 } } }));
    let limits = admitted("v1", "Pod", value).0["spec"]["containers"][0]["resources"]["limits"].clone();
    assert_eq!(limits, json!({ "cpu": "2", "memory": "1536Mi", "x": "500m" }));
    let lease = json!({
        "metadata": { "creationTimestamp": "2024-01-01T01:00:00.5+02:00" },
        "spec": { "renewTime": "2024-01-01T00:00:00Z" },
    });
    let lease = admitted("coordination.k8s.io/v1", "Lease", lease).0;
    assert_eq!(lease["metadata"]["creationTimestamp"], "2023-12-31T23:00:00Z");
    assert_eq!(lease["spec"]["renewTime"], "2024-01-01T00:00:00.000000Z");
}

#[test]
fn the_metadata_of_any_kind_is_read_with_its_paths() {
    let mut metadata = json!({ "name": "x", "foo": 1, "labels": null, "ownerReferences": [{ "bar": 1 }] });
    let unknown = admit_metadata(&mut metadata).expect("the types fit");
    assert_eq!(unknown, ["metadata.ownerReferences[0].bar", "metadata.foo"]);
    assert_eq!(metadata, json!({ "name": "x", "ownerReferences": [{}] }));
    let refusal = admit_metadata(&mut json!({ "labels": { "a": 1 } })).expect_err("labels are text");
    let wanted =
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string";
    assert_eq!(refusal.to_string(), wanted);
}

#[test]
fn ports_may_be_numbers_or_names() {
    let service = |port: Value| json!({ "spec": { "ports": [{ "targetPort": port, "port": 1 }] } });
    for port in [json!(80), json!("http")] {
        assert_eq!(admitted("v1", "Service", service(port.clone())).0, service(port));
    }
    assert!(
        refusal("v1", "Service", service(json!(true)))
            .contains("cannot unmarshal bool into Go value of type int32")
    );
}

/// A value of a built-in shape, with a field nobody knows here and there.
fn generated(random: &mut Random, schema: &Schema, depth: u64) -> Value {
    if random.chance(5) {
        return Value::Null;
    }
    if schema.int_or_string {
        return random.one_of(&[json!(80), json!("http")]).clone();
    }
    match (schema.ty, schema.format.as_deref()) {
        (Type::Any, _) => json!({ "any": [null] }),
        (Type::Boolean, _) => random.chance(50).into(),
        (Type::Integer | Type::Number, _) => random.below(100).into(),
        (Type::String, Some("quantity")) => {
            random.one_of(&[json!("1.5Gi"), json!(0.1), json!("100m")]).clone()
        }
        (Type::String, Some("date-time")) => {
            (*random.one_of(&["2024-01-01T00:00:00Z", "2024-01-01T01:00:00.25+01:00"])).into()
        }
        (Type::String, Some("byte")) => "aGVsbG8=".into(),
        (Type::String, _) => "text".into(),
        (Type::Array, _) => {
            let items = schema.items.as_deref().expect("a list of the table has items");
            (0..random.below(3)).map(|_| generated(random, items, depth)).collect()
        }
        (Type::Object, _) => {
            let mut value = json!({});
            for (name, field) in &schema.properties {
                if depth > 0 && random.chance(25) {
                    value[name] = generated(random, field, depth - 1);
                }
            }
            if let Some(values) = &schema.additional_properties {
                value["key"] = generated(random, values, depth);
            }
            if random.chance(20) && schema.additional_properties.is_none() {
                value["nobodyKnows"] = json!({ "a": 1 });
            }
            value
        }
    }
}

#[test]
fn admitted_objects_of_every_kind_stay_as_they_are() {
    let mut met = 0;
    for (seed, name) in builtin::names().enumerate() {
        let schema = builtin::definition(name).expect("listed");
        for round in 0..3 {
            let mut random = Random::new(seed as u64 * 3 + round);
            let value = generated(&mut random, schema, 6);
            if value.is_null() {
                continue;
            }
            let mut once = value.clone();
            let unknown =
                admit(&mut once, schema, "Root").unwrap_or_else(|why| panic!("{name}: {why} in {value}"));
            met += unknown.len();
            assert_eq!(unknown, unknown_fields(&value, schema), "{name}: {value}");
            let mut twice = once.clone();
            assert_eq!(admit(&mut twice, schema, "Root"), Ok(Vec::new()), "{name}: {once}");
            assert_eq!(once, twice, "{name}: {value}");
            let mut dropped = value.clone();
            drop_unknown(&mut dropped, schema);
            assert_eq!(unknown_fields(&dropped, schema), Vec::<String>::new(), "{name}: {value}");
        }
    }
    assert!(met > 100, "too few unknown fields were generated: {met}");
}
