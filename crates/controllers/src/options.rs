//! What an operator can set, with upstream's defaults.

use std::time::Duration;

pub use propagation::Gates;

/// Which templates are propagated at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectorOptions {
    /// `--skipped-propagating-apis`: `group`, `group/version` or `group/version/Kind,Kind`, separated by
    /// semicolons.
    pub skipped_propagating_apis: String,
    /// `--skipped-propagating-namespaces`: regular expressions that match whole names.
    pub skipped_propagating_namespaces: Vec<String>,
    /// How often the served resources are asked for, beside on every change of a CRD.
    pub discovery_period: Duration,
    /// `--concurrent-resource-template-syncs`.
    pub workers: usize,
}

impl Default for DetectorOptions {
    fn default() -> Self {
        Self {
            skipped_propagating_apis: String::new(),
            skipped_propagating_namespaces: vec![propagation::skip::NAMESPACES_DEFAULT.into()],
            discovery_period: Duration::from_secs(30),
            workers: 16,
        }
    }
}

/// How the members' state is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterStatusOptions {
    /// `--cluster-status-update-frequency`.
    pub update_frequency: Duration,
    /// `--cluster-success-threshold`: how long a cluster must be healthy before it is ready again.
    pub success_threshold: Duration,
    /// `--cluster-failure-threshold`: how long a cluster must be unhealthy before it is not ready.
    pub failure_threshold: Duration,
    /// `--cluster-lease-duration`.
    pub lease_duration: Duration,
    /// `--cluster-lease-renew-interval-fraction`, of the duration.
    pub lease_renew_interval_fraction: f64,
    /// `--enable-cluster-resource-modeling`: whether nodes and pods are watched and summed up.
    pub resource_modeling: bool,
}

impl Default for ClusterStatusOptions {
    fn default() -> Self {
        Self {
            update_frequency: Duration::from_secs(10),
            success_threshold: Duration::from_secs(30),
            failure_threshold: Duration::from_secs(30),
            lease_duration: Duration::from_secs(40),
            lease_renew_interval_fraction: 0.25,
            resource_modeling: true,
        }
    }
}

/// How long silent clusters are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterOptions {
    /// `--cluster-monitor-period`.
    pub monitor_period: Duration,
    /// `--cluster-monitor-grace-period`: silence after which a cluster's state is unknown.
    pub monitor_grace_period: Duration,
    /// `--cluster-startup-grace-period`: the same for a cluster that has never reported.
    pub startup_grace_period: Duration,
    /// How often a leaving cluster is looked at.
    pub cleanup_check_interval: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            monitor_period: Duration::from_secs(5),
            monitor_grace_period: Duration::from_secs(40),
            startup_grace_period: Duration::from_secs(60),
            cleanup_check_interval: Duration::from_secs(1),
        }
    }
}

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// `--controllers`: names, `*` for all that are on by default, `-name` to switch one off.
    pub controllers: Vec<String>,
    /// Feature gates.
    pub gates: Gates,
    /// The detector.
    pub detector: DetectorOptions,
    /// The cluster controller.
    pub cluster: ClusterOptions,
    /// The cluster status controller.
    pub cluster_status: ClusterStatusOptions,
    /// `--concurrent-resourcebinding-syncs`, of either kind of binding.
    pub binding_workers: usize,
    /// `--concurrent-dependent-resource-syncs`.
    pub dependency_workers: usize,
    /// `--concurrent-work-syncs`, per member and direction.
    pub work_workers: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            controllers: vec!["*".into()],
            gates: Gates::default(),
            detector: DetectorOptions::default(),
            cluster: ClusterOptions::default(),
            cluster_status: ClusterStatusOptions::default(),
            binding_workers: 16,
            dependency_workers: 4,
            work_workers: 16,
        }
    }
}

/// Whether a controller is selected: by name, or by `*` when it is on by default; `-name` wins.
pub fn is_selected(selection: &[String], name: &str, on_by_default: bool) -> bool {
    if selection.iter().any(|s| s.strip_prefix('-') == Some(name)) {
        return false;
    }
    selection.iter().any(|s| s == name) || (on_by_default && selection.iter().any(|s| s == "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_selected_by_name_or_star_and_a_minus_wins() {
        for (selection, on_by_default, expected) in [
            ("*", true, true),
            ("*", false, false),
            ("*,binding", false, true),
            ("binding", true, true),
            ("execution", true, false),
            ("*,-binding", true, false),
            ("-binding,binding", true, false),
        ] {
            let selection: Vec<String> = selection.split(',').map(ToOwned::to_owned).collect();
            assert_eq!(is_selected(&selection, "binding", on_by_default), expected, "{selection:?}");
        }
    }
}
