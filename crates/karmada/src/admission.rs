//! Karmada's admission rules inside the API server's own process: no call over the network per write.

use admission::Operation;
use apiserver::{Admission, Attributes};
use async_trait::async_trait;
use machinery::{Object, Status};
use webhook::Rules;

/// The rules as a plugin of the API server.
pub(crate) struct InProcess(pub(crate) Rules);

fn operation(attributes: &Attributes) -> Option<Operation> {
    Operation::parse(attributes.operation.name())
}

#[async_trait]
impl Admission for InProcess {
    fn name(&self) -> &str {
        "Karmada"
    }

    fn handles(&self, attributes: &Attributes) -> bool {
        // The rule for every kind is about deletions; all others are about Karmada's own kinds.
        attributes.subresource.is_empty()
            && (attributes.kind.group.ends_with(".karmada.io")
                || attributes.operation == apiserver::Operation::Delete)
    }

    async fn mutate(
        &self,
        attributes: &Attributes,
        object: &mut Object,
        old: Option<&Object>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let Some(operation) = operation(attributes) else { return Ok(()) };
        self.0
            .mutate(&attributes.kind, operation, &attributes.namespace, object, old)
            .map_err(|(rule, denial)| denial.to_status(rule))
    }

    async fn validate(
        &self,
        attributes: &Attributes,
        object: Option<&Object>,
        old: Option<&Object>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        let Some(operation) = operation(attributes) else { return Ok(()) };
        // A deletion is judged by the object that would go.
        let (judged, old) = if operation == Operation::Delete { (old, None) } else { (object, old) };
        let Some(judged) = judged else { return Ok(()) };
        if operation != Operation::Delete && Rules::may_warn(&attributes.kind) {
            warnings.extend(Rules::warnings(&attributes.kind, judged));
        }
        // The same condition as the object selector of the webhook configuration.
        if operation == Operation::Delete && judged.label(api::names::labels::DELETION_PROTECTED).is_none() {
            return Ok(());
        }
        self.0
            .validate(&attributes.kind, operation, judged, old)
            .map_err(|(rule, denial)| denial.to_status(rule))
    }
}
