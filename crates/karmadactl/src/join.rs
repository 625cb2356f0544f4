//! `karmadactl join`: a cluster becomes a push member.
//!
//! ```text
//! member          namespace, two service accounts with tokens, rights for the first
//! control plane   namespace, Secrets with the tokens, the Cluster, which then owns the Secrets
//! ```
//!
//! Every step looks first and creates what is missing, so that a join that was interrupted can be
//! repeated. The Cluster comes last: until it exists, nothing is sent to the member.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use api::cluster::Cluster;
use api::names::labels;
use api::{Resource as _, naming};
use clap::Args;
use client::{Budget, Client, ListOptions, Patch};
use machinery::{GroupVersionResource, Object};
use serde_json::{Value, json};

use crate::{Access, told};

/// Service account that other users' requests are sent through, with their identity.
const IMPERSONATOR: &str = "karmada-impersonator";

/// How long a member may take to issue a token.
const TOKEN_WAIT: Duration = Duration::from_secs(30);

/// Longest cluster name; longer ones would not fit into the names derived from them.
const NAME_LEN_MAX: usize = 48;

/// `karmadactl join CLUSTER_NAME --cluster-kubeconfig=FILE`
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Name under which the cluster joins.
    pub cluster_name: String,
    /// Path of the cluster's kubeconfig.
    #[arg(long, value_name = "FILE")]
    pub cluster_kubeconfig: PathBuf,
    /// Context of the cluster in its kubeconfig; the current context if not given.
    #[arg(long, value_name = "NAME")]
    pub cluster_context: Option<String>,
    /// Namespace for the cluster's credentials.
    #[arg(long, default_value = "karmada-cluster")]
    pub cluster_namespace: String,
    /// Provider of the cluster.
    #[arg(long, default_value = "")]
    pub cluster_provider: String,
    /// Region of the cluster.
    #[arg(long, default_value = "")]
    pub cluster_region: String,
    /// Zones of the cluster, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub cluster_zones: Vec<String>,
    /// Check and say what would be done, change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// A cluster that is to join.
#[derive(Debug, Clone, Default)]
pub struct Joining {
    /// Name under which it joins.
    pub name: String,
    /// Namespace of its credentials, in the member and in the control plane.
    pub namespace: String,
    /// Where the control plane reaches its API.
    pub api_endpoint: String,
    /// Whether its certificate is not checked.
    pub insecure: bool,
    /// Proxy on the way to it, empty for none.
    pub proxy_url: String,
    /// Provider, empty for unknown.
    pub provider: String,
    /// Region, empty for unknown.
    pub region: String,
    /// Zones.
    pub zones: Vec<String>,
}

pub(crate) async fn run(access: &Access, args: JoinArgs, out: &mut (dyn Write + Send)) -> Result<()> {
    let control = access.control_plane().await?;
    let file = &args.cluster_kubeconfig;
    let kubeconfig = kube::config::Kubeconfig::read_from(file)?;
    let options =
        kube::config::KubeConfigOptions { context: args.cluster_context.clone(), ..Default::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    let joining = Joining {
        name: args.cluster_name,
        namespace: args.cluster_namespace,
        api_endpoint: config.cluster_url.to_string().trim_end_matches('/').to_owned(),
        insecure: config.accept_invalid_certs,
        proxy_url: config.proxy_url.as_ref().map(ToString::to_string).unwrap_or_default(),
        provider: args.cluster_provider,
        region: args.cluster_region,
        zones: args.cluster_zones,
    };
    let member = Client::from_config(config, Budget::member())?;
    if args.dry_run {
        check(&control, &member, &joining).await?;
        writeln!(out, "cluster({}) would be joined", joining.name)?;
        return Ok(());
    }
    join(&control, &member, &joining).await?;
    writeln!(out, "cluster({}) is joined successfully", joining.name)?;
    Ok(())
}

fn core(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", resource)
}

fn rbac(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("rbac.authorization.k8s.io", "v1", resource)
}

fn clusters() -> GroupVersionResource {
    Cluster::gvr()
}

/// Checks that a cluster may join and returns its id: the uid of its `kube-system` namespace.
///
/// # Errors
/// When the name cannot be used, or the name or the cluster is registered already.
pub async fn check(control: &Client, member: &Client, joining: &Joining) -> Result<String> {
    let name = &joining.name;
    let problems = machinery::names::dns_label(name);
    if let Some(problem) = problems.first() {
        bail!("invalid cluster name {name:?}: {problem}");
    }
    if name.len() > NAME_LEN_MAX {
        bail!("invalid cluster name {name:?}: must be no more than {NAME_LEN_MAX} characters");
    }
    let id = member.resource(&core("namespaces")).get("kube-system").await.map_err(told)?.uid().to_owned();
    for known in control.resource(&clusters()).list_all(&ListOptions::default()).await.map_err(told)?.items {
        if known.name() == name {
            bail!("cluster({name}) is already registered; unjoin it first");
        }
        if known.str_at("/spec/id") == Some(&id) {
            bail!("the cluster is already registered as {:?} (id {id})", known.name());
        }
    }
    Ok(id)
}

/// Joins a cluster in Push mode.
///
/// # Errors
/// When it may not join, or either side refuses or cannot be reached. What was created stays and is
/// used when the join is repeated.
pub async fn join(control: &Client, member: &Client, joining: &Joining) -> Result<()> {
    let id = check(control, member, joining).await?;
    let Joining { name, namespace, .. } = joining;
    let account = naming::member_service_account(name);
    ensure(member, &core("namespaces"), system(Object::new("v1", "Namespace", "", namespace))).await?;
    for account in [IMPERSONATOR, &account] {
        let wanted = system(Object::new("v1", "ServiceAccount", namespace, account));
        ensure(member, &core("serviceaccounts"), wanted).await?;
    }
    grant(member, namespace, name, &account).await?;
    let access = token(member, namespace, &account).await?;
    let impersonator = token(member, namespace, IMPERSONATOR).await?;

    ensure(control, &core("namespaces"), system(Object::new("v1", "Namespace", "", namespace))).await?;
    let secrets = core("secrets");
    let mut credentials = system(Object::new("v1", "Secret", namespace, &naming::cluster_secret(name)));
    credentials.set("/data", json!({ "token": access["token"], "caBundle": access["ca.crt"] }));
    let credentials = put_data(control, &secrets, credentials).await?;
    let mut impersonation =
        system(Object::new("v1", "Secret", namespace, &naming::impersonator_secret(name)));
    impersonation.set("/data", json!({ "token": impersonator["token"] }));
    let impersonation = put_data(control, &secrets, impersonation).await?;

    let cluster = control.resource(&clusters()).create(&cluster_object(joining, &id)).await.map_err(told)?;
    // The Secrets go with the Cluster. A conflict means that somebody else changed one just now: they
    // then stay until they are deleted by hand, which hurts less than failing a join that has happened.
    let owner = json!([{ "apiVersion": cluster.api_version(), "kind": cluster.kind(), "name": name, "uid": cluster.uid() }]);
    for secret in [credentials, impersonation] {
        let patch = json!({ "metadata": { "ownerReferences": owner } });
        control
            .resource(&secrets)
            .namespace(namespace)
            .patch(secret.name(), &Patch::Merge(&patch))
            .await
            .map_err(told)?;
    }
    Ok(())
}

fn cluster_object(joining: &Joining, id: &str) -> Object {
    let Joining { name, namespace, .. } = joining;
    let mut cluster = system(Object::new(&Cluster::gvr().api_version(), "Cluster", "", name));
    cluster.set(
        "/spec",
        json!({
            "id": id, "syncMode": "Push", "apiEndpoint": joining.api_endpoint,
            "secretRef": { "namespace": namespace, "name": naming::cluster_secret(name) },
            "impersonatorSecretRef": { "namespace": namespace, "name": naming::impersonator_secret(name) },
        }),
    );
    for (field, value) in
        [("provider", &joining.provider), ("region", &joining.region), ("proxyURL", &joining.proxy_url)]
    {
        if !value.is_empty() {
            cluster.set(&format!("/spec/{field}"), value.as_str());
        }
    }
    if !joining.zones.is_empty() {
        cluster.set("/spec/zones", joining.zones.clone());
    }
    if joining.insecure {
        cluster.set("/spec/insecureSkipTLSVerification", true);
    }
    cluster
}

fn system(mut object: Object) -> Object {
    object.set_label(labels::SYSTEM, "true");
    object
}

/// Creates an object that may be there already.
async fn ensure(client: &Client, gvr: &GroupVersionResource, wanted: Object) -> Result<()> {
    match client.resource(gvr).namespace(wanted.namespace()).create(&wanted).await {
        Err(error) if !error.is_already_exists() => Err(told(error)),
        _ => Ok(()),
    }
}

/// Creates a Secret, or replaces the data of the one there is.
async fn put_data(client: &Client, gvr: &GroupVersionResource, wanted: Object) -> Result<Object> {
    let secrets = client.resource(gvr).namespace(wanted.namespace());
    match secrets.create(&wanted).await {
        Err(error) if error.is_already_exists() => {
            let patch = json!({ "metadata": { "labels": wanted.at("/metadata/labels") }, "data": wanted.at("/data") });
            secrets.patch(wanted.name(), &Patch::Merge(&patch)).await.map_err(told)
        }
        result => result.map_err(told),
    }
}

/// Gives the control plane's account its rights in the member.
async fn grant(member: &Client, namespace: &str, cluster: &str, account: &str) -> Result<()> {
    let name = naming::member_cluster_role(cluster);
    let mut role = system(Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "", &name));
    role.set(
        "/rules",
        json!([
            { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] },
            { "nonResourceURLs": ["*"], "verbs": ["get"] },
        ]),
    );
    ensure(member, &rbac("clusterroles"), role).await?;
    let mut binding = system(Object::new("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", &name));
    binding.set(
        "/roleRef",
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name }),
    );
    binding.set("/subjects", json!([{ "kind": "ServiceAccount", "namespace": namespace, "name": account }]));
    ensure(member, &rbac("clusterrolebindings"), binding).await
}

/// The data of a service account's token Secret, made when it does not exist and waited for.
async fn token(member: &Client, namespace: &str, account: &str) -> Result<Value> {
    let mut wanted = system(Object::new("v1", "Secret", namespace, account));
    wanted.set("/type", "kubernetes.io/service-account-token");
    wanted.set_annotation("kubernetes.io/service-account.name", account);
    ensure(member, &core("secrets"), wanted).await?;
    let secrets = member.resource(&core("secrets")).namespace(namespace);
    let issued = async {
        let mut wait = Duration::from_millis(10);
        loop {
            let secret = secrets.get(account).await.map_err(told)?;
            if secret.str_at("/data/token").is_some_and(|t| !t.is_empty()) {
                return Ok::<_, anyhow::Error>(secret.at("/data").cloned().unwrap_or_default());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
        }
    };
    match tokio::time::timeout(TOKEN_WAIT, issued).await {
        Ok(data) => data,
        Err(_) => bail!(
            "the member issued no token for service account {namespace}/{account} within {TOKEN_WAIT:?}"
        ),
    }
}
