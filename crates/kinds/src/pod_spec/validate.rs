//! What a pod spec must look like, in a pod as in a template.
//!
//! Order and texts follow the API server's, so that a client sees the same list of causes:
//! <https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/>.

use std::collections::BTreeSet;

use machinery::{Cause, names};
use serde_json::{Value, json};

use crate::checks::{
    at_least, between, labels, non_negative, one_of, port_number, port_or_name, problems, required,
    required_name, required_one_of,
};
use crate::fields::Read;

/// A pod template of a workload that keeps its pods running.
pub(crate) fn long_running_template(causes: &mut Vec<Cause>, at: &str, template: &Value) {
    pod_template(causes, at, template);
    let policy = template.child(&["spec", "restartPolicy"]);
    if policy != "Always" {
        causes.push(Cause::not_supported(format!("{at}.spec.restartPolicy"), policy, &["Always"]));
    }
    if template.child(&["spec"]).has("activeDeadlineSeconds") {
        let field = format!("{at}.spec.activeDeadlineSeconds");
        causes.push(Cause::forbidden(field, "activeDeadlineSeconds in this kind is not supported"));
    }
}

/// A pod template: labels, annotations and spec.
pub(crate) fn pod_template(causes: &mut Vec<Cause>, at: &str, template: &Value) {
    let metadata = template.child(&["metadata"]);
    labels(causes, &format!("{at}.labels"), metadata.get_or_null("labels"));
    crate::checks::annotations(causes, &format!("{at}.annotations"), metadata.get_or_null("annotations"));
    pod_spec(causes, &format!("{at}.spec"), template.child(&["spec"]));
    if !template.child(&["spec"]).list("ephemeralContainers").is_empty() {
        causes.push(Cause::forbidden(
            format!("{at}.spec.ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        ));
    }
}

/// A pod spec.
pub(crate) fn pod_spec(causes: &mut Vec<Cause>, at: &str, spec: &Value) {
    let volumes = volumes(causes, &format!("{at}.volumes"), spec);
    let host_network = spec.flag("hostNetwork");
    let mut seen = BTreeSet::new();
    if spec.list("containers").is_empty() {
        causes.push(Cause::required(format!("{at}.containers"), ""));
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for (i, c) in spec.list(list).iter().enumerate() {
            let at = format!("{at}.{list}[{i}]");
            container(causes, &at, c, &volumes, host_network);
            let name = c.text("name");
            if !name.is_empty() && !seen.insert(name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
            }
            if list == "initContainers" {
                one_of(causes, &format!("{at}.restartPolicy"), c.text("restartPolicy"), RESTART_POLICIES);
            }
            handlers(causes, &at, c, list == "containers" || c.text("restartPolicy") == "Always");
        }
    }
    host_port_conflicts(causes, &format!("{at}.containers"), spec);
    required_one_of(causes, &format!("{at}.restartPolicy"), spec.text("restartPolicy"), RESTART_POLICIES);
    let policies = &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    required_one_of(causes, &format!("{at}.dnsPolicy"), spec.text("dnsPolicy"), policies);
    if spec.text("dnsPolicy") == "None" && spec.child(&["dnsConfig"]).list("nameservers").is_empty() {
        causes.push(Cause::required(
            format!("{at}.dnsConfig.nameservers"),
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        ));
    }
    sysctls(causes, &format!("{at}.securityContext"), spec.child(&["securityContext"]));
    scheduling(causes, at, spec);
    rest(causes, at, spec);
}

const RESTART_POLICIES: &[&str] = &["Always", "OnFailure", "Never"];

/// Volumes; answers their names.
fn volumes<'a>(causes: &mut Vec<Cause>, at: &str, spec: &'a Value) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (i, v) in spec.list("volumes").iter().enumerate() {
        let at = format!("{at}[{i}]");
        let name = v.text("name");
        required_name(causes, &format!("{at}.name"), name, names::dns_label);
        if !name.is_empty() && !seen.insert(name) {
            causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
        }
        volume_source(causes, &at, v);
    }
    seen
}

fn volume_source(causes: &mut Vec<Cause>, at: &str, v: &Value) {
    let mut sources =
        v.as_object().into_iter().flatten().filter(|(key, value)| key.as_str() != "name" && !value.is_null());
    match (sources.next(), sources.next()) {
        (None, _) => causes.push(Cause::required(at, "must specify a volume type")),
        (Some(_), None) => {}
        (Some(_), Some((second, _))) => {
            causes.push(Cause::forbidden(format!("{at}.{second}"), "may not specify more than 1 volume type"))
        }
    }
    for (source, key) in [
        ("hostPath", "path"),
        ("secret", "secretName"),
        ("configMap", "name"),
        ("persistentVolumeClaim", "claimName"),
        ("nfs", "server"),
        ("nfs", "path"),
        ("csi", "driver"),
    ] {
        if v.has(source) {
            required(causes, &format!("{at}.{source}.{key}"), v.child(&[source]).text(key));
        }
    }
}

fn container(causes: &mut Vec<Cause>, at: &str, c: &Value, volumes: &BTreeSet<&str>, host_network: bool) {
    required_name(causes, &format!("{at}.name"), c.text("name"), names::dns_label);
    let image = c.text("image");
    if image.is_empty() {
        causes.push(Cause::required(format!("{at}.image"), ""));
    } else if image.trim() != image {
        let detail = "must not have leading or trailing whitespace";
        causes.push(Cause::invalid(format!("{at}.image"), &image.into(), detail));
    }
    let policy = c.text("terminationMessagePolicy");
    one_of(causes, &format!("{at}.terminationMessagePolicy"), policy, &["FallbackToLogsOnError", "File"]);
    ports(causes, &format!("{at}.ports"), c, host_network);
    env(causes, at, c);
    mounts(causes, &format!("{at}.volumeMounts"), c, volumes);
    let pull = c.text("imagePullPolicy");
    one_of(causes, &format!("{at}.imagePullPolicy"), pull, &["Always", "IfNotPresent", "Never"]);
    resources(causes, &format!("{at}.resources"), c.child(&["resources"]));
}

fn ports(causes: &mut Vec<Cause>, at: &str, c: &Value, host_network: bool) {
    let mut seen = BTreeSet::new();
    for (i, p) in c.list("ports").iter().enumerate() {
        let at = format!("{at}[{i}]");
        let name = p.text("name");
        if !name.is_empty() {
            problems(causes, &format!("{at}.name"), name, names::port_name(name));
            if !seen.insert(name) {
                causes.push(Cause::duplicate(format!("{at}.name"), &name.into()));
            }
        }
        let number = p.int("containerPort").unwrap_or(0);
        if number == 0 {
            causes.push(Cause::required(format!("{at}.containerPort"), ""));
        } else {
            port_number(causes, &format!("{at}.containerPort"), number);
        }
        let host_port = p.int("hostPort").unwrap_or(0);
        if host_port != 0 {
            port_number(causes, &format!("{at}.hostPort"), host_port);
            if host_network && host_port != number {
                let detail = "must match `containerPort` when `hostNetwork` is true";
                causes.push(Cause::invalid(format!("{at}.hostPort"), &host_port.into(), detail));
            }
        }
        required_one_of(causes, &format!("{at}.protocol"), p.text("protocol"), &["SCTP", "TCP", "UDP"]);
    }
}

fn host_port_conflicts(causes: &mut Vec<Cause>, at: &str, spec: &Value) {
    let mut seen = BTreeSet::new();
    for (i, c) in spec.list("containers").iter().enumerate() {
        for (j, p) in c.list("ports").iter().enumerate() {
            let host_port = p.int("hostPort").unwrap_or(0);
            let key = (p.text("protocol"), p.text("hostIP"), host_port);
            if host_port != 0 && !seen.insert(key) {
                let text = format!("{}/{}/{host_port}", key.0, key.1);
                causes.push(Cause::duplicate(format!("{at}[{i}].ports[{j}].hostPort"), &text.into()));
            }
        }
    }
}

fn env(causes: &mut Vec<Cause>, at: &str, c: &Value) {
    for (i, e) in c.list("env").iter().enumerate() {
        let at = format!("{at}.env[{i}]");
        required_name(causes, &format!("{at}.name"), e.text("name"), names::env_name);
        if e.has("valueFrom") {
            value_from(causes, &at, e);
        }
    }
    for (i, e) in c.list("envFrom").iter().enumerate() {
        let at = format!("{at}.envFrom[{i}]");
        match (e.has("configMapRef"), e.has("secretRef")) {
            (true, true) => causes.push(Cause::invalid(
                &at,
                &"".into(),
                "may not have more than one field specified at a time",
            )),
            (false, false) => causes.push(Cause::invalid(
                &at,
                &"".into(),
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            (config_map, _) => {
                let source = if config_map { "configMapRef" } else { "secretRef" };
                required(causes, &format!("{at}.{source}.name"), e.child(&[source]).text("name"));
            }
        }
    }
}

fn value_from(causes: &mut Vec<Cause>, at: &str, e: &Value) {
    let from = e.child(&["valueFrom"]);
    let field = format!("{at}.valueFrom");
    let sources = from.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()).count();
    if sources == 0 {
        causes.push(Cause::invalid(
            &field,
            &"".into(),
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ));
    } else if sources > 1 {
        causes.push(Cause::invalid(
            &field,
            &"".into(),
            "may not have more than one field specified at a time",
        ));
    }
    if !e.text("value").is_empty() {
        causes.push(Cause::invalid(&field, &"".into(), "may not be specified when `value` is not empty"));
    }
    for source in ["configMapKeyRef", "secretKeyRef"] {
        if from.has(source) {
            let reference = from.child(&[source]);
            required(causes, &format!("{field}.{source}.name"), reference.text("name"));
            required_name(causes, &format!("{field}.{source}.key"), reference.text("key"), names::config_key);
        }
    }
    if from.has("fieldRef") {
        required(causes, &format!("{field}.fieldRef.fieldPath"), from.child(&["fieldRef"]).text("fieldPath"));
    }
}

fn mounts(causes: &mut Vec<Cause>, at: &str, c: &Value, volumes: &BTreeSet<&str>) {
    let mut paths = BTreeSet::new();
    for (i, m) in c.list("volumeMounts").iter().enumerate() {
        let at = format!("{at}[{i}]");
        let (name, path) = (m.text("name"), m.text("mountPath"));
        if name.is_empty() {
            causes.push(Cause::required(format!("{at}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause::not_found(format!("{at}.name"), &name.into()));
        }
        required(causes, &format!("{at}.mountPath"), path);
        if !path.is_empty() && !paths.insert(path) {
            let detail = "must be unique";
            causes.push(Cause::invalid(format!("{at}.mountPath"), &path.into(), detail));
        }
        sub_paths(causes, &at, m);
    }
}

/// Where in its volume a mount begins: a path that stays inside.
fn sub_paths(causes: &mut Vec<Cause>, at: &str, mount: &Value) {
    for key in ["subPath", "subPathExpr"] {
        let path = mount.text(key);
        let field = format!("{at}.{key}");
        if path.starts_with('/') {
            causes.push(Cause::invalid(&field, &path.into(), "must be a relative path"));
        }
        if path.split('/').any(|step| step == "..") {
            causes.push(Cause::invalid(&field, &path.into(), "must not contain '..'"));
        }
    }
    if !mount.text("subPath").is_empty() && !mount.text("subPathExpr").is_empty() {
        let value = mount.get_or_null("subPathExpr");
        let detail = "subPathExpr and subPath are mutually exclusive";
        causes.push(Cause::invalid(format!("{at}.subPathExpr"), value, detail));
    }
}

/// Kernel parameters of the pod: well-formed names, each once.
fn sysctls(causes: &mut Vec<Cause>, at: &str, context: &Value) {
    let mut seen = BTreeSet::new();
    for (i, sysctl) in context.list("sysctls").iter().enumerate() {
        let field = format!("{at}.sysctls[{i}].name");
        let name = sysctl.text("name");
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !is_sysctl_name(name) {
            let detail = "must have at most 253 characters and match regex \
                ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            causes.push(Cause::invalid(field, &name.into(), detail));
        } else if !seen.insert(name) {
            causes.push(Cause::duplicate(field, &name.into()));
        }
    }
}

fn is_sysctl_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = |part: &str| {
        part.starts_with(alphanumeric)
            && part.ends_with(alphanumeric)
            && part.chars().all(|c| alphanumeric(c) || matches!(c, '-' | '_'))
    };
    name.len() <= 253 && name.split(['.', '/']).all(good)
}

fn handlers(causes: &mut Vec<Cause>, at: &str, c: &Value, long_running: bool) {
    for name in ["postStart", "preStop"] {
        let handler = c.child(&["lifecycle", name]);
        if !handler.is_null() {
            let kinds = &["exec", "httpGet", "tcpSocket", "sleep"];
            one_handler(causes, &format!("{at}.lifecycle.{name}"), handler, kinds);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = c.child(&[name]);
        if probe.is_null() {
            continue;
        }
        let at = format!("{at}.{name}");
        if !long_running {
            causes.push(Cause::forbidden(
                at,
                "may not be set for init containers without restartPolicy=Always",
            ));
            continue;
        }
        one_handler(causes, &at, probe, &["exec", "httpGet", "tcpSocket", "grpc"]);
        for key in
            ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
        {
            non_negative(causes, &format!("{at}.{key}"), probe.int(key));
        }
        if name != "readinessProbe" && probe.int("successThreshold").is_some_and(|n| n != 1) {
            let field = format!("{at}.successThreshold");
            causes.push(Cause::invalid(field, probe.get_or_null("successThreshold"), "must be 1"));
        }
    }
}

fn one_handler(causes: &mut Vec<Cause>, at: &str, handler: &Value, kinds: &[&str]) {
    let mut given = kinds.iter().filter(|k| handler.has(k));
    if given.next().is_none() {
        causes.push(Cause::required(at, "must specify a handler type"));
    }
    for extra in given {
        causes.push(Cause::forbidden(format!("{at}.{extra}"), "may not specify more than 1 handler type"));
    }
    if handler.has("exec") && handler.child(&["exec"]).list("command").is_empty() {
        causes.push(Cause::required(format!("{at}.exec.command"), ""));
    }
    for kind in ["httpGet", "tcpSocket"] {
        let target = handler.child(&[kind]);
        if !target.is_null() {
            port_or_name(causes, &format!("{at}.{kind}.port"), target.get_or_null("port"));
        }
    }
    if handler.has("httpGet") {
        let scheme = handler.child(&["httpGet"]).text("scheme");
        required_one_of(causes, &format!("{at}.httpGet.scheme"), scheme, &["HTTP", "HTTPS"]);
    }
}

/// Resource requests and limits: names, amounts, and requests within limits.
fn resources(causes: &mut Vec<Cause>, at: &str, resources: &Value) {
    for list in ["limits", "requests"] {
        for (name, quantity) in resources.entries(list) {
            let field = format!("{at}.{list}[{name}]");
            resource_name(causes, &format!("{at}.{list}"), name);
            crate::quantities::non_negative(causes, &field, quantity);
        }
    }
    for (name, request) in resources.entries("requests") {
        let limit = resources.child(&["limits", name]);
        if !limit.is_null() && crate::quantities::exceeds(request, limit) {
            causes.push(Cause::invalid(
                format!("{at}.requests"),
                request,
                &format!(
                    "must be less than or equal to {name} limit of {}",
                    limit.as_str().unwrap_or_default()
                ),
            ));
        }
    }
}

fn resource_name(causes: &mut Vec<Cause>, field: &str, name: &str) {
    if name.contains('/') {
        problems(causes, field, name, names::qualified_name(name));
    } else if !matches!(name, "cpu" | "memory" | "ephemeral-storage" | "storage")
        && !name.starts_with("hugepages-")
    {
        let detail = "must be a standard resource for containers";
        causes.push(Cause::invalid(field, &name.into(), detail));
    }
}

fn scheduling(causes: &mut Vec<Cause>, at: &str, spec: &Value) {
    labels(causes, &format!("{at}.nodeSelector"), spec.get_or_null("nodeSelector"));
    for (i, t) in spec.list("tolerations").iter().enumerate() {
        toleration(causes, &format!("{at}.tolerations[{i}]"), t);
    }
    for (i, c) in spec.list("topologySpreadConstraints").iter().enumerate() {
        let at = format!("{at}.topologySpreadConstraints[{i}]");
        at_least(causes, &format!("{at}.maxSkew"), Some(c.int("maxSkew").unwrap_or(0)), 1);
        if c.text("topologyKey").is_empty() {
            causes.push(Cause::required(format!("{at}.topologyKey"), "can not be empty"));
        }
        let when = c.text("whenUnsatisfiable");
        let supported = &["DoNotSchedule", "ScheduleAnyway"];
        if !supported.contains(&when) {
            causes.push(Cause::not_supported(format!("{at}.whenUnsatisfiable"), &when.into(), supported));
        }
    }
    affinity(causes, &format!("{at}.affinity"), spec.child(&["affinity"]));
}

fn toleration(causes: &mut Vec<Cause>, at: &str, t: &Value) {
    let (key, operator, value) = (t.text("key"), t.text("operator"), t.text("value"));
    if !key.is_empty() {
        problems(causes, &format!("{at}.key"), key, names::qualified_name(key));
    } else if operator != "Exists" {
        let detail =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        causes.push(Cause::invalid(format!("{at}.operator"), &operator.into(), detail));
    }
    if t.has("tolerationSeconds") && t.text("effect") != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        causes.push(Cause::invalid(format!("{at}.effect"), &t.text("effect").into(), detail));
    }
    match operator {
        "" | "Equal" => problems(causes, &format!("{at}.value"), value, names::label_value(value)),
        "Exists" if !value.is_empty() => causes.push(Cause::invalid(
            format!("{at}.operator"),
            t,
            "value must be empty when `operator` is 'Exists'",
        )),
        "Exists" | "Lt" | "Gt" => {}
        other => {
            causes.push(Cause::not_supported(format!("{at}.operator"), &other.into(), &["Equal", "Exists"]))
        }
    }
    let effects = &["NoSchedule", "PreferNoSchedule", "NoExecute"];
    one_of(causes, &format!("{at}.effect"), t.text("effect"), effects);
}

fn affinity(causes: &mut Vec<Cause>, at: &str, affinity: &Value) {
    let required_terms = affinity.child(&["nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    if !required_terms.is_null() && required_terms.list("nodeSelectorTerms").is_empty() {
        causes.push(Cause::required(
            format!("{at}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"),
            "must have at least one node selector term",
        ));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let list = "requiredDuringSchedulingIgnoredDuringExecution";
        for (i, term) in affinity.child(&[kind]).list(list).iter().enumerate() {
            pod_affinity_term(causes, &format!("{at}.{kind}.{list}[{i}]"), term);
        }
        let list = "preferredDuringSchedulingIgnoredDuringExecution";
        for (i, weighted) in affinity.child(&[kind]).list(list).iter().enumerate() {
            let at = format!("{at}.{kind}.{list}[{i}]");
            let weight = weighted.int("weight").unwrap_or(0);
            if !(1..=100).contains(&weight) {
                let detail = "must be in the range 1-100";
                causes.push(Cause::invalid(format!("{at}.weight"), &weight.into(), detail));
            }
            pod_affinity_term(causes, &format!("{at}.podAffinityTerm"), weighted.child(&["podAffinityTerm"]));
        }
    }
}

fn pod_affinity_term(causes: &mut Vec<Cause>, at: &str, term: &Value) {
    crate::checks::label_selector(causes, &format!("{at}.labelSelector"), term.child(&["labelSelector"]));
    let key = term.text("topologyKey");
    if key.is_empty() {
        causes.push(Cause::required(format!("{at}.topologyKey"), "can not be empty"));
    } else {
        problems(causes, &format!("{at}.topologyKey"), key, names::qualified_name(key));
    }
}

fn rest(causes: &mut Vec<Cause>, at: &str, spec: &Value) {
    for key in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let text = spec.text(key);
        if !text.is_empty() {
            problems(causes, &format!("{at}.{key}"), text, names::dns_subdomain(text));
        }
    }
    if let Some(seconds) = spec.int("activeDeadlineSeconds") {
        between(causes, &format!("{at}.activeDeadlineSeconds"), seconds, 1, i64::from(i32::MAX));
    }
    if let Some(seconds) = spec.int("terminationGracePeriodSeconds") {
        non_negative(causes, &format!("{at}.terminationGracePeriodSeconds"), Some(seconds));
    }
    for key in ["hostname", "subdomain"] {
        let text = spec.text(key);
        if !text.is_empty() {
            problems(causes, &format!("{at}.{key}"), text, names::dns_label(text));
        }
    }
    for (i, alias) in spec.list("hostAliases").iter().enumerate() {
        crate::checks::ip(causes, &format!("{at}.hostAliases[{i}].ip"), alias.text("ip"));
    }
    for (i, secret) in spec.list("imagePullSecrets").iter().enumerate() {
        if !secret.is_object() {
            causes.push(Cause::invalid(
                format!("{at}.imagePullSecrets[{i}]"),
                &json!(secret),
                "must be an object",
            ));
        }
    }
}
