//! Leases: who leads, and who is alive.
//!
//! A lease is held by writing one's identity and the time into a `coordination.k8s.io/v1` Lease, each
//! write on top of the version that was read. Whoever sees a lease unrenewed for its whole duration,
//! measured from when it saw the last renewal on its own clock, may take it.

use std::time::Duration;

use client::Client;
use clock::Clock;
use machinery::{GroupVersionResource, Object};
use serde_json::json;
use tokio::time::Instant;

use crate::Shutdown;

/// A lease and how it is held. The defaults are those of client-go's leader election.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who we are; unique per process.
    pub identity: String,
    /// How long a lease counts without being renewed.
    pub duration: Duration,
    /// How often to renew it, or to look whether it has become free.
    pub retry: Duration,
}

impl Lease {
    /// A lease with the usual times: 15 s, looked at every 2 s.
    pub fn new(namespace: &str, name: &str, identity: String) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity,
            duration: Duration::from_secs(15),
            retry: Duration::from_secs(2),
        }
    }
}

/// What we last saw of the lease, and when.
struct Observed {
    record: (String, String),
    at: Instant,
}

/// Waits until the lease is ours. Returns a request to end that is made when the lease is lost or
/// shutdown is requested; run what only a leader may do under it. `None` when shutdown came first.
pub async fn lead(client: &Client, lease: Lease, clock: &Clock, shutdown: &Shutdown) -> Option<Shutdown> {
    let mut observed = None;
    loop {
        if shutdown.is_requested() {
            return None;
        }
        match try_hold(client, &lease, clock, &mut observed).await {
            Ok(true) => break,
            Ok(false) => {}
            Err(error) => tracing::debug!(lease = lease.name, error = error.chain(), "lease not taken"),
        }
        shutdown.or(tokio::time::sleep(lease.retry)).await?;
    }
    tracing::info!(lease = lease.name, identity = lease.identity, "leading");
    let leading = shutdown.child();
    let (kept, client, clock) = (leading.clone(), client.clone(), clock.clone());
    crate::spawn("lease", async move {
        let mut renewed = Instant::now();
        while kept.or(tokio::time::sleep(lease.retry)).await.is_some() {
            match try_hold(&client, &lease, &clock, &mut observed).await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => break,
                // Two thirds of the duration, so that we stop before another may start.
                Err(_) if renewed.elapsed() < lease.duration * 2 / 3 => {}
                Err(_) => break,
            }
        }
        tracing::info!(lease = lease.name, "no longer leading");
        kept.request();
    });
    Some(leading)
}

async fn try_hold(
    client: &Client,
    lease: &Lease,
    clock: &Clock,
    observed: &mut Option<Observed>,
) -> Result<bool, client::Error> {
    let leases = client
        .resource(&GroupVersionResource::new("coordination.k8s.io", "v1", "leases"))
        .namespace(&lease.namespace);
    let now = clock.now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let Some(mut object) = leases.find(&lease.name).await? else {
        let mut object = Object::new("coordination.k8s.io/v1", "Lease", &lease.namespace, &lease.name);
        object.set(
            "/spec",
            json!({
                "holderIdentity": lease.identity, "leaseDurationSeconds": lease.duration.as_secs().max(1),
                "acquireTime": now, "renewTime": now, "leaseTransitions": 0,
            }),
        );
        return match leases.create(&object).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_already_exists() => Ok(false),
            Err(error) => Err(error),
        };
    };
    let holder = object.str_at("/spec/holderIdentity").unwrap_or_default().to_owned();
    let record = (holder.clone(), object.str_at("/spec/renewTime").unwrap_or_default().to_owned());
    if observed.as_ref().is_none_or(|o| o.record != record) {
        *observed = Some(Observed { record, at: Instant::now() });
    }
    let ours = holder == lease.identity;
    let seconds = object.i64_at("/spec/leaseDurationSeconds").and_then(|s| u64::try_from(s).ok());
    let duration = seconds.map_or(lease.duration, Duration::from_secs);
    let expired = observed.as_ref().is_none_or(|o| o.at.elapsed() >= duration);
    if !ours && !holder.is_empty() && !expired {
        return Ok(false);
    }
    if !ours {
        let transitions = object.i64_at("/spec/leaseTransitions").unwrap_or(0) + 1;
        object.set("/spec/holderIdentity", lease.identity.as_str());
        object.set("/spec/acquireTime", now.as_str());
        object.set("/spec/leaseTransitions", transitions);
    }
    object.set("/spec/leaseDurationSeconds", lease.duration.as_secs().max(1));
    object.set("/spec/renewTime", now);
    match leases.update(&object).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_conflict() => Ok(false),
        Err(error) => Err(error),
    }
}
