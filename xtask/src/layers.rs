//! The house's one rule of direction: a crate depends only on layers below its own, or on earlier names
//! in its own layer.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The layers from the bottom up; within a layer, a crate may use those before it.
pub(crate) const LAYERS: &[(&str, &[&str])] = &[
    ("words", &["clock", "machinery", "schema", "patch", "api"]),
    (
        "rules",
        &[
            "lua",
            "matching",
            "interpreter",
            "overrides",
            "estimation",
            "scheduling",
            "propagation",
            "admission",
            "kinds",
            "openapi",
            "authorization",
        ],
    ),
    ("ports", &["store", "pki", "client", "runtime", "estimator"]),
    (
        "parts",
        &[
            "apiserver",
            "controllers",
            "kube-controllers",
            "local-cluster",
            "scheduler",
            "scheduler-estimator",
            "webhook",
            "agent",
        ],
    ),
    ("programs", &["karmadactl", "karmada"]),
    ("beside", &["testkit", "e2e", "bench"]),
];

/// Dependencies that a crate below the ports must not have: its rules would stop being pure.
const NOT_BELOW_PORTS: &[&str] = &["tokio", "hyper", "kube", "tower"];

/// Parts meet through the API and do not name each other, but for these.
const PARTS_THAT_MEET: &[(&str, &str)] =
    &[("agent", "controllers"), ("local-cluster", "apiserver"), ("local-cluster", "kube-controllers")];

/// Everything about the crates under `root` that breaks the rule.
pub(crate) fn problems(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut manifests = BTreeMap::new();
    let crates = root.join("crates");
    for entry in std::fs::read_dir(&crates).with_context(|| format!("cannot read {}", crates.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let manifest = entry.path().join("Cargo.toml");
        if manifest.exists() {
            manifests.insert(name, std::fs::read_to_string(manifest)?);
        }
    }
    for (name, manifest) in &manifests {
        problems.extend(problems_of(name, manifest));
    }
    for (layer, names) in LAYERS {
        for name in names.iter().filter(|n| !manifests.contains_key(**n)) {
            if *layer != "beside" {
                problems.push(format!("{name} is listed in the layer {layer} but does not exist"));
            }
        }
    }
    Ok(problems)
}

fn place(name: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(layer, (_, names))| {
        names.iter().position(|n| *n == name).map(|position| (layer, position))
    })
}

fn problems_of(name: &str, manifest: &str) -> Vec<String> {
    let Some((layer, position)) = place(name) else { return vec![format!("{name} is in no layer")] };
    let mut problems = Vec::new();
    for dependency in dependencies(manifest) {
        if layer < 2 && NOT_BELOW_PORTS.contains(&dependency.as_str()) {
            problems.push(format!("{name} is below the ports and must not depend on {dependency}"));
        }
        let Some((its_layer, its_position)) = place(&dependency) else { continue };
        if its_layer > layer {
            problems.push(format!(
                "{name} ({}) depends on {dependency} ({}) above it",
                LAYERS[layer].0, LAYERS[its_layer].0
            ));
        } else if its_layer == layer && its_position >= position {
            problems.push(format!(
                "{name} depends on {dependency}, which comes later in the layer {}",
                LAYERS[layer].0
            ));
        } else if its_layer == layer
            && LAYERS[layer].0 == "parts"
            && !PARTS_THAT_MEET.contains(&(name, dependency.as_str()))
        {
            problems
                .push(format!("{name} and {dependency} are parts: they meet through the API, not by name"));
        }
    }
    problems
}

/// Names under `[dependencies]` (not those for tests, which may look anywhere).
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            names.push(line[..end].trim_matches('"').to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_this_house_hold() {
        let problems = problems(&crate::root()).unwrap();
        assert!(problems.is_empty(), "{problems:#?}");
    }

    #[test]
    fn a_rule_must_not_know_the_network() {
        let found = problems_of("matching", "[dependencies]\napi.workspace = true\ntokio.workspace = true\n");
        assert_eq!(found, ["matching is below the ports and must not depend on tokio"]);
    }

    #[test]
    fn nobody_depends_upwards_or_sideways() {
        assert_eq!(problems_of("store", "[dependencies]\napiserver.workspace = true\n").len(), 1);
        assert_eq!(problems_of("scheduler", "[dependencies]\ncontrollers.workspace = true\n").len(), 1);
        assert_eq!(problems_of("agent", "[dependencies]\ncontrollers.workspace = true\n").len(), 0);
        assert_eq!(problems_of("machinery", "[dependencies]\nschema.workspace = true\n").len(), 1);
        assert_eq!(problems_of("store", "[dev-dependencies]\napiserver.workspace = true\n").len(), 0);
    }
}
