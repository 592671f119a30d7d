//! Takes requests apart: contents within their limits, parameters without unknown ones.

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use restante_interface::Refusal;
use restante_proto::limits::BODY_BYTES_MAX;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::answer::Refused;
use super::server::PATIENCE;
use super::wire::{BYTES, JSON, REQUEST_BYTES_MAX};

/// The content of a request as JSON.
pub(super) struct Json<T>(pub(super) T);

/// Bytes as they are.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Bytes(pub(super) Zeroizing<Vec<u8>>);

/// The parameters of a request.
pub(super) struct Query<T>(pub(super) T);

/// The part of a path that names somebody or something.
pub(super) struct Segment(pub(super) String);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let is_json = |kind: &str| kind.eq_ignore_ascii_case(JSON);
        if !media_type(request.headers()).is_some_and(is_json) {
            return Err(wrong_media(JSON));
        }
        let bytes = whole(request.into_body(), REQUEST_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(malformed)
    }
}

impl<S: Sync> FromRequest<S> for Bytes {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let is_bytes = |kind: &str| kind.eq_ignore_ascii_case(BYTES);
        if !media_type(request.headers()).is_none_or(is_bytes) {
            return Err(wrong_media(BYTES));
        }
        let bytes = whole(request.into_body(), BODY_BYTES_MAX).await;
        bytes.map(Self).map_err(|refused| match refused {
            Refused(Refusal::TooLarge { max_bytes }) => Refused(Refusal::TooLong { max_bytes }),
            other => other,
        })
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query)
            .map(Self)
            .map_err(malformed)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let path: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        path.map(|Path(text)| Self(text)).map_err(malformed)
    }
}

/// Returns the type of the content, without its parameters; none where none is named.
fn media_type(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(CONTENT_TYPE).map(HeaderValue::to_str)?;
    // What is no text is no type that is known.
    let text = text.unwrap_or("?");
    Some(text.split(';').next().unwrap_or_default().trim())
}

/// Reads a content, as it comes, up to a limit.
async fn whole(mut body: Body, limit: usize) -> Result<Zeroizing<Vec<u8>>, Refused> {
    let too_large = || {
        let max_bytes = limit as u64;
        Refused(Refusal::TooLarge { max_bytes })
    };
    let announced = body.size_hint().lower();
    let announced = usize::try_from(announced).map_err(|_| too_large())?;
    if announced > limit {
        return Err(too_large());
    }
    let reading = async {
        // Never moved, so that no copy of it stays behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(malformed)?.into_data() else {
                continue;
            };
            if bytes.len() + data.len() > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(bytes)
    };
    timeout(PATIENCE, reading)
        .await
        .unwrap_or(Err(Refused(Refusal::TimedOut)))
}

fn malformed(error: impl std::fmt::Display) -> Refused {
    Refused(Refusal::Malformed {
        why: error.to_string(),
    })
}

fn wrong_media(expected: &str) -> Refused {
    Refused(Refusal::WrongMedia {
        expected: expected.to_owned(),
    })
}
