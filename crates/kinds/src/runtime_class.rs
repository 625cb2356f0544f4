//! Runtime classes: which container runtime runs a pod.

use crate::checks::{immutable, required_name};
use crate::fields::{Fill, Read};
use crate::tables::{AGE, NAME, age, text};
use crate::{Column, Rules, quantities};

pub(crate) static RUNTIME_CLASS: Rules = Rules {
    default: |class| {
        if let Some(overhead) = class.fields_mut().map_mut("overhead") {
            quantities::canonicalise(overhead, "podFixed");
        }
    },
    validate_create: |class| {
        let mut causes = Vec::new();
        let handler = class.value().text("handler");
        required_name(&mut causes, "handler", handler, machinery::names::dns_label);
        causes
    },
    validate_update: |new, old| {
        let mut causes = Vec::new();
        let (handler, before) = (new.value().get_or_null("handler"), old.value().get_or_null("handler"));
        immutable(&mut causes, "handler", handler, before);
        causes
    },
    columns: || COLUMNS,
    cells: |class, now| vec![class.name().into(), class.value().text("handler").into(), age(class, now)],
    ..Rules::PLAIN
};

const COLUMNS: &[Column] = &[NAME, text("Handler", "Configuration of the container runtime."), AGE];
