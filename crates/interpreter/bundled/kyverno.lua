-- Kyverno: a Policy and its cluster-scoped twin have the same status.

local merge = require("merge")
local kyverno = {}

function kyverno.ReflectStatus(observed)
  return merge.reflect(observed, {"ready", "conditions", "autogen", "rulecount"})
end

-- The status is made anew: nothing of the template's own is kept.
function kyverno.AggregateStatus(desired, items)
  if items == nil then
    return desired
  end
  local rules = {validate = 0, generate = 0, mutate = 0, verifyimages = 0}
  local ready
  for status in merge.statuses(items) do
    if status.ready ~= nil then
      ready = status.ready
    end
    if status.rulecount ~= nil then
      for name, total in pairs(rules) do
        rules[name] = total + status.rulecount[name]
      end
    end
  end
  desired.status = {
    autogen = merge.last(items, "autogen"), ready = ready,
    rulecount = rules, conditions = merge.conditions(items),
  }
  return desired
end

function kyverno.InterpretHealth(observed)
  local status = observed.status
  if status ~= nil and status.ready ~= nil then
    return status.ready
  end
  return merge.is_true(status, "Ready", "Succeeded")
end

return kyverno
