//! Pages at an address that only this machine reaches: no name but `localhost` is listened to there.
//!
//! A name is what its owner says it is. A web page whose name came to mean this machine could read through the browser of
//! somebody who sits at it, without an `Origin` that told.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};

/// The same pages, at an address. If only this machine reaches it, requests whose `Host` is a name are refused.
pub(crate) fn guarded(pages: Router, address: SocketAddr) -> Router {
    if address.ip().is_loopback() { pages.layer(from_fn(guard)) } else { pages }
}

async fn guard(request: Request, next: Next) -> Response {
    if request.headers().get(header::HOST).is_none_or(is_this_machine) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "the host is neither localhost nor an address\n").into_response()
}

/// Whether a `Host` is an address or `localhost`: no name that somebody else says the meaning of.
fn is_this_machine(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}
