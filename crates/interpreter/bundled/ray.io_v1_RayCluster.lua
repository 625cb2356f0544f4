-- RayCluster: a head, and workers that join it.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {
  "readyWorkerReplicas", "availableWorkerReplicas", "maxWorkerReplicas", "minWorkerReplicas",
  "desiredWorkerReplicas",
}

function GetComponents(obj)
  return merge.ray_components(obj.spec)
end

local function fill(status, items)
  status.conditions = merge.all_conditions(items)
  merge.sum(status, items, COUNTERS)
  local cpu, memory, gpu, tpu = "0", "0", 0, 0
  for member in merge.statuses(items) do
    -- An empty text is no amount.
    local function amount(name)
      return member[name] ~= "" and member[name] or nil
    end
    cpu = kube.resourceAdd(cpu, amount("desiredCPU"))
    memory = kube.resourceAdd(memory, amount("desiredMemory"))
    gpu = gpu + tonumber(amount("desiredGPU") or 0)
    tpu = tpu + tonumber(amount("desiredTPU") or 0)
  end
  status.desiredCPU, status.desiredMemory = cpu, memory
  status.desiredGPU, status.desiredTPU = tostring(gpu), tostring(tpu)
  status.lastUpdateTime = merge.latest(items, "lastUpdateTime")
  status.endpoints = merge.first(items, "endpoints")
  status.head = merge.first(items, "head")
  -- The two belong together: both come from the first member that reports a state.
  status.state, status.stateTransitionTimes = nil, nil
  for member in merge.statuses(items) do
    if member.state ~= nil then
      status.state, status.stateTransitionTimes = member.state, member.stateTransitionTimes
      break
    end
  end
end

function AggregateStatus(desired, items)
  return merge.ray_status(desired, items, fill)
end

function InterpretHealth(observed)
  local status = observed.status
  return merge.is_true(status, "HeadPodReady") and merge.is_true(status, "RayClusterProvisioned")
    and not merge.is_true(status, "RayClusterReplicaFailure")
end
