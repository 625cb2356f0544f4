//! Where a cluster's estimator is.
//!
//! Upstream: [`pkg/estimator/client/service.go`](https://github.com/karmada-io/karmada/blob/master/pkg/estimator/client/service.go).

use machinery::Object;
use serde_json::Value;

/// The addresses to try in order, as `host:port`, or why there are none.
///
/// `service` is the Service of that name in the control plane. Usually there is none, because the estimator's
/// Service lives in the host cluster; then its DNS names there are tried. One that is there must lead outside.
pub(crate) fn addresses(
    service: Option<&Object>,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Vec<String>, String> {
    let Some(service) = service else {
        let host = format!("{name}.{namespace}.svc");
        // The second is for host clusters with another DNS suffix.
        return Ok(vec![format!("{host}.cluster.local:{port}"), format!("{host}:{port}")]);
    };
    let ty = service.str_at("/spec/type").unwrap_or("ClusterIP");
    if ty != "ExternalName" {
        return Err(format!("its type is {ty}, only ExternalName leads out of the control plane"));
    }
    let host = service.str_at("/spec/externalName").filter(|host| !host.is_empty());
    let host = host.ok_or("it has no externalName")?;
    let ports = service.at("/spec/ports").and_then(Value::as_array);
    let wanted = ports
        .into_iter()
        .flatten()
        .find(|p| p.get("port").and_then(Value::as_u64) == Some(port.into()))
        .ok_or_else(|| format!("it has no port {port}"))?;
    let target = match wanted.get("targetPort") {
        None | Some(Value::Null) => u64::from(port),
        Some(target) => match target.as_u64() {
            Some(0) => port.into(),
            Some(number) => number,
            None => return Err(format!("the target of its port {port} is {target}, which is no number")),
        },
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    Ok(vec![format!("{host}:{target}")])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(spec: Value) -> Object {
        let mut service = Object::new("v1", "Service", "karmada-system", "karmada-scheduler-estimator-m1");
        service.set("/spec", spec);
        service
    }

    fn of(spec: Option<Value>) -> String {
        let service = spec.map(service);
        let found = addresses(service.as_ref(), "karmada-system", "karmada-scheduler-estimator-m1", 10352);
        found.map_or_else(|error| format!("error: {error}"), |found| found.join(" "))
    }

    #[test]
    fn without_a_service_the_dns_names_of_the_host_cluster_are_tried() {
        assert_eq!(
            of(None),
            "karmada-scheduler-estimator-m1.karmada-system.svc.cluster.local:10352 \
             karmada-scheduler-estimator-m1.karmada-system.svc:10352"
        );
    }

    #[test]
    fn an_external_name_service_leads_to_the_target_of_the_matching_port() {
        let ports =
            json!([{ "name": "x", "port": 1, "targetPort": 2 }, { "port": 10352, "targetPort": 30352 }]);
        let spec = |ports| json!({ "type": "ExternalName", "externalName": "est.example", "ports": ports });
        assert_eq!(of(Some(spec(ports))), "est.example:30352");
        assert_eq!(of(Some(spec(json!([{ "port": 10352 }])))), "est.example:10352");
        assert_eq!(of(Some(spec(json!([{ "port": 7 }])))), "error: it has no port 10352");
        assert_eq!(
            of(Some(spec(json!([{ "port": 10352, "targetPort": "grpc" }])))),
            "error: the target of its port 10352 is \"grpc\", which is no number"
        );
    }

    #[test]
    fn a_service_of_another_type_is_refused() {
        assert_eq!(
            of(Some(json!({ "type": "NodePort", "ports": [{ "port": 10352 }] }))),
            "error: its type is NodePort, only ExternalName leads out of the control plane"
        );
        assert_eq!(of(Some(json!({ "type": "ExternalName" }))), "error: it has no externalName");
    }

    #[test]
    fn an_external_address_of_version_6_is_bracketed() {
        let ports = json!([{ "port": 10352 }]);
        let spec = json!({ "type": "ExternalName", "externalName": "::1", "ports": ports });
        assert_eq!(of(Some(spec)), "[::1]:10352");
    }
}
