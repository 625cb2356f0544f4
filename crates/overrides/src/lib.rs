//! Override policies applied to a manifest.
