-- OCIRepository: a container image layer that Flux fetches into an artifact.

local merge = require("merge")

Retain = merge.retain_suspend

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, {
    "artifact", "conditions", "observedIgnore", "observedLayerSelector", "url",
  })
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
  if spec.verify ~= nil and spec.verify.secretRef ~= nil then
    add("Secret", spec.verify.secretRef.name)
  end
  if spec.certSecretRef ~= nil then
    add("Secret", spec.certSecretRef.name)
  end
  -- Unlike everywhere else, leaving the account out is an error here.
  add("ServiceAccount", spec.serviceAccountName)
  return references
end
