//! How long it takes until there is something to work with, and what it costs to have it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::clusters::{Kind, Running, names};
use crate::deployments::{self, Seen, all_reach};
use crate::figures;
use crate::report::{Budget, Report, Value, percentile};

/// Starts that the time to `/readyz` is the median of.
const STARTS: usize = 5;

/// Time after which an idle process is looked at.
const QUIET: Duration = Duration::from_secs(5);

/// Measures starts.
pub(crate) async fn measure(program: &Path, report: &mut Report) -> Result<()> {
    let (mut ready, mut served) = (Vec::new(), Vec::new());
    let mut last = None;
    for _ in 0..STARTS {
        let mut running = Running::start(program, Kind::ControlPlaneApi);
        let at = running.ready().await?;
        ready.push(at.duration_since(running.started()));
        running.control().await?;
        served.push(running.started().elapsed());
        last = Some(running);
    }
    let what = format!("`apiserver --karmada-api`: start → /readyz, median of {STARTS}");
    report.row(&what, Budget::millis(300), percentile(&mut ready, 50));
    let what = format!("`apiserver --karmada-api`: start → CRDs served, median of {STARTS}");
    report.row(&what, Budget::None, percentile(&mut served, 50));
    if let Some(running) = last {
        tokio::time::sleep(QUIET).await;
        let memory = figures::resident(running.pid());
        report.row("`apiserver --karmada-api`: resident memory, idle", Budget::None, memory);
    }
    idle(program, report).await?;
    first(program, report).await
}

async fn idle(program: &Path, report: &mut Report) -> Result<()> {
    let mut running = Running::start(program, Kind::Up { members: 0 });
    let at = running.ready().await?;
    let took = at.duration_since(running.started());
    report.value("`up --members 0`: start → /readyz", Budget::millis(300), Value::Time(took));
    tokio::time::sleep(QUIET).await;
    let memory = figures::resident(running.pid());
    report.row("`up --members 0`: resident memory, idle", Budget::mebibytes(60), memory);
    let cpu = figures::cpu(running.pid());
    tokio::time::sleep(QUIET).await;
    let used = figures::cpu(running.pid()).saturating_sub(cpu);
    let what = format!("`up --members 0`: CPU time of {} idle seconds", QUIET.as_secs());
    report.value(&what, Budget::None, Value::Time(used));
    Ok(())
}

async fn first(program: &Path, report: &mut Report) -> Result<()> {
    const MEMBERS: u16 = 3;
    let mut running = Running::start(program, Kind::Up { members: MEMBERS });
    running.ready().await?;
    let control = running.control().await?;
    let names = names(MEMBERS);
    running.joined(&control, &names).await?;
    let joined = running.started().elapsed();
    deployments::prepare(&control, &names).await?;
    let seen = Seen::begin(&control, "first", 1, i64::from(MEMBERS)).await?;
    deployments::create_all(&control, "first", 1).await?;
    let reached = all_reach(&[seen], |s| s.ready, Duration::from_secs(60)).await;
    let what = "`up` with three local members: start → all ready";
    report.value(what, Budget::None, Value::Time(joined));
    let what = "`up` with three local members: start → first Deployment aggregated";
    let took = reached.map(|at| Value::Time(at.duration_since(running.started())));
    report.row(what, Budget::millis(3_000), took);
    Ok(())
}
