//! `karmadactl get`: objects of the control plane and of the members, side by side.

use std::io::Write;

use anyhow::{Result, bail};
use api::Resource as _;
use api::cluster::Cluster;
use api::names::labels;
use clap::{Args, ValueEnum};
use client::{ApiResource, Budget, Client, ListOptions};
use controllers::{Members as _, PushMembers};
use machinery::Object;
use serde_json::{Value, json};

use crate::table::{Table, cell};
use crate::target::resolve;
use crate::{Access, told};

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// The control plane.
    Karmada,
    /// The member clusters.
    Members,
    /// Both.
    All,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A JSON list.
    Json,
    /// A YAML list.
    Yaml,
    /// Only names.
    Name,
    /// A table with all columns.
    Wide,
}

/// `karmadactl get RESOURCE [NAME]`
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Resource (`deployments`, `deploy`, `deployments.apps`), or `resource/name`.
    pub resource: String,
    /// Names; all when none is given.
    pub names: Vec<String>,
    /// Namespace.
    #[arg(short, long, default_value = "default")]
    pub namespace: String,
    /// All namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Label selector.
    #[arg(short = 'l', long = "labels", default_value = "")]
    pub labels: String,
    /// Members to look at; all when none is given.
    #[arg(short = 'C', long, value_delimiter = ',')]
    pub clusters: Vec<String>,
    /// Where to look.
    #[arg(short = 's', long, value_enum, default_value_t = Scope::Karmada)]
    pub operation_scope: Scope,
    /// How to print; a table when not given.
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
    /// Leave the headings out.
    #[arg(long)]
    pub no_headers: bool,
    /// Finding nothing under a name is no error.
    #[arg(long)]
    pub ignore_not_found: bool,
}

/// One API server to look at.
struct Place {
    /// What the CLUSTER column says.
    name: String,
    client: Client,
    is_member: bool,
}

pub(crate) async fn run(access: &Access, mut args: GetArgs, out: &mut (dyn Write + Send)) -> Result<()> {
    if let Some((resource, name)) = args.resource.clone().split_once('/') {
        args.resource = resource.to_owned();
        args.names.insert(0, name.to_owned());
    }
    if !args.clusters.is_empty() && args.operation_scope == Scope::Karmada {
        bail!("--clusters can only be used with --operation-scope=members or all");
    }
    let control = access.control_plane().await?;
    let places = places(&control, &args).await?;
    let mut failures = Vec::new();
    let mut table = Table::default();
    let mut objects = Vec::new();
    for place in &places {
        let looked = match args.output {
            None | Some(Output::Wide) => rows(place, &args, &mut table).await,
            _ => list(place, &args).await.map(|found| objects.extend(found)),
        };
        if let Err(error) = looked {
            failures.push(format!("{}: {error:#}", place.name));
        }
    }
    match args.output {
        Some(Output::Json) => writeln!(out, "{}", serde_json::to_string_pretty(&printed(&args, objects))?)?,
        Some(Output::Yaml) => write!(out, "{}", serde_saphyr::to_string(&printed(&args, objects))?)?,
        Some(Output::Name) => {
            for object in objects {
                writeln!(out, "{}/{}", object.kind().to_lowercase(), object.name())?;
            }
        }
        None | Some(Output::Wide) if table.rows.is_empty() && failures.is_empty() => {
            if args.all_namespaces {
                writeln!(out, "No resources found")?;
            } else {
                writeln!(out, "No resources found in {} namespace.", args.namespace)?;
            }
        }
        None | Some(Output::Wide) => write!(out, "{}", table.render(!args.no_headers))?,
    }
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("\n")) }
}

async fn places(control: &Client, args: &GetArgs) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    if args.operation_scope != Scope::Members {
        places.push(Place { name: "Karmada".into(), client: control.clone(), is_member: false });
    }
    if args.operation_scope == Scope::Karmada {
        return Ok(places);
    }
    let gvr = Cluster::gvr();
    let known = control.resource(&gvr).list_all(&ListOptions::default()).await.map_err(told)?.items;
    for name in &args.clusters {
        if !known.iter().any(|c| c.name() == name) {
            bail!("clusters({name}) don't exist in karmada control plane");
        }
    }
    let members = PushMembers::new(control.clone(), Budget::member());
    let mut left_out = Vec::new();
    for cluster in
        known.iter().filter(|c| args.clusters.is_empty() || args.clusters.iter().any(|n| n == c.name()))
    {
        if !members.serves(cluster) {
            if args.clusters.is_empty() {
                left_out.push(cluster.name());
                continue;
            }
            bail!(
                "cluster {} is in Pull mode: it can only be reached through its own kubeconfig",
                cluster.name()
            );
        }
        let client = members.connect(cluster).await?;
        places.push(Place { name: cluster.name().to_owned(), client, is_member: true });
    }
    if !left_out.is_empty() {
        // Beside the output, which programs may read.
        let _ = writeln!(
            std::io::stderr(),
            "not shown, because they are in Pull mode and can only be reached through their own kubeconfig: {}",
            left_out.join(", ")
        );
    }
    Ok(places)
}

async fn resource(place: &Place, args: &GetArgs) -> Result<ApiResource> {
    let discovered = place.client.discover().await.map_err(told)?;
    match resolve(&discovered, &args.resource) {
        Some(resource) => Ok(resource.clone()),
        None => bail!("the server doesn't have a resource type {:?}", args.resource),
    }
}

fn namespace<'a>(resource: &ApiResource, args: &'a GetArgs) -> Option<&'a str> {
    (resource.namespaced && !args.all_namespaces).then_some(args.namespace.as_str())
}

async fn list(place: &Place, args: &GetArgs) -> Result<Vec<Object>> {
    let resource = resource(place, args).await?;
    let objects =
        place.client.resource(&resource.gvr()).namespace(namespace(&resource, args).unwrap_or_default());
    if args.names.is_empty() {
        let wanted = ListOptions { labels: args.labels.clone(), ..ListOptions::default() };
        return Ok(objects.list_all(&wanted).await.map_err(told)?.items);
    }
    let mut found = Vec::new();
    for name in &args.names {
        match objects.find(name).await.map_err(told)? {
            Some(object) => found.push(object),
            None if args.ignore_not_found => {}
            None => bail!("{} {name:?} not found", resource.gvr().qualified()),
        }
    }
    Ok(found)
}

fn printed(args: &GetArgs, mut objects: Vec<Object>) -> Value {
    for object in &mut objects {
        object.metadata_mut().remove("managedFields");
    }
    if args.names.len() == 1 && objects.len() == 1 {
        return objects.remove(0).into();
    }
    json!({ "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": objects })
}

/// Adds a place's rows to the table.
async fn rows(place: &Place, args: &GetArgs, table: &mut Table) -> Result<()> {
    let resource = resource(place, args).await?;
    let mut path = resource.gvr().path(namespace(&resource, args), None);
    if !args.labels.is_empty() {
        let encoded: String = args.labels.bytes().map(|b| format!("%{b:02X}")).collect();
        path.push_str(&format!("?labelSelector={encoded}"));
    }
    let answer = place.client.get_table(&path).await.map_err(told)?;
    let columns = answer["columnDefinitions"].as_array().cloned().unwrap_or_default();
    let wide = args.output == Some(Output::Wide);
    let shown: Vec<usize> =
        (0..columns.len()).filter(|i| wide || columns[*i]["priority"].as_i64().unwrap_or(0) == 0).collect();
    let with_namespace = resource.namespaced && args.all_namespaces;
    if table.headings.is_empty() {
        if with_namespace {
            table.headings.push("NAMESPACE".into());
        }
        for (position, i) in shown.iter().enumerate() {
            table.headings.push(columns[*i]["name"].as_str().unwrap_or_default().to_uppercase());
            if position == 0 {
                table.headings.push("CLUSTER".into());
            }
        }
        table.headings.push("ADOPTION".into());
    }
    let mut missing: Vec<&String> = args.names.iter().collect();
    for row in answer["rows"].as_array().into_iter().flatten() {
        let metadata = &row["object"]["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        if !args.names.is_empty() {
            if !args.names.iter().any(|n| n == name) {
                continue;
            }
            missing.retain(|n| *n != name);
        }
        let mut cells = Vec::new();
        if with_namespace {
            cells.push(metadata["namespace"].as_str().unwrap_or_default().to_owned());
        }
        for (position, i) in shown.iter().enumerate() {
            cells.push(cell(&row["cells"][*i]));
            if position == 0 {
                cells.push(place.name.clone());
            }
        }
        let adopted = metadata["labels"][labels::MANAGED] == "true";
        cells.push(match (place.is_member, adopted) {
            (false, _) => "-".into(),
            (true, true) => "Y".into(),
            (true, false) => "N".into(),
        });
        table.rows.push(cells);
    }
    match missing.first() {
        Some(name) if !args.ignore_not_found => bail!("{} {name:?} not found", resource.gvr().qualified()),
        _ => Ok(()),
    }
}
