//! Everything that is repeated: `cargo xtask <name>`.
fn main() {}
