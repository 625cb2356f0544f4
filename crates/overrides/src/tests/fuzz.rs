//! No policy makes overriding panic or leave half a change behind.

use serde_json::{Value, json};

use super::{cluster, deployment, policy};
use crate::*;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn path(&mut self) -> String {
        let known = [
            "/spec/template/spec/containers/0/image",
            "/spec/replicas",
            "/metadata/labels",
            "/metadata",
            "",
            "/data/doc",
            "/spec/template/spec/containers/-",
            "/spec/template/spec/containers/-1",
            "x",
            "/",
            "//",
            "/a~1b/~2",
            "/spec/template/spec/containers/99999999999999999999",
            "/kind",
            "/spec/template/spec/containers",
        ];
        let start = self.one_of(&known).to_owned();
        if self.below(4) == 0 {
            format!("{start}/{}", self.one_of(&["a", "0", "-1", "-", "name"]))
        } else {
            start
        }
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(1),
            json!("a:b"),
            json!([]),
            json!({}),
            json!([1, "x"]),
            json!({ "a": { "b": [] } }),
        ];
        values[self.below(values.len())].clone()
    }

    fn operation(&mut self, path: &str) -> Value {
        let mut operation =
            json!({ path: self.path(), "operator": self.one_of(&["add", "remove", "replace"]) });
        if self.below(3) > 0 {
            operation["value"] = self.value();
        }
        operation
    }

    fn overriders(&mut self) -> Value {
        let operators = ["add", "remove", "replace"];
        let mut image = json!({ "component": self.one_of(&["Registry", "Repository", "Tag"]), "operator": self.one_of(&operators),
            "value": self.one_of(&["", "my.io", "v1", "a b", ":", "é"]) });
        if self.below(2) == 0 {
            image["predicate"] = json!({ "path": self.path() });
        }
        let list = json!({ "containerName": self.one_of(&["web", "side", ""]), "operator": self.one_of(&["add", "remove"]), "value": ["-v"] });
        let strings = json!({ "operator": self.one_of(&operators), "value": { "app": "a", "doc": "{\"a\":[1]}", "": "" } });
        let field = json!({ "fieldPath": self.one_of(&["/metadata/annotations/doc", "/spec", "", "/metadata/name"]),
            self.one_of(&["json", "yaml", "none"]): [self.operation("subPath")] });
        let all = [
            ("imageOverrider", image),
            ("commandOverrider", list.clone()),
            ("argsOverrider", list),
            ("labelsOverrider", strings.clone()),
            ("annotationsOverrider", strings),
            ("fieldOverrider", field),
            ("plaintext", self.operation("path")),
            ("plaintext", self.operation("path")),
        ];
        let mut overriders = json!({});
        for (list, item) in all {
            if self.below(3) == 0 {
                overriders[list] = json!([item]);
            }
        }
        overriders
    }
}

#[test]
fn whatever_a_policy_says_it_applies_or_leaves_the_manifest_as_it_was() {
    let (mut applied, mut failed) = (0, 0);
    for seed in 0..3000 {
        let mut random = Random(seed);
        let rules: Vec<Value> =
            (0..=random.below(3)).map(|_| json!({ "overriders": random.overriders() })).collect();
        let policies = [
            policy("a", json!({ "overrideRules": rules })),
            policy("default/b", json!({ "overrideRules": rules })),
        ];
        let mut object = deployment();
        object.set_annotation("doc", "{\"a\":1,\"list\":[1,2]}");
        if random.below(8) == 0 {
            object.set("/metadata/labels", "none");
            object.set("/spec/template/spec/containers", random.value());
        }
        let before = object.clone();
        match apply(&mut object, &cluster("m1"), [&policies[0]], [&policies[1]]) {
            Ok(_) => applied += 1,
            Err(error) => {
                failed += 1;
                assert_eq!(object, before, "seed {seed}: {error}");
                assert!(error.field().starts_with("spec.overrideRules["), "{error}");
            }
        }
        assert!(object.value().is_object(), "seed {seed}");
    }
    assert!(applied > 300 && failed > 300, "{applied} applied, {failed} failed: both ways are tried");
}
