-- HelmChart: a chart that Flux packs into an artifact.

local merge = require("merge")

function Retain(desired, observed)
  return merge.retain_suspend(desired, observed)
end

function ReflectStatus(observed)
  local status = merge.reflect_with_generations(observed, {
    "artifact", "conditions", "observedChartName", "observedSourceArtifactRevision", "url",
  })
  -- The one kind that does not report it, so a template with a chart is never counted as observed.
  status.observedGeneration = nil
  return status
end

function AggregateStatus(desired, items)
  local status = merge.status(desired)
  merge.observe(desired, items)
  items = items or {}
  status.artifact = merge.last(items, "artifact")
  status.observedChartName = merge.last(items, "observedChartName", "")
  status.observedSourceArtifactRevision = merge.last(items, "observedSourceArtifactRevision", "")
  status.url = merge.last(items, "url", "")
  status.conditions = merge.conditions(items)
  return desired
end

function InterpretHealth(observed)
  return merge.is_true(observed.status, "Ready", "Succeeded", "ChartPullSucceeded")
end

function GetDependencies(desired)
  local spec = desired.spec
  local references, add = merge.references(desired)
  if spec.verify ~= nil and spec.verify.secretRef ~= nil then
    add("Secret", spec.verify.secretRef.name)
  end
  return references
end
