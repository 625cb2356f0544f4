-- TFJob: a TensorFlow training job.

local merge = require("merge")

local ROLES = {"PS", "Worker", "Chief", "Master", "Evaluator"}

local function specs(obj)
  return obj.spec ~= nil and obj.spec.tfReplicaSpecs or nil
end

function GetComponents(obj)
  return merge.role_components(specs(obj), ROLES)
end

function AggregateStatus(desired, items)
  if items == nil then
    return merge.forget_job(desired)
  end
  local conditions = {}
  local function add(kind, reason, message)
    local now = merge.now()
    conditions[#conditions + 1] = {
      type = kind, status = "True", reason = reason, message = message,
      lastProbeTime = now, lastTransitionTime = now,
    }
  end
  local failed, succeeded = merge.outcomes(items)
  if #failed > 0 then
    add("Failed", "TFJobFailed", "TFJob executed failed in member clusters: " .. table.concat(failed, ", "))
  end
  if succeeded > 0 and succeeded == #items then
    add("Succeeded", "Completed", "TFJob completed successfully")
  end
  desired.status = merge.job_status(desired, items, ROLES, conditions)
  return desired
end

function InterpretHealth(observed)
  return merge.has_not_failed(observed)
end

function GetDependencies(desired)
  return merge.role_dependencies(desired, specs(desired), ROLES)
end
