//! `cargo xtask bench`: measures the budgets of the control plane on the program as users run it, and
//! prints them beside what was measured. It reports; being slow is no failure.
//!
//! ```text
//! start      process start to ready, to the first Deployment on three members; memory when idle
//! local      `up` with two local members and their Pods: one at a time, burst, delete, memory
//! bare       two members that are bare API servers in processes of their own, joined over HTTPS
//! restart    kill -9 and start again with many workloads
//! rules      matching and interpreting, without an API server
//! scheduling the scheduler's decisions and its loop, without an API server
//! placing    the scheduler as a program, on an API server with many bindings
//! store      the embedded store, without an API server
//! ```
#![expect(clippy::print_stdout, reason = "the table is the program's product")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;

mod bare;
mod clusters;
mod deployments;
mod figures;
mod load;
mod placing;
mod report;
mod restart;
mod rules;
mod scheduler;
mod start;
mod storage;

use report::Report;

/// Measures the budgets of the control plane and prints them beside what was measured.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Groups to measure: rules, scheduling, store, placing, start, local, bare, restart. All if none is named.
    groups: Vec<String>,
    /// Deployments in a burst.
    #[arg(long, default_value_t = 500)]
    deployments: usize,
    /// Workloads that are there at a restart.
    #[arg(long, default_value_t = 3_000)]
    workloads: usize,
    /// Seconds that Deployments are created for, ten a second.
    #[arg(long, default_value_t = 10)]
    steady_secs: usize,
    /// Restart with 30,000 workloads; takes long.
    #[arg(long)]
    full: bool,
    /// Also print what was requested of the API servers, per Deployment.
    #[arg(long)]
    requests: bool,
    /// The program; `target/release/karmada` beside this one if not given.
    #[arg(long, env = "KARMADA_BIN", value_name = "FILE")]
    karmada: Option<PathBuf>,
}

impl Args {
    fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|g| g == group)
    }

    fn workloads(&self) -> usize {
        if self.full { 30_000 } else { self.workloads }
    }

    /// The program under test.
    fn program(&self) -> Result<PathBuf> {
        let path = match &self.karmada {
            Some(path) => path.clone(),
            None => {
                let own = std::env::current_exe().context("cannot find this program")?;
                own.with_file_name("karmada")
            }
        };
        anyhow::ensure!(
            path.exists(),
            "{} does not exist: build it with `cargo build --release`, or name it with KARMADA_BIN",
            path.display()
        );
        Ok(path)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<()> {
    let mut report = Report::begin();
    if args.wants("rules") {
        rules::measure(&mut report)?;
    }
    if args.wants("scheduling") {
        scheduler::measure(&mut report)?;
    }
    if args.wants("store") {
        storage::measure(&mut report).await?;
    }
    let program = if ["placing", "start", "local", "bare", "restart"].iter().any(|g| args.wants(g)) {
        args.program()?
    } else {
        return Ok(());
    };
    // What went wrong in one group is a row of the report; the others are measured all the same.
    if args.wants("placing") {
        let result = placing::measure(&program, &mut report).await;
        report.failed("placing", result);
    }
    if args.wants("start") {
        let result = start::measure(&program, &mut report).await;
        report.failed("start", result);
    }
    if args.wants("local") {
        let result = load::local(&program, args, &mut report).await;
        report.failed("local", result);
    }
    if args.wants("bare") {
        let result = load::bare(&program, args, &mut report).await;
        report.failed("bare", result);
    }
    if args.wants("restart") {
        let result = restart::measure(&program, args.workloads(), &mut report).await;
        report.failed("restart", result);
    }
    Ok(())
}
