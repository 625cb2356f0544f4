-- UnitedDeployment: one workload, divided among the node pools of a cluster.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {
  "replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
}

function GetReplicas(obj)
  return obj.spec.replicas, kube.accuratePodRequirements(obj.spec.template)
end

function ReviseReplica(obj, replicas)
  obj.spec.replicas = replicas
  return obj
end

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, COUNTERS, {"conditions"})
end

-- One condition per type, the last member's; in the order in which the types first appear.
local function last_of_each_type(items)
  local conditions, position = {}, {}
  for status in merge.statuses(items) do
    for _, condition in ipairs(status.conditions or {}) do
      local place = position[condition.type] or #conditions + 1
      position[condition.type] = place
      conditions[place] = condition
    end
  end
  return conditions
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  merge.sum(status, items or {}, COUNTERS)
  local conditions = last_of_each_type(items or {})
  if #conditions > 0 then
    status.conditions = conditions
  end
  return desired
end

function InterpretHealth(observed)
  if observed.status == nil or observed.metadata == nil or observed.spec == nil then
    return false
  end
  return merge.replicas_are_ready(observed)
end

function GetDependencies(desired)
  return kube.getPodDependencies(desired.spec.template, desired.metadata.namespace)
end
