//! Members that are bare API servers: they store what they are given, and nothing else happens in them.
//! What they cost is what the control plane asks of them.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use client::Client;
use karmadactl::join::{self, Joining};
use machinery::{GroupVersionResource, Object};
use serde_json::json;

use crate::clusters::{Kind, Running};

/// Where the members' credentials are.
const NAMESPACE: &str = "karmada-cluster";

/// A control plane and members in processes of their own.
pub(crate) struct World {
    pub(crate) control_plane: Running,
    pub(crate) control: Client,
    pub(crate) members: Vec<(Running, Client)>,
}

/// Starts a control plane and `names` as its members, joined over HTTPS, and waits until all are ready.
pub(crate) async fn start(program: &Path, names: &[String]) -> Result<World> {
    let mut control_plane = Running::start(program, Kind::Up { members: 0 });
    let mut members: Vec<Running> = names.iter().map(|_| Running::start(program, Kind::Bare)).collect();
    control_plane.ready().await.context("control plane")?;
    let control = control_plane.control().await?;
    control_plane.joined(&control, &[]).await?;
    let mut joined = Vec::new();
    for (name, mut member) in names.iter().zip(members.drain(..)) {
        member.ready().await.with_context(|| name.clone())?;
        let client = member.control().await?;
        join(&control, &client, name, &member).await.with_context(|| format!("cannot join {name}"))?;
        joined.push((member, client));
    }
    control_plane.joined(&control, names).await?;
    Ok(World { control_plane, control, members: joined })
}

fn core(resource: &str) -> GroupVersionResource {
    GroupVersionResource::new("", "v1", resource)
}

async fn join(control: &Client, member: &Client, name: &str, running: &Running) -> Result<()> {
    // A bare API server has no controller that issues tokens for Secrets.
    create(member, "namespaces", Object::new("v1", "Namespace", "", NAMESPACE)).await?;
    for account in ["karmada-impersonator".to_owned(), api::naming::member_service_account(name)] {
        create(member, "serviceaccounts", Object::new("v1", "ServiceAccount", NAMESPACE, &account)).await?;
        let mut request = Object::new("authentication.k8s.io/v1", "TokenRequest", NAMESPACE, &account);
        request.set("/spec", json!({ "expirationSeconds": 86_400 }));
        let accounts = member.resource(&core("serviceaccounts")).namespace(NAMESPACE);
        let issued = accounts.create_subresource(&account, "token", &request).await?;
        let token = issued.str_at("/status/token").context("no token was issued")?;
        let mut secret = Object::new("v1", "Secret", NAMESPACE, &account);
        secret.set("/type", "kubernetes.io/service-account-token");
        secret.set_annotation("kubernetes.io/service-account.name", &account);
        let authority = authority(running)?;
        secret.set("/data", json!({ "token": BASE64_STANDARD.encode(token), "ca.crt": authority }));
        create(member, "secrets", secret).await?;
    }
    let joining = Joining {
        name: name.to_owned(),
        namespace: NAMESPACE.into(),
        api_endpoint: running.url(),
        ..Joining::default()
    };
    join::join(control, member, &joining).await
}

/// The authority of a server from its kubeconfig file, base64 as it stands there.
fn authority(running: &Running) -> Result<String> {
    let config = kube::config::Kubeconfig::read_from(running.kubeconfig())?;
    let cluster = config.clusters.into_iter().find_map(|c| c.cluster);
    cluster.and_then(|c| c.certificate_authority_data).context("the kubeconfig names no authority")
}

async fn create(client: &Client, resource: &str, object: Object) -> Result<()> {
    match client.resource(&core(resource)).namespace(object.namespace()).create(&object).await {
        Err(error) if !error.is_already_exists() => Err(anyhow::anyhow!("{}", error.chain())),
        _ => Ok(()),
    }
}
