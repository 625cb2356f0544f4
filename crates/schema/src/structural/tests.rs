//! What a schema may say, and what becomes of custom resources by it.

use machinery::Cause;
use serde_json::{Value, json};

use super::*;

fn parsed(properties: Value) -> Schema {
    parse(&json!({ "type": "object", "properties": properties }), "s").expect("the schema is structural")
}

fn refused(schema: Value) -> Vec<String> {
    texts(parse(&schema, "s").expect_err("the schema is not structural"))
}

fn texts(causes: Vec<Cause>) -> Vec<String> {
    causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

fn complaints(spec: Value, value: Value) -> Vec<String> {
    texts(validate(&json!({ "spec": value }), &parsed(json!({ "spec": spec })), None))
}

mod being_structural {
    use super::*;

    #[test]
    fn every_node_has_a_type() {
        let schema = json!({ "type": "object", "properties": {
            "spec": { "properties": { "a": { "type": "string" } } },
            "list": { "type": "array", "items": {} },
            "bare": { "type": "array" },
            "typo": { "type": "strin" },
        } });
        assert_eq!(
            refused(schema),
            [
                "s.properties[bare].items: Required value: must be specified",
                "s.properties[list].items.type: Required value: must not be empty for specified array items",
                "s.properties[spec].type: Required value: must not be empty for specified object fields",
                "s.properties[typo].type: Unsupported value: \"strin\": supported values: \"array\", \"boolean\", \
                 \"integer\", \"number\", \"object\", \"string\"",
            ]
        );
        assert_eq!(refused(json!({})), ["s.type: Required value: must not be empty at the root"]);
        assert_eq!(refused(json!({ "type": "array", "items": { "type": "string" } })).len(), 1);
        assert_eq!(refused(json!(null)), ["s: Required value"]);
    }

    #[test]
    fn open_nodes_need_no_type() {
        parsed(json!({
            "any": { "x-kubernetes-preserve-unknown-fields": true },
            "port": { "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] },
            "both": {
                "x-kubernetes-int-or-string": true,
                "allOf": [{ "anyOf": [{ "type": "integer" }, { "type": "string" }] }, { "pattern": "^a" }],
            },
        }));
    }

    #[test]
    fn logic_only_limits_what_is_declared_outside() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "anyOf": [
            { "required": ["a"], "properties": { "a": { "minLength": 1 } } },
            { "properties": { "a": { "type": "string" }, "b": { "maximum": 3 } } },
        ] });
        assert_eq!(
            refused(schema),
            [
                "s.anyOf[1].properties[a].type: Forbidden: must be empty to be structural",
                "s.properties[b]: Required value: because it is defined in s.anyOf[1].properties[b]",
            ]
        );
    }

    #[test]
    fn keywords_and_extensions_that_do_not_fit_are_refused() {
        for (schema, wanted) in [
            (json!({ "type": "string", "$ref": "#/x" }), ".$ref: Forbidden: $ref is not supported"),
            (
                json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
                ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
            ),
            (
                json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": true }),
                ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
            ),
            (
                json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": false }),
                ".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
            ),
            (
                json!({ "type": "object", "x-kubernetes-embedded-resource": true }),
                ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without \
                 x-kubernetes-preserve-unknown-fields",
            ),
            (
                json!({ "type": "array", "x-kubernetes-list-type": "map", "items": { "type": "object" } }),
                ".x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
            ),
            (
                json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                    "items": { "type": "object", "properties": { "k": { "type": "string" } } } }),
                ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it \
                 must have a default or be a required property",
            ),
            (
                json!({ "type": "integer", "default": "x" }),
                ".default: Invalid value: \"string\":  in body must be of type integer: \"string\"",
            ),
        ] {
            let found = refused(json!({ "type": "object", "properties": { "a": schema } }));
            assert_eq!(found, [format!("s.properties[a]{wanted}")]);
        }
        let pattern =
            refused(json!({ "type": "object", "properties": { "a": { "type": "string", "pattern": "(" } } }));
        assert!(
            pattern[0].starts_with("s.properties[a].pattern: Invalid value: \"(\": must be a valid regular")
        );
    }

    #[test]
    fn defaults_are_pruned_and_valid() {
        let with = |default: Value| {
            json!({ "type": "object", "properties": { "spec": {
            "type": "object", "default": default, "required": ["a"],
            "properties": { "a": { "type": "integer", "default": 1, "maximum": 5 } },
        } } })
        };
        assert!(parse(&with(json!({})), "s").is_ok());
        let found = refused(with(json!({ "b": 1 })));
        assert!(found[0].starts_with("s.properties[spec].default: Invalid value: {\"b\":1}"), "{found:?}");
        let wanted =
            "s.properties[spec].default.a: Invalid value: 9: a in body should be less than or equal to 5";
        assert_eq!(refused(with(json!({ "a": 9 }))), [wanted]);
    }

    #[test]
    fn metadata_may_only_restrict_names() {
        let limits = json!({ "name": { "type": "string", "maxLength": 3 } });
        let schema = parsed(json!({ "metadata": { "type": "object", "properties": limits } }));
        let found = validate(&json!({ "metadata": { "name": "long", "uid": "x" } }), &schema, None);
        assert_eq!(texts(found), ["metadata.name: Too long: may not be more than 3 bytes"]);
        let labels = json!({ "type": "object", "properties": { "labels": { "type": "object" } } });
        let found = refused(json!({ "type": "object", "properties": { "metadata": labels } }));
        assert!(
            found[0]
                .starts_with("s.properties[metadata]: Forbidden: must not specify anything other than name")
        );
    }

    #[test]
    fn the_deepest_schema_that_json_allows_fits_on_a_threads_stack() {
        let mut schema = json!({ "type": "string", "minLength": 2 });
        let mut value = json!("x");
        let mut path = String::new();
        for level in 0..60 {
            schema =
                json!({ "type": "object", "default": {}, "properties": { "f": schema }, "minProperties": 0 });
            value = json!({ "f": value, "unknown": level });
            path = if path.is_empty() { "f".into() } else { format!("f.{path}") };
        }
        let schema = parse(&schema, "s").expect("the schema is structural");
        assert_eq!(prune(&mut value, &schema).len(), 60);
        default(&mut value, &schema);
        let wanted = format!("{path}: Invalid value: \"x\": {path} in body should be at least 2 chars long");
        assert_eq!(texts(validate(&value, &schema, None)), [wanted]);
    }

    #[test]
    fn cel_rules_are_noticed_wherever_they_are() {
        let rule = json!([{ "rule": "self > 0" }]);
        let nested = json!({ "a": { "type": "array", "items": { "type": "object", "additionalProperties": {
            "type": "integer", "x-kubernetes-validations": rule,
        } } } });
        assert!(has_cel_rules(&parsed(nested)));
        assert!(!has_cel_rules(&parsed(json!({ "a": { "type": "integer", "minimum": 1 } }))));
    }
}

mod fitting {
    use super::*;

    #[test]
    fn fields_that_are_not_declared_go_and_the_objects_own_stay() {
        let schema = parsed(json!({
            "spec": { "type": "object", "properties": {
                "list": { "type": "array", "items": { "type": "object", "properties": { "a": { "type": "string" } } } },
                "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": { "known": { "type": "object", "properties": {} } } },
                "map": { "type": "object", "additionalProperties": { "type": "object", "properties": {} } },
            } },
        }));
        let mut value = json!({
            "apiVersion": "a/v1", "kind": "A", "metadata": { "name": "x", "any": 1 }, "top": 1,
            "spec": {
                "extra": 1, "list": [{ "a": "b" }, { "c": 1 }],
                "free": { "x": { "y": 1 }, "known": { "z": 1 } }, "map": { "k": { "v": 1 } },
            },
        });
        let dropped = prune(&mut value, &schema);
        assert_eq!(dropped, ["spec.free.known.z", "spec.list[1].c", "spec.map.k.v", "spec.extra", "top"]);
        let wanted = json!({
            "apiVersion": "a/v1", "kind": "A", "metadata": { "name": "x", "any": 1 },
            "spec": { "list": [{ "a": "b" }, {}], "free": { "x": { "y": 1 }, "known": {} }, "map": { "k": {} } },
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn embedded_resources_keep_their_metadata_and_need_a_kind() {
        let schema = parsed(json!({ "item": {
            "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "spec": { "type": "object" } },
        } }));
        let item = json!({ "apiVersion": "v1", "metadata": { "labels": { "a": "b" } }, "spec": {} });
        let mut value = json!({ "item": item });
        assert!(prune(&mut value, &schema).is_empty());
        assert_eq!(texts(validate(&value, &schema, None)), ["item.kind: Required value: must not be empty"]);
    }

    #[test]
    fn metadata_has_the_fields_of_metadata_wherever_a_resource_is() {
        let schema = parsed(json!({ "list": { "type": "array", "items": {
            "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
        } } }));
        let item =
            json!({ "apiVersion": "v1", "kind": "A", "metadata": { "odd": 1, "name": "x" }, "spec": {} });
        let mut value =
            json!({ "metadata": { "name": "y", "labels": { "a": "b" }, "foo": {} }, "list": [item] });
        let unknown = admit_metadata(&mut value, &schema).unwrap();
        assert_eq!(unknown, ["list[0].metadata.odd", "metadata.foo"]);
        assert_eq!(value["metadata"], json!({ "name": "y", "labels": { "a": "b" } }));
        assert_eq!(value["list"][0]["metadata"], json!({ "name": "x" }));
        assert!(admit_metadata(&mut json!({ "metadata": { "labels": 5 } }), &schema).is_err());
    }

    #[test]
    fn defaults_fill_what_is_absent_or_a_stray_null() {
        let schema = parsed(json!({ "spec": { "type": "object", "properties": {
            "a": { "type": "integer", "default": 1 },
            "b": { "type": "object", "properties": { "c": { "type": "integer", "default": 2 } } },
            "d": { "type": "object", "default": {}, "properties": { "e": { "type": "string", "default": "f" } } },
            "n": { "type": "string", "nullable": true, "default": "x" },
            "o": { "type": "string" },
            "l": { "type": "array", "items": { "type": "object", "properties": { "p": { "type": "string", "default": "TCP" } } } },
        } } }));
        let mut value = json!({ "spec": { "a": null, "n": null, "o": null, "l": [{}, { "p": "UDP" }] } });
        default(&mut value, &schema);
        let wanted = json!({ "spec": { "a": 1, "d": { "e": "f" }, "n": null, "l": [{ "p": "TCP" }, { "p": "UDP" }] } });
        assert_eq!(value, wanted);
        let mut untouched = json!({});
        default(&mut untouched, &schema);
        assert_eq!(untouched, json!({}), "parents are not made for their children's defaults");
    }
}

mod limits {
    use super::*;

    #[test]
    fn each_limit_has_its_words() {
        for (schema, value, wanted) in [
            (
                json!({ "type": "integer" }),
                json!("x"),
                "Invalid value: \"string\": spec in body must be of type integer: \"string\"",
            ),
            (
                json!({ "type": "object" }),
                json!(5),
                "Invalid value: \"integer\": spec in body must be of type object: \"integer\"",
            ),
            (
                json!({ "type": "integer" }),
                json!(1.5),
                "Invalid value: \"number\": spec in body must be of type integer: \"number\"",
            ),
            (
                json!({ "type": "integer", "maximum": 10 }),
                json!(11),
                "Invalid value: 11: spec in body should be less than or equal to 10",
            ),
            (
                json!({ "type": "integer", "minimum": 1 }),
                json!(0),
                "Invalid value: 0: spec in body should be greater than or equal to 1",
            ),
            (
                json!({ "type": "number", "maximum": 1, "exclusiveMaximum": true }),
                json!(1),
                "Invalid value: 1: spec in body should be less than 1",
            ),
            (
                json!({ "type": "number", "minimum": 1, "exclusiveMinimum": true }),
                json!(1),
                "Invalid value: 1: spec in body should be greater than 1",
            ),
            (
                json!({ "type": "integer", "multipleOf": 5 }),
                json!(7),
                "Invalid value: 7: spec in body should be a multiple of 5",
            ),
            (
                json!({ "type": "string", "enum": ["red", "blue"] }),
                json!("green"),
                "Unsupported value: \"green\": supported values: \"red\", \"blue\"",
            ),
            (
                json!({ "type": "string", "pattern": "^[a-z]+$" }),
                json!("A1"),
                "Invalid value: \"A1\": spec in body should match '^[a-z]+$'",
            ),
            (
                json!({ "type": "string", "maxLength": 5 }),
                json!("abcdefgh"),
                "Too long: may not be more than 5 bytes",
            ),
            (
                json!({ "type": "string", "minLength": 2 }),
                json!("ä"),
                "Invalid value: \"ä\": spec in body should be at least 2 chars long",
            ),
            (
                json!({ "type": "array", "maxItems": 2, "items": { "type": "string" } }),
                json!(["a", "b", "c"]),
                "Too many: 3: must have at most 2 items",
            ),
            (
                json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
                json!([]),
                "Invalid value: 0: spec in body should have at least 1 items",
            ),
            (
                json!({ "type": "string", "format": "date-time" }),
                json!("now"),
                "Invalid value: \"now\": spec in body must be of type date-time: \"now\"",
            ),
            (
                json!({ "type": "string", "not": { "enum": ["x"] } }),
                json!("x"),
                "Invalid value: \"\": \"spec\" must not validate the schema (not)",
            ),
            (
                json!({ "type": "integer", "anyOf": [{ "minimum": 5 }, { "maximum": 1 }] }),
                json!(3),
                "Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)",
            ),
        ] {
            assert_eq!(complaints(schema, value), [format!("spec: {wanted}")]);
        }
    }

    #[test]
    fn values_within_their_limits_pass() {
        for (schema, value) in [
            (json!({ "type": "integer" }), json!(1.0)),
            (json!({ "type": "number" }), json!(1)),
            (json!({ "type": "string", "nullable": true, "enum": ["a"] }), json!(null)),
            (json!({ "type": "string", "format": "nobody-knows" }), json!("x")),
            (json!({ "type": "string", "maxLength": 1 }), json!("ä")),
            (json!({ "type": "integer", "oneOf": [{ "minimum": 5 }, { "maximum": 1 }] }), json!(7)),
            (json!({ "x-kubernetes-preserve-unknown-fields": true }), json!([1, { "a": null }])),
        ] {
            assert_eq!(complaints(schema.clone(), value), Vec::<String>::new(), "{schema}");
        }
    }

    #[test]
    fn a_null_counts_as_absent_once_defaults_were_given() {
        let schema = parsed(
            json!({ "spec": { "type": "object", "required": ["size"], "properties": { "size": { "type": "integer" } } } }),
        );
        let mut value = json!({ "spec": { "size": null } });
        default(&mut value, &schema);
        assert_eq!(texts(validate(&value, &schema, None)), ["spec.size: Required value"]);
    }

    #[test]
    fn sets_and_maps_hold_each_item_once() {
        let set = json!({ "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } });
        assert_eq!(complaints(set, json!(["a", "b", "a", "a"])), ["spec[2]: Duplicate value: \"a\""]);
        let map = json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k", "p"], "items": {
            "type": "object", "required": ["k"],
            "properties": { "k": { "type": "string" }, "p": { "type": "string", "default": "TCP" } },
        } });
        let value = json!([{ "k": "a" }, { "k": "a", "p": "UDP" }, { "k": "a", "p": "TCP" }]);
        assert_eq!(complaints(map, value), ["spec[2]: Duplicate value: {\"k\":\"a\",\"p\":\"TCP\"}"]);
    }

    #[test]
    fn quantities_are_numbers_or_match_their_pattern() {
        let quantity = json!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
        });
        for value in [json!(3), json!("1.5Gi"), json!("100m"), json!("1e3")] {
            assert_eq!(complaints(quantity.clone(), value), Vec::<String>::new());
        }
        assert!(
            complaints(quantity.clone(), json!("lots"))[0].contains("spec in body should match '^(\\+|-)?")
        );
        let wanted =
            "spec: Invalid value: \"boolean\": spec in body must be of type integer,string: \"boolean\"";
        assert_eq!(complaints(quantity, json!(true)), [wanted]);
    }

    #[test]
    fn formats_are_told_apart() {
        for (format, good, bad) in [
            ("date-time", "2024-02-29T12:00:00.5+02:00", "2024-02-30T12:00:00Z"),
            ("date", "2024-02-29", "2023-02-29"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "01:23:45:67:89:ab", "01:23:45:67:89"),
            ("uri", "https://x.io/a?b=c", "x y"),
            ("email", "a@b.c", "a.b.c"),
            ("hostname", "a-b.c", "-a.b"),
            ("uuid", "6f1a8b9c-0000-4000-8000-000000000000", "6f1a8b9c"),
            ("uuid4", "6f1a8b9c-0000-4000-8000-000000000000", "6f1a8b9c-0000-1000-8000-000000000000"),
            ("byte", "aGVsbG8=", "aGVsbG8"),
            ("duration", "1h30m", "soon"),
            ("duration", "3 days", "3"),
            ("hexcolor", "#ff00AA", "#ff00A"),
        ] {
            assert!(crate::format::fits(format, good), "{good} is a {format}");
            assert!(!crate::format::fits(format, bad), "{bad} is no {format}");
        }
    }

    #[test]
    fn what_did_not_change_is_not_complained_about() {
        let schema = parsed(json!({ "spec": { "type": "object", "properties": {
            "a": { "type": "integer", "maximum": 1 }, "b": { "type": "integer", "maximum": 1 },
            "list": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {
                "type": "object", "required": ["k"],
                "properties": { "k": { "type": "string" }, "v": { "type": "integer", "maximum": 1 } },
            } },
        } } }));
        let old = json!({ "spec": { "a": 5, "b": 5, "list": [{ "k": "x", "v": 5 }, { "k": "y", "v": 5 }] } });
        let new = json!({ "spec": { "a": 5, "b": 6, "list": [{ "k": "y", "v": 5 }, { "k": "x", "v": 7 }] } });
        assert!(validate(&old, &schema, Some(&old)).is_empty());
        let fields: Vec<_> =
            validate(&new, &schema, Some(&old)).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["spec.b", "spec.list[1].v"]);
    }
}

/// Schemas and values from a seed, with names drawn from a small set so that they meet.
mod generated {
    use super::*;

    use crate::random::Random;

    trait Draw {
        fn name(&mut self) -> String;
        fn schema(&mut self, depth: u64) -> Value;
        fn value(&mut self, schema: &Value, depth: u64) -> Value;
    }

    impl Draw for Random {
        fn name(&mut self) -> String {
            (*self.one_of(&["a", "b", "c", "d"])).into()
        }

        fn schema(&mut self, depth: u64) -> Value {
            let mut schema = match if depth == 0 { self.below(2) } else { self.below(6) } {
                0 => json!({ "type": "string" }),
                1 => json!({ "type": "integer" }),
                2 => json!({ "type": "array", "items": self.schema(depth - 1) }),
                3 => json!({ "type": "object", "additionalProperties": self.schema(depth - 1) }),
                _ => {
                    let mut schema = json!({ "type": "object", "properties": {} });
                    for _ in 0..self.below(4) {
                        schema["properties"][self.name()] = self.schema(depth - 1);
                    }
                    if self.chance(20) {
                        schema["x-kubernetes-preserve-unknown-fields"] = true.into();
                    }
                    schema
                }
            };
            if self.chance(20) {
                schema["nullable"] = true.into();
            }
            if self.chance(40) {
                schema["default"] = match schema["type"].as_str() {
                    Some("string") => "text".into(),
                    Some("integer") => 7.into(),
                    Some("array") => json!([]),
                    _ => json!({}),
                };
            }
            schema
        }

        /// A value that fits a schema more often than not.
        fn value(&mut self, schema: &Value, depth: u64) -> Value {
            if depth == 0 || self.chance(10) {
                return [json!(null), json!("text"), json!(1), json!({ "a": { "b": 1 } })]
                    [usize::try_from(self.below(4)).expect("below four")]
                .clone();
            }
            match schema["type"].as_str() {
                Some("string") => "x".into(),
                Some("integer") => 3.into(),
                Some("array") => {
                    (0..self.below(3)).map(|_| self.value(&schema["items"], depth - 1)).collect()
                }
                _ => {
                    let mut value = json!({});
                    for _ in 0..self.below(5) {
                        let name = self.name();
                        let field = match &schema["properties"][&name] {
                            Value::Null => &schema["additionalProperties"],
                            field => field,
                        };
                        value[name] = self.value(&field.clone(), depth - 1);
                    }
                    value
                }
            }
        }
    }

    #[test]
    fn pruning_and_defaulting_are_idempotent_and_do_not_depend_on_their_order() {
        let mut met = 0;
        for seed in 0..2_000 {
            let mut random = Random::new(seed);
            let properties = json!({ "a": random.schema(4), "b": random.schema(4) });
            let root = json!({ "type": "object", "properties": properties });
            let Ok(schema) = parse(&root, "s") else {
                continue;
            };
            met += 1;
            let value = random.value(&root, 6);
            let (mut pruned, mut defaulted) = (value.clone(), value.clone());
            let dropped = prune(&mut pruned, &schema);
            default(&mut defaulted, &schema);

            let mut again = pruned.clone();
            assert!(prune(&mut again, &schema).is_empty(), "seed {seed}: pruned twice");
            assert_eq!(dropped.is_empty(), pruned == value, "seed {seed}: {dropped:?}");
            let mut again = defaulted.clone();
            default(&mut again, &schema);
            assert_eq!(again, defaulted, "seed {seed}: defaulted twice");

            let (mut one, mut other) = (pruned, defaulted);
            default(&mut one, &schema);
            prune(&mut other, &schema);
            assert_eq!(one, other, "seed {seed}: schema {root}, value {value}");
        }
        assert!(met > 1_000, "too few of the generated schemas are structural: {met}");
    }

    #[test]
    fn an_unchanged_object_is_always_accepted() {
        for seed in 0..500 {
            let mut random = Random::new(seed);
            let root = json!({ "type": "object", "properties": { "a": random.schema(4) } });
            if let Ok(schema) = parse(&root, "s") {
                let value = random.value(&root, 6);
                assert!(validate(&value, &schema, Some(&value)).is_empty(), "seed {seed}");
            }
        }
    }
}
