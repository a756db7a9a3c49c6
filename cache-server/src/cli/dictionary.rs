//! The deployment-wide dictionary: a file's, or the built-in one.

use std::path::Path;

use attributes::Dictionary;

use crate::{DEFAULT_DICTIONARY, limits, runtime};

/// Reads a dictionary; the built-in one if no file is named.
pub(super) fn dictionary(file: Option<&Path>) -> Result<Dictionary, String> {
    let Some(file) = file else {
        return Dictionary::parse(DEFAULT_DICTIONARY)
            .map_err(|error| format!("the built-in dictionary: {error}"));
    };
    let text = runtime::read_bounded(file, limits::DICTIONARY_BYTES).map_err(|error| error.to_string())?;
    Dictionary::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_dictionary_is_one() {
        assert!(dictionary(None).unwrap().len() > 200);
    }
}
