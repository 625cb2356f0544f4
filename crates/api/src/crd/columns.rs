//! What `kubectl get` shows of each kind.

use serde_json::{Value, json};

/// A printer column.
pub(crate) struct Column {
    name: &'static str,
    ty: &'static str,
    path: &'static str,
    description: &'static str,
    /// 0 is shown always, 1 only with `-o wide`.
    priority: u8,
}

impl Column {
    const fn new(
        name: &'static str,
        ty: &'static str,
        path: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, ty, path, description, priority: 0 }
    }

    const fn wide(name: &'static str, path: &'static str, description: &'static str) -> Self {
        Self { name, ty: "string", path, description, priority: 1 }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut column = json!({ "name": self.name, "type": self.ty, "jsonPath": self.path });
        if !self.description.is_empty() {
            column["description"] = self.description.into();
        }
        if self.priority > 0 {
            column["priority"] = self.priority.into();
        }
        column
    }
}

const fn age(name: &'static str) -> Column {
    Column::new(name, "date", ".metadata.creationTimestamp", "")
}

pub(crate) const POLICY: &[Column] = &[
    Column::new("CONFLICT-RESOLUTION", "string", ".spec.conflictResolution", ""),
    Column::new("PRIORITY", "string", ".spec.priority", ""),
    age("AGE"),
];

pub(crate) const QUOTA: &[Column] = &[
    Column::new("OVERALL", "string", ".status.overall", ""),
    Column::new("OVERALL_USED", "string", ".status.overallUsed", ""),
];

pub(crate) const BINDING: &[Column] = &[
    Column::new("SCHEDULED", "string", r#".status.conditions[?(@.type=="Scheduled")].status"#, ""),
    Column::new("FULLYAPPLIED", "string", r#".status.conditions[?(@.type=="FullyApplied")].status"#, ""),
    age("AGE"),
];

pub(crate) const WORK: &[Column] = &[
    Column::new("WORKLOAD-KIND", "string", ".spec.workload.manifests[*].kind", ""),
    Column::new("APPLIED", "string", r#".status.conditions[?(@.type=="Applied")].status"#, ""),
    age("AGE"),
];

pub(crate) const CLUSTER: &[Column] = &[
    Column::new("Version", "string", ".status.kubernetesVersion", "Version of Kubernetes in the member."),
    Column::new("Mode", "string", ".spec.syncMode", "Who applies in the member."),
    Column::new(
        "Ready",
        "string",
        r#".status.conditions[?(@.type=="Ready")].status"#,
        "Whether it is healthy.",
    ),
    age("Age"),
    Column::wide("Zones", ".spec.zones", "Zones of the member."),
    Column::wide("Region", ".spec.region", "Region of the member."),
    Column::wide("Provider", ".spec.provider", "Who runs the member."),
    Column::wide("API-Endpoint", ".spec.apiEndpoint", "Address of the member's API server."),
    Column::wide("Proxy-URL", ".spec.proxyURL", "Proxy in front of the member."),
];

pub(crate) const CUSTOMIZATION: &[Column] = &[
    Column::new("TARGET-API-VERSION", "string", ".spec.target.apiVersion", ""),
    Column::new("TARGET-KIND", "string", ".spec.target.kind", ""),
    age("AGE"),
];

pub(crate) const HPA: &[Column] = &[
    Column::new("REFERENCE-KIND", "string", ".spec.scaleTargetRef.kind", ""),
    Column::new("REFERENCE-NAME", "string", ".spec.scaleTargetRef.name", ""),
    Column::new("MINPODS", "integer", ".spec.minReplicas", ""),
    Column::new("MAXPODS", "integer", ".spec.maxReplicas", ""),
    Column::new("REPLICAS", "integer", ".status.currentReplicas", ""),
    age("AGE"),
];

pub(crate) const CRON_HPA: &[Column] = &[
    Column::new("REFERENCE-KIND", "string", ".spec.scaleTargetRef.kind", ""),
    Column::new("REFERENCE-NAME", "string", ".spec.scaleTargetRef.name", ""),
    age("AGE"),
];

pub(crate) const SERVICE_EXPORT: &[Column] = &[age("Age")];

pub(crate) const SERVICE_IMPORT: &[Column] = &[
    Column::new("Type", "string", ".spec.type", "How the service is reached."),
    Column::new("IP", "string", ".spec.ips", "The service's address in all clusters."),
    age("Age"),
];
