//! The HTTP side: bodies, query parameters, content negotiation and responses.

pub(crate) mod negotiate;
pub(crate) mod query;
pub(crate) mod respond;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use machinery::{Reason, Status};

/// Any error a body can end with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A request or response body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A response of the server.
pub type Response = http::Response<Body>;

/// Largest request body taken, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// A body held in memory.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Reads a body up to [`BODY_BYTES_MAX`].
pub(crate) async fn read_body(mut body: Body) -> Result<Bytes, Status> {
    let too_large = || {
        Status::new(
            Reason::RequestEntityTooLarge,
            format!("Request entity too large: limit is {BODY_BYTES_MAX}"),
        )
    };
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    // Most bodies are one frame, which is taken as it is.
    let mut whole = Whole::Nothing;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| Status::bad_request(format!("the request body ended early: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        whole = whole.and(data);
        if whole.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
    }
    Ok(whole.into_bytes())
}

/// What has come of a body.
enum Whole {
    Nothing,
    One(Bytes),
    Several(BytesMut),
}

impl Whole {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Several(bytes) => bytes.len(),
        }
    }

    fn and(self, data: Bytes) -> Self {
        match self {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut bytes = BytesMut::with_capacity(2 * (first.len() + data.len()));
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&data);
                Self::Several(bytes)
            }
            Self::Several(mut bytes) => {
                bytes.extend_from_slice(&data);
                Self::Several(bytes)
            }
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Several(bytes) => bytes.freeze(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    fn framed(count: usize, size: usize) -> Body {
        let frame =
            move |i| Ok::<_, BoxError>(Frame::data(Bytes::from(vec![u8::try_from(i).unwrap(); size])));
        StreamBody::new(stream::iter((0..count).map(frame))).boxed_unsync()
    }

    #[tokio::test]
    async fn a_body_of_any_number_of_frames_arrives_whole_and_in_order() {
        for count in 0..6 {
            let got = read_body(framed(count, 3)).await.unwrap();
            let want: Vec<u8> = (0..count).flat_map(|i| vec![u8::try_from(i).unwrap(); 3]).collect();
            assert_eq!(got, want, "{count} frames");
        }
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused() {
        let refused = read_body(framed(4, BODY_BYTES_MAX / 3)).await.unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (413, "Request entity too large: limit is 3145728")
        );
    }
}
