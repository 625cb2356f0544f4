-- Job of Volcano: tasks whose pods start together.

local kube = require("kube")
local merge = require("merge")

local COUNTERS = {
  "minAvailable", "pending", "running", "succeeded", "failed", "terminating", "unknown", "retryCount",
}

function GetComponents(obj)
  local components = {}
  for position, task in ipairs(merge.at(obj, "spec", "tasks") or {}) do
    local name = task.name
    if name == nil or name == "" then
      name = "task-" .. (position - 1)
    end
    components[position] = {
      name = name, replicas = merge.number(task.minAvailable, 1),
      replicaRequirements = kube.accuratePodRequirements(task.template),
    }
  end
  return components
end

function ReflectStatus(observed)
  local status = merge.reflect(observed, COUNTERS, {
    "version", "runningDuration", "taskStatusCount", "controlledResources", "state", "conditions",
  })
  if type(status.conditions) ~= "table" then
    status.conditions = nil
  end
  return status
end

local SECONDS = {h = 3600, m = 60, s = 1}

-- The length of a duration like "1h2m3.5s", in seconds; 0 when it is none.
local function seconds(duration)
  local total = 0
  for amount, unit in string.gmatch(duration or "", "([%d%.]+)([hms])") do
    total = total + tonumber(amount) * SECONDS[unit]
  end
  return total > 0 and total or tonumber(duration) or 0
end

-- Pods by task and phase, added up.
local function count_tasks(items)
  local tasks = {}
  for status in merge.statuses(items) do
    for task, counts in pairs(status.taskStatusCount or {}) do
      tasks[task] = tasks[task] or {phase = {}}
      local phases = tasks[task].phase
      for phase, count in pairs(counts.phase or {}) do
        phases[phase] = (phases[phase] or 0) + count
      end
    end
  end
  return tasks
end

-- The state of a job that failed somewhere, or is complete everywhere; empty otherwise.
local function overall_state(items)
  local failed, complete = {}, 0
  for status, cluster in merge.statuses(items) do
    local phase = merge.at(status, "state", "phase")
    if phase == "Completed" then
      complete = complete + 1
    elseif phase == "Failed" or phase == "Aborted" then
      failed[#failed + 1] = cluster
    end
  end
  if #failed > 0 then
    return {
      phase = "Failed", reason = "VolcanoJobFailed", lastTransitionTime = merge.now(),
      message = "Job failed in clusters: " .. table.concat(failed, ","),
    }
  elseif complete > 0 and complete == #items then
    return {
      phase = "Completed", reason = "Completed", lastTransitionTime = merge.now(),
      message = "Job completed successfully",
    }
  end
  return {}
end

local FAILED_PHASES = {Failed = true, Aborted = true, Aborting = true, Terminated = true, Terminating = true}

-- A condition is a phase the job went through, named in its field `status`. The first member that went
-- through a failed one is shown alone; otherwise the most recent of each phase, in order of appearance.
local function history(items)
  local conditions, position = {}, {}
  for status in merge.statuses(items) do
    for _, condition in ipairs(status.conditions or {}) do
      if FAILED_PHASES[condition.status] then
        return status.conditions
      end
      local place = position[condition.status]
      if place == nil then
        place = #conditions + 1
        position[condition.status] = place
        conditions[place] = condition
      elseif condition.lastTransitionTime > conditions[place].lastTransitionTime then
        conditions[place] = condition
      end
    end
  end
  return conditions
end

function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  if #items == 1 then
    desired.status = items[1].status
    return desired
  end
  local status = {
    state = overall_state(items), taskStatusCount = count_tasks(items), conditions = history(items),
    version = 0, runningDuration = "0s", controlledResources = {},
  }
  merge.sum(status, items, COUNTERS)
  for member in merge.statuses(items) do
    status.version = math.max(status.version, member.version or 0)
    if seconds(member.runningDuration) > seconds(status.runningDuration) then
      status.runningDuration = member.runningDuration
    end
    for name, uid in pairs(member.controlledResources or {}) do
      status.controlledResources[name] = uid
    end
  end
  -- An empty status has to stay a table here; it is dropped from the answer.
  desired.status = merge.compact(status, {[0] = true, [""] = true, ["0s"] = true}) or {}
  return desired
end

local HEALTHY_PHASES = {
  Running = true, Completed = true, Pending = true, Aborting = true, Aborted = true, Restarting = true,
  Completing = true, Terminating = true, Terminated = true,
}

function InterpretHealth(observed)
  local phase = merge.at(observed, "status", "state", "phase")
  return phase ~= nil and HEALTHY_PHASES[phase] == true
end
