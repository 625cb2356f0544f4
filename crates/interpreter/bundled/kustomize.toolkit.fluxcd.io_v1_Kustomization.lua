-- Kustomization: manifests that Flux builds and applies.

local merge = require("merge")

local TEXTS = {"lastAttemptedRevision", "lastAppliedRevision"}

function Retain(desired, observed)
  return merge.retain_suspend(desired, observed)
end

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, TEXTS, {"conditions"})
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  if items == nil then
    merge.fill(status, TEXTS, "")
  end
  items = items or {}
  for _, name in ipairs(TEXTS) do
    status[name] = merge.last(items, name, status[name])
  end
  status.conditions = merge.conditions(items)
  return desired
end

function InterpretHealth(observed)
  return merge.is_true(observed.status, "Ready", "ReconciliationSucceeded")
end

function GetDependencies(desired)
  local spec = desired.spec
  local references, add = merge.references(desired)
  if spec.decryption ~= nil and spec.decryption.secretRef ~= nil then
    add("Secret", spec.decryption.secretRef.name)
  end
  if spec.kubeConfig ~= nil and spec.kubeConfig.secretRef ~= nil then
    add("Secret", spec.kubeConfig.secretRef.name)
  end
  if spec.serviceAccountName ~= nil then
    add("ServiceAccount", spec.serviceAccountName)
  end
  return references
end
