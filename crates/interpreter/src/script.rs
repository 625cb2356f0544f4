//! A Lua script and its compiled form.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use lua::Chunk;

/// A script; compiled when it is first needed, and once.
#[derive(Debug)]
pub(crate) struct Script {
    /// Name of the customization, or of the bundled file.
    name: Cow<'static, str>,
    source: Cow<'static, str>,
    /// Whether it may require the modules of the bundled scripts.
    is_bundled: bool,
    chunk: OnceLock<Result<Chunk, String>>,
}

impl Script {
    pub(crate) fn customization(name: &str, source: String) -> Self {
        let (name, source) = (Cow::Owned(name.to_owned()), Cow::Owned(source));
        Self { name, source, is_bundled: false, chunk: OnceLock::new() }
    }

    pub(crate) const fn bundled(file: &'static str, source: &'static str) -> Self {
        let (name, source) = (Cow::Borrowed(file), Cow::Borrowed(source));
        Self { name, source, is_bundled: true, chunk: OnceLock::new() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_bundled(&self) -> bool {
        self.is_bundled
    }

    /// The compiled script, or why it cannot be compiled. Other scripts of the same customization are not
    /// concerned.
    pub(crate) fn chunk(&self) -> Result<&Chunk, String> {
        let compiled = self.chunk.get_or_init(|| {
            let name = if self.is_bundled { &self.name } else { "<string>" };
            Chunk::compile(name, &self.source).map_err(|why| why.to_string())
        });
        compiled.as_ref().map_err(|why| format!("the script of {self} cannot be compiled: {why}"))
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_bundled { "bundled file" } else { "customization" };
        write!(f, "{kind} {}", self.name)
    }
}
