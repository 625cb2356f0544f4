//! Kubeconfig files: how to reach which server as whom. See
//! <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::files::{read_if_exists, write_private};

/// How a client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// With a certificate and its key, both in PEM.
    Certificate {
        /// The certificate.
        certificate_pem: String,
        /// Its private key.
        key_pem: String,
    },
    /// With a bearer token.
    Token(String),
}

impl From<crate::Issued> for Credentials {
    fn from(issued: crate::Issued) -> Self {
        Self::Certificate { certificate_pem: issued.certificate_pem, key_pem: issued.key_pem }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// One context with its cluster and its user. Cluster and context have the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name of context and cluster, for example `karmada-apiserver`.
    pub name: String,
    /// Name of the user entry; several contexts may share one.
    pub user: String,
    /// URL of the server.
    pub server: String,
    /// Certificates to trust, in PEM.
    pub authority_pem: String,
    /// How to log in.
    pub credentials: Credentials,
}

impl Entry {
    /// An entry whose user is called `{name}-admin`.
    pub fn new(name: &str, server: &str, authority_pem: &str, credentials: impl Into<Credentials>) -> Self {
        Self {
            name: name.into(),
            user: format!("{name}-admin"),
            server: server.into(),
            authority_pem: authority_pem.into(),
            credentials: credentials.into(),
        }
    }
}

/// A kubeconfig. What it holds beyond the entries set here, somebody's own contexts for example, is kept.
#[derive(Clone, PartialEq)]
pub struct Kubeconfig(Map<String, Value>);

impl std::fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kubeconfig({})", self.contexts().collect::<Vec<_>>().join(", "))
    }
}

impl Default for Kubeconfig {
    fn default() -> Self {
        let empty = json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {},
            "clusters": [], "contexts": [], "users": [], "current-context": "",
        });
        let Value::Object(map) = empty else { unreachable!("a literal map") };
        Self(map)
    }
}

impl Kubeconfig {
    /// Reads a kubeconfig in YAML or JSON.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        match serde_saphyr::from_str(text) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(Error::malformed("kubeconfig", "not a map")),
            Err(error) => Err(Error::malformed("kubeconfig", error)),
        }
    }

    /// Reads a file; an absent one is an empty kubeconfig.
    ///
    /// # Errors
    /// [`Error::File`], and [`Error::Malformed`] naming the file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read_if_exists(path)?.unwrap_or_default();
        Self::parse(&text).map_err(|error| match error {
            Error::Malformed { why, .. } => Error::malformed(path.display().to_string(), why),
            other => other,
        })
    }

    /// Sets an entry: context, cluster and user of these names are replaced or added. The first entry
    /// becomes the current context.
    pub fn set(&mut self, entry: &Entry) {
        let cluster = json!({
            "server": entry.server, "certificate-authority-data": STANDARD.encode(&entry.authority_pem),
        });
        let user = match &entry.credentials {
            Credentials::Certificate { certificate_pem, key_pem } => json!({
                "client-certificate-data": STANDARD.encode(certificate_pem),
                "client-key-data": STANDARD.encode(key_pem),
            }),
            Credentials::Token(token) => json!({ "token": token }),
        };
        let context = json!({ "cluster": entry.name, "user": entry.user });
        self.put("clusters", &entry.name, "cluster", cluster);
        self.put("users", &entry.user, "user", user);
        self.put("contexts", &entry.name, "context", context);
        if self.current().is_empty() {
            self.set_current(&entry.name);
        }
    }

    /// Takes over another kubeconfig's entries; those of the same name are replaced. The current context
    /// stays, unless there is none.
    pub fn merge(&mut self, other: &Self) {
        for (list, field) in [("clusters", "cluster"), ("users", "user"), ("contexts", "context")] {
            for item in other.list(list) {
                if let (Some(name), Some(value)) = (name_of(item), item.get(field)) {
                    self.put(list, name, field, value.clone());
                }
            }
        }
        if self.current().is_empty() {
            self.set_current(other.current());
        }
    }

    /// Removes a context, and its cluster and user when no other context names them.
    pub fn remove(&mut self, context: &str) {
        let Some(removed) = self.list("contexts").find(|item| name_of(item) == Some(context)).cloned() else {
            return;
        };
        self.drop_named("contexts", context);
        for (list, pointer) in [("clusters", "/context/cluster"), ("users", "/context/user")] {
            let Some(name) = removed.pointer(pointer).and_then(Value::as_str) else { continue };
            let is_used =
                self.list("contexts").any(|c| c.pointer(pointer).and_then(Value::as_str) == Some(name));
            if !is_used {
                self.drop_named(list, name);
            }
        }
        if self.current() == context {
            let first = self.contexts().next().unwrap_or_default().to_owned();
            self.set_current(&first);
        }
    }

    /// Names of the contexts.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.list("contexts").filter_map(name_of)
    }

    /// Name of the current context, empty when there is none.
    pub fn current(&self) -> &str {
        self.0.get("current-context").and_then(Value::as_str).unwrap_or_default()
    }

    /// Makes a context the current one.
    pub fn set_current(&mut self, context: &str) {
        self.0.insert("current-context".into(), context.into());
    }

    /// The text of the file.
    pub fn to_yaml(&self) -> String {
        serde_saphyr::to_string(&self.0).expect("plain maps, lists and strings have a YAML form")
    }

    /// Writes the file, atomically and readable by its owner only.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        write_private(path, &self.to_yaml())
    }

    fn list(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.0.get(list).and_then(Value::as_array).into_iter().flatten()
    }

    fn list_mut(&mut self, list: &str) -> &mut Vec<Value> {
        let value = self.0.entry(list).or_insert(Value::Null);
        if !value.is_array() {
            *value = Value::Array(Vec::new());
        }
        value.as_array_mut().expect("made a list just above")
    }

    fn put(&mut self, list: &str, name: &str, field: &str, value: Value) {
        let item = json!({ "name": name, field: value });
        let items = self.list_mut(list);
        match items.iter_mut().find(|item| name_of(item) == Some(name)) {
            Some(old) => *old = item,
            None => items.push(item),
        }
    }

    fn drop_named(&mut self, list: &str, name: &str) {
        self.list_mut(list).retain(|item| name_of(item) != Some(name));
    }
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}
