-- DaemonSet: like the built-in one, with finer rolling updates.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {
  "currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
  "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
}

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, COUNTERS, {"daemonSetHash"})
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  merge.sum(status, items or {}, COUNTERS)
  -- Without members the hash is the number 0, as it is a text only a member makes.
  status.daemonSetHash = merge.last(items or {}, "daemonSetHash", 0)
  return desired
end

function InterpretHealth(observed)
  local status = observed.status
  if status.observedGeneration ~= observed.metadata.generation then
    return false
  end
  return status.updatedNumberScheduled >= status.desiredNumberScheduled
    and status.numberAvailable >= status.updatedNumberScheduled
end

function GetDependencies(desired)
  return kube.getPodDependencies(desired.spec.template, desired.metadata.namespace) or {}
end
