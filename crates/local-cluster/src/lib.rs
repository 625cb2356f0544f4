//! A member cluster without machines: workload controllers, pod scheduler, node simulator.
