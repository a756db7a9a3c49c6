//! The entries of a list, kept so that a value is found fast, however many there are.
//!
//! Equal entries give equal answers, which is how it is known whether a list that was had again changed anything.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::net::IpAddr;

use attributes::Value;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixSet;
use regex::{RegexSet, RegexSetBuilder};

use crate::{limits, text};

/// What the entries of a list are, and so how a value is compared with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryType {
    /// Texts, letter by letter.
    Strings,
    /// Texts, whatever the case of their letters.
    CaseInsensitiveStrings,
    /// Addresses and networks, one in the other.
    IpAddresses,
    /// Regular expressions in RE2's notation, found anywhere in the value.
    Regex,
}

/// Entries of one type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entries {
    Strings(HashSet<Box<str>>),
    /// In lower case.
    CaseInsensitiveStrings(HashSet<Box<str>>),
    IpAddresses(Box<Networks>),
    Regex(Patterns),
}

/// Networks of both families. IPv4 networks that are written as IPv6 are IPv4 networks.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Networks {
    v4: PrefixSet<Ipv4Net>,
    v6: PrefixSet<Ipv6Net>,
}

impl Eq for Networks {}

/// Patterns that are looked for all at once.
#[derive(Debug)]
pub(super) struct Patterns {
    /// As the `regex` crate writes them.
    sources: BTreeSet<String>,
    set: RegexSet,
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.sources == other.sources
    }
}

impl Eq for Patterns {}

/// Takes up entries, one after the other.
pub(super) enum Collector {
    Strings(HashSet<Box<str>>),
    CaseInsensitiveStrings(HashSet<Box<str>>),
    IpAddresses(Box<Networks>),
    Regex(BTreeSet<String>),
}

// === impl EntryType ===

impl EntryType {
    /// The types by their names and numbers in configuration.
    pub(super) const NAMES: [(&'static str, i64); 4] =
        [("STRINGS", 0), ("CASE_INSENSITIVE_STRINGS", 1), ("IP_ADDRESSES", 2), ("REGEX", 3)];

    /// The type of a number in configuration.
    pub(super) fn from_number(number: i64) -> Self {
        match number {
            1 => Self::CaseInsensitiveStrings,
            2 => Self::IpAddresses,
            3 => Self::Regex,
            _ => Self::Strings,
        }
    }
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(entry_type: EntryType) -> Self {
        match entry_type {
            EntryType::Strings => Self::Strings(HashSet::new()),
            EntryType::CaseInsensitiveStrings => Self::CaseInsensitiveStrings(HashSet::new()),
            EntryType::IpAddresses => Self::IpAddresses(Box::default()),
            EntryType::Regex => Self::Regex(BTreeSet::new()),
        }
    }

    /// How many entries a list may have.
    pub(super) fn capacity(&self) -> usize {
        match self {
            Self::Strings(_) | Self::CaseInsensitiveStrings(_) | Self::IpAddresses(_) => limits::LIST_ENTRIES,
            Self::Regex(_) => limits::LIST_PATTERNS,
        }
    }

    /// Takes up one, or says why it is none.
    pub(super) fn add(&mut self, entry: &str) -> Result<(), String> {
        if entry.len() > limits::LIST_ENTRY_BYTES {
            return Err(format!(
                "`{}` is longer than {} bytes",
                text::quoted(entry),
                limits::LIST_ENTRY_BYTES
            ));
        }
        // Nobody writes these into a list; they come with bytes that are no text.
        if entry.contains(char::is_control) {
            return Err(format!("`{}` has control characters", text::quoted(entry).escape_debug()));
        }
        match self {
            Self::Strings(texts) => drop(texts.insert(Box::from(entry))),
            Self::CaseInsensitiveStrings(texts) => drop(texts.insert(entry.to_lowercase().into())),
            Self::IpAddresses(networks) => networks.insert(network(entry)?),
            Self::Regex(sources) => {
                let source = expr::regex_source(entry).map_err(|error| error.to_string())?;
                sources.insert(source);
            }
        }
        Ok(())
    }

    /// The entries, unless they are more than can be searched.
    pub(super) fn finish(self) -> Result<Entries, String> {
        Ok(match self {
            Self::Strings(texts) => Entries::Strings(texts),
            Self::CaseInsensitiveStrings(texts) => Entries::CaseInsensitiveStrings(texts),
            Self::IpAddresses(networks) => Entries::IpAddresses(networks),
            Self::Regex(sources) => Entries::Regex(Patterns::new(sources)?),
        })
    }
}

// === impl Entries ===

impl Entries {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Strings(texts) | Self::CaseInsensitiveStrings(texts) => texts.len(),
            Self::IpAddresses(networks) => networks.v4.len() + networks.v6.len(),
            Self::Regex(patterns) => patterns.sources.len(),
        }
    }

    /// Whether a value is among them, or why that cannot be asked.
    pub(super) fn contain(&self, value: &Value) -> Result<bool, String> {
        // An address is looked up among texts as it is usually written.
        let written = match value {
            Value::String(text) => Cow::Borrowed(&**text),
            other => Cow::Owned(other.to_string()),
        };
        Ok(match self {
            Self::Strings(texts) => texts.contains(&*written),
            Self::CaseInsensitiveStrings(texts) => texts.contains(written.to_lowercase().as_str()),
            Self::IpAddresses(networks) => {
                let address = match value {
                    Value::String(text) => text.parse().ok(),
                    other => other.to_ip(),
                };
                let address =
                    address.ok_or_else(|| format!("`{}` is not an IP address", text::quoted(&written)))?;
                networks.contain(address)
            }
            Self::Regex(patterns) => patterns.set.is_match(&written),
        })
    }
}

// === impl Networks ===

impl Networks {
    fn insert(&mut self, network: IpNet) {
        match network {
            IpNet::V4(net) => self.v4.insert(net),
            IpNet::V6(net) => self.v6.insert(net),
        };
    }

    fn contain(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.get_lpm(&Ipv4Net::from(v4)).is_some(),
            IpAddr::V6(v6) => self.v6.get_lpm(&Ipv6Net::from(v6)).is_some(),
        }
    }
}

/// Reads an address or a network. An address is the network of itself alone, in either family.
fn network(text: &str) -> Result<IpNet, String> {
    let net = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text.parse().map_err(|_| {
            format!("`{}` is neither an address nor a network such as 10.0.0.0/8", text::quoted(text))
        })?,
    };
    // ::ffff:10.0.0.0/104 is 10.0.0.0/8.
    if let IpNet::V6(v6) = net
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Some(length) = v6.prefix_len().checked_sub(96)
        && let Ok(net) = Ipv4Net::new(v4, length)
    {
        return Ok(IpNet::V4(net).trunc());
    }
    Ok(net.trunc())
}

// === impl Patterns ===

impl Patterns {
    fn new(sources: BTreeSet<String>) -> Result<Self, String> {
        let set = RegexSetBuilder::new(&sources)
            .size_limit(limits::LIST_PATTERNS_BYTES)
            .dfa_size_limit(limits::LIST_SEARCH_BYTES)
            .build();
        // Each was compiled alone before, so that together they are too large is all that can be wrong.
        let set = set.map_err(|_| {
            format!("the patterns together take more than {} bytes of memory", limits::LIST_PATTERNS_BYTES)
        })?;
        Ok(Self { sources, set })
    }
}
