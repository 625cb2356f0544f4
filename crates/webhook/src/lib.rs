//! The admission rules, called in the API server's process or as a webhook server.
//!
//! ```text
//! POST /mutate-…, /validate-…   AdmissionReview in, AdmissionReview out
//! POST /convert                 ConversionReview in, ConversionReview out: versions of bindings
//! GET  /readyz, /healthz        ok
//! GET  /metrics                 Prometheus text
//! ```
//!
//! The rules themselves are pure and live in the crate `admission`; [`Rules`] hands them the time, ids and
//! what they must know of other objects.

mod convert;
mod not_yet;
mod review;
mod rules;
mod server;

pub use rules::Rules;
pub use server::{Error, Options, run};
