//! Scripts that come with the program, for kinds of other projects: one file per kind in `bundled/`.
//!
//! A file defines the functions of the interpreter API; those it has are the kind's hooks.

use crate::Operation;
use crate::kind::Kind;
use crate::script::Script;

/// One kind's script.
struct Bundled {
    kind: Kind<'static>,
    hooks: &'static [Operation],
    script: Script,
}

include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// The script that answers an operation for objects of a kind.
pub(crate) fn script(kind: Kind<'_>, operation: Operation) -> Option<&'static Script> {
    let position = SCRIPTS.binary_search_by(|bundled| bundled.kind.cmp(&kind)).ok()?;
    let bundled = &SCRIPTS[position];
    bundled.hooks.contains(&operation).then_some(&bundled.script)
}

/// The modules that bundled scripts share, by the name they are required by, with their sources.
pub(crate) fn modules() -> &'static [(&'static str, &'static str)] {
    &MODULES
}

#[cfg(test)]
pub(crate) fn kinds() -> impl Iterator<Item = (Kind<'static>, &'static [Operation], &'static Script)> {
    SCRIPTS.iter().map(|bundled| (bundled.kind, bundled.hooks, &bundled.script))
}
