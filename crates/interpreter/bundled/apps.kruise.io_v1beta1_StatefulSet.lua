-- StatefulSet: like the built-in one, and it can update pods in place.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {
  "replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas",
  "updatedReadyReplicas",
}
local NAMES = {"updateRevision", "currentRevision"}

function GetReplicas(obj)
  return obj.spec.replicas, kube.accuratePodRequirements(obj.spec.template)
end

function ReviseReplica(obj, replicas)
  obj.spec.replicas = replicas
  return obj
end

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, COUNTERS, NAMES)
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  merge.sum(status, items or {}, COUNTERS)
  for _, name in ipairs(NAMES) do
    status[name] = merge.last(items or {}, name, "")
  end
  return desired
end

function InterpretHealth(observed)
  return merge.replicas_are_ready(observed)
end

function GetDependencies(desired)
  return kube.getPodDependencies(desired.spec.template, desired.metadata.namespace)
end
