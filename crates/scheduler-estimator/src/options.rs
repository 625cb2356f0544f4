//! What an operator can set, with upstream's defaults.

use std::net::{IpAddr, Ipv4Addr};

use api::gates::{self, FeatureGates};
use estimator::ServerTls;

/// How an estimator runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `--cluster-name`: name of the member in the control plane. Questions about another one are refused.
    pub cluster_name: String,
    /// Address to listen on. Upstream listens on all.
    pub bind_address: IpAddr,
    /// `--server-port`.
    pub server_port: u16,
    /// `--grpc-auth-cert-file`, `--grpc-auth-key-file`, `--grpc-client-ca-file` and
    /// `--insecure-skip-grpc-client-verify`.
    pub tls: ServerTls,
    /// Feature gates.
    pub gates: Gates,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cluster_name: String::new(),
            bind_address: Ipv4Addr::UNSPECIFIED.into(),
            server_port: estimator::DEFAULT_PORT,
            tls: ServerTls::default(),
            gates: Gates::default(),
        }
    }
}

/// Feature gates that an estimator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gates {
    /// `ResourceQuotaEstimate`: the member's ResourceQuotas limit answers.
    pub resource_quota_estimate: bool,
}

impl From<&FeatureGates> for Gates {
    fn from(open: &FeatureGates) -> Self {
        Self { resource_quota_estimate: open.enabled(gates::RESOURCE_QUOTA_ESTIMATE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_come_from_the_flag_that_all_components_share() {
        assert_eq!(Gates::from(&FeatureGates::default()), Gates::default());
        let open: FeatureGates = "ResourceQuotaEstimate=true".parse().unwrap();
        assert!(Gates::from(&open).resource_quota_estimate);
    }

    #[test]
    fn the_defaults_are_upstream_s() {
        let options = Options::default();
        assert_eq!((options.server_port, options.bind_address.to_string().as_str()), (10352, "0.0.0.0"));
        assert!(!options.gates.resource_quota_estimate && options.cluster_name.is_empty());
        assert_eq!(options.tls, ServerTls::default());
    }
}
