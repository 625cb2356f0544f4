//! The table of kinds: names, verbs and subresources as a Kubernetes 1.36 API server serves them.

use crate::rules::Rules;
use crate::{Generation, Kind, Subresource};

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
        .not_stored(),
    CORE.namespaced("ConfigMap", "configmaps", "configmap").short(&["cm"]),
    CORE.namespaced("Endpoints", "endpoints", "endpoints").short(&["ep"]).create_on_update(),
    CORE.namespaced("Event", "events", "event").short(&["ev"]).create_on_update(),
    CORE.namespaced("LimitRange", "limitranges", "limitrange").short(&["limits"]).create_on_update(),
    CORE.cluster("Namespace", "namespaces", "namespace")
        .short(&["ns"])
        .verbs(&["create", "delete", "get", "list", "patch", "update", "watch"])
        .returns_deleted()
        .subresources(&[CORE.subresource("finalize", "Namespace", UPDATE), CORE.status("Namespace")]),
    CORE.cluster("Node", "nodes", "node")
        .short(&["no"])
        .subresources(&[CORE.subresource("proxy", "NodeProxyOptions", PROXY), CORE.status("Node")]),
    CORE.namespaced("PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim")
        .short(&["pvc"])
        .returns_deleted()
        .subresources(&[CORE.status("PersistentVolumeClaim")]),
    CORE.cluster("PersistentVolume", "persistentvolumes", "persistentvolume")
        .short(&["pv"])
        .returns_deleted()
        .subresources(&[CORE.status("PersistentVolume")]),
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
        ]),
    CORE.namespaced("PodTemplate", "podtemplates", "podtemplate")
        .generation(Generation::Content)
        .returns_deleted(),
    CORE.namespaced("ReplicationController", "replicationcontrollers", "replicationcontroller")
        .short(&["rc"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .orphans_dependents()
        .subresources(&[SCALE, CORE.status("ReplicationController")]),
    CORE.namespaced("ResourceQuota", "resourcequotas", "resourcequota")
        .short(&["quota"])
        .returns_deleted()
        .subresources(&[CORE.status("ResourceQuota")]),
    CORE.namespaced("Secret", "secrets", "secret"),
    CORE.namespaced("ServiceAccount", "serviceaccounts", "serviceaccount")
        .short(&["sa"])
        .returns_deleted()
        .subresources(&[AUTHENTICATION.subresource("token", "TokenRequest", CREATE)]),
    CORE.namespaced("Service", "services", "service")
        .short(&["svc"])
        .categories(&["all"])
        .create_on_update()
        .returns_deleted()
        .subresources(&[CORE.subresource("proxy", "ServiceProxyOptions", PROXY), CORE.status("Service")]),
    // apiregistration.k8s.io/v1
    APIREGISTRATION
        .cluster("APIService", "apiservices", "apiservice")
        .categories(&["api-extensions"])
        .subresources(&[APIREGISTRATION.status("APIService")]),
    // apps/v1
    APPS.namespaced("ControllerRevision", "controllerrevisions", "controllerrevision"),
    APPS.namespaced("DaemonSet", "daemonsets", "daemonset")
        .short(&["ds"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[APPS.status("DaemonSet")]),
    APPS.namespaced("Deployment", "deployments", "deployment")
        .short(&["deploy"])
        .categories(&["all"])
        .generation(Generation::SpecAndAnnotations)
        .subresources(&[SCALE, APPS.status("Deployment")]),
    APPS.namespaced("ReplicaSet", "replicasets", "replicaset")
        .short(&["rs"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[SCALE, APPS.status("ReplicaSet")]),
    APPS.namespaced("StatefulSet", "statefulsets", "statefulset")
        .short(&["sts"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[SCALE, APPS.status("StatefulSet")]),
    // events.k8s.io/v1
    EVENTS.namespaced("Event", "events", "event").short(&["ev"]).create_on_update().stored_as(&CORE),
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
        .subresources(&[AUTOSCALING_V2.status("HorizontalPodAutoscaler")]),
    // autoscaling/v1
    AUTOSCALING_V1
        .namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler")
        .short(&["hpa"])
        .categories(&["all"])
        .stored_as(&AUTOSCALING_V2)
        .subresources(&[AUTOSCALING_V1.status("HorizontalPodAutoscaler")]),
    // batch/v1
    BATCH
        .namespaced("CronJob", "cronjobs", "cronjob")
        .short(&["cj"])
        .categories(&["all"])
        .generation(Generation::Spec)
        .subresources(&[BATCH.status("CronJob")]),
    BATCH
        .namespaced("Job", "jobs", "job")
        .categories(&["all"])
        .generation(Generation::Spec)
        .orphans_dependents()
        .subresources(&[BATCH.status("Job")]),
    // certificates.k8s.io/v1
    CERTIFICATES
        .cluster("CertificateSigningRequest", "certificatesigningrequests", "certificatesigningrequest")
        .short(&["csr"])
        .subresources(&[
            CERTIFICATES.subresource("approval", "CertificateSigningRequest", READ_WRITE),
            CERTIFICATES.status("CertificateSigningRequest"),
        ]),
    // networking.k8s.io/v1
    NETWORKING.cluster("IngressClass", "ingressclasses", "ingressclass").generation(Generation::Spec),
    NETWORKING
        .namespaced("Ingress", "ingresses", "ingress")
        .short(&["ing"])
        .generation(Generation::Spec)
        .subresources(&[NETWORKING.status("Ingress")]),
    NETWORKING.cluster("IPAddress", "ipaddresses", "ipaddress").short(&["ip"]),
    NETWORKING
        .namespaced("NetworkPolicy", "networkpolicies", "networkpolicy")
        .short(&["netpol"])
        .generation(Generation::Spec),
    NETWORKING
        .cluster("ServiceCIDR", "servicecidrs", "servicecidr")
        .subresources(&[NETWORKING.status("ServiceCIDR")]),
    // policy/v1
    POLICY
        .namespaced("PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget")
        .short(&["pdb"])
        .generation(Generation::Spec)
        .subresources(&[POLICY.status("PodDisruptionBudget")]),
    // rbac.authorization.k8s.io/v1
    RBAC.cluster("ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding").create_on_update(),
    RBAC.cluster("ClusterRole", "clusterroles", "clusterrole").create_on_update(),
    RBAC.namespaced("RoleBinding", "rolebindings", "rolebinding").create_on_update(),
    RBAC.namespaced("Role", "roles", "role").create_on_update(),
    // storage.k8s.io/v1
    STORAGE.cluster("CSIDriver", "csidrivers", "csidriver").returns_deleted(),
    STORAGE.cluster("CSINode", "csinodes", "csinode").returns_deleted(),
    STORAGE.namespaced("CSIStorageCapacity", "csistoragecapacities", "csistoragecapacity"),
    STORAGE.cluster("StorageClass", "storageclasses", "storageclass").short(&["sc"]).returns_deleted(),
    STORAGE
        .cluster("VolumeAttachment", "volumeattachments", "volumeattachment")
        .returns_deleted()
        .subresources(&[STORAGE.status("VolumeAttachment")]),
    STORAGE
        .cluster("VolumeAttributesClass", "volumeattributesclasses", "volumeattributesclass")
        .short(&["vac"]),
    // admissionregistration.k8s.io/v1
    ADMISSIONREGISTRATION
        .cluster("MutatingAdmissionPolicy", "mutatingadmissionpolicies", "mutatingadmissionpolicy")
        .categories(&["api-extensions"])
        .generation(Generation::Spec),
    ADMISSIONREGISTRATION
        .cluster(
            "MutatingAdmissionPolicyBinding",
            "mutatingadmissionpolicybindings",
            "mutatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Spec),
    ADMISSIONREGISTRATION
        .cluster(
            "MutatingWebhookConfiguration",
            "mutatingwebhookconfigurations",
            "mutatingwebhookconfiguration",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Content),
    ADMISSIONREGISTRATION
        .cluster("ValidatingAdmissionPolicy", "validatingadmissionpolicies", "validatingadmissionpolicy")
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .subresources(&[ADMISSIONREGISTRATION.status("ValidatingAdmissionPolicy")]),
    ADMISSIONREGISTRATION
        .cluster(
            "ValidatingAdmissionPolicyBinding",
            "validatingadmissionpolicybindings",
            "validatingadmissionpolicybinding",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Spec),
    ADMISSIONREGISTRATION
        .cluster(
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            "validatingwebhookconfiguration",
        )
        .categories(&["api-extensions"])
        .generation(Generation::Content),
    // apiextensions.k8s.io/v1
    APIEXTENSIONS
        .cluster("CustomResourceDefinition", "customresourcedefinitions", "customresourcedefinition")
        .short(&["crd", "crds"])
        .categories(&["api-extensions"])
        .generation(Generation::Spec)
        .subresources(&[APIEXTENSIONS.status("CustomResourceDefinition")]),
    // scheduling.k8s.io/v1
    SCHEDULING
        .cluster("PriorityClass", "priorityclasses", "priorityclass")
        .short(&["pc"])
        .generation(Generation::Content),
    // coordination.k8s.io/v1
    COORDINATION.namespaced("Lease", "leases", "lease").create_on_update(),
    // node.k8s.io/v1
    NODE.cluster("RuntimeClass", "runtimeclasses", "runtimeclass").create_on_update(),
    // discovery.k8s.io/v1
    DISCOVERY
        .namespaced("EndpointSlice", "endpointslices", "endpointslice")
        .generation(Generation::ContentAndLabels),
    // resource.k8s.io/v1
    RESOURCE
        .cluster("DeviceClass", "deviceclasses", "deviceclass")
        .generation(Generation::Spec)
        .returns_deleted(),
    RESOURCE
        .namespaced("ResourceClaim", "resourceclaims", "resourceclaim")
        .returns_deleted()
        .subresources(&[RESOURCE.status("ResourceClaim")]),
    RESOURCE
        .namespaced("ResourceClaimTemplate", "resourceclaimtemplates", "resourceclaimtemplate")
        .returns_deleted(),
    RESOURCE
        .cluster("ResourceSlice", "resourceslices", "resourceslice")
        .generation(Generation::Spec)
        .returns_deleted(),
    // flowcontrol.apiserver.k8s.io/v1
    FLOWCONTROL
        .cluster("FlowSchema", "flowschemas", "flowschema")
        .generation(Generation::Spec)
        .subresources(&[FLOWCONTROL.status("FlowSchema")]),
    FLOWCONTROL
        .cluster("PriorityLevelConfiguration", "prioritylevelconfigurations", "prioritylevelconfiguration")
        .generation(Generation::Spec)
        .subresources(&[FLOWCONTROL.status("PriorityLevelConfiguration")]),
];
