-- HelmRelease: a chart that Flux installs and upgrades.

local merge = require("merge")

local TEXTS = {
  "lastAttemptedRevision", "lastAppliedRevision", "lastAttemptedValuesChecksum", "helmChart",
  "lastReleaseRevision",
}
local FAILURES = {"failures", "upgradeFailures", "installFailures"}

function Retain(desired, observed)
  return merge.retain_suspend(desired, observed)
end

function ReflectStatus(observed)
  return merge.reflect_with_generations(observed, TEXTS, FAILURES, {"conditions"})
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  if items == nil then
    merge.fill(status, TEXTS, "")
    merge.fill(status, FAILURES, 0)
  end
  items = items or {}
  for _, name in ipairs(TEXTS) do
    status[name] = merge.last(items, name, status[name])
  end
  -- Added to the template's own number, and only where it has one.
  for _, name in ipairs(FAILURES) do
    for member in merge.statuses(items) do
      if status[name] ~= nil and member[name] ~= nil then
        status[name] = status[name] + member[name]
      end
    end
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
  for _, source in ipairs(spec.valuesFrom or {}) do
    if source.kind == "Secret" or source.kind == "ConfigMap" then
      add(source.kind, source.name)
    end
  end
  local chart = spec.chart ~= nil and spec.chart.spec or {}
  if chart.verify ~= nil and chart.verify.secretRef ~= nil then
    add("Secret", chart.verify.secretRef.name)
  end
  if spec.kubeConfig ~= nil and spec.kubeConfig.secretRef ~= nil then
    add("Secret", spec.kubeConfig.secretRef.name)
  end
  if spec.serviceAccountName ~= nil then
    add("ServiceAccount", spec.serviceAccountName)
  end
  return references
end
