//! WATCH: a stream of changes, one JSON object per line.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use machinery::Status;
use serde_json::{Value, json};
use store::Revision;
use tokio::time::{Instant, sleep_until};

use super::list;
use crate::core::{Context, Core};
use crate::http::negotiate::Form;
use crate::http::{BoxError, Response, full, respond};
use crate::render::{self, Include};
use crate::resource::Resource;
use crate::selection::Selection;
use crate::storage::cache::{Change, Entry};

/// How often a quiet watch that asked for bookmarks gets one.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// How long before the end of a watch its last bookmark comes.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// Changes taken from the cache at a time; bounds what one chunk of a stream holds.
const BATCH_LEN_MAX: usize = 256;

/// Bytes after which a chunk of initial events is sent.
const CHUNK_BYTES: usize = 256 * 1024;

/// Starts a watch.
pub(crate) async fn handle(cx: &Context) -> Result<Response, Status> {
    list::check_options(cx, true)?;
    let selection = Selection::of(cx)?;
    let asked = list::revision_asked(cx)?;
    let initial = match cx.query.get("sendInitialEvents").filter(|v| !v.is_empty()) {
        Some(_) => cx.query.flag("sendInitialEvents"),
        None => matches!(asked, None | Some(0)),
    };
    let cache = Arc::clone(&cx.resource.cache);
    let changed = cache.subscribe();
    let bookmarks = cx.query.flag("allowWatchBookmarks");
    let mut first = Vec::new();
    let mut after = asked.unwrap_or_default();
    if initial {
        match asked {
            None => cx.core.hub.consistent(&*cx.core.store).await?,
            Some(revision) => {
                cx.core.hub.reach(revision).await?;
                revision
            }
        };
        let reached = cx.core.hub.revision();
        let (mut entries, last) = cache.list(&selection.prefix, None);
        entries.retain(|e| selection.matches(&cx.resource, e));
        after = reached.max(last);
        first = entries;
    } else if asked.is_none() || asked == Some(0) {
        after = cx.core.hub.consistent(&*cx.core.store).await?;
    }
    cx.core.metrics.watches().inc();
    let watcher = Watcher {
        core: Arc::clone(&cx.core),
        resource: Arc::clone(&cx.resource),
        selection,
        form: cx.accepted.form,
        include: Include::of(cx),
        columns_sent: false,
        initial: first.into_iter(),
        end_bookmark: initial && bookmarks && cx.query.get("sendInitialEvents").is_some(),
        bookmarks,
        after,
        changed,
        next_bookmark: Instant::now() + BOOKMARK_EVERY,
        deadline: Instant::now() + timeout(cx)?,
        ended: false,
    };
    let frames = stream::unfold(watcher, |mut watcher| async move {
        let chunk = watcher.next().await?;
        Some((Ok::<_, BoxError>(Frame::data(chunk)), watcher))
    });
    let mut response = respond::json_bytes(StatusCode::OK, Bytes::new());
    *response.body_mut() = StreamBody::new(frames).boxed_unsync();
    if asked.is_some_and(|r| r > 0) && !initial {
        // A resume that is already too old is answered at once.
        if let Err(floor) = cx.resource.cache.changes(after, 1) {
            *response.body_mut() = full(expired(after, floor));
        }
    }
    Ok(response)
}

fn timeout(cx: &Context) -> Result<Duration, Status> {
    let seconds = cx.query.number("timeoutSeconds")?.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    Ok(Duration::from_secs(seconds.unwrap_or_else(|| cx.core.random.within(1800..3600))))
}

fn expired(after: Revision, floor: Revision) -> Vec<u8> {
    let status = Status::expired(format!("too old resource version: {after} ({floor})"));
    let mut line = json!({"type": "ERROR", "object": status.to_json()}).to_string().into_bytes();
    line.push(b'\n');
    line
}

/// One running watch. Its position is a revision; a watcher that falls behind the cache's history is
/// closed and comes back with a list.
struct Watcher {
    core: Arc<Core>,
    resource: Arc<Resource>,
    selection: Selection,
    form: Form,
    include: Include,
    columns_sent: bool,
    initial: std::vec::IntoIter<Arc<Entry>>,
    end_bookmark: bool,
    bookmarks: bool,
    after: Revision,
    changed: tokio::sync::watch::Receiver<Revision>,
    next_bookmark: Instant,
    deadline: Instant,
    ended: bool,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.core.metrics.watches().dec();
    }
}

impl Watcher {
    /// The next bytes of the stream; nothing when it is over.
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        if let Some(chunk) = self.initial_events() {
            return Some(chunk);
        }
        loop {
            self.changed.borrow_and_update();
            // Read before the changes: all up to here is in the cache.
            let reached = self.core.hub.revision();
            let batch = match self.resource.cache.changes(self.after, BATCH_LEN_MAX) {
                Ok(batch) => batch,
                Err(floor) => {
                    self.ended = true;
                    return Some(expired(self.after, floor).into());
                }
            };
            let drained = batch.len() < BATCH_LEN_MAX;
            let mut out = Vec::new();
            for change in &batch {
                self.after = change.revision;
                self.event(&mut out, change);
            }
            if drained && self.bookmarks && Instant::now() >= self.next_bookmark {
                self.next_bookmark = Instant::now() + BOOKMARK_EVERY;
                self.bookmark(&mut out, reached.max(self.after), false);
            }
            if !out.is_empty() {
                return Some(out.into());
            }
            if drained && !self.wait().await {
                return None;
            }
        }
    }

    /// Waits for a change or a timer; false when the watch is over.
    async fn wait(&mut self) -> bool {
        let last_bookmark = self.deadline.checked_sub(BOOKMARK_BEFORE_END).unwrap_or(self.deadline);
        if self.bookmarks && self.next_bookmark > last_bookmark && Instant::now() < last_bookmark {
            self.next_bookmark = last_bookmark;
        }
        let timer = if self.bookmarks { self.next_bookmark.min(self.deadline) } else { self.deadline };
        tokio::select! {
            biased;
            () = self.core.shutdown.requested() => return false,
            () = self.resource.retired.cancelled() => return false,
            changed = self.changed.changed() => return changed.is_ok(),
            () = sleep_until(timer) => {}
        }
        Instant::now() < self.deadline
    }

    fn initial_events(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while out.len() < CHUNK_BYTES {
            let Some(entry) = self.initial.next() else { break };
            self.line(&mut out, "ADDED", &entry, entry.revision);
        }
        if self.initial.len() == 0 && self.end_bookmark {
            self.end_bookmark = false;
            let after = self.after;
            self.bookmark(&mut out, after, true);
        }
        (!out.is_empty()).then(|| out.into())
    }

    fn event(&mut self, out: &mut Vec<u8>, change: &Change) {
        let selected = |entry: &Option<Arc<Entry>>| {
            entry.as_ref().filter(|e| self.selection.matches(&self.resource, e)).cloned()
        };
        let before = selected(&change.previous);
        match (before, selected(&change.current)) {
            (None, Some(now)) => self.line(out, "ADDED", &now, change.revision),
            (Some(_), Some(now)) => self.line(out, "MODIFIED", &now, change.revision),
            (Some(before), None) => self.line(out, "DELETED", &before, change.revision),
            (None, None) => {}
        }
    }

    fn line(&mut self, out: &mut Vec<u8>, kind: &str, entry: &Entry, revision: Revision) {
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        match self.form {
            Form::Object => self.resource.send_into(out, &entry.bytes, revision),
            Form::Partial(version) => {
                let partial = render::partial_of_stored(&entry.bytes, revision, version).unwrap_or_default();
                out.extend_from_slice(partial.to_string().as_bytes());
            }
            Form::Table(version) => {
                let table = self.table(entry, revision, version);
                out.extend_from_slice(table.to_string().as_bytes());
            }
        }
        out.extend_from_slice(b"}\n");
    }

    fn table(&mut self, entry: &Entry, revision: Revision, version: &str) -> Value {
        let now = self.core.clock.now().as_second();
        let rows = match self.resource.read(&entry.bytes, revision) {
            Ok(object) => vec![render::row(&self.resource, &object, self.include, version, now)],
            Err(_) => Vec::new(),
        };
        let columns =
            (!std::mem::replace(&mut self.columns_sent, true)).then(|| render::columns(&self.resource));
        let mut table = render::table(version, columns, rows);
        table["metadata"] = json!({"resourceVersion": revision.to_string()});
        table
    }

    fn bookmark(&mut self, out: &mut Vec<u8>, revision: Revision, end_of_initial: bool) {
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if end_of_initial {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = match self.form {
            Form::Object => json!({
                "kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata,
            }),
            Form::Partial(version) => json!({
                "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata,
            }),
            Form::Table(version) => {
                let partial = json!({
                    "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"),
                    "metadata": metadata,
                });
                let mut table = render::table(version, None, vec![json!({"cells": [], "object": partial})]);
                table["metadata"] = json!({"resourceVersion": revision.to_string()});
                table
            }
        };
        let line = json!({"type": "BOOKMARK", "object": object});
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
    }
}
