-- SidecarSet: adds containers to the pods that others make. It has no replicas of its own.

local merge = require("merge")

local COUNTERS = {"matchedPods", "updatedPods", "readyPods"}

function GetReplicas(obj)
  return 0
end

function Retain(desired, observed)
  return desired
end

function ReflectStatus(observed)
  local status = {}
  if observed.status ~= nil then
    for _, name in ipairs(COUNTERS) do
      status[name] = observed.status[name] or 0
    end
  end
  return status
end

function AggregateStatus(desired, items)
  local status = {}
  merge.sum(status, items, COUNTERS)
  return {
    apiVersion = "apps.kruise.io/v1alpha1", kind = "SidecarSet",
    metadata = desired.metadata, status = status,
  }
end

function InterpretHealth(observed)
  if observed.status == nil then
    return false
  end
  local matched = observed.status.matchedPods or 0
  return matched == 0 or (observed.status.updatedPods or 0) == matched
end

function GetDependencies(desired)
  local references = {}
  -- Each of the two refers by its field `name`, which is taken as it is; each may be absent.
  local function refer(config_map, secret)
    for kind, reference in pairs({ConfigMap = config_map, Secret = secret}) do
      references[#references + 1] = {
        apiVersion = "v1", kind = kind, name = reference.name,
        namespace = merge.at(desired, "metadata", "namespace"),
      }
    end
  end
  local spec = desired.spec or {}
  for _, container in ipairs(spec.containers or {}) do
    for _, variable in ipairs(container.env or {}) do
      local source = variable.valueFrom or {}
      refer(source.configMapKeyRef, source.secretKeyRef)
    end
    for _, source in ipairs(container.envFrom or {}) do
      refer(source.configMapRef, source.secretRef)
    end
  end
  for _, volume in ipairs(spec.volumes or {}) do
    refer(volume.configMap, volume.secret and {name = volume.secret.secretName})
    for _, source in ipairs(volume.projected and volume.projected.sources or {}) do
      refer(source.configMap, source.secret)
    end
  end
  return references
end
