//! Writing the Works that controllers want.

use machinery::{Object, ObjectKey};
use propagation::{Wanted, Write};

use crate::context::Context;

/// Why a Work could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("work {work} is being deleted")]
    Deleting { work: ObjectKey },
    #[error("could not write work {work}")]
    Write { work: ObjectKey, source: client::Error },
}

/// Writes a Work if it is not as wanted, and says whether it was written.
///
/// A Work that is being deleted must go before its successor comes.
pub(crate) async fn apply(wanted: &Wanted, context: &Context) -> Result<bool, Error> {
    let key = wanted.key();
    let existing = context.works().latest(&key);
    if existing.as_ref().is_some_and(|work| work.is_deleting()) {
        return Err(Error::Deleting { work: key });
    }
    write(wanted.compare(existing.as_deref(), || context.ids.uid()), &key, context).await
}

/// Carries out what a comparison of a Work has come to.
pub(crate) async fn write(write: Write, key: &ObjectKey, context: &Context) -> Result<bool, Error> {
    let resource = context.work_resource(&key.namespace);
    let result: Result<Object, client::Error> = match write {
        Write::None => return Ok(false),
        Write::Create(work) => resource.create(&work).await,
        Write::Update(work) => resource.update(&work).await,
    };
    match result {
        Ok(written) => {
            context.works().wrote(written);
            Ok(true)
        }
        Err(source) => {
            context.works().forget(key);
            Err(Error::Write { work: key.clone(), source })
        }
    }
}
