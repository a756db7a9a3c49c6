//! Answers: what became of a call, as JSON with a status in it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use policy::Diagnostic;
use serde_json::{Value, json};

use crate::runtime::{EditError, InvalidTree};
use crate::text;

/// An answer: `{"data": …, "status": {"code": …, "message": …}}`.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    message: String,
    data: Option<Value>,
    /// What tells the document from other versions of it, in quotes.
    tag: Option<String>,
}

impl Answer {
    /// An answer without data.
    pub(super) fn only(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), data: None, tag: None }
    }

    /// An answer about findings: to read in its message, for programs in its data.
    pub(super) fn found(status: StatusCode, what: &str, findings: &[Diagnostic]) -> Self {
        let all: String = findings.iter().flat_map(|found| ["\n\n".to_owned(), found.to_string()]).collect();
        let data = findings.iter().map(text::diagnostic).collect();
        Self::only(status, format!("{what}{all}")).with(data)
    }

    pub(super) fn with(self, data: Value) -> Self {
        Self { data: Some(data), ..self }
    }

    pub(super) fn tagged(self, tag: String) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// The code of the status in the body, one of gRPC's; none for success.
    fn code(&self) -> Option<u32> {
        match self.status {
            StatusCode::OK => None,
            StatusCode::BAD_REQUEST => Some(3),
            StatusCode::UNAUTHORIZED => Some(16),
            StatusCode::FORBIDDEN => Some(7),
            StatusCode::NOT_FOUND => Some(5),
            StatusCode::CONFLICT => Some(6),
            StatusCode::PRECONDITION_FAILED => Some(9),
            _ => Some(2),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = json!({ "status": { "message": self.message } });
        if let Some(code) = self.code() {
            body["status"]["code"] = code.into();
        }
        if let Some(data) = self.data {
            body["data"] = data;
        }
        let mut response = (self.status, Json(body)).into_response();
        if let Some(tag) = self.tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl From<EditError> for Answer {
    fn from(error: EditError) -> Self {
        let status = match &error {
            EditError::Store(InvalidTree::ReadOnly) => StatusCode::NOT_IMPLEMENTED,
            EditError::Store(_) | EditError::NotInForce { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            EditError::Condition { .. } => StatusCode::PRECONDITION_FAILED,
            EditError::Conflict { .. } => StatusCode::CONFLICT,
            EditError::Refused(_) | EditError::Last { .. } => StatusCode::BAD_REQUEST,
        };
        match &error {
            EditError::Refused(refused) if !refused.diagnostics().is_empty() => {
                Self::found(status, "the configuration would be wrong", refused.diagnostics())
            }
            error => Self::only(status, error.to_string()),
        }
    }
}
