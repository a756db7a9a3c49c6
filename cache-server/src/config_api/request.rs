//! What a call's headers say.

use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};

use super::answer::Answer;
use crate::runtime::Condition;

/// The form in which a document is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// What it says, in the body of a status.
    Json,
    /// Its text as it is stored.
    Text,
}

const JSON: &str = "application/json";
const YAML: [&str; 2] = ["application/yaml", "application/x-yaml"];

/// Whether a body is of a kind that is understood. JSON is YAML.
pub(super) fn content(headers: &HeaderMap) -> Result<(), Answer> {
    let given = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let kind = essence(given);
    if kind == JSON || YAML.contains(&kind.as_str()) {
        return Ok(());
    }
    let message = format!("expected a Content-Type of {JSON}, {} or {}", YAML[0], YAML[1]);
    Err(Answer::only(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// The first acceptable form.
pub(super) fn wanted(headers: &HeaderMap) -> Result<Format, Answer> {
    let Some(accepted) = text(headers, &ACCEPT) else { return Ok(Format::Json) };
    let formats = accepted.split(',').map(essence).filter_map(|kind| match kind.as_str() {
        "*/*" | "application/*" | JSON => Some(Format::Json),
        kind if YAML.contains(&kind) => Some(Format::Text),
        _ => None,
    });
    let message = format!("there are {JSON} and {}", YAML[0]);
    formats.into_iter().next().ok_or_else(|| Answer::only(StatusCode::NOT_ACCEPTABLE, message))
}

/// In which version the document must be for it to be changed.
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Answer> {
    match (text(headers, &IF_MATCH), text(headers, &IF_NONE_MATCH)) {
        (None, None) => Ok(Condition::Any),
        (None, Some("*")) => Ok(Condition::Absent),
        (Some("*"), None) => Ok(Condition::Present),
        (Some(tags), None) => {
            let tags = tags.split(',').map(|tag| tag.trim().trim_matches('"').to_owned()).collect();
            Ok(Condition::OneOf(tags))
        }
        (_, Some(_)) => {
            let message = "expected If-Match, or If-None-Match: * alone";
            Err(Answer::only(StatusCode::BAD_REQUEST, message))
        }
    }
}

/// A header's text; what is not text matches nothing.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or_default())
}

/// A media type without its parameters.
fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<const N: usize>(pairs: [(HeaderName, &str); N]) -> HeaderMap {
        pairs.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn media_types_are_told_apart() {
        for kind in ["application/json", "Application/YAML; charset=utf-8", "application/x-yaml"] {
            assert!(content(&headers([(CONTENT_TYPE, kind)])).is_ok(), "{kind}");
        }
        for kind in ["text/plain", "", "application/jsonx"] {
            assert!(content(&headers([(CONTENT_TYPE, kind)])).is_err(), "{kind}");
        }
        assert!(content(&HeaderMap::new()).is_err());
        let format = |accepted| wanted(&headers([(ACCEPT, accepted)])).ok();
        assert_eq!(format("text/html, */*;q=0.1"), Some(Format::Json));
        assert_eq!(format("application/yaml, application/json"), Some(Format::Text));
        assert_eq!(format("text/html"), None);
    }

    #[test]
    fn conditions_are_those_of_the_headers() {
        let of = |name, value| condition(&headers([(name, value)])).ok();
        assert_eq!(of(IF_MATCH, "\"a\", \"b\""), Some(Condition::OneOf(vec!["a".into(), "b".into()])));
        assert_eq!(of(IF_MATCH, "*"), Some(Condition::Present));
        assert_eq!(of(IF_NONE_MATCH, "*"), Some(Condition::Absent));
        assert_eq!(of(IF_NONE_MATCH, "\"a\""), None);
        assert_eq!(condition(&HeaderMap::new()).ok(), Some(Condition::Any));
    }
}
