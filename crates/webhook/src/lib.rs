//! The admission rules as a webhook server.
