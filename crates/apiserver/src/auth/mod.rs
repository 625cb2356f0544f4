//! Who asks, and whether they may.

pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod impersonate;
pub(crate) mod tokens;
pub(crate) mod user;
