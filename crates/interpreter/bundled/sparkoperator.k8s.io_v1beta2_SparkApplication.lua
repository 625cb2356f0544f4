-- SparkApplication: a driver, and the executors it hands work to.

local merge = require("merge")

-- Java's unit letters mean powers of 1024.
local UNITS = {
  k = {"Ki", 1024}, m = {"Mi", 1024 ^ 2}, g = {"Gi", 1024 ^ 3}, t = {"Ti", 1024 ^ 4}, p = {"Pi", 1024 ^ 5},
}
local MIN_OVERHEAD = 384 * 1024 ^ 2

-- An amount of memory in Java's spelling ("512m", "1.5gb"): the number, and its unit's suffix and size.
local function memory_of(text)
  local number, letter = string.match(string.lower(tostring(text)), "^(%d+%.?%d*)([kmgtp])b?$")
  if number == nil then
    error("memory " .. tostring(text) .. " is not a number with a unit")
  end
  return tonumber(number), UNITS[letter]
end

-- A pod's memory is the heap and what runs beside it: as given, or else a share of the heap, at least
-- 384 MiB. The sum is written in the smaller of the two units.
local function memory_request(role, factor)
  local heap, unit = memory_of(role.memory or "1g")
  local bytes = heap * unit[2]
  if role.memoryOverhead then
    local overhead, overhead_unit = memory_of(role.memoryOverhead)
    bytes = bytes + overhead * overhead_unit[2]
    unit = overhead_unit[2] < unit[2] and overhead_unit or unit
  else
    bytes = bytes + math.max(heap * factor * unit[2], MIN_OVERHEAD)
    unit = UNITS.m[2] < unit[2] and UNITS.m or unit
  end
  return string.format("%f%s", bytes / unit[2], unit[1])
end

local function component(name, role, replicas, factor)
  role = role or {}
  local requirements = {
    nodeClaim = merge.node_claim({
      nodeSelector = role.nodeSelector, tolerations = role.tolerations, affinity = role.affinity,
    }),
    priorityClassName = role.priorityClassName ~= "" and role.priorityClassName or nil,
    resourceRequest = {cpu = role.cores or 1, memory = memory_request(role, factor)},
  }
  local gpu = role.gpu or {}
  local gpus = merge.number(gpu.quantity, 0)
  if gpu.name ~= nil and gpu.name ~= "" and gpus > 0 then
    requirements.resourceRequest[gpu.name] = gpus
  end
  return {name = name, replicas = replicas, replicaRequirements = requirements}
end

-- The executors at the start; with dynamic allocation the most that is asked for in any way.
local function executors(spec)
  local replicas = merge.number(merge.at(spec, "executor", "instances"), 1)
  local dynamic = spec.dynamicAllocation
  if dynamic ~= nil and dynamic.enabled then
    replicas = math.max(replicas, merge.number(dynamic.initialExecutors, 1), merge.number(dynamic.minExecutors, 1))
  end
  return replicas
end

function GetComponents(obj)
  local spec = obj.spec or {}
  local language = string.lower(spec.type)
  local on_jvm = language == "java" or language == "scala"
  local factor = merge.number(spec.memoryOverheadFactor, on_jvm and 0.10 or 0.40)
  return {
    component("driver", spec.driver, 1, factor),
    component("executor", spec.executor, executors(spec), factor),
  }
end

function ReflectStatus(observed)
  return merge.reflect(observed, {
    "applicationState", "driverInfo", "executorState", "sparkApplicationId", "lastSubmissionAttemptTime",
    "submissionAttempts", "executionAttempts", "submissionID", "terminationTime",
  })
end

-- The worse, the higher.
local STATE_RANKS = {
  [""] = 0, UNKNOWN = 0, SUBMITTED = 1, PENDING_RERUN = 1, COMPLETED = 2, SUSPENDING = 3, SUSPENDED = 3,
  RUNNING = 4, RESUMING = 4, SUCCEEDING = 4, INVALIDATING = 5, FAILING = 6, FAILED = 6,
  SUBMISSION_FAILED = 6,
}

function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  if #items == 1 then
    desired.status = items[1].status
    return desired
  end
  local status = desired.status or {}
  desired.status = status
  merge.sum(status, items, {"executionAttempts", "submissionAttempts"})
  status.lastSubmissionAttemptTime = merge.latest(items, "lastSubmissionAttemptTime") or ""
  status.terminationTime = merge.latest(items, "terminationTime") or ""
  status.applicationState, status.executorState = {}, {}
  local highest = -1
  for member in merge.statuses(items) do
    local application = member.applicationState
    -- A state that is not listed is an error.
    if application ~= nil and STATE_RANKS[application.state] > highest then
      highest = STATE_RANKS[application.state]
      status.applicationState = application
    end
    for executor, state in pairs(member.executorState or {}) do
      status.executorState[executor] = state
    end
  end
  return desired
end

function InterpretHealth(observed)
  local state = merge.at(observed, "status", "applicationState", "state")
  return state ~= nil and state ~= "FAILED"
end
