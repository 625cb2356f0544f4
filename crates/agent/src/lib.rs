//! The pull-mode agent: execution and status from the member's side.
