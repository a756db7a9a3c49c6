//! What the client asks of the proxy.

use std::ops::Range;

use crate::attribute::property;

/// Header lines in order, as bytes: nobody promises that they are text. Kept as the proxy hands them out, so that a line
/// that nobody looks at costs next to nothing.
#[derive(Debug, Clone, Default)]
pub struct Headers {
    bytes: Vec<u8>,
    /// Where the name and the value of each line are.
    lines: Vec<(Range<usize>, Range<usize>)>,
}

impl Headers {
    /// Lines in the encoding of the proxy-wasm host; `None` if they are not in it.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let lines = property::locate_pairs(&bytes)?;
        Some(Self { bytes, lines })
    }

    /// The lines, each with its name and its value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|(name, value)| (self.text(name), self.text(value)))
    }

    /// The values of the lines whose name has so many bytes and pleases.
    pub(crate) fn values(&self, length: usize, is_it: impl Fn(&[u8]) -> bool) -> impl Iterator<Item = &[u8]> {
        let candidates = self.lines.iter().filter(move |(name, _)| name.len() == length);
        candidates.filter(move |(name, _)| is_it(self.text(name))).map(|(_, value)| self.text(value))
    }

    fn text(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

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
