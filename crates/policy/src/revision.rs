//! The revision of a configuration: a digest of all that can make a difference.

use checkcache::Revision;
use sha2::{Digest, Sha256};

use crate::Options;

/// Changes when the same files come to mean something else.
const FORMAT: &str = "policy/1";

/// Digests the parts of a configuration, given in any order as (key, text).
pub(crate) fn revision<'t>(parts: impl Iterator<Item = (String, &'t str)>, options: &Options) -> Revision {
    let mut parts: Vec<_> = parts.collect();
    parts.sort();
    let mut digest = Sha256::new();
    // Each field is preceded by its length, so that no text can pass for the end of one and the start of another.
    let mut field = |text: &str| {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    };
    field(FORMAT);
    field(&options.identity_attribute);
    field(&options.identity_domain);
    // Not a difference in what is decided, but in how it is observed: the traces of one revision are of one kind.
    field(if options.reads_values { "values" } else { "tests" });
    for (key, text) in parts {
        field(&key);
        field(&normalised(text));
    }
    let digest = digest.finalize();
    let first = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // 0 stands for a server that does not say.
    Revision(first.max(1))
}

/// Neither a byte order mark nor the way that lines end makes a difference.
fn normalised(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}
