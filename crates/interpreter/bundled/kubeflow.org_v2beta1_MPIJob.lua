-- MPIJob: a launcher, and the workers that it starts processes on.

local kube = require("kube")
local merge = require("merge")

local TIMES = {"startTime", "completionTime", "lastReconcileTime"}

function GetComponents(obj)
  local components = {}
  local specs = obj.spec ~= nil and obj.spec.mpiReplicaSpecs or {}
  for role, spec in pairs(specs) do
    if spec.template ~= nil then
      local usual = string.lower(role) == "worker" and 0 or 1
      components[#components + 1] = {
        name = role, replicas = merge.number(spec.replicas, usual),
        replicaRequirements = kube.accuratePodRequirements(spec.template),
      }
    end
  end
  return components
end

function ReflectStatus(observed)
  local status = merge.reflect(observed, TIMES)
  if observed.status == nil then
    return status
  end
  status.replicaStatuses = {}
  for role, counts in pairs(observed.status.replicaStatuses or {}) do
    status.replicaStatuses[role] = merge.copy({}, counts, {"active", "succeeded", "failed", "selector"})
  end
  if type(observed.status.conditions) == "table" then
    status.conditions = observed.status.conditions
  end
  return status
end

local function time_of(condition)
  return condition.lastUpdateTime or condition.lastTransitionTime
end

-- The most recent condition of each type, in the order in which the types first appear.
-- Those without a time are left out.
local function latest_conditions(items)
  local conditions, position = {}, {}
  for status in merge.statuses(items) do
    for _, condition in ipairs(status.conditions or {}) do
      local time, place = time_of(condition), position[condition.type]
      if time ~= nil and time ~= "" then
        if place == nil then
          place = #conditions + 1
          position[condition.type] = place
          conditions[place] = condition
        elseif time > time_of(conditions[place]) then
          conditions[place] = condition
        end
      end
    end
  end
  return conditions
end

function AggregateStatus(desired, items)
  if items == nil or #items == 0 then
    return desired
  end
  if #items == 1 then
    desired.status = items[1].status
    return desired
  end
  local status = {
    startTime = merge.earliest(items, "startTime"),
    completionTime = merge.latest(items, "completionTime"),
    lastReconcileTime = merge.latest(items, "lastReconcileTime"),
    replicaStatuses = merge.role_statuses(items, {}, true),
    conditions = latest_conditions(items),
  }
  desired.status = merge.compact(status, {}) or {}
  return desired
end

function InterpretHealth(observed)
  return merge.has_not_failed(observed) and #observed.status.conditions > 0
end
