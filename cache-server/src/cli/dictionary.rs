//! `mixer dictionary`: the words that a deployment knows by number, from a file or the built-in ones.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attributes::Dictionary;
use clap::Args;

use super::print;
use crate::{DEFAULT_DICTIONARY, limits, runtime};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints the number of this word alone, and ends with 1 if it has none.
    #[arg(value_name = "WORD")]
    word: Option<String>,

    /// Prints the word with this number alone, and ends with 1 if there is none.
    #[arg(long, value_name = "N", conflicts_with = "word")]
    index: Option<usize>,

    /// A dictionary, one word a line. [default: the built-in one]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let Arguments { word, index, file } = arguments;
    let words = dictionary(file.as_deref())?;
    let page = match (word, index) {
        (Some(word), _) => {
            let index = words.index(word).ok_or_else(|| format!("the dictionary has no word `{word}`"))?;
            format!("{index}\n")
        }
        (None, Some(index)) => {
            let last = words.len().checked_sub(1);
            let missing = || match last {
                Some(last) => format!("the dictionary has no word {index}, its last one is {last}"),
                None => "the dictionary has no words".to_owned(),
            };
            format!("{}\n", words.word(*index).ok_or_else(missing)?)
        }
        (None, None) => {
            let width = words.len().to_string().len();
            (0..words.len()).filter_map(|index| Some((index, words.word(index)?))).fold(
                String::new(),
                |mut page, (index, word)| {
                    let _ = writeln!(page, "{index:>width$}  {word}");
                    page
                },
            )
        }
    };
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a dictionary; the built-in one if no file is named.
pub(super) fn dictionary(file: Option<&Path>) -> Result<Dictionary, String> {
    let Some(file) = file else {
        return Dictionary::parse(DEFAULT_DICTIONARY)
            .map_err(|error| format!("the built-in dictionary: {error}"));
    };
    let text = runtime::read_bounded(file, limits::DICTIONARY_BYTES).map_err(|error| error.to_string())?;
    // Read once by each process, and needed until its end.
    Dictionary::parse(text.leak()).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_dictionary_is_one() {
        assert!(dictionary(None).unwrap().len() > 200);
    }
}
