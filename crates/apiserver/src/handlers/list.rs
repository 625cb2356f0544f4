//! LIST: out of the watch cache, consistent, in chunks of one revision.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use machinery::{Cause, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Revision;

use crate::core::Context;
use crate::http::Response;
use crate::render::{self, ListMeta};
use crate::selection::Selection;
use crate::storage::cache::Entry;
use crate::storage::{self, hub};

/// Where a list goes on: the revision of its first chunk (-1 for any) and the last key given, without
/// the resource's prefix.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Token {
    fn new(rv: i64, start: &str) -> Self {
        Self { v: TOKEN_VERSION.into(), rv, start: start.into() }
    }

    fn encode(&self) -> String {
        BASE64.encode(serde_json::to_vec(self).expect("a token is plain text and a number"))
    }

    fn decode(text: &str) -> Result<Self, Status> {
        let problem = |why: String| {
            Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes = BASE64.decode(text.trim_end_matches('=')).map_err(|e| problem(e.to_string()))?;
        let token: Self = serde_json::from_slice(&bytes).map_err(|e| problem(e.to_string()))?;
        if token.v == TOKEN_VERSION && !token.start.contains("..") {
            Ok(token)
        } else {
            Err(problem("unknown version".into()))
        }
    }
}

/// The `resourceVersion` parameter as a number; nothing when it is unset.
pub(crate) fn revision_asked(cx: &Context) -> Result<Option<Revision>, Status> {
    match cx.query.text("resourceVersion") {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            Status::bad_request(format!(
                "invalid resource version: resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing \
                 {text:?}: invalid syntax"
            ))
        }),
    }
}

fn list_options_invalid(cause: Cause) -> Status {
    Status::invalid("meta.k8s.io", "ListOptions", "", vec![cause])
}

/// Checks `resourceVersionMatch` and `sendInitialEvents` of a list or watch.
pub(crate) fn check_options(cx: &Context, is_watch: bool) -> Result<(), Status> {
    let matching = cx.query.text("resourceVersionMatch");
    let initial = cx.query.get("sendInitialEvents").filter(|v| !v.is_empty());
    let forbid = |field: &str, why: &str| Err(list_options_invalid(Cause::forbidden(field, why)));
    if is_watch {
        return match (initial, matching) {
            (Some(_), "NotOlderThan") | (None, "") => Ok(()),
            (Some(_), _) => forbid(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            ),
            (None, _) => forbid(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
        };
    }
    if initial.is_some() {
        return forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    let revision = cx.query.text("resourceVersion");
    match matching {
        "" => Ok(()),
        _ if revision.is_empty() => forbid(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        "NotOlderThan" => Ok(()),
        "Exact" if revision == "0" => forbid(
            "resourceVersionMatch",
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        "Exact" => Ok(()),
        other => Err(list_options_invalid(Cause::not_supported(
            "resourceVersionMatch",
            &json!(other),
            &["Exact", "NotOlderThan", ""],
        ))),
    }
}

/// A list of a kind that is never stored.
pub(crate) fn empty(cx: &Context) -> Result<Response, Status> {
    render::list::<Arc<Entry>>(cx, &[], &ListMeta { revision: cx.core.hub.revision(), ..ListMeta::default() })
}

/// Carries out a list.
pub(crate) async fn handle(cx: &Context) -> Result<Response, Status> {
    check_options(cx, false)?;
    let selection = Selection::of(cx)?;
    let limit = usize::try_from(cx.query.number("limit")?.unwrap_or(0)).unwrap_or(0);
    let (entries, revision, from) = select(cx, &selection).await?;
    let mut meta = ListMeta { revision, ..ListMeta::default() };
    let Some(from) = from.filter(|_| limit > 0 && entries.len() > limit) else {
        return render::list(cx, &entries, &meta);
    };
    let page = &entries[..limit];
    let last = &page[limit - 1].key[cx.resource.cache.prefix.len()..];
    meta.continue_token = Some(Token::new(from, &format!("{last}\0")).encode());
    meta.remaining = selection.is_everything().then(|| entries.len() - limit);
    render::list(cx, page, &meta)
}

/// The selected objects, the revision to report, and the revision further chunks come from.
async fn select(
    cx: &Context,
    selection: &Selection,
) -> Result<(Vec<Arc<Entry>>, Revision, Option<i64>), Status> {
    let asked = revision_asked(cx)?;
    let token = cx.query.text("continue");
    let filter = |mut entries: Vec<Arc<Entry>>| {
        if !selection.is_everything() {
            entries.retain(|e| selection.matches(&cx.resource, e));
        }
        entries
    };
    if !token.is_empty() {
        if asked.is_some() {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let token = Token::decode(token)?;
        let (entries, revision) = continued(cx, selection, &token).await?;
        return Ok((filter(entries), revision, Some(i64::try_from(revision).unwrap_or(i64::MAX))));
    }
    let exact = cx.query.text("resourceVersionMatch") == "Exact";
    let reached = match asked {
        Some(revision) if exact => {
            let current = cx.core.hub.consistent(&*cx.core.store).await?;
            if revision > current {
                return Err(hub::too_large(revision, current));
            }
            let entries = stored_at(cx, selection, None, revision).await.map_err(storage::failure)?;
            return Ok((filter(entries), revision, i64::try_from(revision).ok()));
        }
        Some(revision) => {
            cx.core.hub.reach(revision).await?;
            cx.core.hub.revision()
        }
        None => cx.core.hub.consistent(&*cx.core.store).await?,
    };
    let (entries, last) = cx.resource.cache.list(&selection.prefix, None);
    let revision = reached.max(last);
    // A list of any version is served whole, as the cache has it.
    let from = if asked == Some(0) { None } else { i64::try_from(revision).ok() };
    Ok((filter(entries), revision, from))
}

async fn continued(
    cx: &Context,
    selection: &Selection,
    token: &Token,
) -> Result<(Vec<Arc<Entry>>, Revision), Status> {
    let after = format!("{}{}", cx.resource.cache.prefix, token.start.trim_end_matches('\0'));
    let current = cx.core.hub.consistent(&*cx.core.store).await?;
    let (entries, last) = cx.resource.cache.list(&selection.prefix, Some(&after));
    let Ok(wanted) = Revision::try_from(token.rv) else {
        return Ok((entries, current.max(last)));
    };
    // A token ends with the history it came from, whether or not the list has changed since.
    let is_kept = wanted >= cx.core.forgotten.load(Ordering::Relaxed);
    if is_kept && last <= wanted {
        return Ok((entries, wanted));
    }
    let found = if is_kept { Some(stored_at(cx, selection, Some(&after), wanted).await) } else { None };
    match found {
        Some(Ok(entries)) => Ok((entries, wanted)),
        None | Some(Err(store::Error::Compacted { .. } | store::Error::Future { .. })) => {
            let mut status = Status::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter, or use the continue token in this response to retrieve \
                 the remainder of the results. Continuing with the provided token results in an inconsistent list \
                 - objects that were created, modified, or deleted between the time the first chunk was returned \
                 and now may show up in the list.",
            );
            status.continue_token = Some(Token::new(-1, &token.start).encode());
            Err(status)
        }
        Some(Err(error)) => Err(storage::failure(error)),
    }
}

/// Objects as they were at a revision.
async fn stored_at(
    cx: &Context,
    selection: &Selection,
    after: Option<&str>,
    revision: Revision,
) -> Result<Vec<Arc<Entry>>, store::Error> {
    let page = cx.core.store.list(&selection.prefix, after, 0, Some(revision)).await?;
    Ok(page.items.into_iter().map(|item| Arc::new(Entry::new(item))).collect())
}
