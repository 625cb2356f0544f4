-- RayJob: a program that runs on a Ray cluster of its own.

local merge = require("merge")

-- The worse, the higher. What is not listed counts as 0; an empty job status says nothing.
local DEPLOYMENT_RANKS = {
  Initializing = 1, Waiting = 2, Suspending = 3, Suspended = 3, Retrying = 4, Running = 5,
  Complete = 6, ValidationFailed = 7, Failed = 8,
}
local JOB_RANKS = {[""] = -1, PENDING = 1, RUNNING = 2, SUCCEEDED = 3, STOPPED = 4, FAILED = 5}

local function cluster(obj)
  return obj.spec ~= nil and obj.spec.rayClusterSpec or nil
end

function GetComponents(obj)
  return merge.ray_components(cluster(obj))
end

-- The status of the first member with the worst value of a field, empty when no one has any.
local function worst(items, name, ranks)
  local found, highest = {}, -1
  for status in merge.statuses(items) do
    local value = status[name]
    if value ~= nil and (ranks[value] or 0) > highest then
      found, highest = status, ranks[value] or 0
    end
  end
  return found
end

local function fill(status, items)
  local deployment = worst(items, "jobDeploymentStatus", DEPLOYMENT_RANKS)
  merge.copy(status, deployment, {"jobDeploymentStatus", "reason", "message"})
  status.jobStatus = worst(items, "jobStatus", JOB_RANKS).jobStatus
end

function AggregateStatus(desired, items)
  return merge.ray_status(desired, items, fill)
end

function InterpretHealth(observed)
  local status = observed.status or {}
  return status.jobDeploymentStatus == "Running"
    or (status.jobDeploymentStatus == "Complete" and status.jobStatus == "SUCCEEDED")
end

function GetDependencies(desired)
  local templates = merge.ray_templates(cluster(desired))
  if desired.spec ~= nil then
    templates[#templates + 1] = desired.spec.submitterPodTemplate
  end
  return merge.template_dependencies(desired, templates)
end
