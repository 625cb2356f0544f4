//! The table of kinds: names, verbs and subresources as a Kubernetes 1.36 API server serves them.

use crate::rules::Rules;
use crate::{Generation, Kind, Subresource};
use crate::{
    admissionregistration, apiextensions, apiregistration, apps, autoscaling, batch, certificates,
    coordination, core, discovery, flowcontrol, networking, policy, rbac, resource, runtime_class,
    scheduling, storage,
};

/// Every built-in kind, in discovery's order of groups and versions.
pub fn all() -> &'static [Kind] {
    KINDS
}

/// The kind served under a plural name.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.plural == plural && k.group == group && k.version == version)
}

/// The kind by its own name, as objects carry it.
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.kind == kind && k.group == group && k.version == version)
}

const CRUD: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const CREATE: &[&str] = &["create"];
const GET: &[&str] = &["get"];
const UPDATE: &[&str] = &["update"];
const READ_WRITE: &[&str] = &["get", "patch", "update"];
const CONNECT: &[&str] = &["create", "get"];
const PROXY: &[&str] = &["create", "delete", "get", "patch", "update"];

const SCALE: Subresource = AUTOSCALING_V1.subresource("scale", "Scale", READ_WRITE);

/// A group version of the table; its methods start a row.
struct GroupVersion {
    group: &'static str,
    version: &'static str,
}

impl GroupVersion {
    const fn namespaced(&self, kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
        Kind {
            group: self.group,
            version: self.version,
            kind,
            plural,
            singular,
            short_names: &[],
            categories: &[],
            namespaced: true,
            stored: true,
            storage: (self.group, self.version),
            verbs: CRUD,
            subresources: &[],
            generation: Generation::None,
            create_on_update: false,
            orphans_dependents: false,
            returns_deleted: false,
            deprecation: "",
            rules: &Rules::PLAIN,
        }
    }

    const fn cluster(&self, kind: &'static str, plural: &'static str, singular: &'static str) -> Kind {
        let mut row = self.namespaced(kind, plural, singular);
        row.namespaced = false;
        row
    }

    const fn subresource(
        &self,
        name: &'static str,
        kind: &'static str,
        verbs: &'static [&'static str],
    ) -> Subresource {
        Subresource { name, group: self.group, version: self.version, kind, verbs }
    }

    const fn status(&self, kind: &'static str) -> Subresource {
        self.subresource("status", kind, READ_WRITE)
    }
}

/// What a row says beyond its names.
impl Kind {
    const fn short(mut self, names: &'static [&'static str]) -> Self {
        self.short_names = names;
        self
    }

    const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    const fn verbs(mut self, verbs: &'static [&'static str]) -> Self {
        self.verbs = verbs;
        self
    }

    const fn create_only(mut self) -> Self {
        self.verbs = CREATE;
        self.stored = false;
        self
    }

    const fn not_stored(mut self) -> Self {
        self.stored = false;
        self
    }

    const fn stored_as(mut self, gv: &GroupVersion) -> Self {
        self.storage = (gv.group, gv.version);
        self
    }

    const fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    const fn create_on_update(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    const fn orphans_dependents(mut self) -> Self {
        self.orphans_dependents = true;
        self
    }

    const fn deprecated(mut self, warning: &'static str) -> Self {
        self.deprecation = warning;
        self
    }

    const fn returns_deleted(mut self) -> Self {
        self.returns_deleted = true;
        self
    }

    const fn subresources(mut self, subresources: &'static [Subresource]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn rules(mut self, rules: &'static Rules) -> Self {
        self.rules = rules;
        self
    }
}

const CORE: GroupVersion = GroupVersion { group: "", version: "v1" };
const POLICY: GroupVersion = GroupVersion { group: "policy", version: "v1" };
const AUTHENTICATION: GroupVersion = GroupVersion { group: "authentication.k8s.io", version: "v1" };
const APIREGISTRATION: GroupVersion = GroupVersion { group: "apiregistration.k8s.io", version: "v1" };
const APPS: GroupVersion = GroupVersion { group: "apps", version: "v1" };
const EVENTS: GroupVersion = GroupVersion { group: "events.k8s.io", version: "v1" };
const AUTHORIZATION: GroupVersion = GroupVersion { group: "authorization.k8s.io", version: "v1" };
const AUTOSCALING_V2: GroupVersion = GroupVersion { group: "autoscaling", version: "v2" };
const AUTOSCALING_V1: GroupVersion = GroupVersion { group: "autoscaling", version: "v1" };
const BATCH: GroupVersion = GroupVersion { group: "batch", version: "v1" };
const CERTIFICATES: GroupVersion = GroupVersion { group: "certificates.k8s.io", version: "v1" };
const NETWORKING: GroupVersion = GroupVersion { group: "networking.k8s.io", version: "v1" };
const RBAC: GroupVersion = GroupVersion { group: "rbac.authorization.k8s.io", version: "v1" };
const STORAGE: GroupVersion = GroupVersion { group: "storage.k8s.io", version: "v1" };
const ADMISSIONREGISTRATION: GroupVersion =
    GroupVersion { group: "admissionregistration.k8s.io", version: "v1" };
const APIEXTENSIONS: GroupVersion = GroupVersion { group: "apiextensions.k8s.io", version: "v1" };
const SCHEDULING: GroupVersion = GroupVersion { group: "scheduling.k8s.io", version: "v1" };
const COORDINATION: GroupVersion = GroupVersion { group: "coordination.k8s.io", version: "v1" };
const NODE: GroupVersion = GroupVersion { group: "node.k8s.io", version: "v1" };
const DISCOVERY: GroupVersion = GroupVersion { group: "discovery.k8s.io", version: "v1" };
const RESOURCE: GroupVersion = GroupVersion { group: "resource.k8s.io", version: "v1" };
const FLOWCONTROL: GroupVersion = GroupVersion { group: "flowcontrol.apiserver.k8s.io", version: "v1" };

static KINDS: &[Kind] = &[
    // v1
    CORE.namespaced("Binding", "bindings", "binding").create_only(),
    CORE.cluster("ComponentStatus", "componentstatuses", "componentstatus")
        .short(&["cs"])
        .verbs(&["get", "list"])
        .not_stored()
        .deprecated("v1 ComponentStatus is deprecated in v1.19+")
        .rules(&core::quota::COMPONENT_STATUS),
    CORE.namespaced("ConfigMap", "configmaps", "configmap").short(&["cm"]).rules(&core::config::CONFIG_MAP),
    CORE.namespaced("Endpoints", "endpoints", "endpoints")
        .short(&["ep"])
        .create_on_update()
        .deprecated("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
        .rules(&core::endpoints::ENDPOINTS),
    CORE.namespaced("Event", "events", "event").short(&["ev"]).create_on_update().rules(&core::event::CORE),
    CORE.namespaced("LimitRange", "limitranges", "limitrange")
        .short(&["limits"])
        .create_on_update()
        .rules(&core::quota::LIMIT_RANGE),
    CORE.cluster("Namespace", "namespaces", "namespace")
        .short(&["ns"])
        .verbs(&["create", "delete", "get", "list", "patch", "update", "watch"])
        .returns_deleted()
        .subresources(&[CORE.subresource("finalize", "Namespace", UPDATE), CORE.status("Namespace")])
        .rules(&core::namespace::NAMESPACE),
    CORE.cluster("Node", "nodes", "node")
        .short(&["no"])
        .subresources(&[CORE.subresource("proxy", "NodeProxyOptions", PROXY), CORE.status("Node")])
        .rules(&core::node::NODE),
    CORE.namespaced("PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim")
        .short(&["pvc"])
        .returns_deleted()
        .subresources(&[CORE.status("PersistentVolumeClaim")])
        .rules(&core::volume::PERSISTENT_VOLUME_CLAIM),
    CORE.cluster("PersistentVolume", "persistentvolumes", "persistentvolume")
        .short(&["pv"])
        .returns_deleted()
        .subresources(&[CORE.status("PersistentVolume")])
        .rules(&core::volume::PERSISTENT_VOLUME),
    CORE.namespaced("Pod", "pods", "pod")
        .short(&["po"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .returns_deleted()
        .subresources(&[
            CORE.subresource("attach", "PodAttachOptions", CONNECT),
            CORE.subresource("binding", "Binding", CREATE),
            CORE.subresource("ephemeralcontainers", "Pod", READ_WRITE),
            POLICY.subresource("eviction", "Eviction", CREATE),
            CORE.subresource("exec", "PodExecOptions", CONNECT),
            CORE.subresource("log", "Pod", GET),
            CORE.subresource("portforward", "PodPortForwardOptions", CONNECT),
            CORE.subresource("proxy", "PodProxyOptions", PROXY),
            CORE.subresource("resize", "Pod", READ_WRITE),
            CORE.status("Pod"),
        ])
        .rules(&core::pod::POD),
    CORE.namespaced("PodTemplate", "podtemplates", "podtemplate")
        .generation(Generation::Content)
        .returns_deleted()
        .rules(&core::pod::POD_TEMPLATE),
    CORE.namespaced("ReplicationController", "replicationcontrollers", "replicationcontroller")
        .short(&["rc"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .orphans_dependents()
        .subresources(&[SCALE, CORE.status("ReplicationController")])
        .rules(&core::replication::REPLICATION_CONTROLLER),
    CORE.namespaced("ResourceQuota", "resourcequotas", "resourcequota")
        .short(&["quota"])
        .returns_deleted()
        .subresources(&[CORE.status("ResourceQuota")])
        .rules(&core::quota::RESOURCE_QUOTA),
    CORE.namespaced("Secret", "secrets", "secret").rules(&core::config::SECRET),
    CORE.namespaced("ServiceAccount", "serviceaccounts", "serviceaccount")
        .short(&["sa"])
        .returns_deleted()
        .subresources(&[AUTHENTICATION.subresource("token", "TokenRequest", CREATE)])
        .rules(&core::namespace::SERVICE_ACCOUNT),
    CORE.namespaced("Service", "services", "service")
        .short(&["svc"])
        .categories(&["all"])
        .create_on_update()
        .returns_deleted()
        .subresources(&[CORE.subresource("proxy", "ServiceProxyOptions", PROXY), CORE.status("Service")])
        .rules(&core::service::SERVICE),
    // apiregistration.k8s.io/v1
    APIREGISTRATION
        .cluster("APIService", "apiservices", "apiservice")
        .categories(&["api-extensions"])
        .subresources(&[APIREGISTRATION.status("APIService")])
        .rules(&apiregistration::API_SERVICE),
    // apps/v1
    APPS.namespaced("ControllerRevision", "controllerrevisions", "controllerrevision")
        .rules(&apps::CONTROLLER_REVISION),
    APPS.namespaced("DaemonSet", "daemonsets", "daemonset")
        .short(&["ds"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[APPS.status("DaemonSet")])
        .rules(&apps::DAEMON_SET),
    APPS.namespaced("Deployment", "deployments", "deployment")
        .short(&["deploy"])
        .categories(&["all"])
        .generation(Generation::SpecAndAnnotations)
        .subresources(&[SCALE, APPS.status("Deployment")])
        .rules(&apps::DEPLOYMENT),
    APPS.namespaced("ReplicaSet", "replicasets", "replicaset")
        .short(&["rs"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[SCALE, APPS.status("ReplicaSet")])
        .rules(&apps::REPLICA_SET),
    APPS.namespaced("StatefulSet", "statefulsets", "statefulset")
        .short(&["sts"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[SCALE, APPS.status("StatefulSet")])
        .rules(&apps::STATEFUL_SET),
    // events.k8s.io/v1
    EVENTS
        .namespaced("Event", "events", "event")
        .short(&["ev"])
        .create_on_update()
        .stored_as(&CORE)
        .rules(&core::event::NEW),
    // authentication.k8s.io/v1
    AUTHENTICATION.cluster("SelfSubjectReview", "selfsubjectreviews", "selfsubjectreview").create_only(),
    AUTHENTICATION.cluster("TokenReview", "tokenreviews", "tokenreview").create_only(),
    // authorization.k8s.io/v1
    AUTHORIZATION
        .namespaced("LocalSubjectAccessReview", "localsubjectaccessreviews", "localsubjectaccessreview")
        .create_only(),
    AUTHORIZATION
        .cluster("SelfSubjectAccessReview", "selfsubjectaccessreviews", "selfsubjectaccessreview")
        .create_only(),
    AUTHORIZATION
        .cluster("SelfSubjectRulesReview", "selfsubjectrulesreviews", "selfsubjectrulesreview")
        .create_only(),
    AUTHORIZATION.cluster("SubjectAccessReview", "subjectaccessreviews", "subjectaccessreview").create_only(),
    // autoscaling/v2
    AUTOSCALING_V2
        .namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
        .short(&["hpa"])
        .categories(&["all"])
        .subresources(&[AUTOSCALING_V2.status("HorizontalPodAutoscaler")])
        .rules(&autoscaling::V2),
    // autoscaling/v1
    AUTOSCALING_V1
        .namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
        .short(&["hpa"])
        .categories(&["all"])
        .stored_as(&AUTOSCALING_V2)
        .subresources(&[AUTOSCALING_V1.status("HorizontalPodAutoscaler")])
        .rules(&autoscaling::V1),
    // batch/v1
    BATCH
        .namespaced("CronJob", "cronjobs", "cronjob")
        .short(&["cj"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[BATCH.status("CronJob")])
        .rules(&batch::CRON_JOB),
    BATCH
        .namespaced("Job", "jobs", "job")
        .categories(&["all"])
        .generation(Generation::Spec)
        .orphans_dependents()
        .subresources(&[BATCH.status("Job")])
        .rules(&batch::JOB),
    // certificates.k8s.io/v1
    CERTIFICATES
        .cluster("CertificateSigningRequest", "certificatesigningrequests", "certificatesigningrequest")
        .short(&["csr"])
        .subresources(&[
            CERTIFICATES.subresource("approval", "CertificateSigningRequest", READ_WRITE),
            CERTIFICATES.status("CertificateSigningRequest"),
        ])
        .rules(&certificates::CERTIFICATE_SIGNING_REQUEST),
    // networking.k8s.io/v1
    NETWORKING
        .cluster("IngressClass", "ingressclasses", "ingressclass")
        .generation(Generation::Spec)
        .rules(&networking::INGRESS_CLASS),
    NETWORKING
        .namespaced("Ingress", "ingresses", "ingress")
        .short(&["ing"])
        .generation(Generation::Spec)
        .subresources(&[NETWORKING.status("Ingress")])
        .rules(&networking::INGRESS),
    NETWORKING.cluster("IPAddress", "ipaddresses", "ipaddress").short(&["ip"]).rules(&networking::IP_ADDRESS),
    NETWORKING
        .namespaced("NetworkPolicy", "networkpolicies", "networkpolicy")
        .short(&["netpol"])
        .generation(Generation::Spec)
        .rules(&networking::NETWORK_POLICY),
    NETWORKING
        .cluster("ServiceCIDR", "servicecidrs", "servicecidr")
        .subresources(&[NETWORKING.status("ServiceCIDR")])
        .rules(&networking::SERVICE_CIDR),
    // policy/v1
    POLICY
        .namespaced("PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget")
        .short(&["pdb"])
        .generation(Generation::Spec)
        .subresources(&[POLICY.status("PodDisruptionBudget")])
        .rules(&policy::POD_DISRUPTION_BUDGET),
    // rbac.authorization.k8s.io/v1
    RBAC.cluster("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding")
        .create_on_update()
        .rules(&rbac::CLUSTER_ROLE_BINDING),
    RBAC.cluster("ClusterRole", "clusterroles", "clusterrole").create_on_update().rules(&rbac::CLUSTER_ROLE),
    RBAC.namespaced("RoleBinding", "rolebindings", "rolebinding")
        .create_on_update()
        .rules(&rbac::ROLE_BINDING),
    RBAC.namespaced("Role", "roles", "role").create_on_update().rules(&rbac::ROLE),
    // storage.k8s.io/v1
    STORAGE.cluster("CSIDriver", "csidrivers", "csidriver").returns_deleted().rules(&storage::CSI_DRIVER),
    STORAGE.cluster("CSINode", "csinodes", "csinode").returns_deleted().rules(&storage::CSI_NODE),
    STORAGE
        .namespaced("CSIStorageCapacity", "csistoragecapacities", "csistoragecapacity")
        .rules(&storage::CSI_STORAGE_CAPACITY),
    STORAGE
        .cluster("StorageClass", "storageclasses", "storageclass")
        .short(&["sc"])
        .returns_deleted()
        .rules(&storage::STORAGE_CLASS),
    STORAGE
        .cluster("VolumeAttachment", "volumeattachments", "volumeattachment")
        .returns_deleted()
        .subresources(&[STORAGE.status("VolumeAttachment")])
        .rules(&storage::VOLUME_ATTACHMENT),
    STORAGE
        .cluster("VolumeAttributesClass", "volumeattributesclasses", "volumeattributesclass")
        .short(&["vac"])
        .rules(&storage::VOLUME_ATTRIBUTES_CLASS),
    // admissionregistration.k8s.io/v1
    ADMISSIONREGISTRATION
        .cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies", "mutatingadmissionpolicy")
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .rules(&admissionregistration::MUTATING_POLICY),
    ADMISSIONREGISTRATION
        .cluster(
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
            "mutatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .rules(&admissionregistration::POLICY_BINDING),
    ADMISSIONREGISTRATION
        .cluster(
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Content)
        .rules(&admissionregistration::MUTATING_WEBHOOKS),
    ADMISSIONREGISTRATION
        .cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies", "validatingadmissionpolicy")
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .subresources(&[ADMISSIONREGISTRATION.status("ValidatingAdmissionPolicy")])
        .rules(&admissionregistration::VALIDATING_POLICY),
    ADMISSIONREGISTRATION
        .cluster(
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            "validatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .rules(&admissionregistration::POLICY_BINDING),
    ADMISSIONREGISTRATION
        .cluster(
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Content)
        .rules(&admissionregistration::VALIDATING_WEBHOOKS),
    // apiextensions.k8s.io/v1
    APIEXTENSIONS
        .cluster("CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition")
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .subresources(&[APIEXTENSIONS.status("CustomResourceDefinition")])
        .rules(&apiextensions::CUSTOM_RESOURCE_DEFINITION),
    // scheduling.k8s.io/v1
    SCHEDULING
        .cluster("PriorityClass", "priorityclasses", "priorityclass")
        .short(&["pc"])
        .generation(Generation::Content)
        .rules(&scheduling::PRIORITY_CLASS),
    // coordination.k8s.io/v1
    COORDINATION.namespaced("Lease", "leases", "lease").create_on_update().rules(&coordination::LEASE),
    // node.k8s.io/v1
    NODE.cluster("RuntimeClass", "runtimeclasses", "runtimeclass")
        .create_on_update()
        .rules(&runtime_class::RUNTIME_CLASS),
    // discovery.k8s.io/v1
    DISCOVERY
        .namespaced("EndpointSlice", "endpointslices", "endpointslice")
        .generation(Generation::ContentAndLabels)
        .rules(&discovery::ENDPOINT_SLICE),
    // resource.k8s.io/v1
    RESOURCE
        .cluster("DeviceClass", "deviceclasses", "deviceclass")
        .generation(Generation::Spec)
        .returns_deleted()
        .rules(&resource::DEVICE_CLASS),
    RESOURCE
        .namespaced("ResourceClaim", "resourceclaims", "resourceclaim")
        .returns_deleted()
        .subresources(&[RESOURCE.status("ResourceClaim")])
        .rules(&resource::RESOURCE_CLAIM),
    RESOURCE
        .namespaced("ResourceClaimTemplate", "resourceclaimtemplates", "resourceclaimtemplate")
        .returns_deleted()
        .rules(&resource::RESOURCE_CLAIM_TEMPLATE),
    RESOURCE
        .cluster("ResourceSlice", "resourceslices", "resourceslice")
        .generation(Generation::Spec)
        .returns_deleted()
        .rules(&resource::RESOURCE_SLICE),
    // flowcontrol.apiserver.k8s.io/v1
    FLOWCONTROL
        .cluster("FlowSchema", "flowschemas", "flowschema")
        .generation(Generation::Spec)
        .subresources(&[FLOWCONTROL.status("FlowSchema")])
        .rules(&flowcontrol::FLOW_SCHEMA),
    FLOWCONTROL
        .cluster("PriorityLevelConfiguration", "prioritylevelconfigurations", "prioritylevelconfiguration")
        .generation(Generation::Spec)
        .subresources(&[FLOWCONTROL.status("PriorityLevelConfiguration")])
        .rules(&flowcontrol::PRIORITY_LEVEL),
];
