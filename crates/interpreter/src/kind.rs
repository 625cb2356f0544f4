//! A kind, as read off an object without copying.

use machinery::{GroupVersionKind, Object};

/// Group, version and kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind<'a> {
    pub(crate) kind: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
}

impl<'a> Kind<'a> {
    pub(crate) fn new(api_version: &'a str, kind: &'a str) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self { kind, group, version }
    }

    pub(crate) fn of(object: &'a Object) -> Self {
        Self::new(object.api_version(), object.kind())
    }
}

impl<'a> From<&'a GroupVersionKind> for Kind<'a> {
    fn from(gvk: &'a GroupVersionKind) -> Self {
        Self { kind: &gvk.kind, group: &gvk.group, version: &gvk.version }
    }
}
