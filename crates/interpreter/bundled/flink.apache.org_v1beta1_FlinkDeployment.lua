-- FlinkDeployment: a Flink cluster of job managers and task managers, with or without a job to run.

local kube = require("kube")
local merge = require("merge")

local STATUS = {
  "clusterInfo", "error", "jobManagerDeploymentStatus", "jobStatus", "lifecycleState",
  "observedGeneration", "reconciliationStatus", "taskManager",
}

local function job_managers(obj)
  return merge.number(merge.at(obj, "spec", "jobManager", "replicas"), 1)
end

-- As many as given, or else as many as the job's parallelism fills slots.
local function task_managers(obj)
  local given = merge.number(merge.at(obj, "spec", "taskManager", "replicas"))
  local parallelism = merge.number(merge.at(obj, "spec", "job", "parallelism"))
  local slots = merge.number(merge.at(obj, "spec", "flinkConfiguration", "taskmanager.numberOfTaskSlots"))
  if given ~= nil then
    return given
  elseif parallelism == nil or slots == nil or slots == 0 then
    return 1
  end
  return math.ceil(parallelism / slots)
end

-- What every pod needs of its node, as the pod template that all pods share says.
local function shared_requirements(obj)
  local pod = merge.at(obj, "spec", "podTemplate", "spec") or {}
  return {
    nodeClaim = merge.node_claim({nodeSelector = pod.nodeSelector, tolerations = pod.tolerations}),
    priorityClassName = pod.priorityClassName ~= "" and pod.priorityClassName or nil,
    resourceRequest = {},
  }
end

local function component(obj, name, role, replicas)
  local requirements = shared_requirements(obj)
  local resource = merge.at(obj, "spec", role, "resource") or {}
  requirements.resourceRequest.cpu = resource.cpu
  -- Flink's memory is read as a quantity and written as a number of bytes.
  if resource.memory ~= nil then
    requirements.resourceRequest.memory = kube.getResourceQuantity(resource.memory)
  end
  return {name = name, replicas = replicas, replicaRequirements = requirements}
end

function GetComponents(obj)
  return {
    component(obj, "jobmanager", "jobManager", job_managers(obj)),
    component(obj, "taskmanager", "taskManager", task_managers(obj)),
  }
end

-- The larger of what both roles ask for.
local function larger(obj, name)
  local task = merge.at(obj, "spec", "taskManager", "resource", name)
  local job = merge.at(obj, "spec", "jobManager", "resource", name)
  if task == nil or job == nil then
    return task or job
  end
  local more = kube.getResourceQuantity(tostring(job)) > kube.getResourceQuantity(tostring(task))
  return more and job or task
end

function GetReplicas(obj)
  local requirements = shared_requirements(obj)
  requirements.resourceRequest = {cpu = larger(obj, "cpu"), memory = larger(obj, "memory")}
  local namespace = merge.at(obj, "metadata", "namespace")
  requirements.namespace = namespace ~= "" and namespace or nil
  return job_managers(obj) + task_managers(obj), requirements
end

function ReflectStatus(observed)
  return merge.reflect(observed, STATUS)
end

-- A Flink cluster lives on one member, so the last status is the status.
function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  local last = {error = "", jobManagerDeploymentStatus = "", lifecycleState = "", observedGeneration = 0}
  for status in merge.statuses(items) do
    last = status
  end
  desired.status = merge.copy(desired.status or {}, last, STATUS)
  return desired
end

-- Running, over, or about to be over or to start again.
local SETTLED_STATES = {
  RUNNING = true, FINISHED = true, FAILED = true, CANCELED = true, SUSPENDED = true,
  CANCELLING = true, FAILING = true, RESTARTING = true,
}
local STARTING_STATES = {CREATED = true, INITIALIZING = true, RECONCILING = true}

-- Mistakes of the user: moving the job to another member would not help.
local USER_ERRORS = {"ErrImagePull", "ImagePullBackOff", "CrashLoopBackOff"}

function InterpretHealth(observed)
  local status = observed.status or {}
  local state = merge.at(status, "jobStatus", "state")
  if state == nil or state == "" then
    return status.jobManagerDeploymentStatus == "READY" and status.lifecycleState == "STABLE"
  end
  if STARTING_STATES[state] then
    for _, text in ipairs(USER_ERRORS) do
      if string.find(status.error or "", text, 1, true) then
        return true
      end
    end
  end
  return SETTLED_STATES[state] == true
end
