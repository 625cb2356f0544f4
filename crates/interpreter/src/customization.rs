//! The scripts of `ResourceInterpreterCustomization`s, merged per kind.
//!
//! Customizations count in the order of their names: per kind and operation the first script that is not
//! empty is the one that runs. Only scripts that find dependencies all run.

use std::collections::BTreeMap;

use api::config::{CustomizationRules, ResourceInterpreterCustomization};
use machinery::Object;

use crate::Operation;
use crate::kind::Kind;
use crate::script::Script;

/// The customizations of all kinds, by the name of the kind.
#[derive(Debug, Default)]
pub(crate) struct Customizations(BTreeMap<String, Vec<Customized>>);

/// One kind's scripts.
#[derive(Debug)]
struct Customized {
    api_version: String,
    scripts: BTreeMap<Operation, Vec<Script>>,
}

impl Customizations {
    /// Reads customizations, in any order. Those that cannot be read are left out and told about.
    pub(crate) fn new(objects: &[Object], complaints: &mut Vec<String>) -> Self {
        let mut sorted: Vec<&Object> = objects.iter().collect();
        sorted.sort_by_key(|object| object.name());
        let mut all = Self::default();
        for object in sorted {
            match object.parse::<ResourceInterpreterCustomization>() {
                Ok(customization) => all.add(object.name(), customization),
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    complaints.push(format!("{error}: {}", source.unwrap_or_default()));
                }
            }
        }
        all
    }

    fn add(&mut self, name: &str, customization: ResourceInterpreterCustomization) {
        let target = customization.spec.target;
        let of_kind = self.0.entry(target.kind).or_default();
        let position = of_kind.iter().position(|c| c.api_version == target.api_version);
        let position = position.unwrap_or_else(|| {
            of_kind.push(Customized { api_version: target.api_version, scripts: BTreeMap::new() });
            of_kind.len() - 1
        });
        for (operation, source) in sources(customization.spec.customizations) {
            let scripts = of_kind[position].scripts.entry(operation).or_default();
            if scripts.is_empty() || operation == Operation::InterpretDependency {
                scripts.push(Script::customization(name, source));
            }
        }
    }

    /// The scripts that answer an operation for objects of a kind: one, or several for dependencies.
    pub(crate) fn scripts(&self, kind: Kind<'_>, operation: Operation) -> Option<&[Script]> {
        let of_kind = self.0.get(kind.kind)?;
        let customized = of_kind.iter().find(|c| Kind::new(&c.api_version, kind.kind) == kind)?;
        customized.scripts.get(&operation).map(Vec::as_slice)
    }
}

/// The scripts that are not empty.
fn sources(rules: CustomizationRules) -> impl Iterator<Item = (Operation, String)> {
    let scripts = [
        (Operation::InterpretReplica, rules.replica_resource),
        (Operation::InterpretComponent, rules.component_resource),
        (Operation::ReviseReplica, rules.replica_revision),
        (Operation::Retain, rules.retention),
        (Operation::AggregateStatus, rules.status_aggregation),
        (Operation::InterpretStatus, rules.status_reflection),
        (Operation::InterpretHealth, rules.health_interpretation),
        (Operation::InterpretDependency, rules.dependency_interpretation),
    ];
    let scripts = scripts.into_iter().filter_map(|(operation, script)| Some((operation, script?.lua_script)));
    scripts.filter(|(_, source)| !source.is_empty())
}
