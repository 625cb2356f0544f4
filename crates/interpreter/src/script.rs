//! A Lua script and its compiled form.

use std::borrow::Cow;
use std::sync::OnceLock;

use lua::Chunk;

/// A script; compiled when it is first needed, and once.
#[derive(Debug)]
pub(crate) struct Script {
    /// Who wrote it: a customization's name or a bundled file's.
    origin: Cow<'static, str>,
    source: Cow<'static, str>,
    /// Whether it may require the modules of the bundled scripts.
    is_bundled: bool,
    chunk: OnceLock<Result<Chunk, String>>,
}

impl Script {
    pub(crate) fn customization(name: &str, source: String) -> Self {
        let origin = Cow::Owned(format!("customization {name}"));
        Self { origin, source: Cow::Owned(source), is_bundled: false, chunk: OnceLock::new() }
    }

    pub(crate) const fn bundled(file: &'static str, source: &'static str) -> Self {
        let (origin, source) = (Cow::Borrowed(file), Cow::Borrowed(source));
        Self { origin, source, is_bundled: true, chunk: OnceLock::new() }
    }

    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn is_bundled(&self) -> bool {
        self.is_bundled
    }

    /// The compiled script, or why it cannot be compiled. Other scripts of the same customization are not
    /// concerned.
    pub(crate) fn chunk(&self) -> Result<&Chunk, String> {
        let compiled = self.chunk.get_or_init(|| {
            let name = if self.is_bundled { &self.origin } else { "<string>" };
            Chunk::compile(name, &self.source).map_err(|why| why.to_string())
        });
        compiled.as_ref().map_err(|why| format!("the script of {} cannot be compiled: {why}", self.origin))
    }
}
