//! `config_api`: reading and changing the configuration over HTTP, as the first Mixers had it.
//!
//! Requests become edits here, and what became of them becomes answers; what an edit is, and that it is examined, stored
//! and in force before it is answered, is for [`Editor`] to say. Texts are stored as they come, comments kept.
//!
//! Whoever reaches this may change policy: it asks for no credentials, and so it is there only if it is asked for. A
//! browser does not get to change anything, so that no foreign web page can through the browser of somebody who reaches it.

mod answer;
mod request;

use std::future::{Ready, ready};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use policy::SourceFile;
use tokio::sync::Semaphore;

use self::answer::Answer;
use self::request::{Format, condition, content, wanted};
use crate::limits;
use crate::runtime::{Editor, Key, Stored};

/// What all paths begin with.
pub const BASE: &str = "/api/v1";

/// What calls share.
#[derive(Clone)]
struct Api {
    editor: Arc<Editor>,
    permits: Arc<Semaphore>,
}

/// The calls.
pub fn router(editor: Editor) -> Router {
    let permits = Arc::new(Semaphore::new(limits::CONFIG_API_CALLS));
    let api = Api { editor: Arc::new(editor), permits };
    let calls = Router::new()
        .route("/scopes", get(|| missing("Listing scopes")))
        .route("/scopes/{scope}/subjects/{subject}", post(|| missing("create policy")))
        .route("/scopes/{scope}/subjects/{subject}/rules", get(get_rules).put(put_rules).delete(delete_rules))
        .route("/scopes/{scope}/subjects/{subject}/rules/{id}", delete(|| missing("delete of one rule")))
        .route(
            "/scopes/{scope}/subjects/{subject}/rules/{id}/aspects/{aspect}",
            put(|| missing("put of one aspect")),
        )
        .route("/scopes/{scope}/adapters", shared(Key::adapters))
        .route("/scopes/{scope}/adapters/{adapter}/{config}", put(|| missing("put of one adapter")))
        .route("/scopes/{scope}/descriptors", shared(Key::descriptors))
        .route(
            "/scopes/{scope}/descriptors/{kind}/{name}",
            get(|| missing("get of one descriptor")).put(|| missing("put of one descriptor")),
        )
        .method_not_allowed_fallback(async || {
            Answer::only(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        });
    Router::new()
        .nest(BASE, calls)
        .fallback(async || Answer::only(StatusCode::NOT_FOUND, "page not found"))
        .layer(from_fn_with_state(api.clone(), guard))
        .with_state(api)
}

/// Lets few calls in at a time, none for long, and none from a web page.
async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    if is_change && request.headers().contains_key(header::ORIGIN) {
        return Answer::only(StatusCode::FORBIDDEN, "not from a web page").into_response();
    }
    let Ok(_permit) = api.permits.try_acquire() else {
        let busy = Answer::only(StatusCode::SERVICE_UNAVAILABLE, "too many calls, please try again");
        return busy.into_response();
    };
    let answered = tokio::time::timeout(limits::CONFIG_API_CALL, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        Answer::only(StatusCode::GATEWAY_TIMEOUT, "the call took too long").into_response()
    })
}

// === rules ===

type Names = Path<(String, String)>;

async fn get_rules(State(api): State<Api>, names: Names, headers: HeaderMap) -> Result<Response, Answer> {
    api.get(&rules(names)?, &headers).await
}

async fn put_rules(State(api): State<Api>, names: Names, request: Request) -> Result<Answer, Answer> {
    api.put(&rules(names)?, request).await
}

async fn delete_rules(State(api): State<Api>, names: Names, headers: HeaderMap) -> Result<Answer, Answer> {
    let key = rules(names)?;
    let condition = condition(&headers)?;
    api.editor.set(&key, None, &condition).await?;
    Ok(Answer::only(StatusCode::OK, format!("Deleted {key}")))
}

fn rules(Path((scope, subject)): Names) -> Result<Key, Answer> {
    Key::rules(&scope, &subject).map_err(|error| Answer::only(StatusCode::BAD_REQUEST, error.to_string()))
}

// === adapters and descriptors ===

/// The calls for a document that there is one of.
fn shared(key: fn() -> Key) -> MethodRouter<Api> {
    get(async move |State(api): State<Api>, Path(scope): Path<String>, headers: HeaderMap| {
        if scope != "global" {
            let message = format!("no config for /scopes/{scope}: only those of scope global count");
            return Err(Answer::only(StatusCode::NOT_FOUND, message));
        }
        api.get(&key(), &headers).await
    })
    .put(async move |State(api): State<Api>, Path(scope): Path<String>, request: Request| {
        if scope != "global" {
            return Err(Answer::only(StatusCode::BAD_REQUEST, "put only supports global scope"));
        }
        api.put(&key(), request).await
    })
    .delete(|| missing("delete"))
}

fn missing(what: &'static str) -> Ready<Answer> {
    ready(Answer::only(StatusCode::NOT_IMPLEMENTED, format!("{what} not implemented")))
}

// === impl Api ===

impl Api {
    async fn get(&self, key: &Key, headers: &HeaderMap) -> Result<Response, Answer> {
        let format = wanted(headers)?;
        let Some(Stored { text, tag }) = self.editor.get(key).await? else {
            return Err(Answer::only(StatusCode::NOT_FOUND, format!("no config for {key}")));
        };
        match format {
            Format::Text => {
                let headers =
                    [(header::CONTENT_TYPE, "application/yaml".to_owned()), (header::ETAG, quote(&tag))];
                Ok((headers, text).into_response())
            }
            Format::Json => {
                let file = SourceFile { path: key.to_string(), text };
                let data = policy::to_json(&file).map_err(|found| {
                    Answer::found(StatusCode::INTERNAL_SERVER_ERROR, "what is stored is not YAML", &found)
                })?;
                Ok(Answer::only(StatusCode::OK, "ok").with(data).tagged(quote(&tag)).into_response())
            }
        }
    }

    async fn put(&self, key: &Key, request: Request) -> Result<Answer, Answer> {
        let (head, body) = request.into_parts();
        content(&head.headers)?;
        let condition = condition(&head.headers)?;
        let file = SourceFile { path: key.to_string(), text: text(body).await? };
        self.editor.set(key, Some(file.text.clone()), &condition).await?;
        // It was examined, so it is YAML.
        let data = policy::to_json(&file).unwrap_or_default();
        let tag = quote(&Stored::new(file.text).tag);
        Ok(Answer::only(StatusCode::OK, format!("Created {key}")).with(data).tagged(tag))
    }
}

async fn text(body: Body) -> Result<String, Answer> {
    let max = usize::try_from(limits::CONFIG_FILE_BYTES).unwrap_or(usize::MAX);
    let bytes = to_bytes(body, max).await.map_err(|_| {
        Answer::only(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body could not be read, or has more than {max} bytes"),
        )
    })?;
    String::from_utf8(bytes.into())
        .map_err(|_| Answer::only(StatusCode::BAD_REQUEST, "the body is not UTF-8"))
}

/// A tag as headers have it.
fn quote(tag: &str) -> String {
    format!("\"{tag}\"")
}
