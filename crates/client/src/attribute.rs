//! The attributes of a stream: configured ones, and those that are fetched from the proxy when looked at.
//!
//! Precedence, highest first: what the client itself found out (`check.*`), what the proxy says, the route's
//! overrides, the configuration. So nothing configured can pose as what the proxy verified. The exceptions are
//! marked in [`vocabulary::VOCABULARY`]: the address of the destination, say, is the operator's to name.

mod fetched;
pub(crate) mod property;
mod vocabulary;

use std::cell::OnceCell;
use std::sync::Arc;

use attributes::{AttributeSource, Bag, MapEntry, Name, StringMap, Value, ValueRef};

use self::fetched::Fetched;
use self::vocabulary::{VOCABULARY, Word, place, word};
use crate::host::path_of;
use crate::{Headers, Host};

/// When attributes are looked at. What is only known afterwards is absent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Check,
    Report,
}

/// An attribute that the client fills by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Produced {
    /// Its name.
    pub name: &'static str,
    /// Whether it is known already when a request is checked, and not only when it is over.
    pub in_checks: bool,
}

/// What the client says of its own check.
const OWN: [&str; 4] = ["check.cache_hit", "check.error_code", "check.error_message", "quota.cache_hit"];

/// Every attribute that the client fills by itself, from the proxy or of its own. What is configured comes on top.
pub fn vocabulary() -> impl Iterator<Item = Produced> {
    let fetched =
        VOCABULARY.iter().map(|word| Produced { name: word.name, in_checks: word.since == Phase::Check });
    fetched.chain(OWN.map(|name| Produced { name, in_checks: false }))
}

/// The name of an attribute that is looked for many times, with its place in the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    place: Option<u8>,
}

/// The names of what the client says of its own check.
#[derive(Debug)]
pub(crate) struct OwnNames {
    pub(crate) cache_hit: Name,
    pub(crate) error_code: Name,
    pub(crate) error_message: Name,
    pub(crate) quota_hit: Name,
}

/// What has been fetched of a stream's attributes so far, and what was set on it.
#[derive(Debug)]
pub(crate) struct StreamAttributes {
    /// When it came, in nanoseconds since the epoch.
    time: u64,
    /// Whether it is a connection, of which there is no request.
    is_connection: bool,
    /// From the route's metadata.
    pub(crate) overrides: Bag,
    /// What the client found out about its own check.
    pub(crate) own: Bag,
    fetched: Fetched,
    request_headers: OnceCell<RequestHeaders>,
    response_headers: OnceCell<Arc<StringMap>>,
    authn: OnceCell<Option<StringMap>>,
}

/// Request headers as they came, and by lower-case name where all of them are looked at.
#[derive(Debug)]
struct RequestHeaders {
    headers: Headers,
    /// Whether the proxy handed them out.
    readable: bool,
    map: OnceCell<Arc<StringMap>>,
}

/// A stream's attributes as they can be seen in a phase.
pub(crate) struct View<'a> {
    pub(crate) configured: &'a Bag,
    pub(crate) stream: &'a StreamAttributes,
    pub(crate) host: &'a dyn Host,
    pub(crate) phase: Phase,
}

impl From<Name> for Attribute {
    fn from(name: Name) -> Self {
        let place = place(name.as_str()).map(|(place, _)| place);
        Self { name, place }
    }
}

impl OwnNames {
    pub(crate) fn new() -> Self {
        let [cache_hit, error_code, error_message, quota_hit] = OWN.map(Name::from);
        Self { cache_hit, error_code, error_message, quota_hit }
    }
}

impl StreamAttributes {
    pub(crate) fn new(time: u64, is_connection: bool, overrides: Bag) -> Self {
        Self {
            time,
            is_connection,
            overrides,
            own: Bag::new(),
            fetched: Fetched::default(),
            request_headers: OnceCell::new(),
            response_headers: OnceCell::new(),
            authn: OnceCell::new(),
        }
    }

    /// Lets go of what was fetched for a report, where there are more reports to come.
    pub(crate) fn forget_what_changes(&mut self) {
        self.fetched.retain(|place| word(place).is_some_and(|word| word.since < Phase::Report));
    }
}

impl View<'_> {
    /// Everything there is, fetched.
    pub(crate) fn bag(&self) -> Bag {
        let derived = VOCABULARY.iter().map(|word| word.name);
        let configured =
            self.configured.iter().chain(self.stream.overrides.iter()).chain(self.stream.own.iter());
        let names = derived.chain(configured.map(|(name, _)| name.as_str()));
        names.filter_map(|name| Some((Name::from(name), self.get(name)?.to_value()))).collect()
    }

    /// Whether the proxy hands out the request's headers.
    pub(crate) fn is_readable(&self) -> bool {
        self.request_headers().readable
    }

    /// Whether the request has a header.
    pub(crate) fn has_request_header(&self, name: &str) -> bool {
        self.request_headers().get(name).is_some()
    }

    /// Whether the request brings attributes of its own along, which nobody here trusts.
    pub(crate) fn brings_attributes(&self) -> bool {
        self.request_headers().headers.lines().next_of(FORWARDED_ATTRIBUTES.len(), is_forwarded).is_some()
    }

    fn request_headers(&self) -> &RequestHeaders {
        self.stream.request_headers.get_or_init(|| RequestHeaders::new(self.host.request_headers()))
    }

    /// Response headers, and over them the trailers.
    fn response_headers(&self) -> &Arc<StringMap> {
        self.stream.response_headers.get_or_init(|| {
            let headers = join(self.host.response_headers().lines());
            let trailers = join(self.host.response_trailers().lines());
            let both = headers.iter().chain(trailers.iter());
            Arc::new(both.map(|(name, value)| (name.clone(), value.clone())).collect())
        })
    }

    /// What an authentication filter before this one found out.
    fn authn(&self) -> Option<&StringMap> {
        let path = path_of!("metadata", "filter_metadata", "istio_authn");
        let fetch = || self.host.property(path).and_then(|pairs| property::string_map(&pairs));
        self.stream.authn.get_or_init(fetch).as_ref()
    }

    /// The value of an attribute.
    pub(crate) fn value(&self, attribute: &Attribute) -> Option<&Value> {
        self.stream.own.value(attribute.name.as_str()).or_else(|| self.value_but_own(attribute))
    }

    /// The value of an attribute of which the client has found out nothing by itself.
    pub(crate) fn value_but_own(&self, attribute: &Attribute) -> Option<&Value> {
        let known = attribute.place.and_then(|place| Some((place, word(place)?)));
        self.look(attribute.name.as_str(), known)
    }

    /// The value of an attribute that is not the client's own, and which is this word of the vocabulary, if it is one.
    fn look(&self, name: &str, known: Option<(u8, &Word)>) -> Option<&Value> {
        let Some((place, word)) = known else { return self.configured(name) };
        if word.configurable {
            self.configured(name).or_else(|| self.derived(place, word))
        } else {
            self.derived(place, word).or_else(|| self.configured(name))
        }
    }

    fn configured(&self, name: &str) -> Option<&Value> {
        self.stream.overrides.value(name).or_else(|| self.configured.value(name))
    }

    fn derived(&self, place: u8, word: &Word) -> Option<&Value> {
        if word.since > self.phase || (self.stream.is_connection && word.is_of_requests()) {
            return None;
        }
        self.stream.fetched.get_or_fetch(place, || (word.fetch)(self))
    }
}

impl AttributeSource for View<'_> {
    fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let value = self.stream.own.value(name).or_else(|| self.look(name, place(name)));
        value.map(Value::as_ref)
    }

    /// One header is found without a look at the others.
    fn entry(&self, name: &str, key: &str) -> MapEntry<'_> {
        let is_header =
            name == HEADERS && !self.stream.is_connection && self.stream.own.value(name).is_none();
        if is_header && !self.request_headers().is_empty() {
            return self.request_headers().get(key).map_or(MapEntry::NoKey, MapEntry::Found);
        }
        MapEntry::of(self.get(name), key)
    }
}

// === impl RequestHeaders ===

impl RequestHeaders {
    fn new(headers: Option<Headers>) -> Self {
        Self { readable: headers.is_some(), headers: headers.unwrap_or_default(), map: OnceCell::new() }
    }

    /// Whether there are none, but for attributes of the client's own.
    fn is_empty(&self) -> bool {
        self.headers.lines().all(|(name, _)| is_forwarded(name))
    }

    /// The header of a lower-case name, as the map has it.
    fn get(&self, name: &str) -> Option<&str> {
        // The map has names as text, in which bytes that are none are written otherwise; but never as plain letters.
        if name.is_ascii() && !is_forwarded(name.as_bytes()) {
            let mut lines = self.headers.lines();
            let mut next = || lines.next_of(name.len(), |line| is_named(line, name));
            match (next(), next()) {
                (None, _) => return None,
                (Some(value), None) => {
                    if let Ok(text) = std::str::from_utf8(value) {
                        return Some(text);
                    }
                }
                (Some(_), Some(_)) => {}
            }
        }
        self.map().get(name)
    }

    /// All of them by lower-case name. Several lines of a name are one value with commas, as RFC 9110 joins them (cookies
    /// with semicolons, as RFC 9113 does), so that no line can hide behind another.
    fn map(&self) -> &Arc<StringMap> {
        self.map.get_or_init(|| Arc::new(join(self.headers.lines().filter(|(name, _)| !is_forwarded(name)))))
    }
}

fn is_forwarded(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(FORWARDED_ATTRIBUTES.as_bytes())
}

/// Whether a line of so many bytes has a name, which is in lower case in the map.
fn is_named(line: &[u8], name: &str) -> bool {
    line.iter().zip(name.bytes()).all(|(a, b)| a.to_ascii_lowercase() == b)
}

/// The attribute that has them all.
const HEADERS: &str = "request.headers";

/// The header by which proxies forward attributes to each other. It is nobody's business but theirs.
pub(crate) const FORWARDED_ATTRIBUTES: &str = "x-istio-attributes";

fn join<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> StringMap {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        let (mut name, value) = (text(name).into_owned(), text(value));
        name.make_ascii_lowercase();
        match lines.iter_mut().find(|(other, _)| *other == name) {
            Some((_, first)) => {
                first.push_str(if name == "cookie" { "; " } else { "," });
                first.push_str(&value);
            }
            None => lines.push((name, value.into_owned())),
        }
    }
    lines.into_iter().collect()
}

/// Bytes as text. What is not UTF-8 becomes U+FFFD: the wire carries text only, and cache, server and log then all
/// see the same.
fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Names that stand for the same thing in configurations of different age. What is configured under one is there
/// under all, unless they differ on purpose.
const ALIASES: [&[&str]; 8] = [
    &["target.service", "destination.service", "destination.service.host"],
    &["target.name", "destination.name"],
    &["target.namespace", "destination.namespace"],
    &["target.uid", "destination.uid"],
    &["target.labels", "destination.labels"],
    &["target.ip", "destination.ip"],
    &["target.port", "destination.port"],
    &["target.user", "destination.user", "destination.principal"],
];

/// Gives what is configured under one name under all that stand for the same.
pub fn with_aliases(mut bag: Bag) -> Bag {
    for names in ALIASES {
        let Some(value) = names.iter().find_map(|name| bag.value(name)).cloned() else { continue };
        for name in names {
            if bag.value(name).is_none() {
                bag.insert(*name, value.clone());
            }
        }
    }
    bag
}
