-- Notebook: a notebook server, always one pod.

local kube = require("kube")
local merge = require("merge")

function GetReplicas(obj)
  return 1, kube.accuratePodRequirements(obj.spec.template)
end

function ReflectStatus(observed)
  local status = observed.status
  if status == nil then
    return {}
  end
  return {
    readyReplicas = status.readyReplicas or 0,
    containerState = status.containerState,
    conditions = type(status.conditions) == "table" and status.conditions or nil,
  }
end

local function condition(kind, reason, message)
  local now = merge.now()
  return {
    type = kind, status = "True", reason = reason, message = message,
    lastProbeTime = now, lastTransitionTime = now,
  }
end

-- The container's state on all members: that of the last failing one, or else the latest start. And the
-- names of the members where it fails, and the number where it runs. Waiting counts as failing.
local function container_states(items)
  local shown, failed, running = nil, {}, 0
  for status, cluster in merge.statuses(items) do
    local state = status.containerState or {}
    if next(state) == nil or state.terminated ~= nil or state.waiting ~= nil then
      failed[#failed + 1] = cluster
      shown = next(state) ~= nil and state or {waiting = {reason = "Unschedulable"}}
    elseif state.running ~= nil and #failed == 0 then
      running = running + 1
      local started = state.running.startedAt
      local before = shown ~= nil and shown.running.startedAt or nil
      if shown == nil or (started ~= nil and (before == nil or started > before)) then
        shown = {running = {startedAt = started}}
      end
    end
  end
  return shown, failed, running
end

function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  if #items == 1 then
    desired.status = items[1].status
    return desired
  end
  local shown, failed, running = container_states(items)
  local status = {containerState = shown, conditions = {}}
  merge.sum(status, items, {"readyReplicas"})
  if #failed > 0 then
    merge.append(status.conditions, {condition("Failed", "NotebookFailed",
      "Notebook executed failed in member clusters: " .. table.concat(failed, ", "))})
  elseif running > 0 and running == #items then
    merge.append(status.conditions, {condition("Ready", "Ready", "All notebooks are ready")})
  end
  desired.status = status
  return desired
end

local FAILURES = {Error = true, OOMKilled = true, ContainerCannotRun = true}

function InterpretHealth(observed)
  local state = observed.status ~= nil and observed.status.containerState or {}
  if state.running ~= nil then
    return true
  end
  if state.waiting ~= nil then
    return state.waiting.reason == "ContainerCreating"
  end
  if state.terminated ~= nil then
    return not FAILURES[state.terminated.reason or ""] and (state.terminated.exitCode or 0) == 0
  end
  return false
end
