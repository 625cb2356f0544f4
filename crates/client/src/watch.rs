//! The stream of changes of one resource.

use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use kube::client::Body;
use machinery::{Object, Status};
use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// What to watch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// Label selector in its text form; empty for all.
    pub labels: String,
    /// Field selector in its text form; empty for all.
    pub fields: String,
    /// Changes after this version; empty for everything there is, then changes.
    pub resource_version: String,
    /// The server ends the watch after this many seconds; 0 leaves it to the server.
    pub timeout_secs: u32,
}

impl WatchOptions {
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![("watch", "true".to_owned()), ("allowWatchBookmarks", "true".to_owned())];
        if !self.labels.is_empty() {
            query.push(("labelSelector", self.labels.clone()));
        }
        if !self.fields.is_empty() {
            query.push(("fieldSelector", self.fields.clone()));
        }
        if !self.resource_version.is_empty() {
            query.push(("resourceVersion", self.resource_version.clone()));
        }
        if self.timeout_secs > 0 {
            query.push(("timeoutSeconds", self.timeout_secs.to_string()));
        }
        query
    }
}

/// One change.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// The object is new, or has begun to match.
    Added(Object),
    /// The object changed.
    Modified(Object),
    /// The object is gone, or matches no more; its last state.
    Deleted(Object),
    /// Everything up to this version has been sent.
    Bookmark {
        /// The version.
        resource_version: String,
    },
    /// The server ends the watch with a failure, for example 410 when the version asked for is too old.
    Failed(Box<Status>),
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    ty: String,
    object: Value,
}

/// The changes as they come. Ends when the server ends the watch.
pub struct WatchStream {
    events: BoxStream<'static, Result<WatchEvent, Error>>,
}

/// A line of a watch may hold an object of the largest size there is, with room to spare.
const LINE_LEN_MAX: usize = 16 * 1024 * 1024;

struct Lines {
    what: String,
    body: Body,
    buffer: Vec<u8>,
    /// Bytes at the start of `buffer` already known to hold no line end.
    searched: usize,
}

impl WatchStream {
    pub(crate) fn new(what: String, body: Body) -> Self {
        let lines = Lines { what, body, buffer: Vec::new(), searched: 0 };
        let events = stream::unfold(Some(lines), |lines| async move {
            let mut lines = lines?;
            match lines.next().await {
                Some(Ok(event)) => Some((Ok(event), Some(lines))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        });
        Self { events: events.boxed() }
    }

    /// The next change, or nothing when the watch has ended.
    pub async fn next(&mut self) -> Option<Result<WatchEvent, Error>> {
        self.events.next().await
    }

    /// As a [`Stream`].
    pub fn into_stream(self) -> impl Stream<Item = Result<WatchEvent, Error>> + Send {
        self.events
    }
}

impl Lines {
    async fn next(&mut self) -> Option<Result<WatchEvent, Error>> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let end = self.searched + end;
                let event = parse(&self.what, &self.buffer[..end]);
                self.buffer.drain(..=end);
                self.searched = 0;
                match event {
                    Ok(None) => continue,
                    Ok(Some(event)) => return Some(Ok(event)),
                    Err(error) => return Some(Err(error)),
                }
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LINE_LEN_MAX {
                let source = serde::de::Error::custom("a watch event larger than any object can be");
                return Some(Err(Error::Decode { what: self.what.clone(), source }));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    let source = Box::new(error);
                    return Some(Err(Error::Unreachable { what: self.what.clone(), source }));
                }
                None => return None,
            }
        }
    }
}

fn parse(what: &str, line: &[u8]) -> Result<Option<WatchEvent>, Error> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let decode = |source| Error::Decode { what: what.to_owned(), source };
    let Line { ty, object } = serde_json::from_slice(line).map_err(decode)?;
    if ty == "ERROR" {
        let code =
            object.get("code").and_then(Value::as_u64).and_then(|c| u16::try_from(c).ok()).unwrap_or(500);
        return Ok(Some(WatchEvent::Failed(Box::new(Status::from_json(code, &object)))));
    }
    let object = Object::from_value(object).map_err(|e| decode(serde::de::Error::custom(e)))?;
    Ok(match ty.as_str() {
        "ADDED" => Some(WatchEvent::Added(object)),
        "MODIFIED" => Some(WatchEvent::Modified(object)),
        "DELETED" => Some(WatchEvent::Deleted(object)),
        "BOOKMARK" => Some(WatchEvent::Bookmark { resource_version: object.resource_version().to_owned() }),
        // A server newer than this client may know more; what is not understood carries no change.
        _ => None,
    })
}
