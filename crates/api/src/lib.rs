//! The Karmada kinds and every well-known name; CRDs are generated from it.
