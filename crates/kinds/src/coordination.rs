//! Leases: who leads, and who is alive.

use machinery::{Cause, Object};

use crate::checks::{at_least, non_negative};
use crate::fields::Read;
use crate::tables::{AGE, NAME, age, text};
use crate::{Column, Rules};

pub(crate) static LEASE: Rules = Rules {
    validate_create: validate,
    validate_update: |new, _| validate(new),
    columns: || COLUMNS,
    cells: |lease, now| {
        let holder = lease.value().child(&["spec"]).text("holderIdentity");
        vec![lease.name().into(), holder.into(), age(lease, now)]
    },
    ..Rules::PLAIN
};

const COLUMNS: &[Column] = &[NAME, text("Holder", "Who holds the lease."), AGE];

fn validate(lease: &Object) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = lease.value().child(&["spec"]);
    at_least(&mut causes, "spec.leaseDurationSeconds", spec.int("leaseDurationSeconds"), 1);
    non_negative(&mut causes, "spec.leaseTransitions", spec.int("leaseTransitions"));
    causes
}
