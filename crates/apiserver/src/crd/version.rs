//! One version of a custom resource: its rules, as the definition gives them.

use std::sync::Arc;

use machinery::jsonpath::Path;
use machinery::{Cause, Object, Status};
use schema::{Schema, structural};
use serde_json::Value;

use crate::resource::{Resource, TableColumn};

/// Paths of the scale subresource.
#[derive(Debug)]
pub(crate) struct Scale {
    /// Path of the wanted replicas, for example `.spec.replicas`.
    pub(crate) spec: String,
    /// Path of the observed replicas.
    pub(crate) status: String,
    /// Path of the selector's text form, where there is one.
    pub(crate) selector: Option<String>,
}

#[derive(Debug)]
struct Column {
    shown: TableColumn,
    path: Path,
}

/// The rules of one version.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// The definition is being deleted: no new objects.
    pub(crate) terminating: bool,
    /// What clients of a deprecated version are told.
    pub(crate) deprecation: Option<String>,
    pub(crate) scale: Option<Scale>,
    /// The schema as the definition has it, for OpenAPI.
    pub(crate) open_api: Arc<Value>,
    schema: Option<Schema>,
    columns: Vec<Column>,
    selectable: Vec<(String, Path)>,
}

impl CustomVersion {
    /// Reads one entry of `spec.versions`.
    pub(crate) fn read(definition: &Object, version: &Value) -> Result<Self, String> {
        let schema = match version.pointer("/schema/openAPIV3Schema") {
            Some(schema) => Some(structural::parse(schema, "schema").map_err(|causes| {
                causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect::<Vec<_>>().join(", ")
            })?),
            None => None,
        };
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let list = |name: &str| version.get(name).and_then(Value::as_array).into_iter().flatten();
        let columns = list("additionalPrinterColumns")
            .filter_map(|c| {
                Some(Column {
                    path: Path::parse(c.get("jsonPath")?.as_str()?).ok()?,
                    shown: TableColumn {
                        name: text(c, "name").into(),
                        ty: text(c, "type").into(),
                        format: text(c, "format").into(),
                        priority: c.get("priority").and_then(Value::as_i64).unwrap_or(0),
                        description: text(c, "description").into(),
                    },
                })
            })
            .collect();
        let selectable = list("selectableFields")
            .filter_map(|f| {
                let path = f.get("jsonPath")?.as_str()?;
                Some((path.trim_start_matches('.').to_owned(), Path::parse(path).ok()?))
            })
            .collect();
        let scale = version.pointer("/subresources/scale").map(|s| Scale {
            spec: text(s, "specReplicasPath"),
            status: text(s, "statusReplicasPath"),
            selector: Some(text(s, "labelSelectorPath")).filter(|p| !p.is_empty()),
        });
        let deprecation = (version.get("deprecated") == Some(&Value::Bool(true))).then(|| {
            version.get("deprecationWarning").and_then(Value::as_str).map(str::to_owned).unwrap_or_else(
                || {
                    format!(
                        "{}/{} {} is deprecated",
                        definition.str_at("/spec/group").unwrap_or_default(),
                        text(version, "name"),
                        definition.str_at("/spec/names/kind").unwrap_or_default()
                    )
                },
            )
        });
        Ok(Self {
            terminating: definition.is_deleting(),
            deprecation,
            scale,
            open_api: Arc::new(version.pointer("/schema/openAPIV3Schema").cloned().unwrap_or_default()),
            schema,
            columns,
            selectable,
        })
    }

    /// The version's shape.
    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    /// Drops unknown fields of a sent object and gives their paths.
    pub(crate) fn admit(&self, resource: &Resource, object: &mut Object) -> Result<Vec<String>, Status> {
        let Some(schema) = &self.schema else { return Ok(Vec::new()) };
        let mut unknown = structural::prune(object.value_mut(), schema);
        unknown.extend(structural::admit_metadata(object.value_mut(), schema).map_err(|refusal| {
            let version = &resource.gvr.version;
            crate::decode::cannot_be_handled(resource, &resource.kind, version, &refusal.to_string())
        })?);
        Ok(unknown)
    }

    /// Drops unknown fields and fills absent ones.
    pub(crate) fn prune_and_default(&self, object: &mut Object) {
        if let Some(schema) = &self.schema {
            structural::prune(object.value_mut(), schema);
            structural::default(object.value_mut(), schema);
        }
    }

    /// Makes an object stored as another version one of this version.
    pub(crate) fn convert_stored(&self, object: &mut Object) {
        self.prune_and_default(object);
    }

    /// Everything wrong with an object's content.
    pub(crate) fn validate(&self, new: &Object, old: Option<&Object>) -> Vec<Cause> {
        match &self.schema {
            Some(schema) => structural::validate(new.value(), schema, old.map(Object::value)),
            None => Vec::new(),
        }
    }

    /// Refuses new objects while the definition goes.
    pub(crate) fn check_not_terminating(&self, resource: &Resource, name: &str) -> Result<(), Status> {
        if self.terminating {
            let why = "create not allowed while custom resource definition is terminating";
            return Err(Status::forbidden(&resource.gvr, name, why));
        }
        Ok(())
    }

    /// Value of a field selector's label.
    pub(crate) fn field(&self, object: &Object, label: &str) -> Option<String> {
        match label {
            "metadata.name" => return Some(object.name().to_owned()),
            "metadata.namespace" => return Some(object.namespace().to_owned()),
            _ => {}
        }
        let (_, path) = self.selectable.iter().find(|(name, _)| name == label)?;
        Some(match path.first(object.value()) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        })
    }

    /// Whether a field selector's label is known.
    pub(crate) fn knows_field(&self, label: &str) -> bool {
        self.selectable.iter().any(|(name, _)| name == label)
    }

    /// Columns of the table form.
    pub(crate) fn columns(&self) -> Vec<TableColumn> {
        let mut columns = vec![TableColumn {
            name: "Name".into(),
            ty: "string".into(),
            format: "name".into(),
            priority: 0,
            description: "Name must be unique within a namespace.".into(),
        }];
        if self.columns.is_empty() {
            columns.push(TableColumn {
                name: "Age".into(),
                ty: "date".into(),
                format: "".into(),
                priority: 0,
                description: "When the object was created.".into(),
            });
        }
        columns.extend(self.columns.iter().map(|c| c.shown.clone()));
        columns
    }

    /// Cells of one object.
    pub(crate) fn cells(&self, object: &Object, now: i64) -> Vec<Value> {
        let mut cells = vec![object.name().into()];
        if self.columns.is_empty() {
            cells.push(age(Some(&object.creation_timestamp().into()), now));
        }
        cells.extend(self.columns.iter().map(|c| cell(c, object, now)));
        cells
    }
}

fn age(value: Option<&Value>, now: i64) -> Value {
    let Some(text) = value.and_then(Value::as_str).filter(|t| !t.is_empty()) else { return Value::Null };
    match machinery::time::parse_rfc3339(text) {
        Some(then) => machinery::time::human_duration(now - then.as_second()).into(),
        None => "<invalid>".into(),
    }
}

fn cell(column: &Column, object: &Object, now: i64) -> Value {
    let found = column.path.find(object.value());
    let value = found.first().copied();
    match column.shown.ty.as_ref() {
        "date" => match age(value, now) {
            Value::Null => "<unknown>".into(),
            age => age,
        },
        "string" => match found.as_slice() {
            [] | [Value::Null] => Value::Null,
            [Value::String(text)] => text.as_str().into(),
            [one] => one.to_string().into(),
            many => many
                .iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(",")
                .into(),
        },
        "integer" => value.and_then(Value::as_i64).map_or(Value::Null, Value::from),
        "number" => value.filter(|v| v.is_number()).cloned().unwrap_or_default(),
        "boolean" => value.filter(|v| v.is_boolean()).cloned().unwrap_or_default(),
        _ => value.cloned().unwrap_or_default(),
    }
}
