//! Query parameters: case-sensitive names, unknown ones ignored, booleans as `true/false/1/0`.

use machinery::{Cause, Status};
use serde_json::{Value, json};

/// The decoded query of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes `a=b&c=d`.
    pub(crate) fn parse(raw: &str) -> Self {
        Self(
            raw.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The first value of a parameter, empty when absent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A flag; present without a value means true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| !matches!(v, "false" | "0" | "False" | "FALSE" | "f"))
    }

    /// A whole number; empty counts as absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Status> {
        match self.text(name) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
        }
    }

    /// Sets a parameter that the path implies.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

/// Decodes `%xx` (and `+` in queries).
pub(crate) fn decode(text: &str, plus_is_space: bool) -> String {
    let is_plain = !text.contains('%') && (!plus_is_space || !text.contains('+'));
    if is_plain {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes
            .get(at + 1..at + 3)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) if plus_is_space => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How unknown and duplicate fields of a body are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped with a warning each.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// Options every write shares.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    /// Everything happens except storing.
    pub(crate) dry_run: bool,
    /// Who writes, for `managedFields`.
    pub(crate) field_manager: String,
    /// Treatment of unknown fields.
    pub(crate) field_validation: FieldValidation,
    /// Take over fields of others (server-side apply).
    pub(crate) force: bool,
    /// Whether this is a server-side apply.
    pub(crate) apply: bool,
}

/// Longest field manager name, in bytes.
const FIELD_MANAGER_BYTES_MAX: usize = 128;

impl WriteOptions {
    /// Reads the options of a create, update or patch. `kind` is the options' kind for error messages.
    pub(crate) fn parse(query: &Query, kind: &str, user_agent: &str, is_apply: bool) -> Result<Self, Status> {
        let mut causes = Vec::new();
        let dry_run = dry_run(query, &mut causes);
        let explicit = query.text("fieldManager");
        if explicit.len() > FIELD_MANAGER_BYTES_MAX {
            causes.push(Cause::too_long("fieldManager", FIELD_MANAGER_BYTES_MAX));
        } else if explicit.chars().any(char::is_control) {
            causes.push(Cause::invalid(
                "fieldManager",
                &json!(explicit),
                "should only contain printable characters",
            ));
        }
        if is_apply && explicit.is_empty() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        let field_validation = match query.text("fieldValidation") {
            "" | "Warn" => FieldValidation::Warn,
            "Ignore" => FieldValidation::Ignore,
            "Strict" => FieldValidation::Strict,
            other => {
                causes.push(Cause::not_supported(
                    "fieldValidation",
                    &json!(other),
                    &["", "Ignore", "Strict", "Warn"],
                ));
                FieldValidation::Warn
            }
        };
        if kind == "PatchOptions" && !is_apply && query.get("force").is_some() {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        if !causes.is_empty() {
            return Err(Status::invalid("meta.k8s.io", kind, "", causes));
        }
        let field_manager = if explicit.is_empty() { manager_of(user_agent) } else { explicit.to_owned() };
        Ok(Self { dry_run, field_manager, field_validation, force: query.flag("force"), apply: is_apply })
    }
}

/// The field manager implied by a user agent: its name before the first `/`.
fn manager_of(user_agent: &str) -> String {
    let name = user_agent.split('/').next().unwrap_or_default();
    let name: String = name.chars().filter(|c| !c.is_control()).take(FIELD_MANAGER_BYTES_MAX).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// Reads `dryRun`, of which only `All` exists.
pub(crate) fn dry_run(query: &Query, causes: &mut Vec<Cause>) -> bool {
    let values: Vec<&str> = query.all("dryRun").filter(|v| !v.is_empty()).collect();
    if values.iter().any(|v| *v != "All") {
        causes.push(Cause::not_supported("dryRun", &Value::from(values.clone()), &["All"]));
    }
    !values.is_empty()
}
