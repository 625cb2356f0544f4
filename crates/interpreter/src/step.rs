//! The answer to a question, or the webhook call that is needed to answer it.
//!
//! The rules here use no network. Where an interpreter webhook is in charge, they say what to send
//! ([`Question::body`]) and to whom ([`Question::webhook`]); whoever has a network sends it and hands
//! the response to [`Question::read`].

use std::fmt;
use std::sync::Arc;

use machinery::{Object, ObjectKey};
use serde_json::Value;

use crate::webhook::{self, Reader, Webhook};
use crate::{Error, Operation, Result};

/// An answer, or a question for a webhook.
#[derive(Debug)]
#[must_use = "an interpretation that nobody reads was not worth asking for"]
pub enum Step<T> {
    /// The answer.
    Done(Result<T>),
    /// A webhook knows the answer.
    Ask(Question<T>),
}

impl<T> Step<T> {
    /// The answer of those that have no network.
    ///
    /// # Errors
    /// When the object could not be interpreted, or only a webhook could do it; the error names it.
    pub fn now(self) -> Result<T> {
        match self {
            Self::Done(answer) => answer,
            Self::Ask(question) => {
                let uid = &question.webhook.uid;
                let reason = format!("interpreter webhook {uid} would have to be asked");
                Err(question.failed(reason))
            }
        }
    }
}

/// What an interpreter webhook has to be asked.
pub struct Question<T> {
    /// Whom to ask.
    pub webhook: Arc<Webhook>,
    /// The `ResourceInterpreterContext` to send, with its `request`.
    pub body: Value,
    subject: Subject,
    reader: Reader<T>,
}

/// What a question is about, for errors.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    operation: Operation,
    kind: String,
    key: ObjectKey,
}

impl Subject {
    pub(crate) fn new(operation: Operation, object: &Object) -> Self {
        Self { operation, kind: object.kind().into(), key: object.key() }
    }

    pub(crate) fn error(self, reason: impl Into<String>) -> Error {
        Error { operation: self.operation, kind: self.kind, key: self.key, reason: reason.into() }
    }
}

impl<T> Question<T> {
    pub(crate) fn new(webhook: Arc<Webhook>, body: Value, subject: Subject, reader: Reader<T>) -> Self {
        Self { webhook, body, subject, reader }
    }

    /// The answer in the webhook's response, a `ResourceInterpreterContext` with its `response`.
    ///
    /// # Errors
    /// When the response is malformed, does not belong to this question, or says that the webhook failed.
    pub fn read(self, response: &Value) -> Result<T> {
        let Self { webhook, mut body, subject, reader } = self;
        let request = body.get_mut("request").map(Value::take).unwrap_or_default();
        webhook::read(&webhook, request, response, reader).map_err(|why| subject.error(why))
    }

    /// The error of a webhook that could not be called.
    pub fn failed(self, reason: impl Into<String>) -> Error {
        self.subject.error(reason)
    }
}

impl<T> fmt::Debug for Question<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { webhook, subject, .. } = self;
        f.debug_struct("Question")
            .field("webhook", &webhook.uid)
            .field("subject", subject)
            .finish_non_exhaustive()
    }
}
