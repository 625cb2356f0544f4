//! CustomResourceDefinitions: kinds that come and go at run time.

pub(crate) mod controller;
pub(crate) mod object;
pub(crate) mod version;
