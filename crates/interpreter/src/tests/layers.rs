use super::*;

#[test]
fn has_is_true_when_any_layer_knows() {
    let native = Interpreter::native();
    let kind = |api_version: &str, kind: &str| GroupVersionKind::from_api_version(api_version, kind);
    for (gvk, operation, expected) in [
        (kind("apps/v1", "Deployment"), Operation::ReviseReplica, true),
        (kind("apps/v1beta1", "Deployment"), Operation::ReviseReplica, false),
        (kind("v1", "Pod"), Operation::ReviseReplica, false),
        (kind("batch/v1", "Job"), Operation::InterpretHealth, false),
        (kind("example.io/v1", "X"), Operation::InterpretStatus, true),
        (kind("example.io/v1", "X"), Operation::AggregateStatus, false),
    ] {
        assert_eq!(native.has(&gvk, operation), expected, "{gvk} {operation}");
    }
}

/// The hooks of the built-in kinds, one row each.
#[test]
fn native_kinds_have_these_hooks_and_no_others() {
    let native = Interpreter::native();
    let letters = [
        (Operation::InterpretReplica, 'R'),
        (Operation::InterpretComponent, 'C'),
        (Operation::ReviseReplica, 'V'),
        (Operation::Retain, 'K'),
        (Operation::AggregateStatus, 'A'),
        (Operation::InterpretStatus, 'S'),
        (Operation::InterpretHealth, 'H'),
        (Operation::InterpretDependency, 'D'),
    ];
    for (api_version, kind, expected) in [
        ("apps/v1", "Deployment", "RVKASHD"),
        ("apps/v1", "ReplicaSet", "RVASHD"),
        ("apps/v1", "StatefulSet", "RVASHD"),
        ("apps/v1", "DaemonSet", "ASHD"),
        ("batch/v1", "Job", "RVKASD"),
        ("batch/v1", "CronJob", "ASD"),
        ("v1", "Pod", "RKASHD"),
        ("v1", "Service", "KASH"),
        ("networking.k8s.io/v1", "Ingress", "ASHD"),
        ("v1", "ServiceAccount", "KS"),
        ("v1", "Secret", "KS"),
        ("v1", "PersistentVolumeClaim", "KASH"),
        ("v1", "PersistentVolume", "KAS"),
        ("policy/v1", "PodDisruptionBudget", "ASH"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "AS"),
        ("multicluster.x-k8s.io/v1alpha1", "ServiceImport", "SD"),
        ("v1", "ConfigMap", "S"),
    ] {
        let gvk = GroupVersionKind::from_api_version(api_version, kind);
        let found: String = letters
            .iter()
            .filter(|(operation, _)| native.has(&gvk, *operation))
            .map(|(_, letter)| letter)
            .collect();
        assert_eq!(found, expected, "{gvk}");
    }
}
