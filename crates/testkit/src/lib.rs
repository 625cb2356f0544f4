//! Builders and scenes for tests.
