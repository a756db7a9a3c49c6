//! What the client asks of the proxy.

/// Header lines in order, as bytes: nobody promises that they are text.
pub type Headers = Vec<(Vec<u8>, Vec<u8>)>;

/// Where attributes come from. Each call may cost microseconds, so each is made once for a stream, when something
/// looks at an attribute that needs it. A property that cannot be had is absent; headers that cannot be had are not,
/// since a rule about them would be passed by.
pub trait Host {
    /// A property of the stream, such as `["source", "address"]`, in the encoding of the proxy-wasm host.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// The request's headers; `None` if they cannot be had.
    fn request_headers(&self) -> Option<Headers>;
    /// The response's headers.
    fn response_headers(&self) -> Headers;
    /// The response's trailers.
    fn response_trailers(&self) -> Headers;
}
