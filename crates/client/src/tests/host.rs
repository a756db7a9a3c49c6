//! A proxy that knows what a test told it.

use std::collections::HashMap;

use crate::{Headers, Host, Path, Unobtainable};

#[derive(Debug, Default)]
pub(super) struct FakeHost {
    properties: HashMap<String, Vec<u8>>,
    unobtainable: Vec<String>,
    request: Vec<(String, Vec<u8>)>,
    response: Vec<(String, Vec<u8>)>,
    blind: bool,
    bodiless: bool,
}

impl FakeHost {
    pub(super) fn get(path: &str) -> Self {
        let mut host = Self::default();
        for (name, value) in [(":method", "GET"), (":path", path), (":authority", "reviews.local")] {
            host.header(name, value.as_bytes());
        }
        host
    }

    /// A proxy that does not hand out headers.
    pub(super) fn blind() -> Self {
        Self { blind: true, ..Self::default() }
    }

    /// Lets the request end with its headers.
    pub(super) fn bodiless(&mut self) -> &mut Self {
        self.bodiless = true;
        self
    }

    pub(super) fn header(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.request.push((name.into(), value.into()));
        self
    }

    pub(super) fn response_header(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.response.push((name.into(), value.into()));
        self
    }

    pub(super) fn property(&mut self, path: &str, value: &[u8]) -> &mut Self {
        self.properties.insert(path.into(), value.into());
        self
    }
}

impl FakeHost {
    /// A property that there is, and that the proxy does not hand out.
    pub(super) fn unobtainable(&mut self, path: &str) -> &mut Self {
        self.unobtainable.push(path.into());
        self
    }
}

impl Host for FakeHost {
    fn try_property(&self, path: Path) -> Result<Option<Vec<u8>>, Unobtainable> {
        let path = path.joined().replace('\0', ".");
        if self.unobtainable.contains(&path) {
            return Err(Unobtainable);
        }
        Ok(self.properties.get(&path).cloned())
    }

    fn request_headers(&self) -> Option<Headers> {
        (!self.blind).then(|| lines(&self.request))
    }

    fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    fn response_headers(&self) -> Headers {
        lines(&self.response)
    }

    fn response_trailers(&self) -> Headers {
        Headers::default()
    }
}

fn lines(lines: &[(String, Vec<u8>)]) -> Headers {
    let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
    Headers::decode(pairs(&lines)).unwrap_or_default()
}

/// A map as the proxy hands it out.
pub(super) fn pairs(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = (entries.len() as u32).to_le_bytes().to_vec();
    for (key, value) in entries {
        bytes.extend((key.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
    }
    for (key, value) in entries {
        bytes.extend([key.as_bytes(), &[0], value, &[0]].concat());
    }
    bytes
}
