-- Bucket: objects of a storage service that Flux fetches into an artifact.

local merge = require("merge")

function Retain(desired, observed)
  return merge.retain_suspend(desired, observed)
end

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, {"artifact", "conditions", "observedIgnore", "url"})
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  items = items or {}
  status.artifact = merge.last(items, "artifact")
  status.url = merge.last(items, "url", "")
  status.conditions = merge.conditions(items)
  return desired
end

function InterpretHealth(observed)
  return merge.is_true(observed.status, "Ready", "Succeeded")
end

function GetDependencies(desired)
  local spec = desired.spec
  local references, add = merge.references(desired)
  if spec.secretRef ~= nil then
    add("Secret", spec.secretRef.name)
  end
  return references
end
