//! Runs scripts: a fresh environment for every call, hard limits, and nothing in reach but its arguments.

use std::sync::LazyLock;
use std::time::Duration;

use api::config::DependentObjectReference;
use api::work::{AggregatedStatusItem, Component};
use clock::Clock;
use lua::{Chunk, Limits, Machine, Module, Surroundings};
use machinery::Object;
use serde_json::Value;

use crate::script::Script;
use crate::{Gates, Replicas, bundled, decode, kube};

/// What one call of a script may use up. The call is stopped, and answered with an error, when it uses more.
pub mod limits {
    use std::time::Duration;

    /// Time from the start of the script to the end of its function, as in Karmada.
    pub const DEADLINE: Duration = Duration::from_secs(1);

    pub use lua::{DEPTH, INSTRUCTIONS, MEMORY_BYTES};
}

/// Where scripts run.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) clock: Option<Clock>,
    pub(crate) gates: Gates,
    pub(crate) instructions: u64,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self { clock: None, gates: Gates::default(), instructions: limits::INSTRUCTIONS }
    }
}

/// An argument of a script's function.
enum Argument<'a> {
    Json(&'a Value),
    Number(i64),
}

impl Sandbox {
    /// Runs a script, calls its function and reads the results.
    fn call<T>(
        &self,
        script: &Script,
        function: &str,
        arguments: &[Argument<'_>],
        read: impl FnOnce(&[lua::Value]) -> Result<T, String>,
    ) -> Result<T, String> {
        let chunk = script.chunk()?;
        let start = self.clock.as_ref().map_or(Duration::ZERO, Clock::elapsed);
        let expired =
            || self.clock.as_ref().is_some_and(|c| c.elapsed().saturating_sub(start) >= limits::DEADLINE);
        let limits = Limits {
            expired: self.clock.is_some().then_some(&expired),
            instructions: self.instructions,
            ..Limits::default()
        };
        let mut machine = self.machine(limits, script);
        let fail = |why: &dyn std::fmt::Display| format!("{function} of {script}: {why}");
        machine.run(chunk).map_err(|why| fail(&why))?;
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(match argument {
                Argument::Json(value) => machine.from_json(value).map_err(|why| fail(&why))?,
                #[expect(clippy::cast_precision_loss, reason = "Lua has floating-point numbers only")]
                Argument::Number(number) => lua::Value::Number(*number as f64),
            });
        }
        let results = machine.call(function, &values).map_err(|why| fail(&why))?;
        read(&results).map_err(|why| fail(&why))
    }

    /// A fresh machine with the modules a script may require.
    fn machine<'a>(&self, limits: Limits<'a>, script: &Script) -> Machine<'a> {
        let now = self.clock.as_ref().map_or(0, |clock| clock.now().as_second());
        let mut machine = Machine::with_surroundings(limits, Surroundings { now, ..Surroundings::default() });
        machine.preload("kube", kube::module(self.gates));
        if script.is_bundled() {
            for (name, module) in modules() {
                machine.preload(name, module.clone());
            }
        }
        machine
    }

    /// `GetReplicas(obj)`: a number, and a table or nil.
    pub(crate) fn replicas(&self, script: &Script, object: &Object) -> Result<Replicas, String> {
        self.call(script, "GetReplicas", &[Argument::Json(object.value())], |results| {
            let replicas = whole_number(results.first())?;
            let requirements = match results.get(1) {
                None | Some(lua::Value::Nil) => None,
                Some(value) => Some(decode::requirements(table(Some(value), "the requirements are")?)?),
            };
            Ok((replicas, requirements))
        })
    }

    /// `GetComponents(obj)`: a table or nil.
    pub(crate) fn components(&self, script: &Script, object: &Object) -> Result<Vec<Component>, String> {
        self.call(script, "GetComponents", &[Argument::Json(object.value())], |results| {
            match results.first() {
                None | Some(lua::Value::Nil) => Ok(Vec::new()),
                value => decode::components(table(value, RESULT)?),
            }
        })
    }

    /// `ReviseReplica(obj, desiredReplica)`: a table.
    pub(crate) fn revise(&self, script: &Script, object: &Object, replicas: i64) -> Result<Object, String> {
        let arguments = [Argument::Json(object.value()), Argument::Number(replicas)];
        self.call(script, "ReviseReplica", &arguments, |results| {
            decode::object(table(results.first(), RESULT)?, &[object.value()])
        })
    }

    /// `Retain(desiredObj, observedObj)`: a table.
    pub(crate) fn retain(
        &self,
        script: &Script,
        desired: &Object,
        observed: &Object,
    ) -> Result<Object, String> {
        let arguments = [Argument::Json(desired.value()), Argument::Json(observed.value())];
        self.call(script, "Retain", &arguments, |results| {
            decode::object(table(results.first(), RESULT)?, &[desired.value(), observed.value()])
        })
    }

    /// `AggregateStatus(desiredObj, statusItems)`: a table.
    pub(crate) fn aggregate(
        &self,
        script: &Script,
        template: &Object,
        items: Option<&[AggregatedStatusItem]>,
    ) -> Result<Object, String> {
        let items = serde_json::to_value(items).map_err(|why| why.to_string())?;
        let arguments = [Argument::Json(template.value()), Argument::Json(&items)];
        self.call(script, "AggregateStatus", &arguments, |results| {
            decode::object(table(results.first(), RESULT)?, &[])
        })
    }

    /// `ReflectStatus(observedObj)`: a table.
    pub(crate) fn reflect(&self, script: &Script, object: &Object) -> Result<Value, String> {
        self.call(script, "ReflectStatus", &[Argument::Json(object.value())], |results| {
            Ok(decode::status(table(results.first(), RESULT)?))
        })
    }

    /// `InterpretHealth(observedObj)`: true or false.
    pub(crate) fn health(&self, script: &Script, object: &Object) -> Result<bool, String> {
        self.call(script, "InterpretHealth", &[Argument::Json(object.value())], |results| {
            let value = results.first().unwrap_or(&lua::Value::Nil);
            value.as_bool().ok_or_else(|| format!("{RESULT} a {}, not true or false", value.type_name()))
        })
    }

    /// `GetDependencies(desiredObj)` of every script: tables, united.
    pub(crate) fn dependencies(
        &self,
        scripts: &[Script],
        object: &Object,
    ) -> Result<Vec<DependentObjectReference>, String> {
        let mut all = Vec::new();
        for script in scripts {
            let found = self.call(script, "GetDependencies", &[Argument::Json(object.value())], |results| {
                decode::dependencies(table(results.first(), RESULT)?)
            });
            all.extend(found?);
        }
        Ok(decode::united(all))
    }
}

/// How a complaint about a result begins.
const RESULT: &str = "the result is";

/// A table as JSON, in which empty tables are lists.
fn table(value: Option<&lua::Value>, what: &str) -> Result<Value, String> {
    let value = value.unwrap_or(&lua::Value::Nil);
    if value.as_table().is_none() {
        return Err(format!("{what} a {}, not a table", value.type_name()));
    }
    value.to_json().map_err(|why| why.to_string())
}

/// A number of replicas; a fraction is cut off.
fn whole_number(value: Option<&lua::Value>) -> Result<i64, String> {
    let value = value.unwrap_or(&lua::Value::Nil);
    let number =
        value.as_number().ok_or_else(|| format!("{RESULT} a {}, not a number", value.type_name()))?;
    let whole = number.trunc();
    if whole < f64::from(i32::MIN) || whole > f64::from(i32::MAX) || whole.is_nan() {
        return Err(format!("{RESULT} {number}, which is no number of replicas"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within 32 bits")]
    Ok(whole as i64)
}

/// The modules of the bundled scripts.
fn modules() -> &'static [(&'static str, Module)] {
    static MODULES: LazyLock<Vec<(&'static str, Module)>> = LazyLock::new(|| {
        let compiled = bundled::modules().iter().filter_map(|(name, source)| {
            // One that cannot be compiled is not there; a test compiles them all.
            Some((*name, Module::from(Chunk::compile(name, source).ok()?)))
        });
        compiled.collect()
    });
    &MODULES
}
