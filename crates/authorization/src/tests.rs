use std::sync::Arc;

use machinery::Object;
use serde_json::json;

use super::*;

fn object(value: serde_json::Value) -> Object {
    Object::from_value(value).unwrap()
}

/// A role from lines like `get,list apps deployments name1`; `verbs url paths`; an empty namespace is a
/// ClusterRole.
fn role(namespace: &str, name: &str, rules: &[&str]) -> Object {
    let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
    let mut role = Object::new("rbac.authorization.k8s.io/v1", kind, namespace, name);
    role.set("/rules", serde_json::to_value(self::rules(rules)).unwrap());
    role
}

fn rules(lines: &[&str]) -> Vec<Rule> {
    let list = |word: Option<&str>| -> Vec<String> {
        word.into_iter().flat_map(|w| w.split(',')).map(|w| w.replace("core", "")).collect()
    };
    let rule = |line: &&str| {
        let mut words = line.split(' ');
        let verbs = list(words.next());
        let groups = list(words.next());
        if groups == ["url"] {
            return Rule { verbs, non_resource_urls: list(words.next()), ..Rule::default() };
        }
        let resources = list(words.next());
        Rule { verbs, api_groups: groups, resources, resource_names: list(words.next()), ..Rule::default() }
    };
    lines.iter().map(rule).collect()
}

/// A binding of `ClusterRole/x` or `Role/x` to `User/u`, `Group/g` or `ServiceAccount/namespace/name`.
fn binding(namespace: &str, name: &str, role: &str, subjects: &[&str]) -> Object {
    let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
    let subject = |text: &&str| {
        let words: Vec<&str> = text.split('/').collect();
        match words[..] {
            ["ServiceAccount", namespace, name] => {
                json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
            }
            [kind, name] => json!({"kind": kind, "name": name}),
            _ => panic!("{text}"),
        }
    };
    let (role_kind, role_name) = role.split_once('/').unwrap();
    let mut binding = Object::new("rbac.authorization.k8s.io/v1", kind, namespace, name);
    binding.set("/roleRef", json!({"kind": role_kind, "name": role_name}));
    binding.set("/subjects", subjects.iter().map(subject).collect::<Vec<_>>());
    binding
}

fn user(name: &str, groups: &[&str]) -> Arc<User> {
    Arc::new(User::new(name, groups))
}

fn story() -> Policy {
    let objects = [
        role("", "reader", &["get,list core pods,pods/log", "get url /metrics,/debug/*"]),
        role("", "scaler", &["update * */scale"]),
        role("", "one-secret", &["get,delete core secrets token"]),
        role("team", "deployer", &["* apps *"]),
        binding("", "readers", "ClusterRole/reader", &["User/ann", "Group/readers"]),
        binding("", "scalers", "ClusterRole/scaler", &["ServiceAccount/team/bot"]),
        binding("team", "deployers", "Role/deployer", &["User/ann", "ServiceAccount//bot"]),
        binding("team", "secret", "ClusterRole/one-secret", &["User/ann"]),
        binding("team", "local-reader", "ClusterRole/reader", &["User/bob"]),
        binding("team", "broken", "Role/gone", &["User/bob"]),
    ];
    objects.iter().collect()
}

#[test]
fn requests_are_allowed_by_the_union_of_what_is_bound() {
    let policy = story();
    let ann = user("ann", &["system:authenticated"]);
    let bob = user("bob", &[]);
    let bot = user("system:serviceaccount:team:bot", &["system:serviceaccounts"]);
    let member = user("eve", &["readers"]);
    for (who, verb, resource, namespace, name, allowed) in [
        (&ann, "get", "pods", "any", "p", true),
        (&ann, "list", "pods", "", "", true),
        (&ann, "get", "pods/log", "any", "p", true),
        (&ann, "get", "pods/exec", "any", "p", false),
        (&ann, "watch", "pods", "any", "", false),
        (&ann, "get", "pods.apps", "any", "p", false),
        (&ann, "create", "deployments.apps", "team", "", true),
        (&ann, "update", "deployments.apps/status", "team", "d", true),
        (&ann, "create", "deployments.apps", "other", "", false),
        (&ann, "create", "deployments.apps", "", "", false),
        (&ann, "get", "secrets", "team", "token", true),
        (&ann, "get", "secrets", "team", "other", false),
        (&ann, "get", "secrets", "team", "", false),
        (&ann, "delete", "secrets", "other", "token", false),
        (&bob, "get", "pods", "team", "p", true),
        (&bob, "get", "pods", "other", "p", false),
        (&bob, "list", "pods", "", "", false),
        (&bot, "update", "deployments.apps/scale", "any", "d", true),
        (&bot, "update", "replicationcontrollers/scale", "any", "d", true),
        (&bot, "update", "scale", "any", "d", false),
        (&bot, "delete", "deployments.apps", "team", "d", true),
        (&member, "get", "pods", "any", "p", true),
        (&user("nobody", &[]), "get", "pods", "any", "p", false),
        (&user("nobody", &["system:masters"]), "anything", "pods", "any", "p", true),
    ] {
        let asked = Attributes::resource(who, verb, resource, namespace, name);
        assert_eq!(policy.authorize(&asked).allowed, allowed, "{asked:?}");
    }
}

#[test]
fn paths_are_allowed_exactly_or_by_their_beginning_and_cluster_wide_only() {
    let policy = story();
    let ann = user("ann", &[]);
    for (who, verb, path, allowed) in [
        (&ann, "get", "/metrics", true),
        (&ann, "get", "/metrics/x", false),
        (&ann, "post", "/metrics", false),
        (&ann, "get", "/debug/pprof", true),
        (&ann, "get", "/debug", false),
        (&user("bob", &[]), "get", "/metrics", false),
    ] {
        let asked = Attributes::path(who, verb, path);
        assert_eq!(policy.authorize(&asked).allowed, allowed, "{asked:?}");
    }
}

#[test]
fn a_decision_says_what_allowed_it() {
    let policy = story();
    let reason = |name: &str, groups: &[&str], verb: &str, resource: &str| {
        policy.authorize(&Attributes::resource(&user(name, groups), verb, resource, "team", "token")).reason
    };
    assert_eq!(
        reason("ann", &[], "get", "pods"),
        r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "ann""#
    );
    assert_eq!(
        reason("eve", &["readers"], "get", "pods"),
        r#"RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to Group "readers""#
    );
    assert_eq!(
        reason("ann", &[], "get", "secrets"),
        r#"RBAC: allowed by RoleBinding "secret/team" of ClusterRole "one-secret" to User "ann""#
    );
    assert_eq!(
        reason("system:serviceaccount:team:bot", &[], "get", "deployments.apps"),
        r#"RBAC: allowed by RoleBinding "deployers/team" of Role "deployer" to ServiceAccount "bot/team""#
    );
    assert_eq!(
        reason("bob", &[], "create", "secrets"),
        r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#
    );
    assert_eq!(reason("nobody", &[], "get", "pods"), "");
}

#[test]
fn changes_take_effect_at_once_and_leave_nothing_behind() {
    let mut policy = story();
    let ann = Attributes::resource(&user("ann", &[]), "get", "pods", "x", "p");
    let eve = Attributes::resource(&user("eve", &[]), "get", "pods", "x", "p");
    policy.upsert(&binding("", "readers", "ClusterRole/reader", &["User/eve"]));
    assert!(!policy.authorize(&ann).allowed && policy.authorize(&eve).allowed);
    policy.upsert(&role("", "reader", &["list core pods"]));
    assert!(!policy.authorize(&eve).allowed);
    policy.upsert(&role("", "reader", &["get core pods"]));
    assert!(policy.authorize(&eve).allowed);
    policy.remove("ClusterRole", "", "reader");
    assert!(!policy.authorize(&eve).allowed);
    policy.upsert(&role("", "reader", &["get core pods"]));
    policy.remove("ClusterRoleBinding", "", "readers");
    assert!(!policy.authorize(&eve).allowed);
    assert_eq!(policy.rules_for(&eve.user, "team"), []);
}

#[test]
fn a_malformed_rule_or_binding_allows_nothing_and_breaks_nothing() {
    let mut policy = story();
    policy.upsert(&object(json!({"kind": "ClusterRole", "metadata": {"name": "odd"}, "rules": [
        {"verbs": "get"}, 7, {"verbs": ["get"], "apiGroups": [""], "resources": ["nodes"], "resourceNames": null},
    ]})));
    policy.upsert(&object(json!({"kind": "ClusterRoleBinding", "metadata": {"name": "odd"},
        "roleRef": {"kind": "ClusterRole", "name": "odd"}, "subjects": [{"kind": "Robot", "name": "ann"}, {"kind": "User", "name": "ann"}, {"kind": "ServiceAccount", "name": "x"}]})));
    policy.upsert(&object(json!({"kind": "ClusterRoleBinding", "metadata": {"name": "no-role"}})));
    assert!(policy.authorize(&Attributes::resource(&user("ann", &[]), "get", "nodes", "", "n")).allowed);
    assert!(!policy.authorize(&Attributes::resource(&user("ann", &[]), "list", "nodes", "", "")).allowed);
}

#[test]
fn a_cluster_wide_binding_to_a_role_does_not_reach_the_cluster_role_of_that_name() {
    let mut policy = story();
    policy.upsert(&binding("", "trick", "Role/reader", &["User/eve"]));
    assert!(!policy.authorize(&Attributes::resource(&user("eve", &[]), "get", "pods", "", "p")).allowed);
    policy.upsert(&object(json!({"kind": "Role", "metadata": {"name": "reader"}, "rules": [{"verbs": ["*"],
        "apiGroups": ["*"], "resources": ["*"]}]})));
    assert!(!policy.authorize(&Attributes::resource(&user("ann", &[]), "delete", "pods", "", "p")).allowed);
}

#[test]
fn a_binding_that_reaches_twice_counts_once() {
    let mut policy = story();
    policy.upsert(&binding("", "readers", "ClusterRole/reader", &["User/ann", "Group/readers", "User/ann"]));
    let ann = user("ann", &["readers"]);
    assert_eq!(policy.rules_for(&ann, "other").len(), 2);
    policy.remove("ClusterRoleBinding", "", "readers");
    assert_eq!(policy.rules_for(&ann, "other"), []);
}

#[test]
fn rules_for_a_user_are_those_of_all_bindings_that_reach() {
    let policy = story();
    let ann = user("ann", &[]);
    assert_eq!(policy.rules_for(&ann, "other").len(), 2);
    assert_eq!(policy.rules_for(&ann, "team").len(), 4);
    assert_eq!(policy.rules_for(&user("bob", &["readers"]), "").len(), 2);
}

#[test]
fn nobody_can_give_more_than_they_have() {
    let table: &[(&[&str], &[&str], bool)] = &[
        (&["* * *"], &["get core pods", "update apps deployments/scale"], true),
        (&["* * *"], &["get url /x"], false),
        (&["* url *"], &["get url /x", "* url /a/*"], true),
        (&["get url /a/*"], &["get url /a/b,/a/b/*"], true),
        (&["get url /a/b"], &["get url /a/*"], false),
        (&["get core pods", "list core pods"], &["get,list core pods"], true),
        (&["get,list core pods"], &["* core pods"], false),
        (&["get core,apps pods"], &["get * pods"], false),
        (&["get core pods"], &["get core pods/log"], false),
        (&["get core */log"], &["get core pods/log"], true),
        (&["get core */log"], &["get core log,*/exec"], false),
        (&["get core pods/log"], &["get core */log"], false),
        (&["get core *"], &["get core */log,pods/exec,*"], true),
        (&["get core pods"], &["get core *"], false),
        (&["get core secrets a,b"], &["get core secrets a"], true),
        (&["get core secrets a", "get core secrets b"], &["get core secrets a,b"], true),
        (&["get core secrets a"], &["get core secrets"], false),
        (&["get core secrets"], &["get core secrets a"], true),
        (&[], &[], true),
        (&[], &["get core pods"], false),
    ];
    for (owned, wanted, expected) in table {
        assert_eq!(covers(&rules(owned), &rules(wanted)), *expected, "{owned:?} for {wanted:?}");
    }
    let missing = uncovered(&rules(&["get core pods"]), &rules(&["get,list core pods,nodes"]));
    assert_eq!(missing, rules(&["get core nodes", "list core pods", "list core nodes"]));
}

#[test]
fn rules_that_cover_others_allow_every_request_the_others_allow() {
    let verbs = ["get", "list", "*"];
    let groups = ["", "apps", "*"];
    let resources = ["pods", "pods/log", "*/log", "*"];
    let names = ["", "a", "b"];
    let mut all = Vec::new();
    for n in 0..verbs.len() * groups.len() * resources.len() * names.len() {
        let one = |text: &str| vec![text.to_owned()];
        let name = names[n / 36];
        all.push(Rule {
            verbs: one(verbs[n % 3]),
            api_groups: one(groups[n / 3 % 3]),
            resources: one(resources[n / 9 % 4]),
            resource_names: if name.is_empty() { Vec::new() } else { one(name) },
            ..Rule::default()
        });
    }
    let who = user("u", &[]);
    let mut requests = Vec::new();
    for verb in ["get", "list", "patch"] {
        for resource in
            ["pods", "pods/log", "nodes", "nodes/log", "pods.apps", "pods.apps/log", "pods.x/exec"]
        {
            for name in ["", "a", "b", "c"] {
                requests.push(Attributes::resource(&who, verb, resource, "", name));
            }
        }
    }
    for owned in &all {
        for wanted in &all {
            let is_subset = requests.iter().all(|asked| owned.allows(asked) || !wanted.allows(asked));
            let covered = covers(std::slice::from_ref(owned), std::slice::from_ref(wanted));
            assert!(!covered || is_subset, "{owned:?} does not allow all of {wanted:?}");
        }
    }
}

#[test]
fn refusals_read_as_those_of_a_kubernetes_server() {
    let alice = user("alice", &[]);
    let text = |asked: &Attributes| forbidden(asked, "").message;
    assert_eq!(
        text(&Attributes::resource(&alice, "get", "deployments.apps", "errs", "d")),
        r#"deployments.apps "d" is forbidden: User "alice" cannot get resource "deployments" in API group "apps" in the namespace "errs""#
    );
    assert_eq!(
        text(&Attributes::resource(&alice, "list", "nodes", "", "")),
        r#"nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope"#
    );
    assert_eq!(
        text(&Attributes::resource(&alice, "get", "pods/log", "errs", "p")),
        r#"pods "p" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "errs""#
    );
    let path = forbidden(&Attributes::path(&alice, "get", "/metrics"), "");
    assert_eq!(path.message, r#"forbidden: User "alice" cannot get path "/metrics""#);
    assert_eq!((path.code, &path.to_json()["details"]), (403, &json!({})));
    assert!(forbidden(&Attributes::path(&alice, "get", "/"), "because").message.ends_with(": because"));
}

#[test]
fn gathered_roles_hold_each_rule_of_their_sources_once_and_not_their_own() {
    let labelled = |name: &str, rules: &[&str]| {
        let mut role = role("", name, rules);
        role.set_label("gather", "yes");
        role
    };
    let mut target = labelled("target", &["delete core pods"]);
    target.set("/aggregationRule", json!({"clusterRoleSelectors": [{"matchLabels": {"gather": "yes"}}]}));
    let sources = [
        labelled("b", &["list core pods", "get core pods"]),
        target.clone(),
        labelled("a", &["get core pods"]),
        role("", "c", &["watch core pods"]),
    ];
    assert_eq!(aggregated_rules(&target, &sources), Some(rules(&["get core pods", "list core pods"])));
    assert_eq!(aggregated_rules(&sources[0], &sources), None);
    target.set("/aggregationRule", json!({}));
    assert_eq!(aggregated_rules(&target, &sources), Some(vec![]));
}

#[test]
fn the_defaults_are_complete_and_gathered() {
    let objects = bootstrap();
    let count = |kind: &str| objects.iter().filter(|o| o.kind() == kind).count();
    let counts = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map(count);
    assert_eq!(counts, [70, 51, 7, 7]);
    let rules = |name: &str| {
        Rule::of(objects.iter().find(|o| o.kind() == "ClusterRole" && o.name() == name).unwrap())
    };
    assert_eq!([rules("view").len(), rules("edit").len(), rules("admin").len()], [12, 27, 29]);
    assert!(covers(&rules("admin"), &rules("edit")) && covers(&rules("edit"), &rules("view")));
    assert!(!covers(&rules("edit"), &rules("admin")) && !covers(&rules("view"), &rules("edit")));
    for object in &objects {
        assert_eq!(object.label("kubernetes.io/bootstrapping"), Some("rbac-defaults"), "{object:?}");
        assert!(object.kind().ends_with("Binding") || !Rule::of(object).is_empty(), "{object:?}");
    }
}

#[test]
fn with_the_defaults_everybody_may_do_what_they_need_and_no_more() {
    let objects = bootstrap();
    let policy: Policy = objects.iter().collect();
    let anonymous = user("system:anonymous", &["system:unauthenticated"]);
    let somebody = user("somebody", &["system:authenticated"]);
    let controllers = user("system:kube-controller-manager", &["system:authenticated"]);
    let collector =
        user("system:serviceaccount:kube-system:generic-garbage-collector", &["system:serviceaccounts"]);
    for (who, path, allowed) in [
        (&anonymous, "/healthz", true),
        (&anonymous, "/version", true),
        (&anonymous, "/api", false),
        (&somebody, "/api", true),
        (&somebody, "/openapi/v3", true),
        (&somebody, "/metrics", false),
        (&user("m", &["system:monitoring"]), "/metrics", true),
    ] {
        assert_eq!(policy.authorize(&Attributes::path(who, "get", path)).allowed, allowed, "{who:?} {path}");
    }
    for (who, verb, resource, namespace, allowed) in [
        (&somebody, "create", "selfsubjectaccessreviews.authorization.k8s.io", "", true),
        (&somebody, "list", "secrets", "default", false),
        (&controllers, "update", "leases.coordination.k8s.io", "kube-system", true),
        (&collector, "delete", "widgets.example.org", "any", true),
        (&collector, "create", "widgets.example.org", "any", false),
    ] {
        let asked = Attributes::resource(who, verb, resource, namespace, "kube-controller-manager");
        assert_eq!(policy.authorize(&asked).allowed, allowed, "{asked:?}");
    }
}

#[test]
fn what_is_missing_is_told_once_per_resource() {
    let rule = |verb: &str, resource: &str| crate::Rule {
        verbs: vec![verb.into()],
        api_groups: vec![String::new()],
        resources: vec![resource.into()],
        ..crate::Rule::default()
    };
    let missing = [rule("get", "secrets"), rule("get", "pods"), rule("list", "secrets"), rule("get", "pods")];
    let told: Vec<String> = crate::compact(&missing).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}"#,
        ]
    );
}
