//! The table of rules and the configurations made from it.

use std::collections::BTreeSet;

use machinery::GroupVersionKind;

use crate::*;

#[test]
fn every_path_leads_to_one_rule() {
    let paths: BTreeSet<_> = WEBHOOKS.iter().map(|w| w.path).collect();
    assert_eq!(paths.len(), WEBHOOKS.len());
    for webhook in WEBHOOKS {
        assert!(std::ptr::eq(by_path(webhook.path).unwrap(), webhook));
        let start = if webhook.phase() == Phase::Mutating { "/mutate-" } else { "/validate-" };
        assert!(webhook.path.starts_with(start), "{}", webhook.path);
    }
    assert!(by_path("/elsewhere").is_none());
}

#[test]
fn a_request_meets_the_rules_of_its_kind_and_operation() {
    let paths = |group: &str, kind: &str, operation| -> Vec<&str> {
        rules_for(&GroupVersionKind::new(group, "v1alpha1", kind), operation).map(|w| w.path).collect()
    };
    let policy = "policy.karmada.io";
    assert_eq!(
        paths(policy, "PropagationPolicy", Operation::Update),
        ["/mutate-propagationpolicy", "/validate-propagationpolicy"]
    );
    assert_eq!(
        paths(policy, "PropagationPolicy", Operation::Delete),
        ["/validate-resourcedeletionprotection"]
    );
    assert_eq!(
        paths("work.karmada.io", "ResourceBinding", Operation::Create),
        ["/mutate-resourcebinding", "/validate-resourcebinding"]
    );
    assert_eq!(paths("work.karmada.io", "ResourceBinding", Operation::Update), ["/validate-resourcebinding"]);
    assert_eq!(paths("example.io", "PropagationPolicy", Operation::Create), [""; 0]);
}

#[test]
fn operations_are_read_as_they_are_written() {
    for operation in [Operation::Create, Operation::Update, Operation::Delete] {
        assert_eq!(Operation::parse(operation.as_str()), Some(operation));
    }
    assert_eq!(Operation::parse("CONNECT"), None);
}

#[test]
fn the_configurations_name_every_rule_once() {
    let configurations = webhook_configurations("Q0E=", "https://localhost:8443/");
    assert_eq!(
        configurations.iter().map(|c| c.name()).collect::<Vec<_>>(),
        ["mutating-config", "validating-config"]
    );
    let mut count = 0;
    for configuration in &configurations {
        let webhooks = configuration.at("/webhooks").unwrap().as_array().unwrap();
        let names: BTreeSet<_> = webhooks.iter().map(|w| w["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), webhooks.len(), "names are unique within a configuration");
        for webhook in webhooks {
            count += 1;
            let url = webhook["clientConfig"]["url"].as_str().unwrap();
            assert!(by_path(url.strip_prefix("https://localhost:8443").unwrap()).is_some(), "{url}");
            assert_eq!(webhook["clientConfig"]["caBundle"], "Q0E=");
            assert_eq!(webhook["failurePolicy"], "Fail");
            assert_eq!(webhook.get("objectSelector").is_some(), url.ends_with("protection"));
        }
    }
    assert_eq!(count, WEBHOOKS.len());
}

#[test]
fn a_refusal_reads_like_a_webhooks() {
    let status = Denial::forbidden("no").to_status("work.karmada.io");
    assert_eq!(status.code, 403);
    assert_eq!(status.message, r#"admission webhook "work.karmada.io" denied the request: no"#);
}
