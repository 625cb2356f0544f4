-- Workflow: steps that run as pods, at most `parallelism` at a time.

local kube = require("kube")
local merge = require("merge")

function GetReplicas(obj)
  local replicas = obj.spec.parallelism
  if replicas == nil then
    replicas = 1
  end
  -- The steps' containers are not known here; what they ask of nodes is.
  local pod = {spec = {
    affinity = obj.spec.affinity, nodeSelector = obj.spec.nodeSelector, tolerations = obj.spec.tolerations,
  }}
  return replicas, kube.accuratePodRequirements(pod)
end

function ReviseReplica(obj, replicas)
  obj.spec.parallelism = replicas
  return obj
end

-- The status is where a workflow keeps its progress; without it the member would start again.
function Retain(desired, observed)
  merge.retain_suspend(desired, observed)
  if observed.status ~= nil then
    desired.status = observed.status
  end
  return desired
end

function InterpretHealth(observed)
  local status = observed.status
  if status == nil or status.phase == nil or status.phase == "" then
    return false
  end
  return status.phase ~= "Error" and status.phase ~= "Failed" and status.failed ~= "Error"
end

-- Where a volume refers to a Secret: the field of the source that holds the reference, and of that, the name.
local SECRET_REFERENCES = {
  cephfs = "secretRef", cinder = "secretRef", flexVolume = "secretRef", rbd = "secretRef",
  scaleIO = "secretRef", iscsi = "secretRef", storageos = "secretRef", csi = "nodePublishSecretRef",
}

local function add_volume(volume, add)
  local function named(kind, reference, field)
    if reference ~= nil and reference[field] ~= nil then
      add(kind, reference[field])
    end
  end
  named("ConfigMap", volume.configMap, "name")
  named("PersistentVolumeClaim", volume.persistentVolumeClaim, "claimName")
  named("Secret", volume.azureFile, "secretName")
  -- The kind's own field is `secretName`; only `name` is looked at, as elsewhere in this ecosystem.
  named("Secret", volume.secret, "name")
  for source, reference in pairs(SECRET_REFERENCES) do
    named("Secret", (volume[source] or {})[reference], "name")
  end
  for _, source in ipairs(volume.projected ~= nil and volume.projected.sources or {}) do
    named("ConfigMap", source.configMap, "name")
    named("Secret", source.secret, "name")
  end
end

function GetDependencies(desired)
  local spec = desired.spec
  local references, add = merge.references(desired)
  if spec.executor ~= nil and spec.executor.serviceAccountName ~= nil then
    add("ServiceAccount", spec.executor.serviceAccountName)
  end
  if spec.serviceAccountName ~= nil and spec.serviceAccountName ~= "default" then
    add("ServiceAccount", spec.serviceAccountName)
  end
  for _, claim in ipairs(spec.volumeClaimTemplates or {}) do
    add("PersistentVolumeClaim", claim.metadata.name or "")
  end
  for _, volume in ipairs(spec.volumes or {}) do
    add_volume(volume, add)
  end
  for _, secret in ipairs(spec.imagePullSecrets or {}) do
    add("Secret", secret.name or "")
  end
  return references
end
