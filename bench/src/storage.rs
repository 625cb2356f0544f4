//! The embedded store alone, on the disk that holds the temporary folders.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use store::embedded::{Engine, Options};
use store::{Expect, Store as _};
use testkit::Folder;

use crate::report::{Budget, Report, Value, percentile};

/// How long each number of clients writes.
const WRITING: Duration = Duration::from_secs(2);

/// A value of a typical size: a Deployment with its managed fields is about twice as large.
const VALUE_LEN: usize = 1024;

/// Measures the store.
pub(crate) async fn measure(report: &mut Report) -> Result<()> {
    let folder = Folder::new("bench");
    let engine = Arc::new(Engine::open(folder.path().join("store"), Options::default())?);
    for clients in [1, 64] {
        let start = Instant::now();
        let mut times = write(&engine, clients).await?;
        #[expect(clippy::cast_precision_loss, reason = "a rate has three digits")]
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        report.value(&format!("store: durable puts, {clients} client(s)"), Budget::None, Value::Rate(rate));
        for percent in [50, 99] {
            let what = format!("store: durable put, {clients} client(s), p{percent}");
            report.row(&what, Budget::None, percentile(&mut times, percent));
        }
    }
    let keys = engine.stats().keys;
    engine.close();
    drop(engine);
    let start = Instant::now();
    let engine = Engine::open(folder.path().join("store"), Options::default())?;
    let what = format!("store: reopened with {keys} keys of {VALUE_LEN} bytes");
    report.value(&what, Budget::None, Value::Time(start.elapsed()));
    anyhow::ensure!(engine.stats().keys == keys, "keys were lost");
    Ok(())
}

/// So many clients write, each one value after the other; what each write took.
async fn write(engine: &Arc<Engine>, clients: usize) -> Result<Vec<Duration>> {
    let until = Instant::now() + WRITING;
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let engine = Arc::clone(engine);
            runtime::spawn("writing", async move {
                let value = Bytes::from(vec![b'x'; VALUE_LEN]);
                let mut times = Vec::new();
                while Instant::now() < until {
                    let key = format!("/registry/bench/{clients}-{client}/{:08}", times.len());
                    let start = Instant::now();
                    engine.put(&key, value.clone(), Expect::Absent).await?;
                    times.push(start.elapsed());
                }
                Ok::<_, store::Error>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(times)
}
