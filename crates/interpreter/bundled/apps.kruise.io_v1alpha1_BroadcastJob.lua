-- BroadcastJob: runs a pod to its end on every node.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {"active", "succeeded", "failed", "desired"}

function GetReplicas(obj)
  local replicas = obj.spec.parallelism
  if replicas == nil then
    replicas = 1
  end
  return replicas, kube.accuratePodRequirements(obj.spec.template)
end

function ReviseReplica(obj, replicas)
  obj.spec.parallelism = replicas
  return obj
end

-- The member's controller adds its own labels to the pods.
function Retain(desired, observed)
  local metadata = observed.spec.template.metadata
  if metadata ~= nil and metadata.labels ~= nil then
    desired.spec.template.metadata.labels = metadata.labels
    return desired
  end
end

function ReflectStatus(observed)
  return merge.reflect(observed, COUNTERS, {"conditions", "startTime", "completionTime", "phase"})
end

-- How the job ended on a member: "Complete", "Failed", or nothing while it runs.
local function outcome(status)
  for _, condition in ipairs(status.conditions or {}) do
    if condition.status == "True" and (condition.type == "Complete" or condition.type == "Failed") then
      return condition.type
    end
  end
end

function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  local status = desired.status or {}
  desired.status = status
  merge.sum(status, items, COUNTERS)
  status.phase = ""
  for member in merge.statuses(items) do
    status.phase = member.phase or status.phase
  end
  local complete, failed, ended = 0, {}, nil
  for _, item in ipairs(items) do
    -- A member whose job has not ended is counted as ended like the member before it.
    ended = outcome(item.status or {}) or ended
    if ended == "Complete" then
      complete = complete + 1
    elseif ended == "Failed" then
      failed[#failed + 1] = item.clusterName
    end
  end
  status.conditions = {}
  if #failed > 0 then
    merge.append(status.conditions, {{
      type = "Failed", status = "True", reason = "JobFailed",
      message = "Job executed failed in member clusters: " .. table.concat(failed, ", "),
    }})
  end
  if complete > 0 and complete == #items then
    merge.append(status.conditions, {{
      type = "Completed", status = "True", reason = "Completed", message = "Job completed",
    }})
  end
  return desired
end

function InterpretHealth(observed)
  local status = observed.status
  if status.desired == 0 or status.failed ~= 0 then
    return false
  end
  return status.succeeded ~= 0 or status.active ~= 0
end

function GetDependencies(desired)
  return kube.getPodDependencies(desired.spec.template, desired.metadata.namespace)
end
