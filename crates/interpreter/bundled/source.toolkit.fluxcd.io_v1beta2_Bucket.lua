-- Bucket: objects of a storage service that Flux fetches into an artifact.

local merge = require("merge")

Retain = merge.retain_suspend

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, {"artifact", "conditions", "observedIgnore", "url"})
end

AggregateStatus = merge.source_status

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
