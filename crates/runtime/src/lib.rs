//! Informers, work queues, backoff, leases, events, metrics and named tasks.
