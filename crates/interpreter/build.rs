//! Lists the bundled scripts, and which functions each defines, in a table.
//!
//! `bundled/<group>_<version>_<Kind>.lua` interprets a kind, any other `bundled/<name>.lua` is a module for
//! `require`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The functions of the interpreter API and the operations they answer.
const FUNCTIONS: [(&str, &str); 8] = [
    ("GetReplicas", "InterpretReplica"),
    ("GetComponents", "InterpretComponent"),
    ("ReviseReplica", "ReviseReplica"),
    ("Retain", "Retain"),
    ("AggregateStatus", "AggregateStatus"),
    ("ReflectStatus", "InterpretStatus"),
    ("InterpretHealth", "InterpretHealth"),
    ("GetDependencies", "InterpretDependency"),
];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=bundled");
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or(io::ErrorKind::NotFound)?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    let mut scripts = Vec::new();
    let mut modules = Vec::new();
    for file in sources(&root.join("bundled"))? {
        println!("cargo:rerun-if-changed={}", file.display());
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match stem.split('_').collect::<Vec<_>>()[..] {
            [group, version, kind] => {
                let entry = (
                    kind.to_owned(),
                    group.to_owned(),
                    version.to_owned(),
                    script(&file, kind, group, version)?,
                );
                scripts.push(entry);
            }
            _ => modules.push(format!("    ({stem:?}, include_str!({file:?})),\n")),
        }
    }
    scripts.sort();
    let mut table = format!("static SCRIPTS: [Bundled; {}] = [\n", scripts.len());
    table.extend(scripts.into_iter().map(|(.., entry)| entry));
    writeln!(table, "];\nstatic MODULES: [(&str, &str); {}] = [", modules.len()).map_err(io::Error::other)?;
    table.extend(modules);
    table.push_str("];\n");
    fs::write(out.join("bundled.rs"), table)
}

/// The Lua files of a folder, by name; none when there is no folder.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "lua"));
    files.sort();
    Ok(files)
}

/// The row of one script.
fn script(file: &Path, kind: &str, group: &str, version: &str) -> io::Result<String> {
    let source = fs::read_to_string(file)?;
    let defines = |function: &str| {
        source.lines().any(|line| {
            let rest = line.strip_prefix("function ").unwrap_or(line).strip_prefix(function);
            rest.is_some_and(|rest| rest.trim_start().starts_with(['(', '=']))
        })
    };
    let hooks: Vec<String> = FUNCTIONS
        .iter()
        .filter(|(function, _)| defines(function))
        .map(|(_, operation)| format!("Operation::{operation}"))
        .collect();
    let kind = format!("Kind {{ kind: {kind:?}, group: {group:?}, version: {version:?} }}");
    let name = file.file_name().unwrap_or_default();
    let script = format!("Script::bundled({name:?}, include_str!({file:?}))");
    Ok(format!("    Bundled {{ kind: {kind}, hooks: &[{}], script: {script} }},\n", hooks.join(", ")))
}
