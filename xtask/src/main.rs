//! Everything that is repeated: `cargo xtask <name>`. Run without a name for the list.
#![expect(clippy::print_stdout, reason = "a command's output is its product")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

mod layers;
mod rules;
mod tools;

/// A task: its name, what it is for, what it does.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<()>);

const TASKS: &[Task] = &[
    ("check", "before proposing a change: formatting, lints, layers, unit tests", check),
    ("test", "all tests, end to end included; fetches the tools they need", test),
    ("e2e", "only the end-to-end tests (arguments go to the test program)", e2e),
    ("tools", "fetches the tools that tests need into target/tools", |_| tools::ensure().map(|_| ())),
    ("tidy", "layers of the crates, the table of rules", |_| tidy()),
    ("golden", "rewrites the golden files; read the diff", golden),
    ("bench", "measures the budgets and prints them beside what was measured", bench),
    ("deny", "licences and advisories of dependencies (needs cargo-deny)", |_| {
        run("cargo", &["deny", "check"], &[])
    }),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, rest)) = args.split_first() else {
        println!("cargo xtask <name>:");
        for (name, about, _) in TASKS {
            println!("  {name:<8} {about}");
        }
        return ExitCode::SUCCESS;
    };
    let result = match TASKS.iter().find(|(task, ..)| task == name) {
        Some((_, _, task)) => task(rest),
        None => Err(anyhow::anyhow!("there is no task {name:?}; run `cargo xtask` for the list")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Runs a program in the workspace's folder and shows its output.
fn run(program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<()> {
    println!("xtask: {program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("{program} {} failed ({status})", args.join(" "));
    }
    Ok(())
}

fn with<'a>(args: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    args.iter().copied().chain(more.iter().map(String::as_str)).collect()
}

fn check(_: &[String]) -> Result<()> {
    run("cargo", &["fmt", "--all", "--check"], &[])?;
    tidy()?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    run("cargo", &["test", "--workspace", "--lib", "--bins"], &[])
}

fn test(rest: &[String]) -> Result<()> {
    let tools = tools::ensure()?;
    run("cargo", &["fmt", "--all", "--check"], &[])?;
    tidy()?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], &[])?;
    // The end-to-end tests start this program as users do. The unoptimised one: it is built from what the
    // unit tests build anyway, and what is right does not depend on the optimiser.
    run("cargo", &["build", "--package", "karmada", "--bins"], &[])?;
    run("cargo", &with(&["test", "--workspace"], rest), &with_program(&tools))
}

/// What tests find the tools and the program by.
fn with_program(tools: &tools::Tools) -> Vec<(&str, &str)> {
    tools.env().into_iter().chain([("KARMADA_BIN", tools.program())]).collect()
}

fn e2e(rest: &[String]) -> Result<()> {
    let tools = tools::ensure()?;
    run("cargo", &["build", "--package", "karmada", "--bins"], &[])?;
    run("cargo", &with(&["test", "--package", "e2e", "--"], rest), &with_program(&tools))
}

fn golden(_: &[String]) -> Result<()> {
    run("cargo", &["test", "--package", "api"], &[("UPDATE_EXPECT", "1")])
}

fn bench(rest: &[String]) -> Result<()> {
    run("cargo", &["build", "--release"], &[])?;
    run("cargo", &with(&["run", "--release", "--package", "bench", "--"], rest), &[])
}

fn tidy() -> Result<()> {
    let problems = layers::problems(&root())?;
    if !problems.is_empty() {
        bail!("the crates' layers do not hold:\n  {}", problems.join("\n  "));
    }
    println!("xtask: the crates' layers hold");
    let problems = rules::problems(&root())?;
    if !problems.is_empty() {
        bail!("docs/rules.md names tests that do not exist:\n  {}", problems.join("\n  "));
    }
    println!("xtask: every test in docs/rules.md exists");
    Ok(())
}
