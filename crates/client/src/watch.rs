//! The stream of changes of one resource.

use std::io::BufRead as _;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use http_body_util::BodyExt as _;
use machinery::{Object, Status};
use serde::Deserialize;
use serde_json::Value;

use crate::{Answer, Error};

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
    body: Answer,
    /// What was received and not looked at yet. Lines are read where they arrived.
    received: Bytes,
    /// The beginning of a line whose end has not been received yet.
    begun: Vec<u8>,
}

impl WatchStream {
    pub(crate) fn new(what: String, body: Answer) -> Self {
        let lines = Lines { what, body, received: Bytes::new(), begun: Vec::new() };
        let events = stream::unfold(Some(lines), |lines| async move {
            let mut lines = lines?;
            match lines.next().await {
                Some(Ok(event)) => Some((Ok(event), Some(lines))),
                Some(Err(error)) => Some((Err(error), None)),
                None => None,
            }
        });
        Self { events: events.fuse().boxed() }
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
            while let Some(line) = self.line() {
                match parse(&self.what, &line) {
                    Ok(None) => {}
                    Ok(Some(event)) => return Some(Ok(event)),
                    Err(error) => return Some(Err(error)),
                }
            }
            if self.begun.len() > LINE_LEN_MAX {
                let source = serde::de::Error::custom("a watch event larger than any object can be");
                return Some(Err(Error::Decode { what: self.what.clone(), source }));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.received = frame.into_data().unwrap_or_default(),
                Some(Err(source)) => {
                    return Some(Err(Error::Unreachable { what: self.what.clone(), source }));
                }
                None => return None,
            }
        }
    }

    /// The next complete line among what was received; what is left over becomes the beginning of one.
    fn line(&mut self) -> Option<Bytes> {
        let mut rest: &[u8] = &self.received;
        let len = rest.skip_until(b'\n').unwrap_or_default();
        let received = self.received.split_to(len);
        if !received.ends_with(b"\n") {
            self.begun.extend_from_slice(&received);
            return None;
        }
        if self.begun.is_empty() {
            return Some(received);
        }
        self.begun.extend_from_slice(&received);
        Some(std::mem::take(&mut self.begun).into())
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn versions(frames: &[&str]) -> Vec<String> {
        let frames: Vec<_> = frames
            .iter()
            .map(|frame| Ok(http_body::Frame::data(Bytes::copy_from_slice(frame.as_bytes()))))
            .collect();
        let body = http_body_util::StreamBody::new(stream::iter(frames)).boxed_unsync();
        let mut events = WatchStream::new("watch pods".into(), body);
        let mut seen = Vec::new();
        while let Some(event) = events.next().now_or_never().expect("everything has been received") {
            seen.push(match event {
                Ok(WatchEvent::Added(object)) => object.resource_version().to_owned(),
                Ok(WatchEvent::Bookmark { resource_version }) => format!("bookmark {resource_version}"),
                Ok(other) => format!("{other:?}"),
                Err(error) => error.to_string(),
            });
        }
        assert!(events.next().now_or_never().is_some_and(|e| e.is_none()), "it stays ended");
        seen
    }

    fn line(ty: &str, version: &str) -> String {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p", "resourceVersion": version },
        });
        format!("{}\n", serde_json::json!({ "type": ty, "object": object }))
    }

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        let text = [line("ADDED", "1"), "\n".into(), line("BOOKMARK", "2"), line("ADDED", "3")].concat();
        let expected = ["1", "bookmark 2", "3"];
        assert_eq!(versions(&[&text]), expected);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(versions(&[head, tail]), expected, "cut at {cut}");
            assert_eq!(versions(&[head, "", tail]), expected, "cut at {cut}, with nothing in between");
        }
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        let bytes: Vec<&str> = bytes.iter().map(String::as_str).collect();
        assert_eq!(versions(&bytes), expected, "byte by byte");
    }

    #[test]
    fn an_unfinished_line_is_no_change() {
        let text = line("ADDED", "1");
        assert_eq!(versions(&[&text[..text.len() - 1]]), Vec::<String>::new());
    }
}
