-- What several kinds share: reading a member's status, and merging many into the template's.
--
-- An item is one member's answer: {clusterName, status, applied, health}; its status may be absent.
-- `items` itself is nil when the object was never placed anywhere, which is told apart from an empty list.

local kube = require("kube")

local merge = {}

-- The member's copy carries the generation of the template it was made from in this annotation.
local TEMPLATE_GENERATION = "resourcetemplate.karmada.io/generation"

-- What is found by following the names from `value`, nothing as soon as one is missing.
function merge.at(value, ...)
  for _, name in ipairs({...}) do
    if value == nil then
      return nil
    end
    value = value[name]
  end
  return value
end

-- The statuses that are there, in the items' order, with the member's name beside each.
function merge.statuses(items)
  local position = 0
  return function()
    repeat
      position = position + 1
    until items[position] == nil or items[position].status ~= nil
    local item = items[position]
    if item ~= nil then
      return item.status, item.clusterName
    end
  end
end

-- Writes the totals of the named counters over all items; absent counts as 0.
function merge.sum(into, items, names)
  for _, name in ipairs(names) do
    local total = 0
    for status in merge.statuses(items) do
      if status[name] ~= nil then
        total = total + status[name]
      end
    end
    into[name] = total
  end
end

-- Sets the named fields to `value`.
function merge.fill(into, names, value)
  for _, name in ipairs(names) do
    into[name] = value
  end
end

-- The value of a field in the last status that has one that is not the empty text, else `otherwise`.
function merge.last(items, name, otherwise)
  local found = otherwise
  for status in merge.statuses(items) do
    if status[name] ~= nil and status[name] ~= "" then
      found = status[name]
    end
  end
  return found
end

-- The value of a field in the first status that has one.
function merge.first(items, name)
  for status in merge.statuses(items) do
    if status[name] ~= nil then
      return status[name]
    end
  end
end

-- All members' conditions one after the other, as they are.
function merge.all_conditions(items)
  local conditions = {}
  for status in merge.statuses(items) do
    merge.append(conditions, status.conditions)
  end
  return conditions
end

-- The earliest or the latest of a timestamp field. All are RFC 3339 texts in UTC, which order as texts.
function merge.earliest(items, name)
  local found
  for status in merge.statuses(items) do
    local time = status[name]
    if time ~= nil and time ~= "" and (found == nil or time < found) then
      found = time
    end
  end
  return found
end

function merge.latest(items, name)
  local found
  for status in merge.statuses(items) do
    local time = status[name]
    if time ~= nil and time ~= "" and (found == nil or time > found) then
      found = time
    end
  end
  return found
end

-- Now, as a timestamp.
function merge.now()
  return os.date("!%Y-%m-%dT%H:%M:%SZ")
end

-- `value` as a number, given as such or as text; `otherwise` when it is neither.
function merge.number(value, otherwise)
  if value == nil or value == "" then
    return otherwise
  end
  return tonumber(value) or otherwise
end

-- A copy without empty tables, at any depth, and without the scalars that are keys of `empty`.
-- Nothing when nothing remains.
function merge.compact(value, empty)
  local kept = {}
  for key, inner in pairs(value) do
    if type(inner) == "table" then
      kept[key] = merge.compact(inner, empty)
    elseif not empty[inner] then
      kept[key] = inner
    end
  end
  if next(kept) ~= nil then
    return kept
  end
end

-- Makes the named fields those of `from`; one that is absent there is removed.
function merge.copy(into, from, names)
  for _, name in ipairs(names) do
    into[name] = from[name]
  end
  return into
end

-- Appends every element of `from`, nil being empty.
function merge.append(into, from)
  for _, element in ipairs(from or {}) do
    into[#into + 1] = element
  end
end

-- The template's status and its two generations, filled in where they are missing.
function merge.status(desired)
  desired.status = desired.status or {}
  desired.metadata.generation = desired.metadata.generation or 0
  desired.status.observedGeneration = desired.status.observedGeneration or 0
  return desired.status
end

-- The template counts as observed once every member has taken in this very generation of it;
-- until then the old value stays. No members at all is "every member".
function merge.observe(desired, items)
  for _, item in ipairs(items or {}) do
    local status = item.status or {}
    local made_from_this = (status.resourceTemplateGeneration or 0) == desired.metadata.generation
    local taken_in = (status.generation or 0) == (status.observedGeneration or 0)
    if not (made_from_this and taken_in) then
      return
    end
  end
  desired.status.observedGeneration = desired.metadata.generation
end

-- All members' conditions. Those equal in type, status and reason become one, and every message
-- is prefixed with the member it came from.
function merge.conditions(items)
  local merged = {}
  for status, cluster in merge.statuses(items) do
    for _, condition in ipairs(status.conditions or {}) do
      condition.message = cluster .. "=" .. condition.message
      local twin = nil
      for _, candidate in ipairs(merged) do
        if candidate.type == condition.type and candidate.status == condition.status
          and candidate.reason == condition.reason then
          twin = candidate
          break
        end
      end
      if twin ~= nil then
        twin.message = twin.message .. ", " .. condition.message
      else
        merged[#merged + 1] = condition
      end
    end
  end
  return merged
end

-- The named status fields of a member's object, empty without a status. Takes lists of names.
function merge.reflect(observed, ...)
  local status = {}
  if observed.status ~= nil then
    for _, names in ipairs({...}) do
      merge.copy(status, observed.status, names)
    end
  end
  return status
end

-- As `reflect`, with the generations that `observe` compares.
function merge.reflect_with_generations(observed, ...)
  local status, metadata = merge.reflect(observed, {"observedGeneration"}, ...), observed.metadata
  if observed.status ~= nil and metadata ~= nil then
    status.generation = metadata.generation
    if metadata.annotations ~= nil then
      status.resourceTemplateGeneration = tonumber(metadata.annotations[TEMPLATE_GENERATION])
    end
  end
  return status
end

-- Whether a condition of this type is True, for one of the given reasons (any when none is given).
function merge.is_true(status, type_of, ...)
  local reasons = {...}
  for _, condition in ipairs(status ~= nil and status.conditions or {}) do
    if condition.type == type_of and condition.status == "True" then
      if #reasons == 0 then
        return true
      end
      for _, reason in ipairs(reasons) do
        if condition.reason == reason then
          return true
        end
      end
    end
  end
  return false
end

-- Whether a replicated workload has been observed, updated and made available.
function merge.replicas_are_ready(observed)
  local status = observed.status
  if status.observedGeneration ~= observed.metadata.generation then
    return false
  end
  local wanted = observed.spec.replicas
  if wanted ~= nil and status.updatedReplicas < wanted then
    return false
  end
  return status.availableReplicas >= status.updatedReplicas
end

-- The member decides whether reconciliation is paused there.
function merge.retain_suspend(desired, observed)
  if observed.spec.suspend ~= nil then
    desired.spec.suspend = observed.spec.suspend
  end
  return desired
end

-- The status of a Flux source that is fetched from a URL: the last artifact and URL, all conditions.
function merge.source_status(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  items = items or {}
  status.artifact = merge.last(items, "artifact")
  status.url = merge.last(items, "url", "")
  status.conditions = merge.conditions(items)
  return desired
end

-- An empty list of references, and the function that adds to it one object of `owner`'s namespace.
-- An empty name refers to nothing; a missing one is a mistake in the object.
function merge.references(owner)
  local list = {}
  return list, function(kind, name)
    if name == nil then
      error("a reference to a " .. kind .. " has no name")
    end
    if name ~= "" then
      list[#list + 1] = {apiVersion = "v1", kind = kind, namespace = owner.metadata.namespace, name = name}
    end
  end
end

-- Which nodes a pod with these fields of a pod spec may run on, nothing when on any.
function merge.node_claim(fields)
  local requirements = kube.accuratePodRequirements({spec = fields})
  return requirements ~= nil and requirements.nodeClaim or nil
end

-- Training jobs of Kubeflow have replica specs by role ("Master", "Worker", ...), each with a pod template.

-- One component for every role that is there, named like it in lower case.
function merge.role_components(specs, roles)
  local components = {}
  for _, role in ipairs(roles) do
    local spec = specs ~= nil and specs[role] or nil
    if spec ~= nil then
      components[#components + 1] = {
        name = string.lower(role), replicas = merge.number(spec.replicas, 1),
        replicaRequirements = spec.template and kube.accuratePodRequirements(spec.template),
      }
    end
  end
  return components
end

-- What the pods of all roles refer to.
function merge.role_dependencies(desired, specs, roles)
  local references = {}
  for _, role in ipairs(roles) do
    local spec = specs ~= nil and specs[role] or nil
    if spec ~= nil and spec.template ~= nil then
      merge.append(references, kube.getPodDependencies(spec.template, desired.metadata.namespace))
    end
  end
  return references
end

-- Adds up the pods that are active, failed and succeeded, for every role of `totals` or,
-- if `totals` may grow, for every role a member reports.
function merge.role_statuses(items, totals, may_grow)
  for status in merge.statuses(items) do
    for role, counts in pairs(status.replicaStatuses or {}) do
      if totals[role] == nil and may_grow then
        totals[role] = {active = 0, failed = 0, succeeded = 0}
      end
      for name, total in pairs(totals[role] or {}) do
        totals[role][name] = total + (counts[name] or 0)
      end
    end
  end
  return totals
end

-- How the job ended on each member: the names of those where it failed, and how many succeeded.
function merge.outcomes(items)
  local failed, succeeded = {}, 0
  for status, cluster in merge.statuses(items) do
    local ended
    for _, condition in ipairs(status.conditions or {}) do
      local final = condition.type == "Succeeded" or condition.type == "Failed"
      if final and condition.status == "True" then
        ended = condition.type
      end
    end
    if ended == "Failed" then
      failed[#failed + 1] = cluster
    elseif ended == "Succeeded" then
      succeeded = succeeded + 1
    end
  end
  return failed, succeeded
end

-- Whether a job reports conditions, and none that says it failed.
function merge.has_not_failed(observed)
  local status = observed.status
  return status ~= nil and status.conditions ~= nil and not merge.is_true(status, "Failed")
end

-- The parts of a training job's status that do not depend on its kind: times and counters. A completion
-- time is only set when the job succeeded everywhere; before, the template keeps what it has.
function merge.job_status(desired, items, roles, conditions)
  local _, succeeded = merge.outcomes(items)
  local status, totals = desired.status or {}, {}
  for _, role in ipairs(roles) do
    totals[role] = {active = 0, failed = 0, succeeded = 0}
  end
  if succeeded > 0 and succeeded == #items then
    status.completionTime = merge.latest(items, "completionTime")
  end
  status.startTime = merge.earliest(items, "startTime")
  status.lastReconcileTime = merge.latest(items, "lastReconcileTime")
  status.replicaStatuses = merge.role_statuses(items, totals)
  status.conditions = conditions
  return merge.compact(status, {[0] = true, [""] = true, ["0s"] = true})
end

-- The status of a training job that was never placed: what a run would have written is emptied.
function merge.forget_job(desired)
  local status = desired.status or {}
  status.startTime, status.completionTime = nil, nil
  status.replicaStatuses, status.conditions = {}, {}
  desired.status = status
  return desired
end

-- A Ray cluster has one head and groups of workers, each with a pod template.

-- The components of a cluster's spec: the head, and each group of workers by name.
function merge.ray_components(cluster)
  local components = {}
  local head = cluster ~= nil and cluster.headGroupSpec or {}
  if head.template ~= nil then
    components[1] = {
      name = "ray-head", replicas = 1, replicaRequirements = kube.accuratePodRequirements(head.template),
    }
  end
  for position, group in ipairs(cluster ~= nil and cluster.workerGroupSpecs or {}) do
    local name = group.groupName
    if name == nil or name == "" then
      name = "worker-" .. position
    end
    components[#components + 1] = {
      name = name, replicas = group.replicas or 0,
      replicaRequirements = group.template and kube.accuratePodRequirements(group.template),
    }
  end
  return components
end

-- The pod templates of a cluster's spec.
function merge.ray_templates(cluster)
  local templates = {}
  if cluster ~= nil then
    templates[1] = cluster.headGroupSpec ~= nil and cluster.headGroupSpec.template or nil
    for _, group in ipairs(cluster.workerGroupSpecs or {}) do
      templates[#templates + 1] = group.template
    end
  end
  return templates
end

-- What the pods of these templates refer to, in the namespace of `desired` (none when it has none).
function merge.template_dependencies(desired, templates)
  local references = {}
  for _, template in ipairs(templates) do
    local found = template.spec ~= nil and kube.getPodDependencies(template, nil) or {}
    for _, reference in ipairs(found) do
      reference.namespace = desired.metadata.namespace
      references[#references + 1] = reference
    end
  end
  return references
end

-- The status of a kind that is merged only when there are several members: with one, its status is the
-- answer. Of the template only metadata and status remain. `fill` writes the merged fields.
function merge.ray_status(desired, items, fill)
  if items == nil then
    return desired
  end
  desired.spec = nil
  if #items == 1 then
    desired.status = items[1].status
  else
    desired.status = desired.status or {}
    fill(desired.status, items)
  end
  return desired
end

return merge
