//! The Karmada scheduler: takes bindings off a queue and writes where they go.
