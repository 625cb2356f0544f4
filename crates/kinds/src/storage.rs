//! Storage classes, CSI drivers and what they report.

use machinery::Cause;
use serde_json::{Value, json};

use crate::checks::{IMMUTABLE, immutable, one_of, required};
use crate::fields::{Fill, Read};
use crate::rules::keep_status;
use crate::tables::{AGE, NAME, UNSET, age, column, integer, or, text};
use crate::{Column, Rules, quantities};

pub(crate) static STORAGE_CLASS: Rules = Rules {
    default: |class| {
        let fields = class.fields_mut();
        fields.fill_text("reclaimPolicy", "Delete");
        fields.fill_text("volumeBindingMode", "Immediate");
    },
    validate_create: validate_class,
    validate_update: |new, old| {
        let mut causes = validate_class(new);
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            let (value, before) = (new.value().get_or_null(field), old.value().get_or_null(field));
            if value != before {
                if field == "volumeBindingMode" {
                    immutable(&mut causes, field, value, before);
                } else {
                    causes.push(Cause::forbidden(field, &format!("updates to {field} are forbidden.")));
                }
            }
        }
        causes
    },
    columns: || CLASS_COLUMNS,
    cells: |class, now| {
        let is_default = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ]
        .iter()
        .any(|a| class.annotation(a) == Some("true"));
        let name = if is_default { format!("{} (default)", class.name()) } else { class.name().to_owned() };
        let value = class.value();
        vec![
            name.into(),
            value.text("provisioner").into(),
            or(value.text("reclaimPolicy"), "Delete").into(),
            or(value.text("volumeBindingMode"), "<unset>").into(),
            value.flag("allowVolumeExpansion").into(),
            age(class, now),
        ]
    },
    ..Rules::PLAIN
};

const CLASS_COLUMNS: &[Column] = &[
    NAME,
    text("Provisioner", "Who makes the volumes."),
    text("ReclaimPolicy", "What happens to a volume when its claim goes."),
    text("VolumeBindingMode", "When claims are bound."),
    text("AllowVolumeExpansion", "Whether volumes may grow."),
    AGE,
];

fn validate_class(class: &machinery::Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let value = class.value();
    required(&mut causes, "provisioner", value.text("provisioner"));
    one_of(&mut causes, "reclaimPolicy", value.text("reclaimPolicy"), &["Delete", "Retain"]);
    let modes = &["Immediate", "WaitForFirstConsumer"];
    one_of(&mut causes, "volumeBindingMode", value.text("volumeBindingMode"), modes);
    causes
}

pub(crate) static CSI_DRIVER: Rules = Rules {
    default: |driver| {
        let Some(spec) = driver.fields_mut().make("spec") else { return };
        spec.fill("attachRequired", true);
        spec.fill("fsGroupPolicy", "ReadWriteOnceWithFSType");
        for off in ["podInfoOnMount", "requiresRepublish", "seLinuxMount", "storageCapacity"] {
            spec.fill(off, false);
        }
        if spec.list("volumeLifecycleModes").is_empty() {
            spec.insert("volumeLifecycleModes".into(), json!(["Persistent"]));
        }
    },
    columns: || DRIVER_COLUMNS,
    cells: |driver, now| {
        let spec = driver.value().child(&["spec"]);
        let texts = |list: &str, field: &str| -> String {
            let shown = spec.list(list).iter().map(|v| v.as_str().unwrap_or_else(|| v.text(field)));
            shown.collect::<Vec<_>>().join(",")
        };
        vec![
            driver.name().into(),
            spec.flag("attachRequired").into(),
            spec.flag("podInfoOnMount").into(),
            spec.flag("storageCapacity").into(),
            or(&texts("tokenRequests", "audience"), UNSET).into(),
            spec.flag("requiresRepublish").into(),
            or(&texts("volumeLifecycleModes", ""), UNSET).into(),
            age(driver, now),
        ]
    },
    ..Rules::PLAIN
};

const DRIVER_COLUMNS: &[Column] = &[
    NAME,
    column("AttachRequired", "boolean", "Whether volumes are attached to nodes first."),
    column("PodInfoOnMount", "boolean", "Whether the driver is told about the pod."),
    column("StorageCapacity", "boolean", "Whether the driver reports free space."),
    text("TokenRequests", "Audiences of the tokens the driver gets."),
    column("RequiresRepublish", "boolean", "Whether mounts are repeated."),
    text("Modes", "Lifecycles of volumes the driver knows."),
    AGE,
];

pub(crate) static CSI_NODE: Rules = Rules {
    default: |node| {
        if let Some(spec) = node.fields_mut().map_mut("spec")
            && spec.list("drivers").is_empty()
        {
            spec.insert("drivers".into(), Value::Null);
        }
    },
    columns: || NODE_COLUMNS,
    cells: |node, now| {
        let drivers = node.value().child(&["spec"]).list("drivers").len();
        vec![node.name().into(), drivers.into(), age(node, now)]
    },
    ..Rules::PLAIN
};

const NODE_COLUMNS: &[Column] = &[NAME, integer("Drivers", "CSI drivers on the node."), AGE];

pub(crate) static CSI_STORAGE_CAPACITY: Rules = Rules {
    default: |capacity| {
        for field in ["capacity", "maximumVolumeSize"] {
            if let Some(amount) = capacity.fields_mut().get_mut(field) {
                quantities::canonicalise_one(amount);
            }
        }
    },
    validate_create: |capacity| {
        let mut causes = Vec::new();
        required(&mut causes, "storageClassName", capacity.value().text("storageClassName"));
        causes
    },
    ..Rules::PLAIN
};

pub(crate) static VOLUME_ATTACHMENT: Rules = Rules {
    prepare_create: |attachment| attachment.set("/status", json!({"attached": false})),
    prepare_update: keep_status,
    validate_create: |attachment| {
        let mut causes = Vec::new();
        let spec = attachment.value().child(&["spec"]);
        required(&mut causes, "spec.attacher", spec.text("attacher"));
        required(&mut causes, "spec.nodeName", spec.text("nodeName"));
        causes
    },
    validate_update: |new, old| {
        let mut causes = Vec::new();
        let path = &["spec"];
        if new.value().child(path) != old.value().child(path) {
            causes.push(Cause::invalid("spec", new.value().child(path), IMMUTABLE));
        }
        causes
    },
    columns: || ATTACHMENT_COLUMNS,
    cells: |attachment, now| {
        let spec = attachment.value().child(&["spec"]);
        vec![
            attachment.name().into(),
            spec.text("attacher").into(),
            spec.child(&["source"]).text("persistentVolumeName").into(),
            spec.text("nodeName").into(),
            attachment.value().child(&["status"]).flag("attached").into(),
            age(attachment, now),
        ]
    },
    ..Rules::PLAIN
};

const ATTACHMENT_COLUMNS: &[Column] = &[
    NAME,
    Column { format: "name", ..text("Attacher", "Driver that attaches.") },
    text("PV", "Volume to attach."),
    text("Node", "Node to attach to."),
    column("Attached", "boolean", "Whether the volume is attached."),
    AGE,
];

pub(crate) static VOLUME_ATTRIBUTES_CLASS: Rules = Rules {
    validate_create: |class| {
        let mut causes = Vec::new();
        required(&mut causes, "driverName", class.value().text("driverName"));
        causes
    },
    validate_update: |new, old| {
        let mut causes = Vec::new();
        for field in ["driverName", "parameters"] {
            let (value, before) = (new.value().get_or_null(field), old.value().get_or_null(field));
            immutable(&mut causes, field, value, before);
        }
        causes
    },
    columns: || ATTRIBUTES_COLUMNS,
    cells: |class, now| vec![class.name().into(), class.value().text("driverName").into(), age(class, now)],
    ..Rules::PLAIN
};

const ATTRIBUTES_COLUMNS: &[Column] = &[NAME, text("DriverName", "Driver the attributes are for."), AGE];
