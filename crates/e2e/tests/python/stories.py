"""What the official Python client must be able to do: python3 stories.py KUBECONFIG CONTEXT STORY

Every function below is a story; each works in a namespace of its own.
"""

import base64
import sys
import threading
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException
from kubernetes.utils import create_from_dict


def config_map(name, **data):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)


def deployment(name, replicas=1):
    labels = {"app": name}
    container = client.V1Container(name="nginx", image="nginx")
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=replicas, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name, labels=labels), spec=spec)


def refused(call, status, reason):
    try:
        call()
    except ApiException as error:
        assert error.status == status, error
        assert f'"reason":"{reason}"' in error.body.replace(" ", ""), error.body
        return error.body
    raise AssertionError(f"it should have been refused with {status} {reason}")


def soon(what, condition):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within 30 s: {what}")


def core_objects_are_created_read_changed_and_deleted(ns):
    core = client.CoreV1Api()
    created = core.create_namespaced_config_map(ns, config_map("c", a="1"))
    assert created.metadata.uid and created.metadata.resource_version
    read = core.read_namespaced_config_map("c", ns)
    read.data["a"] = "2"
    replaced = core.replace_namespaced_config_map("c", ns, read)
    assert replaced.data == {"a": "2"}
    refused(lambda: core.replace_namespaced_config_map("c", ns, read), 409, "Conflict")
    listed = core.list_namespaced_config_map(ns, field_selector="metadata.name=c")
    assert [item.metadata.name for item in listed.items] == ["c"]
    core.delete_namespaced_config_map("c", ns)
    refused(lambda: core.read_namespaced_config_map("c", ns), 404, "NotFound")
    secret = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"door": "open"})
    core.create_namespaced_secret(ns, secret)
    assert base64.b64decode(core.read_namespaced_secret("s", ns).data["door"]) == b"open"
    port = client.V1ServicePort(port=80)
    service = client.V1Service(
        metadata=client.V1ObjectMeta(name="web"), spec=client.V1ServiceSpec(selector={"app": "web"}, ports=[port])
    )
    assert core.create_namespaced_service(ns, service).spec.cluster_ip


def deployments_are_scaled_and_patched_in_every_way(ns):
    apps = client.AppsV1Api()
    apps.create_namespaced_deployment(ns, deployment("web"))
    scale = apps.read_namespaced_deployment_scale("web", ns)
    assert scale.spec.replicas == 1
    apps.patch_namespaced_deployment_scale("web", ns, {"spec": {"replicas": 3}})
    strategic = {"spec": {"template": {"spec": {"containers": [{"name": "sidecar", "image": "busybox"}]}}}}
    patched = apps.patch_namespaced_deployment("web", ns, strategic)
    assert {c.name for c in patched.spec.template.spec.containers} == {"nginx", "sidecar"}
    assert patched.spec.replicas == 3
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 4}]
    assert apps.patch_namespaced_deployment("web", ns, operations).spec.replicas == 4
    status = {"status": {"conditions": [{"type": "Story", "status": "True"}]}}
    told = apps.patch_namespaced_deployment_status("web", ns, status)
    assert "Story" in [c.type for c in told.status.conditions]
    apps.delete_namespaced_deployment("web", ns, propagation_policy="Foreground")
    soon("it is gone", lambda: not apps.list_namespaced_deployment(ns).items)


def a_watch_tells_of_every_change(ns):
    core = client.CoreV1Api()
    start = core.list_namespaced_config_map(ns).metadata.resource_version

    def change():
        core.create_namespaced_config_map(ns, config_map("watched", a="1"))
        core.patch_namespaced_config_map("watched", ns, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("watched", ns)

    writer = threading.Thread(target=change)
    writer.start()
    seen = []
    stream = watch.Watch()
    for event in stream.stream(
        core.list_namespaced_config_map,
        ns,
        resource_version=start,
        field_selector="metadata.name=watched",
        timeout_seconds=20,
    ):
        seen.append((event["type"], event["object"].data["a"]))
        if event["type"] == "DELETED":
            stream.stop()
    writer.join()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")], seen


def an_old_watch_is_told_that_it_is_too_old_or_goes_on(ns):
    core = client.CoreV1Api()
    core.create_namespaced_config_map(ns, config_map("c", a="1"))
    try:
        for event in watch.Watch().stream(core.list_namespaced_config_map, ns, resource_version="1", timeout_seconds=2):
            assert event["type"] in ("ADDED", "MODIFIED"), event
            break
    except ApiException as error:
        assert error.status == 410, error


def custom_objects_are_objects_like_others(ns):
    custom = client.CustomObjectsApi()
    names = ("policy.karmada.io", "v1alpha1", ns, "propagationpolicies")
    policy = {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {"name": "p"},
        "spec": {
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
            "placement": {"clusterAffinity": {"clusterNames": ["member1"]}},
        },
    }
    created = custom.create_namespaced_custom_object(*names, policy)
    assert created["spec"]["preemption"] == "Never", created
    patched = custom.patch_namespaced_custom_object(*names, "p", {"spec": {"priority": 7}})
    assert patched["spec"]["priority"] == 7
    assert len(custom.list_namespaced_custom_object(*names)["items"]) == 1
    wrong = {"spec": {"priority": "high"}}
    refused(lambda: custom.patch_namespaced_custom_object(*names, "p", wrong), 422, "Invalid")
    custom.delete_namespaced_custom_object(*names, "p")
    soon("its controller has let go", lambda: not custom.list_namespaced_custom_object(*names)["items"])
    refused(lambda: custom.get_namespaced_custom_object(*names, "p"), 404, "NotFound")
    clusters = custom.list_cluster_custom_object("cluster.karmada.io", "v1alpha1", "clusters")
    assert "member1" in [c["metadata"]["name"] for c in clusters["items"]]


def the_dynamic_client_discovers_and_applies(ns):
    dyn = dynamic.DynamicClient(client.ApiClient())
    api = dyn.resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": ns}, "data": {"a": "1"}}
    applied = dyn.server_side_apply(api, body=body, namespace=ns, field_manager="python")
    assert applied.data.a == "1"
    body["data"]["a"] = "2"
    try:
        dyn.server_side_apply(api, body=body, namespace=ns, field_manager="other")
        raise AssertionError("a conflict should have been told")
    except dynamic.exceptions.ConflictError as error:
        assert 'conflict with \\"python\\"' in error.body, error.body
    forced = dyn.server_side_apply(api, body=body, namespace=ns, field_manager="other", force_conflicts=True)
    assert forced.data.a == "2"
    policies = dyn.resources.get(api_version="policy.karmada.io/v1alpha1", kind="PropagationPolicy")
    assert policies.get(namespace=ns).items == []


def pages_fit_together(ns):
    core = client.CoreV1Api()
    for n in range(12):
        core.create_namespaced_config_map(
            ns, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"n{n:02}", labels={"page": "yes"}))
        )
    names, token = [], None
    while True:
        page = core.list_namespaced_config_map(ns, label_selector="page=yes", limit=5, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"n{n:02}" for n in range(12)], names


def refusals_are_statuses(ns):
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    core.create_namespaced_config_map(ns, config_map("c"))
    refused(lambda: core.create_namespaced_config_map(ns, config_map("c")), 409, "AlreadyExists")
    refused(lambda: core.create_namespaced_config_map(ns, config_map("Not_A_Name")), 422, "Invalid")
    refused(lambda: core.create_namespaced_config_map("nowhere", config_map("c")), 404, "NotFound")
    body = refused(lambda: apps.create_namespaced_deployment(ns, deployment("web", replicas=-1)), 422, "Invalid")
    assert "spec.replicas" in body, body
    # The client's own models refuse unknown fields; objects of this interface are taken as they are.
    create = client.CustomObjectsApi().create_namespaced_custom_object
    unknown = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "d"}, "specc": {}}
    path = ("batch", "v1", ns, "cronjobs", unknown)
    body = refused(lambda: create(*path, field_validation="Strict"), 400, "BadRequest")
    assert 'unknown field \\"specc\\"' in body, body
    refused(lambda: create(*path, field_validation="Ignore"), 422, "Invalid")
    core.create_namespaced_config_map(ns, config_map("dry"), dry_run="All")
    refused(lambda: core.read_namespaced_config_map("dry", ns), 404, "NotFound")


def rights_and_versions_can_be_asked_for(ns):
    review = client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(namespace=ns, verb="create", resource="pods")
        )
    )
    assert client.AuthorizationV1Api().create_self_subject_access_review(review).status.allowed
    assert client.VersionApi().get_code().major == "1"
    assert "apps" in [group.name for group in client.ApisApi().get_api_versions().groups]
    assert client.AppsV1Api().get_api_resources().group_version == "apps/v1"
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="robot"))
    core = client.CoreV1Api()
    core.create_namespaced_service_account(ns, account)
    request = client.AuthenticationV1TokenRequest(spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600))
    token = core.create_namespaced_service_account_token("robot", ns, request).status.token
    settings = client.Configuration.get_default_copy()
    settings.api_key = {"authorization": token}
    settings.api_key_prefix = {"authorization": "Bearer"}
    settings.cert_file = settings.key_file = None
    robot = client.CoreV1Api(client.ApiClient(settings))
    refused(lambda: robot.list_namespaced_pod(ns), 403, "Forbidden")


def manifests_are_created_from_dictionaries(ns):
    manifest = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}},
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "b"}, "spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}}}},
        ],
    }
    create_from_dict(client.ApiClient(), manifest, namespace=ns)
    assert client.BatchV1Api().read_namespaced_job("b", ns).spec.backoff_limit == 6


def main():
    kubeconfig, context, story = sys.argv[1:]
    config.load_kube_config(kubeconfig, context)
    namespace = "py-" + story.replace("_", "-")[:50].rstrip("-")
    client.CoreV1Api().create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace)))
    globals()[story](namespace)


main()
