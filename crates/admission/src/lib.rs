//! Defaulting and validation of the Karmada kinds.
