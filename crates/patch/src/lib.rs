//! The four patches and server-side apply with managed fields.
