-- ClusterPolicy: Kyverno rules for the resources of a whole cluster.

local kyverno = require("kyverno")

ReflectStatus = kyverno.ReflectStatus
AggregateStatus = kyverno.AggregateStatus
InterpretHealth = kyverno.InterpretHealth
