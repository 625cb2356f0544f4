//! `karmadactl unjoin`: a push member leaves, and what was propagated to it is removed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use api::cluster::Cluster;
use api::work::Work;
use api::{Resource as _, naming};
use clap::Args;
use client::{Budget, Client, DeleteOptions, ListOptions, Patch};
use machinery::{GroupVersionResource, Object};
use serde_json::json;

use crate::{Access, told};

/// `karmadactl unjoin CLUSTER_NAME`
#[derive(Debug, Args)]
pub struct UnjoinArgs {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Path of the cluster's kubeconfig; with it the rights and accounts in the cluster are removed too.
    #[arg(long, value_name = "FILE")]
    pub cluster_kubeconfig: Option<PathBuf>,
    /// Context of the cluster in its kubeconfig; the current context if not given.
    #[arg(long, value_name = "NAME")]
    pub cluster_context: Option<String>,
    /// Namespace of the cluster's credentials.
    #[arg(long, default_value = "karmada-cluster")]
    pub cluster_namespace: String,
    /// After the wait, take finalizers off what is left: for a cluster that no longer exists.
    #[arg(long)]
    pub force: bool,
    /// How long to wait for the cluster to be cleaned up, for example 60s or 2m.
    #[arg(long, default_value = "60s", value_parser = wait)]
    pub wait: Duration,
    /// Check, change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

fn wait(text: &str) -> Result<Duration, String> {
    let duration = machinery::time::parse_duration(text)?;
    Duration::try_from(duration).map_err(|_| format!("a wait cannot be negative: {text}"))
}

pub(crate) async fn run(access: &Access, args: UnjoinArgs, out: &mut (dyn Write + Send)) -> Result<()> {
    let control = access.control_plane().await?;
    let name = &args.cluster_name;
    let clusters = control.resource(&Cluster::gvr());
    let Some(found) = clusters.find(name).await.map_err(told)? else {
        bail!("no cluster object {name} found in karmada control plane")
    };
    if found.str_at("/spec/syncMode") == Some("Pull") {
        bail!(
            "cluster {name} is a Pull mode member, please use command `unregister` if you want to continue unregistering the cluster"
        );
    }
    if args.dry_run {
        writeln!(out, "cluster({name}) would be unjoined")?;
        return Ok(());
    }
    clusters.delete_if_present(name, &DeleteOptions::default()).await.map_err(told)?;
    if !gone(&clusters, name, args.wait).await? {
        if !args.force {
            bail!(
                "cluster({name}) is still being cleaned up after {:?}; wait longer with --wait, or give up what is left in it with --force",
                args.wait
            );
        }
        abandon(&control, name).await?;
        if !gone(&clusters, name, args.wait).await? {
            bail!("cluster({name}) could not be removed");
        }
    }
    if let Some(file) = &args.cluster_kubeconfig {
        let member = Client::from_kubeconfig(file, args.cluster_context.as_deref(), Budget::member());
        clean_member(&member.await.map_err(told)?, name, &args.cluster_namespace).await?;
    }
    writeln!(out, "cluster({name}) is unjoined successfully")?;
    Ok(())
}

/// Waits until the Cluster no longer exists.
async fn gone(clusters: &client::Resource, name: &str, patience: Duration) -> Result<bool> {
    let gone = async {
        let mut pause = Duration::from_millis(50);
        while clusters.find(name).await.map_err(told)?.is_some() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Ok::<_, anyhow::Error>(())
    };
    match tokio::time::timeout(patience, gone).await {
        Ok(result) => result.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Takes finalizers off the Works and the Cluster: what is in the member stays there.
async fn abandon(control: &Client, name: &str) -> Result<()> {
    let bare = json!({ "metadata": { "finalizers": null } });
    let strip = |resource: client::Resource, object: String| {
        let bare = bare.clone();
        async move {
            match resource.patch(&object, &Patch::Merge(&bare)).await {
                Err(error) if !error.is_not_found() => Err(told(error)),
                _ => Ok(()),
            }
        }
    };
    let works = Work::gvr();
    let works = control.resource(&works).namespace(&naming::execution_namespace(name));
    let left: Vec<Object> = works.list_all(&ListOptions::default()).await.map_err(told)?.items;
    for object in left {
        strip(works.clone(), object.name().to_owned()).await?;
    }
    let clusters = Cluster::gvr();
    strip(control.resource(&clusters), name.to_owned()).await
}

async fn clean_member(member: &Client, cluster: &str, namespace: &str) -> Result<()> {
    let rbac = |resource: &str| GroupVersionResource::new("rbac.authorization.k8s.io", "v1", resource);
    let core = |resource: &str| GroupVersionResource::new("", "v1", resource);
    let role = naming::member_cluster_role(cluster);
    let account = naming::member_service_account(cluster);
    let delete = |gvr: GroupVersionResource, namespace: String, name: String| async move {
        let resource = member.resource(&gvr).namespace(&namespace);
        resource.delete_if_present(&name, &DeleteOptions::default()).await.map_err(told)
    };
    delete(rbac("clusterrolebindings"), String::new(), role.clone()).await?;
    delete(rbac("clusterroles"), String::new(), role).await?;
    delete(core("serviceaccounts"), namespace.to_owned(), account).await?;
    delete(core("namespaces"), String::new(), namespace.to_owned()).await
}
