//! Who may do what.

use std::path::PathBuf;

use e2e::SOON;
use serde_json::{Value, json};
use testkit::{Cluster, Folder, Kubectl, eventually};

use crate::{contains, lacks, told_by_both_kubectls, told_by_the_current_kubectl};

told_by_both_kubectls!(ControlPlane:
    a_service_account_may_do_what_its_role_says,
    rights_can_be_listed,
    nobody_grants_more_than_they_have,
    an_administrator_can_act_as_somebody_else,
    a_wrong_token_is_nobody,
    a_binding_keeps_its_role,
);

told_by_the_current_kubectl!(ControlPlane:
    a_token_is_issued_on_request,
    everybody_can_ask_who_they_are,
    a_role_can_name_single_objects,
);

/// A kubeconfig of a service account, made from the administrator's.
struct Robot {
    _folder: Folder,
    kubeconfig: PathBuf,
}

impl Robot {
    /// Creates the service account and a Secret with its token, as was done before tokens could be
    /// requested and as Karmada's join still does.
    fn new(kubectl: &Kubectl, cluster: &Cluster, name: &str) -> Self {
        kubectl.ok(&format!("create serviceaccount {name}"));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": format!("{name}-token"), "namespace": kubectl.namespace(),
                "annotations": { "kubernetes.io/service-account.name": name },
            },
        });
        cluster.create("v1/secrets", secret).unwrap();
        let jsonpath = format!("get secret {name}-token -o go-template='{{{{.data.token | base64decode}}}}'");
        let token = eventually(SOON, "the token was issued", || {
            let secret = cluster.get("v1/secrets", kubectl.namespace(), &format!("{name}-token"))?;
            anyhow::ensure!(secret.at("/data/token").is_some(), "{:?}", secret.fields().keys());
            Ok(kubectl.ok(&jsonpath))
        });
        Self::with_token(kubectl, cluster, &token)
    }

    fn with_token(kubectl: &Kubectl, cluster: &Cluster, token: &str) -> Self {
        let folder = Folder::new("robot");
        let view = kubectl.ok("config view --raw --minify -o json");
        let mut config: Value = serde_json::from_str(&view).unwrap();
        let user = config["contexts"][0]["context"]["user"].clone();
        config["users"] = json!([{ "name": user, "user": { "token": token } }]);
        let kubeconfig = folder.path().join("config");
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        assert_eq!(config["contexts"][0]["name"], cluster.context());
        Self { _folder: folder, kubeconfig }
    }

    fn kubectl(&self, kubectl: &Kubectl, cluster: &Cluster) -> Kubectl {
        kubectl.with_kubeconfig(&self.kubeconfig, cluster.context())
    }
}

fn a_service_account_may_do_what_its_role_says(kubectl: &Kubectl, cluster: &Cluster) {
    let namespace = kubectl.namespace();
    let robot = Robot::new(kubectl, cluster, "robot");
    let robot = robot.kubectl(kubectl, cluster);
    kubectl.ok("create configmap c --from-literal=a=1");
    let user = format!("User \"system:serviceaccount:{namespace}:robot\"");
    let told = robot.run("get configmaps");
    assert_eq!(told.code, 1);
    let denial = format!(
        "Error from server (Forbidden): configmaps is forbidden: {user} cannot list resource \"configmaps\" in API group \"\" in the namespace \"{namespace}\"\n"
    );
    assert_eq!(told.stderr, denial);
    kubectl.ok("create role reader --verb=get,list,watch --resource=configmaps");
    kubectl.ok(&format!("create rolebinding reader --role=reader --serviceaccount={namespace}:robot"));
    eventually(SOON, "the binding takes effect", || {
        let outcome = robot.run("get configmap c -o jsonpath={.data.a}");
        anyhow::ensure!(outcome.stdout == "1", "{outcome:?}");
        Ok(())
    });
    let told = robot.fails("create configmap mine");
    contains(&told, &format!("{user} cannot create resource \"configmaps\" in API group \"\""));
    contains(&robot.fails("delete configmap c"), "configmaps \"c\" is forbidden");
    contains(&robot.fails("get configmaps -A"), "at the cluster scope");
    contains(&robot.fails("get secrets"), "cannot list resource \"secrets\"");
    assert_eq!(robot.ok("auth can-i get configmaps"), "yes\n");
    let no = robot.run("auth can-i delete configmaps");
    assert_eq!((no.stdout.as_str(), no.code), ("no\n", 1));
    kubectl.ok("delete rolebinding reader");
    eventually(SOON, "the right is taken away", || {
        anyhow::ensure!(robot.run("get configmap c").code == 1, "it still may");
        Ok(())
    });
}

fn rights_can_be_listed(kubectl: &Kubectl, _: &Cluster) {
    assert_eq!(kubectl.ok("auth can-i '*' '*'"), "yes\n");
    let namespace = kubectl.namespace();
    kubectl.ok("create role editor --verb=create,delete --resource=deployments.apps");
    kubectl.ok("create rolebinding editor --role=editor --user=jane");
    eventually(SOON, "the right is listed", || {
        let list = kubectl.ok("auth can-i --list --as=jane");
        let line = list.lines().find(|line| line.starts_with("deployments.apps"));
        anyhow::ensure!(line.is_some_and(|line| line.contains("[create delete]")), "{namespace}:\n{list}");
        Ok(())
    });
    assert_eq!(kubectl.ok("auth can-i delete deployments.apps --as=jane"), "yes\n");
    assert_eq!(kubectl.run("auth can-i delete deployments.apps --as=john").stdout, "no\n");
    assert_eq!(kubectl.run("auth can-i get /metrics --as=jane").stdout, "no\n");
}

fn nobody_grants_more_than_they_have(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create role granter --verb=create,update,get,patch --resource=roles.rbac.authorization.k8s.io,rolebindings.rbac.authorization.k8s.io");
    kubectl.ok("create rolebinding granter --role=granter --user=gina");
    let grant = "create role secrets --verb=get --resource=secrets --as=gina";
    eventually(SOON, "gina may create roles, but not this one", || {
        let told = kubectl.run(grant);
        anyhow::ensure!(
            told.stderr.contains("is attempting to grant RBAC permissions not currently held"),
            "{told:?}"
        );
        Ok(())
    });
    kubectl.ok("create role secrets --verb=get --resource=secrets");
    let told = kubectl.fails("create rolebinding secrets --role=secrets --user=gina --as=gina");
    contains(&told, "is attempting to grant RBAC permissions not currently held");
}

fn an_administrator_can_act_as_somebody_else(kubectl: &Kubectl, _: &Cluster) {
    let told = kubectl.fails("get pods --as=jane --as-group=developers");
    contains(&told, "User \"jane\" cannot list resource \"pods\"");
    kubectl.ok("create rolebinding developers --clusterrole=view --group=developers");
    eventually(SOON, "the group may read", || {
        let outcome = kubectl.run("get pods --as=jane --as-group=developers");
        anyhow::ensure!(outcome.code == 0, "{outcome:?}");
        Ok(())
    });
    contains(
        &kubectl.fails("get secrets --as=jane --as-group=developers"),
        "cannot list resource \"secrets\"",
    );
}

fn a_wrong_token_is_nobody(kubectl: &Kubectl, cluster: &Cluster) {
    let robot = Robot::with_token(kubectl, cluster, "not-a-token");
    let told = robot.kubectl(kubectl, cluster).fails("get pods");
    contains(&told, "You must be logged in to the server");
    let nobody = "--as=system:anonymous --as-group=system:unauthenticated";
    assert_eq!(kubectl.ok(&format!("get --raw /readyz {nobody}")), "ok");
    let told = kubectl.fails(&format!("get namespaces {nobody}"));
    contains(&told, "User \"system:anonymous\" cannot");
}

fn a_binding_keeps_its_role(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create rolebinding b --clusterrole=view --user=jane");
    let change = r#"patch rolebinding b --type=merge -p '{"roleRef":{"name":"edit","kind":"ClusterRole","apiGroup":"rbac.authorization.k8s.io"}}'"#;
    contains(&kubectl.fails(change), "cannot change roleRef");
}

fn a_token_is_issued_on_request(kubectl: &Kubectl, cluster: &Cluster) {
    kubectl.ok("create serviceaccount robot");
    let token = kubectl.ok("create token robot --duration=1h");
    assert_eq!(token.trim().split('.').count(), 3, "a JWT has three parts");
    let robot = Robot::with_token(kubectl, cluster, token.trim());
    let robot = robot.kubectl(kubectl, cluster);
    let expected = format!("system:serviceaccount:{}:robot", kubectl.namespace());
    contains(&robot.ok("auth whoami -o jsonpath={.status.userInfo.username}"), &expected);
    kubectl.ok("delete serviceaccount robot");
    eventually(SOON, "the token of a deleted account is worthless", || {
        let outcome = robot.run("get --raw /api");
        anyhow::ensure!(outcome.stderr.contains("Unauthorized"), "{outcome:?}");
        Ok(())
    });
    contains(&kubectl.fails("create token nobody"), "serviceaccounts \"nobody\" not found");
}

fn everybody_can_ask_who_they_are(kubectl: &Kubectl, _: &Cluster) {
    let me = kubectl.ok("auth whoami");
    contains(&me, "system:masters");
    let jane = kubectl.ok("auth whoami --as=jane --as-group=developers -o jsonpath={.status.userInfo}");
    contains(&jane, "\"username\":\"jane\"");
    contains(&jane, "developers");
    contains(&jane, "system:authenticated");
    lacks(&jane, "system:masters");
}

fn a_role_can_name_single_objects(kubectl: &Kubectl, _: &Cluster) {
    kubectl.ok("create configmap open");
    kubectl.ok("create configmap closed");
    kubectl.ok("create role one --verb=get,watch,list --resource=configmaps --resource-name=open");
    kubectl.ok("create rolebinding one --role=one --user=jane");
    eventually(SOON, "the named object can be read", || {
        let outcome = kubectl.run("get configmap open --as=jane");
        anyhow::ensure!(outcome.code == 0, "{outcome:?}");
        Ok(())
    });
    contains(&kubectl.fails("get configmap closed --as=jane"), "forbidden");
    contains(&kubectl.fails("get configmaps --as=jane"), "forbidden");
    kubectl.ok("get configmaps --field-selector=metadata.name=open --as=jane");
}
