-- AdvancedCronJob: runs a Job or a BroadcastJob on a schedule.

local kube = require("kube")
local merge = require("merge")

function AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  local status = desired.status or {}
  desired.status = status
  status.active = {}
  status.type = ""
  status.lastScheduleTime = nil
  for member in merge.statuses(items) do
    merge.append(status.active, member.active)
    status.type = member.type or status.type
    status.lastScheduleTime = member.lastScheduleTime or status.lastScheduleTime
  end
  return desired
end

function GetDependencies(desired)
  local template = desired.spec.template
  local job = template.broadcastJobTemplate or template.jobTemplate
  local pod = job ~= nil and job.spec.template or {}
  return kube.getPodDependencies(pod, desired.metadata.namespace)
end
