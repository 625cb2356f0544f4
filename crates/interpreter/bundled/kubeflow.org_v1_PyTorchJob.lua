-- PyTorchJob: a PyTorch training job.

local merge = require("merge")

local ROLES = {"Master", "Worker"}

local function specs(obj)
  return obj.spec ~= nil and obj.spec.pytorchReplicaSpecs or nil
end

function GetComponents(obj)
  return merge.role_components(specs(obj), ROLES)
end

-- The members' most recent condition of a type, nothing when none has it.
local function latest(items, kind)
  local found
  for status in merge.statuses(items) do
    for _, condition in ipairs(status.conditions or {}) do
      if condition.type == kind then
        local time = condition.lastTransitionTime
        if found == nil or (time ~= nil and time > (found.lastTransitionTime or "")) then
          found = condition
        end
      end
    end
  end
  return found
end

function AggregateStatus(desired, items)
  if items == nil or #items == 0 then
    return merge.forget_job(desired)
  end
  local conditions = {}
  local function add(kind, status, message)
    local source = latest(items, kind)
    if source ~= nil then
      conditions[#conditions + 1] = {
        type = kind, status = status, reason = "PyTorchJob" .. kind, message = message,
        lastUpdateTime = source.lastUpdateTime, lastTransitionTime = source.lastTransitionTime,
      }
    end
  end
  local failed, succeeded = merge.outcomes(items)
  local complete = succeeded > 0 and succeeded == #items
  add("Created", "True", "PyTorchJob is created.")
  add("Running", (complete or #failed > 0) and "False" or "True", "PyTorchJob is running.")
  if #failed > 0 then
    add("Failed", "True", "PyTorchJob executed failed in member clusters: " .. table.concat(failed, ", "))
  elseif complete then
    add("Succeeded", "True", "PyTorchJob is successfully completed.")
  end
  desired.status = merge.job_status(desired, items, ROLES, conditions) or {}
  return desired
end

function InterpretHealth(observed)
  return merge.has_not_failed(observed)
end

function GetDependencies(desired)
  return merge.role_dependencies(desired, specs(desired), ROLES)
end
