//! The refusal of a message that uses more of the deployment-wide dictionary than its reader knows.

use std::fmt;

/// A client used more words of the deployment-wide dictionary than the server knows.
///
/// A WebAssembly filter gets to see a status's code and message, not its details, so the text is a format: what
/// [`fmt::Display`] writes, [`DictionaryMismatch::parse`] reads. It is also what Mixer since 1.1 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DictionaryMismatch {
    /// How many words the server knows.
    pub server_word_count: u32,
    /// How many the client claimed to use.
    pub client_word_count: u32,
}

impl DictionaryMismatch {
    /// Reads the message of a gRPC status. `None` if it speaks of something else.
    ///
    /// Also understands Mixer 0.2 to 0.6, which does not say what it knows.
    pub fn parse(message: &str) -> Option<Self> {
        if message.starts_with("Request could not be processed due to invalid") {
            return Some(Self { server_word_count: 0, client_word_count: u32::MAX });
        }
        let (_, counts) = message.split_once("inconsistent global dictionary versions used: mixer knows ")?;
        let (server, counts) = counts.split_once(" words, caller knows ")?;
        let client = counts.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self { server_word_count: server.parse().ok()?, client_word_count: client.parse().ok()? })
    }
}

impl fmt::Display for DictionaryMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "inconsistent global dictionary versions used: mixer knows {} words, caller knows {}",
            self.server_word_count, self.client_word_count
        )
    }
}
