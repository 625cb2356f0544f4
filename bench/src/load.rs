//! A control plane at work: one Deployment at a time, then many at once, then all of them deleted.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use client::{Client, ListOptions};
use machinery::GroupVersionResource;

use crate::Args;
use crate::bare;
use crate::clusters::{Kind, LOOK, Running, names};
use crate::deployments::{self, Seen, all_reach};
use crate::figures::{self, Metrics, at_rest};
use crate::report::{Budget, Measured, Report, Value, percentile};

/// Members in both groups.
const MEMBERS: u16 = 2;

/// Longest wait for a burst, or its deletion, to be through.
const LIMIT: Duration = Duration::from_secs(120);

/// Deployments a second when they come one at a time.
const PACE: usize = 10;

/// What happens in the members once a Deployment is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Local members run its Pods and write its status.
    Pods,
    /// Nothing: this program writes the status when all Deployments are there.
    Bare,
}

/// A control plane, its members, and what the measurements are called.
struct Scene<'a> {
    name: &'static str,
    life: Life,
    pids: Vec<u32>,
    control: &'a Client,
    members: Vec<Client>,
    args: &'a Args,
}

/// `karmada up` with two local members.
pub(crate) async fn local(program: &Path, args: &Args, report: &mut Report) -> Result<()> {
    let mut running = Running::start(program, Kind::Up { members: MEMBERS });
    running.ready().await?;
    let control = running.control().await?;
    let names = names(MEMBERS);
    let mut members = Vec::new();
    for name in &names {
        members.push(running.member(name).await?);
    }
    running.joined(&control, &names).await?;
    report.note("`up` with two local members in one process, and their Pods:");
    at_rest(&control, Instant::now(), LIMIT).await.map_err(anyhow::Error::msg)?;
    report.row(
        "local: resident memory, idle, members included",
        Budget::None,
        figures::resident(running.pid()),
    );
    deployments::prepare(&control, &names).await?;
    let scene = Scene {
        name: "local",
        life: Life::Pods,
        pids: vec![running.pid()],
        control: &control,
        members,
        args,
    };
    scene.measure(report).await
}

/// A control plane and two bare API servers.
pub(crate) async fn bare(program: &Path, args: &Args, report: &mut Report) -> Result<()> {
    let names = names(MEMBERS);
    let world = bare::start(program, &names).await?;
    report.note("`up --members 0` and two bare API servers joined over HTTPS:");
    deployments::prepare(&world.control, &names).await?;
    let mut pids = vec![world.control_plane.pid()];
    pids.extend(world.members.iter().map(|(running, _)| running.pid()));
    let members = world.members.iter().map(|(_, client)| client.clone()).collect();
    let scene = Scene { name: "bare", life: Life::Bare, pids, control: &world.control, members, args };
    scene.measure(report).await
}

impl Scene<'_> {
    async fn measure(&self, report: &mut Report) -> Result<()> {
        deployments::warm(self.control).await;
        self.steady(report).await?;
        self.burst(report).await
    }

    /// Begins to watch every member.
    async fn watch_members(&self, prefix: &str, count: usize) -> Result<Vec<Seen>> {
        let mut seen = Vec::new();
        for member in &self.members {
            seen.push(Seen::begin(member, prefix, count, 1).await?);
        }
        Ok(seen)
    }

    async fn steady(&self, report: &mut Report) -> Result<()> {
        let count = self.args.steady_secs * PACE;
        let seen = self.watch_members("steady", count).await?;
        let every = Duration::from_secs(1) / u32::try_from(PACE).unwrap_or(1);
        let starts = deployments::create_paced(self.control, "steady", count, every).await?;
        let reached = all_reach(&seen, |s| s.present, LIMIT).await;
        let mut times: Vec<Duration> = seen
            .iter()
            .flat_map(|seen| seen.all().into_iter().zip(&starts).collect::<Vec<_>>())
            .filter_map(|(sighting, start)| Some(sighting.present?.saturating_duration_since(*start)))
            .collect();
        for (percent, budget) in [(50, Budget::millis(10)), (99, Budget::millis(50))] {
            let what = format!("{}: create → present in the member at {PACE}/s, p{percent}", self.name);
            let measured = reached.clone().and_then(|_| percentile(&mut times, percent));
            report.row(&what, budget, measured);
        }
        deployments::delete_all(self.control, "steady", count).await?;
        let _ = all_reach(&seen, |s| s.gone, LIMIT).await;
        Ok(())
    }

    async fn burst(&self, report: &mut Report) -> Result<()> {
        let count = self.args.deployments;
        let sizes = format!("{count} Deployments × {MEMBERS} members");
        let seen = self.watch_members("burst", count).await?;
        let template = Seen::begin(self.control, "burst", count, i64::from(MEMBERS)).await?;
        let cpu = self.cpu();
        let counted = self.counted().await?;

        let start = Instant::now();
        deployments::create_all(self.control, "burst", count).await?;
        let created = start.elapsed();
        let present = all_reach(&seen, |s| s.present, LIMIT).await;
        let since = |at: Instant| Value::Time(at.saturating_duration_since(start));
        report.value(
            &format!("{}: burst of {count}, all created", self.name),
            Budget::None,
            Value::Time(created),
        );
        let what = format!("{}: burst of {sizes}, all present", self.name);
        report.row(&what, Budget::millis(1_000), present.clone().map(since));
        let aggregated = match self.life {
            Life::Pods => self.aggregated_of_pods(&seen, &template, start, report).await,
            Life::Bare => self.aggregated_of_bare(&template, count, report).await?,
        };
        let what = format!("{}: member status → aggregated on the template, p50", self.name);
        report.row(&what, Budget::millis(100), aggregated);
        let used = self.cpu().saturating_sub(cpu);
        report.value(
            &format!("{}: CPU time of that, all processes", self.name),
            Budget::None,
            Value::Time(used),
        );
        self.tell_requests(report, &counted, count, "create").await?;
        at_rest(self.control, Instant::now(), LIMIT).await.map_err(anyhow::Error::msg)?;
        let what = format!("{}: resident memory after {sizes}", self.name);
        report.row(&what, Budget::mebibytes(150), figures::resident(self.pids[0]));

        let counted = self.counted().await?;
        let start = Instant::now();
        deployments::delete_all(self.control, "burst", count).await?;
        let mut everywhere = seen;
        everywhere.push(template);
        let gone = all_reach(&everywhere, |s| s.gone, LIMIT).await;
        let works = self.works_gone().await;
        let what = format!("{}: delete {count} × {MEMBERS}: templates, Works and copies gone", self.name);
        let gone = gone.and_then(|at| Ok(at.max(works?)));
        report.row(
            &what,
            Budget::millis(500),
            gone.map(|at| Value::Time(at.saturating_duration_since(start))),
        );
        self.tell_requests(report, &counted, count, "delete").await
    }

    /// Per Deployment: from the moment when the last member reported it ready to the moment when the
    /// template did.
    async fn aggregated_of_pods(
        &self,
        seen: &[Seen],
        template: &Seen,
        start: Instant,
        report: &mut Report,
    ) -> Measured {
        let ready = all_reach(seen, |s| s.ready, LIMIT).await;
        let what = format!("{}: burst, all ready in the members", self.name);
        report.row(&what, Budget::None, ready.map(|at| Value::Time(at.saturating_duration_since(start))));
        let aggregated = all_reach(std::slice::from_ref(template), |s| s.ready, LIMIT).await;
        let what = format!("{}: burst, all aggregated on the templates", self.name);
        let since = |at: Instant| Value::Time(at.saturating_duration_since(start));
        report.row(&what, Budget::None, aggregated.clone().map(since));
        aggregated?;
        let members: Vec<_> = seen.iter().map(Seen::all).collect();
        let last_ready = |i: usize| members.iter().filter_map(|m| m.get(i)?.ready).max();
        let mut times: Vec<Duration> = template
            .all()
            .iter()
            .enumerate()
            .filter_map(|(i, t)| Some(t.ready?.saturating_duration_since(last_ready(i)?)))
            .collect();
        percentile(&mut times, 50)
    }

    /// Per Deployment: from the request that wrote the last member's status to the template.
    async fn aggregated_of_bare(
        &self,
        template: &Seen,
        count: usize,
        report: &mut Report,
    ) -> Result<Measured> {
        let start = Instant::now();
        let writes = self.members.iter().map(|m| deployments::write_statuses(m, "burst", count));
        let writes = futures::future::try_join_all(writes).await?;
        report.value(
            &format!("{}: statuses written into the members by this program", self.name),
            Budget::None,
            Value::Time(start.elapsed()),
        );
        if let Err(why) = all_reach(std::slice::from_ref(template), |s| s.ready, LIMIT).await {
            return Ok(Err(why));
        }
        let written = |i: usize| writes.iter().filter_map(|w| w.get(i).copied()).max();
        let mut times: Vec<Duration> = template
            .all()
            .iter()
            .enumerate()
            .filter_map(|(i, t)| Some(t.ready?.saturating_duration_since(written(i)?)))
            .collect();
        Ok(percentile(&mut times, 50))
    }

    /// Waits until no Work is left in the members' namespaces; when that was.
    async fn works_gone(&self) -> Result<Instant, String> {
        let works = self.control.resource(&GroupVersionResource::new("work.karmada.io", "v1alpha1", "works"));
        let deadline = Instant::now() + LIMIT;
        loop {
            let at = Instant::now();
            // Namespaces have Works too; those of bindings carry the binding's id.
            let labels = "resourcebinding.karmada.io/permanent-id".to_owned();
            let left = works.list(&ListOptions { limit: 1, labels, ..ListOptions::default() }).await;
            match left {
                Ok(page) if page.items.is_empty() => return Ok(at),
                Err(error) => return Err(error.chain()),
                Ok(_) if at > deadline => return Err(format!("Works left after {} s", LIMIT.as_secs())),
                Ok(_) => tokio::time::sleep(LOOK * 5).await,
            }
        }
    }

    fn cpu(&self) -> Duration {
        self.pids.iter().map(|pid| figures::cpu(*pid)).sum()
    }

    async fn counted(&self) -> Result<Vec<Metrics>> {
        let mut counted = vec![Metrics::scrape(self.control).await?];
        for member in &self.members {
            counted.push(Metrics::scrape(member).await?);
        }
        Ok(counted)
    }

    /// Prints the requests that the servers have answered since `before`, per Deployment.
    async fn tell_requests(
        &self,
        report: &mut Report,
        before: &[Metrics],
        count: usize,
        why: &str,
    ) -> Result<()> {
        if !self.args.requests {
            return Ok(());
        }
        let now = self.counted().await?;
        for (i, (now, before)) in now.iter().zip(before).take(2).enumerate() {
            let server = if i == 0 { "control plane" } else { "first member" };
            report.note(&format!("{}: {why}: requests per Deployment of the {server}:", self.name));
            #[expect(clippy::cast_precision_loss, reason = "counts are small")]
            for (what, requests) in now.requests_since(before) {
                let each = requests / count as f64;
                if each >= 0.01 {
                    report.note(&format!("    {each:>7.2}  {what}"));
                }
            }
        }
        Ok(())
    }
}
