//! Image references, and changes to their parts.

use std::fmt;
use std::sync::LazyLock;

use api::policy::{ImageComponent, ImageOverrider, ImagePredicate, OverriderOperator};
use machinery::Object;
use regex::Regex;
use serde_json::Value;

use crate::{Problem, containers, patch};

const TAG: &str = r"[\w][\w.-]{0,127}";
const DIGEST: &str = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}";

/// The grammar of references, of the distribution project:
/// <https://pkg.go.dev/github.com/distribution/reference>.
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let label = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let host = format!(r"(?:{label}(?:\.{label})*|\[[a-fA-F0-9:]+\])");
    let part = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
    compile(&format!(
        r"^(?P<name>(?:{host}(?::[0-9]+)?/)?{part}(?:/{part})*)(?::(?P<tag>{TAG}))?(?:@(?P<digest>{DIGEST}))?$"
    ))
});
static TAG_ONLY: LazyLock<Regex> = LazyLock::new(|| compile(&format!("^{TAG}$")));
static DIGEST_ONLY: LazyLock<Regex> = LazyLock::new(|| compile(&format!("^{DIGEST}$")));

fn compile(pattern: &str) -> Regex {
    // `\w` means ASCII in the grammar.
    regex::RegexBuilder::new(&pattern.replace(r"\w", "A-Za-z0-9_"))
        .build()
        .expect("the grammar is a constant, tried by every test")
}

/// Longest name of a repository, with its host.
const NAME_LEN_MAX: usize = 255;

/// An image reference in its parts: `[host[:port]/]repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// Host and port; empty when the reference has none.
    pub registry: String,
    /// Path in the registry.
    pub repository: String,
    /// Tag; empty for none.
    pub tag: String,
    /// Digest with its algorithm; empty for none.
    pub digest: String,
}

impl Image {
    /// Takes a reference apart. The text before the first slash is a host only if it looks like one:
    /// it has a dot or a colon, or is `localhost`.
    ///
    /// # Errors
    /// [`Problem::Image`] when the text does not follow the grammar.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let error = || Problem::Image { image: text.into() };
        let parts = REFERENCE.captures(text).ok_or_else(error)?;
        let part = |name| parts.name(name).map(|m| m.as_str()).unwrap_or_default();
        let name = part("name");
        if name.len() > NAME_LEN_MAX {
            return Err(error());
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (host, rest),
            _ => ("", name),
        };
        Ok(Self {
            registry: registry.into(),
            repository: repository.into(),
            tag: part("tag").into(),
            digest: part("digest").into(),
        })
    }

    /// Changes one part. The registry and the repository keep tag and digest; a change of the tag drops the
    /// digest, which would otherwise still decide which image it is.
    pub fn edit(&mut self, component: ImageComponent, operator: OverriderOperator, value: &str) {
        match component {
            ImageComponent::Registry => edit_text(&mut self.registry, operator, value),
            ImageComponent::Repository => edit_text(&mut self.repository, operator, value),
            ImageComponent::Tag => self.edit_tag(operator, value),
        }
    }

    fn edit_tag(&mut self, operator: OverriderOperator, value: &str) {
        let current = if self.tag.is_empty() { &self.digest } else { &self.tag };
        match operator {
            OverriderOperator::Add => self.set_tag_or_digest(&format!("{current}{value}")),
            OverriderOperator::Replace => self.set_tag_or_digest(value),
            OverriderOperator::Remove => {
                self.tag.clear();
                self.digest.clear();
            }
        }
    }

    /// Sets the tag or the digest, whichever the text can be; neither leaves both as they are.
    fn set_tag_or_digest(&mut self, text: &str) {
        if TAG_ONLY.is_match(text) {
            self.tag = text.into();
            self.digest.clear();
        } else if DIGEST_ONLY.is_match(text) {
            self.digest = text.into();
            self.tag.clear();
        }
    }
}

fn edit_text(text: &mut String, operator: OverriderOperator, value: &str) {
    match operator {
        OverriderOperator::Add => text.push_str(value),
        OverriderOperator::Replace => *text = value.into(),
        OverriderOperator::Remove => text.clear(),
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.registry.is_empty() {
            write!(f, "{}/", self.registry)?;
        }
        f.write_str(&self.repository)?;
        if !self.tag.is_empty() {
            write!(f, ":{}", self.tag)?;
        }
        if !self.digest.is_empty() {
            write!(f, "@{}", self.digest)?;
        }
        Ok(())
    }
}

/// Changes the image at the predicate's path, or without a predicate those of all containers.
pub(crate) fn apply(object: &mut Object, overrider: &ImageOverrider) -> Result<(), Problem> {
    if let Some(ImagePredicate { path }) = &overrider.predicate {
        let missing = |reason| Problem::Missing { wanted: "image", path: path.clone(), reason };
        let image = patch::find(object.value_mut(), path).map_err(missing)?;
        return edit(Some(image), || path.clone(), overrider);
    }
    let Some((path, containers)) = containers::of(object)? else { return Ok(()) };
    for (index, container) in containers.iter_mut().enumerate() {
        edit(container.get_mut("image"), || format!("{path}/{index}/image"), overrider)?;
    }
    Ok(())
}

fn edit(
    image: Option<&mut Value>,
    path: impl FnOnce() -> String,
    overrider: &ImageOverrider,
) -> Result<(), Problem> {
    let missing = |reason: &str| Problem::Missing { wanted: "image", path: path(), reason: reason.into() };
    let text = match image {
        None => return Err(missing("the container has none")),
        Some(Value::String(text)) => text,
        Some(_) => return Err(missing("what is there is no text")),
    };
    let mut image = Image::parse(text)?;
    image.edit(overrider.component, overrider.operator, &overrider.value);
    *text = image.to_string();
    Ok(())
}
