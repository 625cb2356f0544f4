-- RayService: applications served by a Ray cluster. One head is always there; the other replicas are workers.

local kube = require("kube")
local merge = require("merge")

local function cluster(obj)
  return obj.spec ~= nil and obj.spec.rayClusterConfig or nil
end

-- Every replica asks for what the head asks for, and for the most cpu and memory of any group.
function GetReplicas(obj)
  local config = cluster(obj) or {}
  local head = config.headGroupSpec or {}
  if head.template == nil then
    return 0, nil
  end
  local replicas = 1
  local requirements = kube.accuratePodRequirements(head.template)
  local request = requirements ~= nil and requirements.resourceRequest or {}
  for _, group in ipairs(config.workerGroupSpecs or {}) do
    replicas = replicas + (group.replicas or 0)
    local worker = group.template and kube.accuratePodRequirements(group.template) or {}
    for _, resource in ipairs({"cpu", "memory"}) do
      local amount = (worker.resourceRequest or {})[resource]
      local most = request[resource] and kube.getResourceQuantity(request[resource]) or 0
      if amount ~= nil and kube.getResourceQuantity(amount) > most then
        request[resource] = amount
      end
    end
  end
  -- A head that asks for nothing leaves the workers' requests out, too.
  if requirements ~= nil and next(request) ~= nil then
    requirements.resourceRequest = request
  end
  return replicas, requirements
end

-- Shares `wanted` workers out to the groups, in proportion to what they have now; evenly when they have none.
-- The last group takes what rounding leaves.
local function share_out(groups, wanted)
  local total, given = 0, 0
  for _, group in ipairs(groups) do
    total = total + (group.replicas or 0)
  end
  for position, group in ipairs(groups) do
    if wanted == 0 then
      group.replicas = 0
    elseif position == #groups then
      group.replicas = wanted - given
    elseif total == 0 then
      local extra = position <= wanted % #groups and 1 or 0
      group.replicas = math.floor(wanted / #groups) + extra
    else
      local proportion = (group.replicas or 0) / total
      group.replicas = math.floor(wanted * proportion + 0.5)
    end
    given = given + group.replicas
  end
end

function ReviseReplica(obj, replicas)
  local config = cluster(obj) or {}
  share_out(config.workerGroupSpecs or {}, math.max(0, replicas - 1))
  return obj
end

-- The worse, the higher. What is not listed counts as 0.
local APPLICATION_RANKS = {
  NOT_STARTED = 1, DEPLOYING = 2, DELETING = 3, UNHEALTHY = 4, DEPLOY_FAILED = 5,
}

-- Each application's worst status over all members, by its name.
local function applications(items)
  local found = {}
  for member in merge.statuses(items) do
    local active = member.activeServiceStatus or {}
    for name, application in pairs(active.applicationStatuses or {}) do
      local rank = APPLICATION_RANKS[application.status] or 0
      if found[name] == nil or rank > (APPLICATION_RANKS[found[name].status] or 0) then
        found[name] = application
      end
    end
  end
  return found
end

local function fill(status, items)
  status.conditions = merge.all_conditions(items)
  merge.sum(status, items, {"numServeEndpoints"})
  status.lastUpdateTime = merge.latest(items, "lastUpdateTime")
  status.observedGeneration = 0
  status.serviceStatus = "Running"
  for member in merge.statuses(items) do
    status.observedGeneration = math.max(status.observedGeneration, member.observedGeneration or 0)
    if member.serviceStatus == "" then
      status.serviceStatus = ""
    end
  end
  local active = merge.first(items, "activeServiceStatus")
  if active ~= nil then
    active.applicationStatuses = applications(items)
    status.activeServiceStatus = active
  end
  status.pendingServiceStatus = merge.first(items, "pendingServiceStatus") or status.pendingServiceStatus
end

function AggregateStatus(desired, items)
  return merge.ray_status(desired, items, fill)
end

function InterpretHealth(observed)
  return merge.is_true(observed.status, "Ready")
end

function GetDependencies(desired)
  return merge.template_dependencies(desired, merge.ray_templates(cluster(desired)))
end
