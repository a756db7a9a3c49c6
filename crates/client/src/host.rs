//! What the client asks of the proxy.

use crate::attribute::property::Pairs;

/// The path of a property: its parts, with a NUL between them as the proxy takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path(pub(crate) &'static str);

/// A path of its parts, put together by the compiler.
macro_rules! path_of {
    ($first:literal $(, $part:literal)*) => { $crate::host::Path(concat!($first $(, "\0", $part)*)) };
}

pub(crate) use path_of;

impl Path {
    /// The parts with a NUL between them.
    pub fn joined(self) -> &'static str {
        self.0
    }
}

/// Header lines in order, as bytes: nobody promises that they are text. Kept as the proxy hands them out, so that a line
/// that nobody looks at costs next to nothing.
#[derive(Debug, Clone, Default)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// Lines in the encoding of the proxy-wasm host; `None` if they are not in it.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        Pairs::decode(&bytes)?;
        Some(Self(bytes))
    }

    /// The lines, each with its name and its value.
    pub(crate) fn lines(&self) -> Pairs<'_> {
        // Only the default has no bytes.
        Pairs::begin(&self.0).unwrap_or_default()
    }
}

/// The proxy has something and does not hand it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unobtainable;

/// Where attributes come from. Each call may cost microseconds, so each is made once for a stream, when something
/// looks at an attribute that needs it. A property that cannot be had is absent; headers that cannot be had are not,
/// since a rule about them would be passed by.
pub trait Host {
    /// A property of the stream, in the encoding of the proxy-wasm host; `None` if there is none, or it cannot be had.
    fn property(&self, path: Path) -> Option<Vec<u8>> {
        self.try_property(path).unwrap_or_default()
    }
    /// The same where it matters which of the two it is.
    ///
    /// # Errors
    ///
    /// There is one, and it cannot be had.
    fn try_property(&self, path: Path) -> Result<Option<Vec<u8>>, Unobtainable>;
    /// The request's headers; `None` if they cannot be had.
    fn request_headers(&self) -> Option<Headers>;
    /// Whether the request ended with its headers, so that no body comes; `false` where that is not known.
    fn is_bodiless(&self) -> bool;
    /// The response's headers.
    fn response_headers(&self) -> Headers;
    /// The response's trailers.
    fn response_trailers(&self) -> Headers;
}
