//! How the storage says no: a code, as header and in XML.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use super::pass::Wrong;
use crate::hub::reply::{Reply, Stamp};

const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");

/// A refusal of the storage [docs: Blob Storage error codes].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    pub(super) code: &'static str,
    message: &'static str,
}

impl Refusal {
    /// Something in the query or a header.
    pub(super) const fn query() -> Self {
        let message = "Value for one of the query parameters specified in the request URI is invalid.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", message)
    }

    pub(super) const fn header() -> Self {
        let message = "The value for one of the HTTP headers is not in the correct format.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidHeaderValue", message)
    }

    pub(super) const fn list() -> Self {
        let message = "The specified block list is invalid.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidBlockList", message)
    }

    pub(super) const fn no_blob() -> Self {
        let message = "The specified blob does not exist.";
        Self::new(StatusCode::NOT_FOUND, "BlobNotFound", message)
    }

    pub(super) const fn exists() -> Self {
        let message = "The specified blob already exists.";
        Self::new(StatusCode::CONFLICT, "BlobAlreadyExists", message)
    }

    pub(super) const fn range() -> Self {
        let message = "The range specified is invalid for the current size of the resource.";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
    }

    pub(super) const fn method() -> Self {
        let message = "The resource doesn't support specified Http Verb.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb", message)
    }

    pub(super) const fn too_large() -> Self {
        let message = "The request body is too large and exceeds the maximum permissible limit.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge", message)
    }

    pub(super) const fn broken() -> Self {
        let message = "The request body is incomplete.";
        Self::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
    }

    /// The answer.
    pub(super) fn reply(&self, stamp: &Stamp) -> Reply {
        let Self {
            status,
            code,
            message,
        } = self;
        let (id, time) = (&stamp.id, stamp.time());
        let body = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code>\
             <Message>{message}\nRequestId:{id}\nTime:{time}</Message></Error>"
        );
        let mut reply = stamp.reply(*status, Bytes::from(body));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        reply
    }

    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
        }
    }
}

/// Without a token the storage does not say whether there is such a place.
impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::Missing => {
                let message = "The specified resource does not exist.";
                Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
            }
            Wrong::Expired | Wrong::Signature => {
                let message = "Server failed to authenticate the request. Make sure the value of Authorization header \
                               is formed correctly including the signature.";
                Self::new(StatusCode::FORBIDDEN, "AuthenticationFailed", message)
            }
        }
    }
}
