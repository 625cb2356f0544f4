-- Policy: Kyverno rules for the resources of one namespace.

local kyverno = require("kyverno")

ReflectStatus = kyverno.ReflectStatus
AggregateStatus = kyverno.AggregateStatus
InterpretHealth = kyverno.InterpretHealth
