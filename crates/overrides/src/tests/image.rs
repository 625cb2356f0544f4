//! §5.1 imageOverrider.

use api::policy::{ImageComponent, OverriderOperator};
use serde_json::json;

use super::{deployment, gives, run};
use crate::*;
use ImageComponent::{Registry, Repository, Tag};
use OverriderOperator::{Add, Remove, Replace};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn parts(text: &str) -> Result<String, String> {
    Image::parse(text)
        .map(|i| [i.registry, i.repository, i.tag, i.digest].join("|"))
        .map_err(|e| e.to_string())
}

#[track_caller]
fn edits(text: &str, component: ImageComponent, operator: OverriderOperator, value: &str, expected: &str) {
    let mut image = Image::parse(text).unwrap();
    image.edit(component, operator, value);
    assert_eq!(image.to_string(), expected);
}

#[test]
fn an_image_is_host_repository_tag_and_digest() {
    for (text, expected) in [
        ("nginx".to_owned(), "|nginx||".to_owned()),
        ("library/nginx:1".into(), "|library/nginx|1|".into()),
        ("docker.io/library/nginx:1".into(), "docker.io|library/nginx|1|".into()),
        (format!("a@{DIGEST}"), format!("|a||{DIGEST}")),
        (format!("gcr.io/a:v1@{DIGEST}"), format!("gcr.io|a|v1|{DIGEST}")),
    ] {
        assert_eq!(parts(&text), Ok(expected));
    }
}

#[test]
fn what_stands_before_the_first_slash_is_a_host_only_with_a_dot_a_colon_or_as_localhost() {
    assert_eq!(parts("localhost/nginx").unwrap(), "localhost|nginx||");
    assert_eq!(parts("host:5000/a/b").unwrap(), "host:5000|a/b||");
    assert_eq!(parts("my.host/a").unwrap(), "my.host|a||");
    assert_eq!(parts("[::1]:5000/a").unwrap(), "[::1]:5000|a||");
    assert_eq!(parts("host/a").unwrap(), "|host/a||");
}

#[test]
fn what_does_not_follow_the_grammar_is_no_image() {
    let long_tag = format!("a:{}", "x".repeat(129));
    let long_name = "a".repeat(256);
    for bad in ["", "NGINX", "a:", "a:b:c", "/a", "a//b", "a b", "a@sha256:12", &long_tag, &long_name] {
        assert!(parts(bad).is_err(), "{bad:?} is not a reference");
    }
}

#[test]
fn registry_add_appends_to_the_host() {
    edits("gcr.io/a:1", Registry, Add, ".cn", "gcr.io.cn/a:1");
    edits("a:1", Registry, Add, "my.io", "my.io/a:1");
}

#[test]
fn registry_replace_sets_the_host() {
    edits("gcr.io/a:1", Registry, Replace, "my.io", "my.io/a:1");
    edits("a:1", Registry, Replace, "my.io", "my.io/a:1");
}

#[test]
fn registry_remove_clears_the_host_and_its_slash() {
    edits("gcr.io/a:1", Registry, Remove, "", "a:1");
    edits("a:1", Registry, Remove, "", "a:1");
}

#[test]
fn repository_add_appends() {
    edits("gcr.io/a:1", Repository, Add, "-debug", "gcr.io/a-debug:1");
}

#[test]
fn repository_replace_sets_it() {
    edits("gcr.io/a:1", Repository, Replace, "b/c", "gcr.io/b/c:1");
}

#[test]
fn repository_remove_empties_it() {
    edits("gcr.io/a:1", Repository, Remove, "", "gcr.io/:1");
}

#[test]
fn tag_add_appends_to_the_tag_or_digest_when_the_result_is_one() {
    edits("a:v1", Tag, Add, "-debug", "a:v1-debug");
    edits("a", Tag, Add, "v1", "a:v1");
    edits(&format!("a@{DIGEST}"), Tag, Add, "ff", &format!("a@{DIGEST}ff"));
    edits("a:v1", Tag, Add, " no tag", "a:v1");
}

#[test]
fn tag_replace_sets_a_tag_or_a_digest_by_its_form_and_nothing_else() {
    edits("a:v1", Tag, Replace, "v2", "a:v2");
    edits("a", Tag, Replace, "v2", "a:v2");
    edits("a:v1", Tag, Replace, DIGEST, &format!("a@{DIGEST}"));
    edits(&format!("a@{DIGEST}"), Tag, Replace, "v2", "a:v2");
    edits("a:v1", Tag, Replace, "no tag", "a:v1");
    edits("a:v1", Tag, Replace, "", "a:v1");
}

#[test]
fn tag_remove_clears_the_tag_or_the_digest() {
    edits("a:v1", Tag, Remove, "", "a");
    edits("a", Tag, Remove, "", "a");
    edits(&format!("a@{DIGEST}"), Tag, Remove, "", "a");
}

#[test]
fn a_registry_or_repository_override_keeps_tag_and_digest() {
    let both = format!("gcr.io/a:v1@{DIGEST}");
    edits(&both, Registry, Replace, "my.io", &format!("my.io/a:v1@{DIGEST}"));
    edits(&both, Registry, Remove, "", &format!("a:v1@{DIGEST}"));
    edits(&both, Repository, Add, "b", &format!("gcr.io/ab:v1@{DIGEST}"));
}

#[test]
fn a_tag_override_drops_the_digest() {
    let both = format!("gcr.io/a:v1@{DIGEST}");
    edits(&both, Tag, Replace, "v2", "gcr.io/a:v2");
    edits(&both, Tag, Add, "b", "gcr.io/a:v1b");
    edits(&both, Tag, Remove, "", "gcr.io/a");
}

#[test]
fn without_a_predicate_every_container_changes_and_init_containers_do_not() {
    let overriders =
        json!({ "imageOverrider": [{ "component": "Registry", "operator": "replace", "value": "my.io" }] });
    let changed = run(&deployment(), overriders).unwrap();
    assert_eq!(changed.str_at("/spec/template/spec/containers/0/image"), Some("my.io/library/nginx:1.25"));
    assert_eq!(changed.str_at("/spec/template/spec/containers/1/image"), Some("my.io/envoy"));
    assert_eq!(changed.str_at("/spec/template/spec/initContainers/0/image"), Some("busybox:1"));
}

#[test]
fn without_a_predicate_six_kinds_change_and_cron_jobs_and_others_do_not() {
    let overriders =
        json!({ "imageOverrider": [{ "component": "Registry", "operator": "replace", "value": "my.io" }] });
    for kind in ["CronJob", "ConfigMap", "Rollout"] {
        let mut other = deployment();
        other.set("/kind", kind);
        assert_eq!(run(&other, overriders.clone()).unwrap(), other, "{kind} is left alone");
    }
    for kind in ["ReplicaSet", "Deployment", "DaemonSet", "StatefulSet", "Job"] {
        let mut other = deployment();
        other.set("/kind", kind);
        assert_ne!(run(&other, overriders.clone()).unwrap(), other, "{kind} is changed");
    }
    let pod = Object::from_value(json!({ "kind": "Pod", "apiVersion": "v1",
        "metadata": { "name": "p", "namespace": "default" }, "spec": { "containers": [{ "image": "a" }] } }))
    .unwrap();
    assert_eq!(run(&pod, overriders).unwrap().str_at("/spec/containers/0/image"), Some("my.io/a"));
}

fn at(path: &str) -> serde_json::Value {
    json!({ "imageOverrider": [
        { "predicate": { "path": path }, "component": "Tag", "operator": "replace", "value": "2" }
    ]})
}

#[test]
fn a_predicate_names_the_one_image_to_change() {
    let path = "/spec/template/spec/initContainers/0/image";
    gives(at(path), path, json!("busybox:2"));
    gives(at(path), "/spec/template/spec/containers/1/image", json!("envoy"));
}

#[test]
fn a_predicate_works_in_kinds_without_known_containers() {
    let mut rollout = deployment();
    rollout.set("/kind", "Rollout");
    let path = "/spec/template/spec/containers/0/image";
    assert_eq!(run(&rollout, at(path)).unwrap().str_at(path), Some("docker.io/library/nginx:2"));
}

#[test]
fn a_predicate_that_leads_nowhere_is_an_error_that_says_where_the_way_ends() {
    for (path, end) in [
        ("/spec/template/spec/initContainers/9/image", "place 9 is not in the list"),
        ("/spec/template/spec/containers/x/image", r#""x" is not a place in a list"#),
        ("/spec/nothing", r#"there is no "nothing""#),
        ("/spec/replicas/image", r#"what should hold "image" is neither a map nor a list"#),
        ("/spec/replicas", "what is there is no text"),
        ("spec/image", "it is not a JSON pointer, which starts with a slash"),
    ] {
        assert_eq!(
            run(&deployment(), at(path)).unwrap_err(),
            format!(
                "cannot apply spec.overrideRules[0].overriders.imageOverrider[0] of OverridePolicy default/p: there is \
                 no image at {path:?}: {end}"
            )
        );
    }
}

#[test]
fn an_image_that_is_none_is_an_error() {
    let mut odd = deployment();
    odd.set("/spec/template/spec/containers", json!([{ "name": "a", "image": "Not An Image" }]));
    let overriders = json!({ "imageOverrider": [{ "component": "Tag", "operator": "remove" }] });
    assert!(
        run(&odd, overriders.clone()).unwrap_err().ends_with(r#""Not An Image" is not an image reference"#)
    );
    odd.set("/spec/template/spec/containers", json!([{ "name": "a" }]));
    assert!(run(&odd, overriders.clone()).unwrap_err().contains("the container has none"));
    odd.set("/spec/template/spec/containers", "x");
    assert!(run(&odd, overriders).unwrap_err().contains("there is no list of containers"));
}

#[test]
fn every_image_overrider_sees_the_result_of_the_one_before() {
    let overriders = json!({ "imageOverrider": [
        { "component": "Tag", "operator": "replace", "value": "2" },
        { "component": "Tag", "operator": "add", "value": "-debug" },
    ]});
    gives(overriders, "/spec/template/spec/containers/1/image", json!("envoy:2-debug"));
}
