//! Measures the embedded engine on this machine's disk:
//! `cargo run --release -p store --example bench -- [clients] [seconds] [value bytes] [directory]`.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use store::embedded::{Engine, Options};
use store::{Expect, Store};
use tokio::task::JoinSet;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise| args.get(at).map_or(otherwise, |a: &String| a.parse().unwrap());
    let (clients, seconds, size) = (number(0, 64), number(1, 3), number(2, 1_024));
    let dir = args.get(3).map_or_else(|| std::env::temp_dir().join("store-bench"), PathBuf::from);
    let _ = std::fs::remove_dir_all(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(writes(&dir, clients, Duration::from_secs(seconds as u64), size));
    runtime.block_on(reopen(&dir));
    std::fs::remove_dir_all(&dir).unwrap();
}

async fn writes(dir: &std::path::Path, clients: usize, time: Duration, size: usize) {
    let engine = Arc::new(Engine::open(dir, Options::default()).unwrap());
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let engine = engine.clone();
        tasks.spawn(async move {
            let value = Bytes::from(vec![b'x'; size]);
            let mut times = Vec::new();
            while start.elapsed() < time {
                let key = format!("bench/{client:04}/{:08}", times.len());
                let begun = Instant::now();
                engine.put(&key, value.clone(), Expect::Absent).await.unwrap();
                times.push(begun.elapsed());
            }
            times
        });
    }
    let mut times: Vec<Duration> = tasks.join_all().await.concat();
    let took = start.elapsed();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{clients} clients, {size} bytes: {:.0} puts/s, p50 {:?}, p99 {:?}, max {:?}",
        times.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn reopen(dir: &std::path::Path) {
    let start = Instant::now();
    let engine = Engine::open(dir, Options::default()).unwrap();
    let took = start.elapsed();
    let stats = engine.stats();
    println!("reopen with {} keys, {} MiB: {took:?}", stats.keys, stats.bytes >> 20);
    let start = Instant::now();
    let page = engine.list("bench/", None, 500, None).await.unwrap();
    println!("first page of 500 with {} remaining: {:?}", page.remaining, start.elapsed());
}
